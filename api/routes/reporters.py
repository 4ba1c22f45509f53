"""Find and reveal who reported cases, for a reason, on the record."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text

from api.access.caller import Caller
from api.access.permissions import does, needs
from api.errors import NOT_FOUND, TOO_MANY
from api.routes.answers import RevealRequest, RowId, shown_address
from api.routes.cases import CaseAnswer, ReporterAnswer, case_answer, cases_found
from twin.access import persons
from twin.access.roles import Act
from twin.errors import NotFoundError

router = APIRouter(tags=["cases"])

Revealer = Annotated[Caller, needs(does(Act.REVEAL_PERSON))]

MOST_OF_A_PHONE: Final = 200
"""Newest cases that one phone is told to have reported."""

_FOUND: Final = cases_found("c.id = ANY(:ids)", "c.opened_at DESC, c.id DESC", str(MOST_OF_A_PHONE))


class PhoneRequest(BaseModel):
    """A whole phone number."""

    model_config = ConfigDict(extra="forbid")

    phone: str = Field(min_length=1, max_length=40, pattern="^[^\\x00]*$")


# In a body: an address is kept in the history of browsers and in the logs of proxies.
@router.post("/api/reporters/cases", responses=TOO_MANY)
async def find_cases_by_phone(caller: Revealer, body: PhoneRequest) -> list[CaseAnswer]:
    """Return the cases that this phone reported, the newest first; that it was asked is on the record.

    Only the whole number finds them, and only where the caller may reveal persons.
    """
    async with caller.transaction() as connection:
        found = await persons.find_cases(connection, caller.running.sealer, caller.actor, body.phone)
    now = datetime.now(UTC)
    return [case_answer(row, now) for row in await caller.fetch(_FOUND, ids=found.told())]


class CaseRevealAnswer(ReporterAnswer):
    """Who reported a case, in clear, and the whole address of the case."""

    case_id: int
    case_address: str | None


# The database shows cases where they may be read; here they must lie where persons may be revealed too.
_REVEAL: Final = text(
    f"""
    SELECT c.id, c.address AS case_address, c.reporter_id,
           {", ".join(f"p.{item}_masked AS {item}" for item in persons.ITEMS)}
    FROM case_file AS c LEFT JOIN person AS p ON p.id = c.reporter_id
    WHERE c.id = :id AND c.scope_code <@ (SELECT gt_scope('may_person_reveal'))
    """
)


@router.post("/api/cases/{id}/reveal", responses={**NOT_FOUND, **TOO_MANY})
async def reveal_reporter(caller: Revealer, case_id: RowId, body: RevealRequest) -> CaseRevealAnswer:
    """Return who reported a case, and the room in its address, and put that on the record."""
    async with caller.transaction() as connection:
        case = (await connection.execute(_REVEAL, {"id": case_id})).mappings().first()
        if case is None:
            raise NotFoundError(f"there is no case {case_id} whose persons you may reveal", where="id")
        items = [item for item in persons.ITEMS if case[item] is not None]
        if case["case_address"] != shown_address(case["case_address"]):
            items.append("case_address")
        if not items:
            raise NotFoundError(f"nobody is kept who reported case {case_id}", where="id")
        revealed = await persons.reveal(
            connection,
            caller.running.sealer,
            caller.actor,
            case["reporter_id"],
            about=f"case/{case_id}",
            items=items,
            reason=body.reason,
        )
    person = revealed.told()
    return CaseRevealAnswer(case_id=case_id, case_address=case["case_address"], **dataclasses.asdict(person))
