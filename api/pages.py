"""Serve the built web pages: hashed files for ever, pages never from a cache."""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import Final

import anyio.to_thread
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response

from api.errors import problem
from api.policy import policy_with_style

_LONGEST_NAME_BYTES: Final = 255
_FOREVER: Final = "public, max-age=31536000, immutable"
_PAGES: Final = {
    "/": "index.html",
    "/wall": "wall.html",
    "/desk": "desk.html",
    "/rules": "rules.html",
    "/sign-in": "sign_in.html",
    "/kiosk": "kiosk.html",
    "/admin/accounts": "accounts.html",
    "/admin/record": "record.html",
    "/admin/sources": "sources.html",
}

_STYLE: Final = """body{font:18px/1.6 system-ui,sans-serif;background:#12161b;color:#e8ebee;max-width:44rem;
margin:15vh auto;padding:0 1.5rem}code{background:#202832;
padding:.1em .4em;border-radius:4px}a{color:#56b4e9}"""
_NOT_BUILT: Final = f"""<!doctype html><html lang="zh-CN"><meta charset="utf-8"><title>GridTwin</title>
<style>{_STYLE}</style>
<h1>页面尚未构建</h1>
<p>服务已启动，但网页文件还没有生成。请运行 <code>./gridtwin up</code>，它会自动构建页面。</p>
<h2>The web pages are not built yet</h2>
<p>The server runs, but the built pages are missing. Run <code>./gridtwin up</code>, which builds them.</p>
<p><a href="/api/health">/api/health</a> · <a href="/docs">/docs</a></p></html>"""


def _inside(root: Path, path: str) -> Path | None:
    """Return the file below `root` that a path names; None where it names none."""
    name = path.lstrip("/")
    if "\0" in name or max(map(len, name.encode("utf-8", "replace").split(b"/"))) > _LONGEST_NAME_BYTES:
        return None  # the file system would raise instead of saying no
    file = (root / name).resolve()
    return file if file.is_relative_to(root) and file != root else None


def install(app: FastAPI, web_dir: Path) -> None:
    """Give the application the pages of a build folder.

    Parameters
    ----------
    app
        The application; install this last, its routes take what no other took.
    web_dir
        Folder of the build; read at each request, so that a build made later is served.
    """
    root = web_dir.resolve()

    async def page(request: Request) -> Response:
        file = root / _PAGES.get(request.url.path, "index.html")
        if not await anyio.to_thread.run_sync(file.is_file):
            headers = {
                "cache-control": "no-store",
                "retry-after": "10",
                "content-security-policy": policy_with_style(_STYLE),
            }
            return HTMLResponse(_NOT_BUILT, 503, headers)
        return FileResponse(
            file, media_type="text/html; charset=utf-8", headers={"cache-control": "no-cache"}
        )

    async def asset(request: Request) -> Response:
        file = _inside(root, request.url.path)
        if file is None or not await anyio.to_thread.run_sync(file.is_file):
            return problem(404, "there is no such page", where=request.url.path[:200])
        hashed = file.parent.name == "assets"
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        return FileResponse(
            file, media_type=kind, headers={"cache-control": _FOREVER if hashed else "no-cache"}
        )

    for path in _PAGES:
        app.add_route(path, page, methods=["GET", "HEAD"], include_in_schema=False)
    for path in ("/{name}", "/assets/{path:path}"):
        app.add_route(path, asset, methods=["GET", "HEAD"], include_in_schema=False)
