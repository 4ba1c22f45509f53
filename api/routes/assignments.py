"""Show who was asked to go to a case, ask others, and let workers answer, set out and arrive."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text

from api.access.caller import Caller
from api.access.permissions import OWN_WORKER, does, needs, reads
from api.errors import NOT_FOUND, PROBLEM_CONTENT
from api.routes.answers import Names, RowId, case_title
from api.routes.assignments_ranking import choose
from api.rows import Row
from twin.access.masking import mask_name
from twin.access.record import Entry, write
from twin.access.roles import Act, DataClass
from twin.dispatch.assignments import STATE_WORDS, STEPS, Stand
from twin.dispatch.assignments_acts import ACTS, Doing, do, send_further
from twin.dispatch.assignments_clock import seen_by
from twin.errors import NotFoundError

router = APIRouter(tags=["cases"])

Reader = Annotated[Caller, needs(reads(DataClass.CASE))]
Dispatcher = Annotated[Caller, needs(does(Act.DISPATCH_CASE))]
Goer = Annotated[Caller, needs(does(Act.DISPATCH_CASE, or_own=True))]
Manager = Annotated[Caller, needs(does(Act.APPROVE_CASE))]
Worker = Annotated[Caller, needs(OWN_WORKER)]

_CONFLICT: Final[dict[int | str, dict[str, Any]]] = {
    409: {
        **PROBLEM_CONTENT,
        "description": "The worker is taken up, the assignment does not stand where this may be done, or "
        "nothing proves that the worker is there.",
    }
}


class AssignmentCase(BaseModel):
    """To which case somebody was asked to go."""

    id: int
    number: str
    title: Names
    priority: int
    lon: float
    lat: float


class AssignmentAnswer(BaseModel):
    """A worker asked to go to a case; names are masked.

    ``answer_by`` is when it lapses where it is not answered. ``place`` counts from 1 what waits for the same
    worker. ``chosen_by`` is who chose, ``system`` the installation itself; ``policy``, ``rank`` and
    ``override_reason`` say how. ``arrival`` is ``geofence`` where the tracker was seen ``arrival_m`` from the
    case, ``unproved`` where it was not. ``acts`` is what the caller may do with it now.
    """

    id: int
    case: AssignmentCase
    worker_id: int
    worker: Names
    state: str
    state_name: Names
    place: int | None
    made_at: datetime
    queued_at: datetime | None
    asked_at: datetime | None
    answer_by: datetime | None
    accepted_at: datetime | None
    departed_at: datetime | None
    arrived_at: datetime | None
    ended_at: datetime | None
    way_s: float | None
    profile: str | None
    network_version: int | None
    policy: str
    rank: int | None
    chosen_by: str
    override_reason: str | None
    reason: str | None
    arrival: str | None
    arrival_m: float | None
    follows: int | None
    simulated: bool
    acts: list[str]


class SendRequest(BaseModel):
    """One more worker for a case; ``reason`` is needed where somebody else suits best."""

    model_config = ConfigDict(extra="forbid")

    worker_id: int = Field(ge=1, le=2**63 - 1)
    reason: str | None = Field(None, max_length=2_000, pattern="^[^\\x00]*$")
    behind: bool = False


class AssignmentActRequest(BaseModel):
    """What to do with an assignment; to decline and to withdraw need a reason."""

    model_config = ConfigDict(extra="forbid")

    act: Literal[ACTS]  # type: ignore[valid-type]
    reason: str | None = Field(None, max_length=2_000, pattern="^[^\\x00]*$")


class OverrideCount(BaseModel):
    """How often somebody sent another than who suits best."""

    chosen_by: str
    sent: int
    """Workers they sent where a ranking was known."""
    overridden: int
    last_at: datetime | None
    last_reason: str | None


class OverridesAnswer(BaseModel):
    """Who chose others than the ranking's first, the most often first."""

    days: int
    people: list[OverrideCount]


_SELECT: Final = """
    SELECT a.*, c.number, c.title, c.title_en, c.priority, c.scope_code, c.worker_id AS handler,
           ST_X(c.geom) AS lon, ST_Y(c.geom) AS lat, w.name, w.name_en,
           CASE a.state WHEN 'queued' THEN (
               SELECT count(*) FROM assignment AS b JOIN case_file AS d ON d.id = b.case_id
               WHERE b.worker_id = a.worker_id AND b.state = 'queued'
                 AND (d.priority, b.queued_at, b.id) <= (c.priority, a.queued_at, a.id)) END AS place
    FROM assignment AS a JOIN case_file AS c ON c.id = a.case_id
    LEFT JOIN worker AS w ON w.id = a.worker_id"""
