"""Serve the built web pages: hashed files for ever, pages never from a cache."""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import Final

import anyio.to_thread
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from api import plain_page
from api.errors import no_such_page

_LONGEST_NAME_BYTES: Final = 255
_FOREVER: Final = "public, max-age=31536000, immutable"
_PAGES: Final = {
    "/": "index.html",
    "/wall": "wall.html",
    "/desk": "desk.html",
    "/tasks": "tasks.html",
    "/rules": "rules.html",
    "/maintenance": "maintenance.html",
    "/sign-in": "sign_in.html",
    "/kiosk": "kiosk.html",
    "/admin/accounts": "accounts.html",
    "/admin/record": "record.html",
    "/admin/sources": "sources.html",
}


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
            return plain_page.not_built()
        return FileResponse(
            file, media_type="text/html; charset=utf-8", headers={"cache-control": "no-cache"}
        )

    async def asset(request: Request) -> Response:
        file = _inside(root, request.url.path)
        if file is None or not await anyio.to_thread.run_sync(file.is_file):
            return no_such_page(request)
        hashed = file.parent.name == "assets"
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        return FileResponse(
            file, media_type=kind, headers={"cache-control": _FOREVER if hashed else "no-cache"}
        )

    for path in _PAGES:
        app.add_route(path, page, methods=["GET", "HEAD"], include_in_schema=False)
    for path in ("/{name}", "/assets/{path:path}"):
        app.add_route(path, asset, methods=["GET", "HEAD"], include_in_schema=False)
