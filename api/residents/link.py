"""Make the link by which a resident asks after a report."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request

PREFIX: Final = "/r/"
"""Below it a page for whoever has the link, and nothing else."""


def link_of(request: Request, token: str) -> str:
    """Return the link to the report of a token, by the name the server was just called by."""
    return f"{request.url.scheme}://{request.url.netloc}{PREFIX}{token}"
