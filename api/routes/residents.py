"""Show a resident, by the link they were given, how their report is doing, and take their rating."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final
from urllib.parse import parse_qs, quote

from fastapi import APIRouter, Path, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api.access.permissions import PUBLIC, needs
from api.residents import words
from api.residents.link import PREFIX
from api.residents.page import HEADERS, write_page
from api.residents.standing import Standing, find_standing, list_released, rate
from api.residents.words import Said
from api.runtime import Running, Runtime
from twin.cases.states import Outcome
from twin.errors import ConflictError

router = APIRouter(prefix=PREFIX.rstrip("/"), include_in_schema=False)

Token = Annotated[str, Path(max_length=200)]

LONGEST_WORDS: Final = 500
_TRIES: Final = 3


@router.get("/{token}", dependencies=[needs(PUBLIC)], response_class=HTMLResponse)
async def show_report(running: Running, token: Token) -> Response:
    """Return the page of a report; whoever has the link may know how it is doing."""
    case = await _find(running, token)
    if case is None:
        return _page(None, 404)
    released = await list_released(running.engine, token, kept=_kept(running))
    shown = [(moment, f"{PREFIX}{quote(token)}/photographs/{key}") for key, moment, _ in released]
    return _page(case, 200, photographs=shown)


@router.get("/{token}/photographs/{key}", dependencies=[needs(PUBLIC)], response_class=Response)
async def show_photograph(running: Running, token: Token, key: Annotated[int, Path(ge=1)]) -> Response:
    """Return a photograph that was released for whoever has the link."""
    for found, _, picture in await list_released(running.engine, token, kept=_kept(running)):
        if found == key:
            headers = {**HEADERS, "content-security-policy": "default-src 'none'; sandbox"}
            return Response(picture, media_type="image/jpeg", headers=headers)
    return _page(None, 404)


@router.post("/{token}", dependencies=[needs(PUBLIC)], response_class=HTMLResponse)
async def rate_report(request: Request, running: Running, token: Token) -> Response:
    """Take the rating of a report that was closed, once, and show its page again.

    The token is all that lets somebody do it: no cookie does, so that no other page can.
    """
    given, said = _read(await request.body())
    for _ in range(_TRIES):
        case = await _find(running, token)
        if case is None:
            return _page(None, 404)
        if case.outcome is not Outcome.CLOSED:
            return _page(case, 409, message=words.NOT_ENDED, given=given, said=said)
        if case.rating is not None:
            return _page(case, 409, message=words.RATED_ALREADY)
        if given is None:
            return _page(case, 422, message=words.CHOOSE, said=said)
        if len(said) > LONGEST_WORDS:
            return _page(case, 422, message=words.TOO_LONG, given=given, said=said[:LONGEST_WORDS])
        try:
            await rate(running.own, case, given, said.strip() or None, now=datetime.now(UTC))
        except ConflictError:
            continue  # somebody acted meanwhile: look again
        return RedirectResponse(f"{PREFIX}{token}", 303, HEADERS)
    return _page(case, 409, message=words.AGAIN, given=given, said=said)


async def _find(running: Runtime, token: str) -> Standing | None:
    return await find_standing(running.engine, token, kept=_kept(running))


def _kept(running: Runtime) -> timedelta:
    return timedelta(days=running.settings.resident_link_days)


def _read(body: bytes) -> tuple[int | None, str]:
    """Read the form; what is no rating is none."""
    try:
        form = parse_qs(body.decode(), max_num_fields=10)
    except ValueError:
        return None, ""
    rating = form.get("rating", [""])[0]
    said = form.get("words", [""])[0].replace("\x00", "").replace("\r\n", "\n")
    return (int(rating) if rating in {str(one) for one in words.RATINGS} else None), said


def _page(case: Standing | None, status: int, *, message: Said | None = None, **sent: Any) -> Response:
    return HTMLResponse(write_page(case, now=datetime.now(UTC), message=message, **sent), status, HEADERS)
