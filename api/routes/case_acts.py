"""Show one case with all that happened to it and what the caller may do, and let them do it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import text

from api.access.caller import Caller
from api.access.permissions import does, needs, reads
from api.errors import NOT_FOUND, Problem, problem
from api.routes.answers import (
    AreaRef,
    Names,
    RowId,
    area_columns,
    area_ref,
    case_title,
    shown_address,
    state_name,
)
from api.routes.assignments_ranking import choose
from api.routes.case_answers import (
    AREA_JOIN,
    HANDLER_COLUMNS,
    HANDLER_JOINS,
    RAISED_JOIN,
    AskedAnswer,
    ClockAnswer,
    HandlerAnswer,
    asked_answer,
    category_names,
    clock_answer,
    description_names,
    handler_answer,
)
from api.routes.journal import event_words
from api.rows import Row
from twin.access.record import Entry, write
from twin.access.roles import Act, DataClass
from twin.calendar import Unit
from twin.cases.acting import READ, StaleError, clocks_of, state_of
from twin.cases.acting import Act as CaseAct
from twin.cases.acting import act as act_on
from twin.cases.course import StageTime, course_of
from twin.cases.moves import MOVES
from twin.cases.parties import Told, party_at
from twin.cases.refusals import possible
from twin.cases.states import COLUMNS, STAGE_WORDS
from twin.dispatch.assignments import Choice
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


class StageLimitAnswer(BaseModel):
    """How long a stage may take."""

    amount: float
    unit: Unit


class StageAnswer(BaseModel):
    """One of the seven stages: the last time the case came and left, and all its time there.

    ``took_s`` is counted in what the clock of the stage counts, null where it has none;
    ``times`` is how often it came.
    """

    name: str
    zh: str
    en: str
    entered_at: datetime | None
    left_at: datetime | None
    times: int
    took_s: float | None
    limit: StageLimitAnswer | None


class CaseStandAnswer(BaseModel):
    """Where a case stands, what the caller may do with it, and what happened, the newest first.

    ``area`` is as in `CaseAnswer`. ``description`` is what was said when it was reported: as somebody wrote
    it, under ``zh``, or of sensors in both languages; null where nothing was. ``alarms`` is how many sensors
    raised it, ``state`` the worst of their states now, null where none is out of order any more.
    """

    id: int
    number: str
    title: Names
    source: str
    description: Names | None
    lon: float
    lat: float
    address: str | None
    area: AreaRef | None
    alarms: int
    state: str | None
    simulated: bool
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
    review_since: datetime | None
    filed_at: datetime | None
    stage_since: datetime | None
    closed_at: datetime | None
    stage_clock: ClockAnswer | None
    case_clock: ClockAnswer | None
    stages: list[StageAnswer]
    moves: list[MoveAnswer]
    events: list[CaseEventAnswer]


_CASE: Final = f"{READ} WHERE id = :id"
_BESIDE: Final = f"""
    SELECT {HANDLER_COLUMNS}, c.worker_id, c.organisation_id, c.opened_at, c.address,
           r.description, r.attributes, {area_columns("a", "area")}, raised.alarms, raised.state
    FROM case_file AS c LEFT JOIN case_report AS r ON r.case_id = c.id
    {AREA_JOIN}
    {HANDLER_JOINS} {RAISED_JOIN}
    WHERE c.id = :id"""
_EVENTS: Final = """
    SELECT at, kind, actor, data FROM journal WHERE subject = :subject ORDER BY seq DESC LIMIT :most"""
_COURSE: Final = """
    SELECT kind, data -> 'changes' AS changes FROM journal
    WHERE subject = :subject AND data -> 'changes' ?| ARRAY['stage', 'closed_at'] ORDER BY seq"""
_SINCE: Final = """
    SELECT at, kind, actor, data FROM journal
    WHERE subject = :subject AND (data ->> 'version')::integer > :version ORDER BY seq LIMIT :most"""


@router.get("/api/cases/{id}", responses=NOT_FOUND)
async def get_case(caller: Reader, case_id: RowId) -> CaseStandAnswer:
    """Return where a case stands, what the caller may do with it, and what happened to it."""
    return await case_stand(caller, case_id)


class CaseActRequest(BaseModel):
    """Something to do with a case; ``version`` is that of the case the caller looked at.

    ``behind`` says that a worker who is taken up may have the case wait until they are free; else it is
    refused who is taken up.
    """

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
    behind: bool = False


class StaleProblem(Problem):
    """Somebody acted on the case since: its ``version`` now, and what happened since the caller looked.

    Only of what was refused for an old version; the events are in their order, the newest last.
    """

    version: int | None = None
    events: list[CaseEventAnswer] | None = None


_STALE: Final[dict[int | str, dict[str, Any]]] = {
    409: {
        "model": StaleProblem,
        "description": "Somebody acted on the case since, or it does not stand where this may be done.",
    }
}


@router.post("/api/cases/{id}/acts", response_model=CaseStandAnswer, responses={**NOT_FOUND, **_STALE})
async def act_on_case(caller: Actor, case_id: RowId, body: CaseActRequest) -> CaseStandAnswer | Response:
    """Do something with a case and return where it then stands.

    409 where the case has gone on since the version the caller saw: nothing is done, and the answer tells
    what changed and who changed it.
    """
    told = body.model_dump(exclude={"version", "move", "behind"})
    choice = Choice(account_id=caller.identity.account_id, behind=body.behind)
    try:
        async with caller.transaction() as connection:
            if body.worker_id is not None and body.move in ("dispatch", "transfer"):
                choice = await choose(
                    connection, caller, case_id, body.worker_id, reason=body.reason, behind=body.behind
                )
            done = await act_on(
                connection,
                CaseAct(case_id, body.version, body.move, Told(**told), choice),
                caller.grants,
                account_id=caller.identity.account_id,
                name=caller.shown_name,
                now=datetime.now(UTC),
            )
            entry = Entry(done.event, f"case/{case_id}", detail={"number": done.number, "move": body.move})
            await write(connection, caller.actor, entry)
    except StaleError as stale:
        subject = f"case/{case_id}"
        rows = await caller.fetch(_SINCE, subject=subject, version=body.version, most=MOST_EVENTS)
        members = {
            "version": stale.version,
            "events": [_event(row).model_dump(mode="json") for row in rows],
        }
        return problem(409, stale.what, kind="conflict", where=stale.where, hint=stale.hint, members=members)
    return await case_stand(caller, case_id)


async def case_stand(caller: Caller, case_id: int) -> CaseStandAnswer:
    """Return where a case stands, what the caller may do with it, and what happened to it.

    Raises
    ------
    NotFoundError
        There is no such case that the caller sees.
    """
    subject = f"case/{case_id}"
    async with caller.transaction() as connection:
        row = (await connection.execute(text(_CASE), {"id": case_id})).first()
        if row is None:
            raise NotFoundError(f"there is no case {case_id} that you may see", where="id")
        state = state_of(row)
        beside = (await connection.execute(text(_BESIDE), {"id": case_id})).mappings().one()
        course = (await connection.execute(text(_COURSE), {"subject": subject})).all()
        events = (
            await connection.execute(text(_EVENTS), {"subject": subject, "most": MOST_EVENTS})
        ).mappings()
        told = [_event(dict(event)) for event in events]
    clocks, now = clocks_of(row), datetime.now(UTC)
    party = party_at(
        caller.grants,
        caller.identity.account_id,
        caller.identity.name,
        scope_code=row.scope_code,
        worker_id=row.worker_id,
        organisation_id=row.organisation_id,
    )
    return CaseStandAnswer(
        **{field: getattr(state, field) for field in _PLAIN},
        id=row.id,
        number=row.number,
        title=case_title(row.title, row.title_en),
        source=row.source,
        description=description_names(
            caller.running.twin.catalog, row.source, beside["description"], beside["attributes"]
        ),
        lon=row.lon,
        lat=row.lat,
        address=shown_address(beside["address"]),
        area=area_ref(dict(beside), "area"),
        alarms=beside["alarms"],
        state=None if beside["state"] is None else state_name(beside["state"]),
        simulated=row.simulated,
        category=state.category_code,
        category_name=category_names(state.category_code),
        handler=handler_answer(dict(beside)),
        asked=asked_answer(state),
        stage_clock=clock_answer(state, clocks, now),
        case_clock=clock_answer(state, clocks, now, whole=True),
        stages=[
            _stage(one)
            for one in course_of(
                state,
                beside["opened_at"],
                ((event.kind, event.changes) for event in course),
                clocks=clocks,
                now=now,
            )
        ],
        moves=[
            MoveAnswer(
                name=move.name, zh=move.zh, en=move.en, needs=list(move.needs), asks=move.asks is not None
            )
            for move in possible(state, party)
        ],
        events=told,
    )


_PLAIN: Final = tuple(name for name in COLUMNS if name in CaseStandAnswer.model_fields and name != "asked")


def _stage(one: StageTime) -> StageAnswer:
    zh, en = STAGE_WORDS[one.stage]
    limit = None if one.limit is None else StageLimitAnswer(amount=one.limit.amount, unit=one.limit.unit)
    return StageAnswer(
        name=one.stage.value,
        zh=zh,
        en=en,
        entered_at=one.entered_at,
        left_at=one.left_at,
        times=one.times,
        took_s=one.took_s,
        limit=limit,
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