_OF_CASE: Final = f"{_SELECT} WHERE a.case_id = :id ORDER BY a.id DESC LIMIT 200"
_OF_WORKER: Final = (
    f"{_SELECT} WHERE a.worker_id = :id AND a.ended_at IS NULL ORDER BY a.state = 'queued', place, a.id"
)
_ONE: Final = f"{_SELECT} WHERE a.id = :id"
_ONE_OF: Final = text(_ONE)
_CASE: Final = "SELECT EXISTS (SELECT FROM case_file WHERE id = :id) AS known"
_PLACE_OF: Final = text(
    """
    SELECT w.device_id, ST_X(c.geom) AS lon, ST_Y(c.geom) AS lat FROM assignment AS a
    JOIN case_file AS c ON c.id = a.case_id JOIN worker AS w ON w.id = a.worker_id WHERE a.id = :id"""
)
_OVERRIDES: Final = """
    SELECT chosen_by, count(*) AS sent, count(override_reason) AS overridden,
           max(made_at) FILTER (WHERE override_reason IS NOT NULL) AS last_at,
           (array_agg(override_reason ORDER BY made_at DESC) FILTER (WHERE override_reason IS NOT NULL))[1]
               AS last_reason
    FROM assignment
    WHERE account_id IS NOT NULL AND policy = 'ranked' AND made_at > now() - make_interval(days => :days)
    GROUP BY account_id, chosen_by ORDER BY overridden DESC, sent DESC, chosen_by LIMIT 200"""


@router.get("/api/cases/{id}/assignments", responses=NOT_FOUND)
async def list_assignments(caller: Reader, case_id: RowId) -> list[AssignmentAnswer]:
    """Return who was asked to go to a case, the newest first."""
    known = await caller.fetch_one(_CASE, id=case_id)
    if known is None or not known["known"]:
        raise NotFoundError(f"there is no case {case_id} that you may see", where="id")
    return [_answer(caller, row) for row in await caller.fetch(_OF_CASE, id=case_id)]


@router.post("/api/cases/{id}/assignments", status_code=201, responses={**NOT_FOUND, **_CONFLICT})
async def send_worker(caller: Dispatcher, case_id: RowId, body: SendRequest) -> AssignmentAnswer:
    """Ask one more worker to go to a case that somebody works on."""
    async with caller.transaction() as connection:
        choice = await choose(
            connection, caller, case_id, body.worker_id, reason=body.reason, behind=body.behind
        )
        made = await send_further(connection, case_id, body.worker_id, choice, caller.shown_name)
        detail = {"assignment": made.id, "worker": made.worker_id}
        await write(connection, caller.actor, Entry("case.worker_sent", f"case/{case_id}", detail=detail))
    return await _one(caller, made.id)


@router.get("/api/assignments")
async def list_own_assignments(caller: Worker) -> list[AssignmentAnswer]:
    """Return where the caller was asked to go, and what waits behind that."""
    rows = await caller.fetch(_OF_WORKER, id=caller.grants.worker_id)
    return [_answer(caller, row) for row in rows]


@router.get("/api/assignments/overrides")
async def count_overrides(caller: Manager, days: Annotated[int, Query(ge=1, le=366)] = 30) -> OverridesAnswer:
    """Return who sent others than who suits best, and how often, as far as the caller sees the cases."""
    rows = await caller.fetch(_OVERRIDES, days=days)
    return OverridesAnswer(days=days, people=[OverrideCount(**row) for row in rows])


@router.post("/api/assignments/{id}/acts", responses={**NOT_FOUND, **_CONFLICT})
async def act_on_assignment(
    caller: Goer, assignment_id: RowId, body: AssignmentActRequest
) -> AssignmentAnswer:
    """Answer, set out or arrive as the worker, or for them; or call them off.

    Arrival is proved by the tracker: where it is not seen at the case, it needs a reason and is marked.
    """
    async with caller.transaction() as connection:
        seen = None
        if body.act == "arrive":
            rows = await connection.execute(_PLACE_OF, {"id": assignment_id})
            at = rows.first()
            board = caller.running.twin.board
            seen = None if at is None else seen_by(board, at.device_id, (at.lon, at.lat))
        done = await do(
            connection,
            Doing(assignment_id, body.act, body.reason, seen),
            caller.grants,
            account_id=caller.identity.account_id,
            name=caller.shown_name,
            now=datetime.now(UTC),
        )
        detail = {"assignment": assignment_id, "act": body.act, "worker": done.worker_id}
        entry = Entry(STEPS[body.act].event, f"case/{done.case_id}", detail=detail)
        await write(connection, caller.actor, entry)
        ended = (await connection.execute(_ONE_OF, {"id": assignment_id})).mappings().one()
    return _answer(caller, dict(ended))


async def _one(caller: Caller, assignment_id: int) -> AssignmentAnswer:
    row = await caller.fetch_one(_ONE, id=assignment_id)
    assert row is not None
    return _answer(caller, row)


def _answer(caller: Caller, row: Row) -> AssignmentAnswer:
    state = Stand(row["state"])
    zh, en = STATE_WORDS[state]
    own = row["worker_id"] == caller.grants.worker_id
    dispatches = row["scope_code"] in caller.grants.where(Act.DISPATCH_CASE)
    acts = [
        name
        for name in ACTS
        if state in STEPS[name].before
        and (dispatches or (own and name != "withdraw"))
        and not (name == "withdraw" and row["handler"] == row["worker_id"])
    ]
    return AssignmentAnswer(
        **{field: row[field] for field in _PLAIN},
        case=AssignmentCase(
            id=row["case_id"],
            number=row["number"],
            title=case_title(row["title"], row["title_en"]),
            priority=row["priority"],
            lon=row["lon"],
            lat=row["lat"],
        ),
        worker=Names(zh=mask_name(row["name"]), en=mask_name(row["name_en"])),
        state_name=Names(zh=zh, en=en),
        acts=acts,
    )


_PLAIN: Final = tuple(
    name for name in AssignmentAnswer.model_fields if name not in ("case", "worker", "state_name", "acts")
)
