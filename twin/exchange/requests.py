"""Keep which cases a partner that speaks Open311 has as requests, and take what it says of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.access.roles import Act as Right
from twin.cases.acting import READ, Act, act_as, state_of
from twin.cases.moves import MOVE_BY_NAME
from twin.cases.parties import Party, Told
from twin.cases.refusals import refusal
from twin.cases.states import CaseState, Stage
from twin.exchange.partners import Partner

LONGEST_NOTES: Final = 500
"""Letters of what a partner says of a request."""

_HAS: Final = text(
    "SELECT EXISTS (SELECT FROM partner_case WHERE partner_id = CAST(:partner AS uuid) AND case_id = :case)"
)
_ADD: Final = text(
    "INSERT INTO partner_case (partner_id, case_id, request_id, token) "
    "VALUES (CAST(:partner AS uuid), :case, :request, :token) ON CONFLICT DO NOTHING"
)
_OPEN: Final = text(
    "SELECT case_id, request_id, token, status, status_notes FROM partner_case "
    "WHERE partner_id = CAST(:partner AS uuid) AND status = 'open' AND case_id > :after "
    "ORDER BY case_id LIMIT :most"
)
_NAME: Final = text(
    "UPDATE partner_case SET request_id = :request WHERE partner_id = CAST(:partner AS uuid) "
    "AND case_id = :case"
)
_CHANGE: Final = text(
    "UPDATE partner_case SET status = :status, status_notes = :notes, changed_at = :now "
    "WHERE partner_id = CAST(:partner AS uuid) AND case_id = :case "
    "AND (status, status_notes) IS DISTINCT FROM (:status, CAST(:notes AS text))"
)
_ASKED: Final = text("UPDATE partner SET asked_at = :now WHERE id = CAST(:partner AS uuid)")
_HOLD: Final = text(f"{READ} WHERE id = :case FOR NO KEY UPDATE")
_UNSPEAKABLE: Final = re.compile(r"[\x00-\x1f\x7f]+")


@dataclass(frozen=True, slots=True)
class Request:
    """A case as the partner knows it; one without a number yet has a token to ask for it."""

    case_id: int
    request_id: str | None
    token: str | None
    status: str
    status_notes: str | None


def clean(said: object, longest: int = LONGEST_NOTES) -> str | None:
    """Return a text of a partner in one line, cut to a length; None where it says nothing."""
    if not isinstance(said, str | int):
        return None
    return _UNSPEAKABLE.sub(" ", str(said)).strip()[:longest] or None


def service_of(partner: Partner, category: str | None) -> str | None:
    """Return the service of a partner for a category: that of the longest code it begins with."""
    codes = partner.service_codes or {}
    found = [code for code in codes if category is not None and category.startswith(code)]
    return codes[max(found, key=len)] if found else None


async def is_known(connection: AsyncConnection, partner: Partner, case_id: int) -> bool:
    """Say whether a partner has a case already."""
    found = await connection.execute(_HAS, {"partner": str(partner.id), "case": case_id})
    return bool(found.scalar_one())


async def add(
    connection: AsyncConnection, partner: Partner, case_id: int, request_id: str | None, token: str | None
) -> None:
    """Keep what a partner called a case."""
    values = {"partner": str(partner.id), "case": case_id, "request": request_id, "token": token}
    await connection.execute(_ADD, values)


async def name(connection: AsyncConnection, partner: Partner, case_id: int, request_id: str) -> None:
    """Keep the number of a request that had only a token."""
    values = {"partner": str(partner.id), "case": case_id, "request": request_id}
    await connection.execute(_NAME, values)


async def list_open(connection: AsyncConnection, partner: Partner, after: int, most: int) -> list[Request]:
    """Return requests that are open at a partner, of cases with numbers (ids) after one, in their order."""
    values = {"partner": str(partner.id), "after": after, "most": most}
    return [Request(**row) for row in (await connection.execute(_OPEN, values)).mappings()]


async def note_asked(connection: AsyncConnection, partner: Partner, now: datetime) -> None:
    """Keep when a partner was asked last."""
    await connection.execute(_ASKED, {"partner": str(partner.id), "now": now})


async def note_status(
    connection: AsyncConnection,
    partner: Partner,
    request: Request,
    status: str,
    notes: str | None,
    now: datetime,
) -> bool:
    """Keep what a partner says of a request, and tell it in the case; say whether it was news.

    Where it closed one, and its organisation has the case and works on it, that is the report that the work
    is done (反馈), which somebody else checks: it never closes a case of ours. Everything else is a note.
    """
    values = {"partner": str(partner.id), "case": request.case_id, "status": status, "notes": notes}
    if not (await connection.execute(_CHANGE, {**values, "now": now})).rowcount:
        return False
    row = (await connection.execute(_HOLD, {"case": request.case_id})).one()
    state = state_of(row)
    who = _party(partner, state)
    said = f"{partner.name} {request.request_id}：{_words(status)}{f' · {notes}' if notes else ''}"
    for move in _moves(state, who, status):
        told = Told(note=said, reason=_NO_PHOTOGRAPH if move == "report_done" else None)
        done = await act_as(
            connection, Act(request.case_id, state.version, move, told), lambda _: who, now=now
        )
        state = done.state
    return True


_NO_PHOTOGRAPH: Final = "由对方系统办结，接口不带照片 · closed elsewhere, which sends no photographs"
"""Why work is reported as done without one of after it, where a kind of case wants one."""


def _words(status: str) -> str:
    return "已办结 closed" if status == "closed" else "办理中 open"


def _party(partner: Partner, state: CaseState) -> Party:
    acts = {Right.NOTE_CASE}
    if partner.organisation_id is not None and state.organisation_id == partner.organisation_id:
        acts.add(Right.HANDLE_CASE)
    return Party(partner.id, partner.name, frozenset(acts), organisation_id=partner.organisation_id)


def _moves(state: CaseState, who: Party, status: str) -> tuple[str, ...]:
    """Return what a status does to a case: nothing that whoever says it may not do now."""
    if status == "closed":
        if refusal(state, MOVE_BY_NAME["report_done"], who) is None:
            return ("report_done",)
        if state.stage is Stage.DISPATCHED and refusal(state, MOVE_BY_NAME["take"], who) is None:
            return ("take", "report_done")
    return ("note",)
