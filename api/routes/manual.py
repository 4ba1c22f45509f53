"""Show the manual: what the API answers, without fetching anything from elsewhere."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from api.access.permissions import PUBLIC, needs
from api.errors import no_such_page
from api.policy import policy_with_style

router = APIRouter(include_in_schema=False)

_DOCS: Final = Path(__file__).resolve().parents[2] / "docs"
_PAPERS: Final = (
    "http-api.md",
    "live-protocol.md",
    "asyncapi.yaml",
    "architecture.md",
    "device-schema.md",
    "photographs.md",
    "open311.md",
    "exchange.md",
    "conformance.md",
    "sensorthings.md",
)

_STYLE: Final = """body{font:16px/1.6 system-ui,"Noto Sans SC",sans-serif;background:#12161b;color:#e8ebee;
max-width:64rem;margin:2rem auto;padding:0 1.5rem}a{color:#56b4e9}code{background:#202832;padding:.1em .4em;
border-radius:4px}section{border-top:1px solid #303b47;padding:.6rem 0}.m{color:#aeb8c2;display:inline-block;
min-width:3.5rem}table{border-collapse:collapse;margin:.3rem 0 0 3.5rem}td{padding:.1rem 1rem .1rem 0;
color:#aeb8c2;vertical-align:top}h3{margin:0;font-size:1rem;font-weight:600}p{margin:.2rem 0 0 3.5rem}
p.top{margin-left:0}"""


@router.get("/docs", dependencies=[needs(PUBLIC)])
async def get_manual(request: Request) -> HTMLResponse:
    """Return the list of routes, made from the OpenAPI document."""
    document = request.app.openapi()
    sections = [
        _section(path, method, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    papers = " · ".join(f'<a href="/docs/{name}">{name}</a>' for name in _PAPERS if (_DOCS / name).is_file())
    return HTMLResponse(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>GridTwin API</title>'
        f"<style>{_STYLE}</style><h1>GridTwin API {escape(document['info']['version'])}</h1>"
        f'<p class="top">{papers} · <a href="/api/openapi.json">OpenAPI</a></p>'
        f"{''.join(sections)}</html>",
        headers={"content-security-policy": policy_with_style(_STYLE)},
    )


def _section(path: str, method: str, operation: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(parameter['name'])}</code></td><td>{escape(_shape(parameter['schema']))}</td>"
        f"<td>{escape(parameter.get('description', ''))}</td></tr>"
        for parameter in operation.get("parameters", [])
    )
    text = escape(operation.get("description", operation.get("summary", "")))
    return (
        f'<section><h3><span class="m">{method.upper()}</span><code>{escape(path)}</code></h3><p>{text}</p>'
        f"{f'<table>{rows}</table>' if rows else ''}</section>"
    )


def _shape(schema: dict[str, Any]) -> str:
    parts = [str(schema.get("type", ""))]
    bounds = (
        ("minimum", "≥"),
        ("exclusiveMinimum", ">"),
        ("maximum", "≤"),
        ("default", "="),
        ("maxLength", "length ≤"),
    )
    parts += [f"{sign} {schema[key]}" for key, sign in bounds if schema.get(key) not in (None, "")]
    return ", ".join(part for part in parts if part)


@router.get("/docs/{name}", dependencies=[needs(PUBLIC)])
async def get_paper(request: Request, name: str) -> Response:
    """Return one of the project's papers as it is written."""
    file = _DOCS / name
    if name not in _PAPERS or not file.is_file():
        return no_such_page(request, hint=", ".join(_PAPERS))
    return PlainTextResponse(file.read_text(encoding="utf-8"), headers={"cache-control": "no-cache"})
