"""Show one case with all that happened to it and what the caller may do, and let them do it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import text

from api.access.caller import Caller
from api.access.permissions import does, needs, reads
from api.errors import CONFLICT, NOT_FOUND
from api.routes.answers import Names, RowId
from api.routes.journal import event_words
from api.rows import Row
from twin.access.masking import mask_name
from twin.access.record import Entry, write
from twin.access.roles import Act, DataClass
from twin.calendar import Unit
from twin.cases.acting import READ, clocks_of, state_of
from twin.cases.acting import Act as CaseAct
from twin.cases.acting import act as act_on
from twin.cases.categories import name_of
from twin.cases.moves import MOVE_BY_NAME, MOVES
from twin.cases.parties import Told, party_at
from twin.cases.refusals import granted_by, possible
from twin.cases.states import COLUMNS, CaseState
from twin.errors import NotFoundError

router = APIRouter(tags=["cases"])

Reader = Annotated[Caller, needs(reads(DataClass.CASE))]
Actor = Annotated[Caller, needs(does(Act.NOTE_CASE, or_own=True))]

MOST_EVENTS: Final = 500
"""Newest events of a case that are told with it."""


class MoveAnswer(BaseModel):
    """Something the caller may do with a case now, and what must be told with it."""

    name: str
    zh: str
    en: str
    needs: list[str]
    asks: bool
    """Whether somebody else must grant it."""


class AskedAnswer(BaseModel):
    """What is asked for."""

    ask: str
    zh: str
    en: str
    reason: str
    until: datetime | None
    granted_by: str | None
    """The act whoever grants it must be allowed."""


class ClockAnswer(BaseModel):
    """The clock of a stage, or of the whole case: by what it counts, how much there is, and when it ends."""

    amount: float
    unit: Unit
    due_at: datetime
    certain: bool
    """Whether the holidays up to then are announced."""


class HandlerAnswer(BaseModel):
    """Who has a case; names of workers are masked."""

    worker_id: int | None
    worker: Names | None
    organisation_id: int | None
    organisation: Names | None


class CaseEventAnswer(BaseModel):
    """One thing that happened to a case; ``version`` is null for what changes nothing of where it stands."""

    at: datetime
    event: str
    zh: str
    en: str
    actor: str
    version: int | None
    told: dict[str, Any]
    changes: dict[str, Any]


class CaseStandAnswer(BaseModel):
    """Where a case stands, what the caller may do with it, and what happened, the newest first."""

    id: int
    number: str
    version: int
    stage: str
    outcome: str | None
    category: str
    category_name: Names | None
    priority: int
    handler: HandlerAnswer
    asked: AskedAnswer | None
    parked_at: datetime | None
    supervised_by: str | None
    called_up: int
    linked_to: int | None
    repeats: int
    extensions: int
    reworks: int
    rating: int | None
    filed_at: datetime | None
    stage_since: datetime | None
    closed_at: datetime | None
    stage_clock: ClockAnswer | None
    case_clock: ClockAnswer | None
    moves: list[MoveAnswer]
    events: list[CaseEventAnswer]


_CASE: Final = f"{READ} WHERE id = :id"
_HANDLER: Final = """
    SELECT w.name AS worker, w.name_en AS worker_en, o.name AS organisation, o.name_en AS organisation_en
    FROM (SELECT 1) AS one LEFT JOIN worker AS w ON w.id = :worker_id
    LEFT JOIN organisation AS o ON o.id = :organisation_id"""
_EVENTS: Final = """
    SELECT at, kind, actor, data FROM journal WHERE subject = :subject ORDER BY seq DESC LIMIT :most"""


@router.get("/api/cases/{id}", responses=NOT_FOUND)
async def get_case(caller: Reader, case_id: RowId) -> CaseStandAnswer:
    """Return where a case stands, what the caller may do with it, and what happened to it."""
    return await _stand(caller, case_id)


class CaseActRequest(BaseModel):
    """Something to do with a case; ``version`` is that of the case the caller looked at."""

    model_config = ConfigDict(extra="forbid")

    version: int = Field(ge=1, le=2**31 - 1)
    move: Literal[tuple(move.name for move in MOVES)]  # type: ignore[valid-type]
    reason: str | None = Field(None, max_length=2_000, pattern="^[^\\x00]*$")
    note: str | None = Field(None, max_length=2_000, pattern="^[^\\x00]*$")
    organisation_id: int | None = Field(None, ge=1, le=2**63 - 1)
    worker_id: int | None = Field(None, ge=1, le=2**63 - 1)
    until: AwareDatetime | None = None
    rating: int | None = Field(None, ge=1, le=5)
    category_code: str | None = Field(None, pattern="^[0-9]{5}$")
    priority: int | None = Field(None, ge=1, le=4)
    linked_to: int | None = Field(None, ge=1, le=2**63 - 1)


@router.post("/api/cases/{id}/acts", responses={**NOT_FOUND, **CONFLICT})
async def act_on_case(caller: Actor, case_id: RowId, body: CaseActRequest) -> CaseStandAnswer:
    """Do something with a case and return where it then stands.

    409 where the case has gone on since the version the caller saw: nothing is done, and `GET` tells what
    changed and who changed it.
    """
    told = body.model_dump(exclude={"version", "move"})
    async with caller.transaction() as connection:
        done = await act_on(
            connection,
            CaseAct(case_id, body.version, body.move, Told(**told)),
            caller.grants,
            account_id=caller.identity.account_id,
            name=caller.shown_name,
            now=datetime.now(UTC),
        )
        entry = Entry(done.event, f"case/{case_id}", detail={"number": done.number, "move": body.move})
        await write(connection, caller.actor, entry)
    return await _stand(caller, case_id)


async def _stand(caller: Caller, case_id: int) -> CaseStandAnswer:
    async with caller.transaction() as connection:
        row = (await connection.execute(text(_CASE), {"id": case_id})).first()
        if row is None:
            raise NotFoundError(f"there is no case {case_id} that you may see", where="id")
        state = state_of(row)
        handler = (
            await connection.execute(
                text(_HANDLER), {"worker_id": state.worker_id, "organisation_id": state.organisation_id}
            )
        ).one()
        events = (
            await connection.execute(text(_EVENTS), {"subject": f"case/{case_id}", "most": MOST_EVENTS})
        ).mappings()
        told = [_event(dict(event)) for event in events]
    clocks, name = clocks_of(row), name_of(state.category_code)
    party = party_at(
        caller.grants,
        caller.identity.account_id,
        caller.identity.name,
        scope_code=row.scope_code,
        worker_id=row.worker_id,
    )

    def clock(whole: bool) -> ClockAnswer | None:
        limit = clocks.limit(state.category_code, state.priority, None if whole else state.stage)
        due_at = state.due_at if whole else state.stage_due_at
        if limit is None or due_at is None:
            return None
        certain = clocks.calendar.is_certain(state.stage_since or due_at, due_at)
        return ClockAnswer(amount=limit.amount, unit=limit.unit, due_at=due_at, certain=certain)

    return CaseStandAnswer(
        **{field: getattr(state, field) for field in _PLAIN},
        id=row.id,
        number=row.number,
        category=state.category_code,
        category_name=None if name is None else Names(zh=name.zh, en=name.en),
        handler=HandlerAnswer(
            worker_id=state.worker_id,
            worker=None
            if handler.worker is None
            else Names(zh=mask_name(handler.worker), en=mask_name(handler.worker_en)),
            organisation_id=state.organisation_id,
            organisation=None
            if handler.organisation is None
            else Names(zh=handler.organisation, en=handler.organisation_en),
        ),
        asked=_asked(state),
        stage_clock=clock(whole=False),
        case_clock=clock(whole=True),
        moves=[
            MoveAnswer(
                name=move.name, zh=move.zh, en=move.en, needs=list(move.needs), asks=move.asks is not None
            )
            for move in possible(state, party)
        ],
        events=told,
    )


_PLAIN: Final = tuple(name for name in COLUMNS if name in CaseStandAnswer.model_fields and name != "asked")


def _asked(state: CaseState) -> AskedAnswer | None:
    if state.asked is None:
        return None
    move = MOVE_BY_NAME[state.asked.ask]
    needed = granted_by(state)
    return AskedAnswer(
        ask=state.asked.ask.value,
        zh=move.zh,
        en=move.en,
        reason=state.asked.reason,
        until=None if state.asked.until is None else datetime.fromisoformat(state.asked.until),
        granted_by=None if needed is None else needed.value,
    )


def _event(row: Row) -> CaseEventAnswer:
    zh, en = event_words(row["kind"])
    data = row["data"]
    # Who reported by an account of a program is told as who did it, without the number of the account.
    actor = "" if row["actor"].startswith("account/") else row["actor"]
    return CaseEventAnswer(
        at=row["at"],
        event=row["kind"],
        zh=zh,
        en=en,
        actor=actor,
        version=data.get("version"),
        told=data.get("told", {}),
        changes=data.get("changes", {}),
    )
