"""Write pages that need nothing but themselves, in Chinese and English: where no built page can answer."""

from __future__ import annotations

from html import escape
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse

from api.policy import policy_with_style

_STYLE: Final = """body{font:18px/1.6 system-ui,sans-serif;background:#12161b;color:#e8ebee;max-width:44rem;
margin:15vh auto;padding:0 1.5rem}h1,h2{line-height:1.3;margin:1.2rem 0 .3rem}p{margin:.3rem 0}
code{background:#202832;padding:.1em .4em;border-radius:4px;overflow-wrap:anywhere}
a{color:#56b4e9}a.go{display:inline-block;margin-top:.6rem;padding:.5rem 1.2rem;line-height:1.6;
border:1px solid #465463;border-radius:4px}:focus-visible{outline:3px solid #56b4e9;outline-offset:2px}"""
_NOT_BUILT: Final = """<h1>页面尚未构建</h1>
<p>服务已启动，但网页文件还没有生成。请运行 <code>./gridtwin up</code>，它会自动构建页面。</p>
<div lang="en"><h2>The web pages are not built yet</h2>
<p>The server runs, but the built pages are missing. Run <code>./gridtwin up</code>,
which builds them.</p></div>
<p><a href="/api/health">/api/health</a> · <a href="/docs">/docs</a></p>"""
_UNKNOWN: Final = """<h1>没有这个页面</h1>
<p>地址 <code>{path}</code> 下没有页面。请核对地址，或回到首页。</p>
<p><a class="go" href="/">回到首页</a></p>
<div lang="en"><h2>There is no such page</h2>
<p>Nothing is at <code>{path}</code>. Check the address, or go to the start page.</p>
<p><a class="go" href="/?lang=en">To the start page</a></p></div>"""


def is_for_a_person(request: Request) -> bool:
    """Whether somebody at a browser opened this address; what is below ``/api/`` answers programs only."""
    asks_for_page = "text/html" in request.headers.get("accept", "")
    return asks_for_page and request.method in {"GET", "HEAD"} and not request.url.path.startswith("/api/")


def not_built() -> HTMLResponse:
    """Say that the web pages are not built yet (503)."""
    return _page(503, "GridTwin", _NOT_BUILT, {"retry-after": "10"})


def unknown(path: str) -> HTMLResponse:
    """Say that no page is at this path, and lead back (404)."""
    return _page(404, "没有这个页面 · No such page", _UNKNOWN.format(path=escape(path[:200])), {})


def _page(status: int, title: str, body: str, headers: dict[str, str]) -> HTMLResponse:
    html = f"""<!doctype html><html lang="zh-CN"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>
<style>{_STYLE}</style>
<main>{body}</main></html>"""
    headers |= {"cache-control": "no-store", "content-security-policy": policy_with_style(_STYLE)}
    return HTMLResponse(html, status, headers)
