"""List cases and the queues they wait in; who reported one is masked until it is revealed for a reason."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel

from api.access.caller import Caller
from api.access.permissions import needs, reads
from api.errors import NOT_FOUND
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
from api.rows import Row
from twin.access import persons
from twin.access.roles import DataClass
from twin.cases.clocks import clocks_at
from twin.cases.queues import OVERDUE, QUEUES, WAITS
from twin.cases.states import COLUMNS, STAGE_WORDS, from_row
from twin.errors import InvalidError, NotFoundError

router = APIRouter(tags=["cases"])

Reader = Annotated[Caller, needs(reads(DataClass.CASE))]

DUE_SOON_H: Final = 2


class ReporterAnswer(BaseModel):
    """Who reported a case, masked; null where it was not told."""

    name: str | None
    phone: str | None
    identity_number: str | None
    address: str | None
    email: str | None


class CaseAnswer(BaseModel):
    """One case; ``reporter`` is null where nobody is behind it, or who it was is erased.

    ``category_name`` is null where no table has its code. ``area`` is the smallest area around its place that
    is no unit grid: its responsibility grid, or where there is none the community or what is above.

    ``stage_since``, ``stage_due_at`` and ``clock`` are of the stage it stands in, ``due_at`` is of the whole
    case. While it is parked, since ``parked_at``, its clocks stand still. ``review_since`` is since when a
    poor rating waits to be looked at. ``alarms`` is how many sensors raised it, ``state`` the worst of their
    states now, null where none is out of order any more.
    """

    id: int
    number: str
    version: int
    title: Names
    category: str
    category_name: Names | None
    stage: str
    stage_zh: str
    outcome: str | None
    source: str
    priority: int
    lon: float
    lat: float
    address: str | None
    opened_at: datetime
    stage_since: datetime | None
    stage_due_at: datetime | None
    due_at: datetime | None
    clock: ClockAnswer | None
    parked_at: datetime | None
    closed_at: datetime | None
    handler: HandlerAnswer
    asked: AskedAnswer | None
    supervised_by: str | None
    called_up: int
    linked_to: int | None
    repeats: int
    rating: int | None
    review_since: datetime | None
    alarms: int
    state: str | None
    simulated: bool
    area: AreaRef | None
    reporter: ReporterAnswer | None


class CasesAnswer(BaseModel):
    """Cases, how many of those asked for there are by source, and how many of all are pressing."""

    cases: list[CaseAnswer]
    sources: dict[str, int]
    open: int
    due_soon: int
    overdue: int


def cases_found(which: str, order: str, most: str) -> str:
    """Return the question for cases: chosen first, so that areas and persons are asked for those only."""
    return f"""
    SELECT c.id, c.number, c.title, c.title_en, c.source, {", ".join(f"c.{name}" for name in COLUMNS)},
           ST_X(c.geom) AS lon, ST_Y(c.geom) AS lat, c.address, c.opened_at,
           c.simulated, {area_columns("a", "area")}, {HANDLER_COLUMNS}, raised.alarms, raised.state,
           p.id AS reporter_id, {", ".join(f"p.{item}_masked AS reporter_{item}" for item in persons.ITEMS)}
    FROM (SELECT * FROM case_file AS c WHERE {which} ORDER BY {order} LIMIT {most}) AS c
    {AREA_JOIN}
    LEFT JOIN person AS p ON p.id = c.reporter_id {HANDLER_JOINS} {RAISED_JOIN}
    ORDER BY {order}"""


_DUE: Final = "coalesce(c.stage_due_at, c.due_at)"
"""When something must have happened; what is parked waits behind the others."""

_FROM_SOURCE: Final = "(CAST(:source AS text) IS NULL OR c.source = :source)"
_BY_DUE: Final = f"c.parked_at IS NOT NULL, {_DUE} NULLS LAST, c.priority, c.id"
_BY_PRIORITY: Final = f"c.parked_at IS NOT NULL, c.priority, {_DUE} NULLS LAST, c.id"
_OF_ALL: Final = "(c.closed_at IS NULL) = :open"
_OF_QUEUE: Final = {queue.name: f"{WAITS} AND {queue.condition}" for queue in QUEUES}

_LISTED: Final = cases_found(f"{_OF_ALL} AND {_FROM_SOURCE}", _BY_DUE, ":limit")
_QUEUED: Final = {
    name: cases_found(f"{condition} AND {_FROM_SOURCE}", _BY_PRIORITY, ":limit")
    for name, condition in _OF_QUEUE.items()
}
_SOURCES: Final = f"SELECT source, count(*) AS n FROM case_file AS c WHERE {_OF_ALL} GROUP BY source"
_SOURCES_QUEUED: Final = {
    name: f"SELECT source, count(*) AS n FROM case_file AS c WHERE {condition} GROUP BY source"
    for name, condition in _OF_QUEUE.items()
}

_COUNTS: Final = f"""
    SELECT count(*) AS open,
           count(*) FILTER (WHERE {_DUE} >= now() AND c.parked_at IS NULL
                            AND {_DUE} < now() + interval '{DUE_SOON_H} hours') AS due_soon,
           count(*) FILTER (WHERE {_DUE} < now() AND c.parked_at IS NULL) AS overdue
    FROM case_file AS c WHERE c.closed_at IS NULL"""


QueueName = Literal["collect", "dispatch", "supervise", "check"]
SourceName = Literal["sensor", "patrol", "camera", "resident", "hotline", "superior", "department"]


@router.get("/api/cases")
async def list_cases(
    caller: Reader,
    is_open: Annotated[bool, Query(alias="open")] = True,
    queue: QueueName | None = None,
    source: SourceName | None = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 200,
) -> CasesAnswer:
    """Return open (or closed) cases, all or those of a queue; `due_soon` is due within two hours.

    What is due first stands at the top, in a queue what is most urgent; parked ones are last. ``sources`` are
    counted as if ``source`` were not asked for.
    """
    if queue is not None and not is_open:
        raise InvalidError("cases that have ended wait in no queue", where="open", hint="leave it out")
    asked = {"source": source, "limit": limit} | ({} if queue else {"open": is_open})
    rows = await caller.fetch(_QUEUED[queue] if queue else _LISTED, **asked)
    if queue:
        counted = await caller.fetch(_SOURCES_QUEUED[queue])
    else:
        counted = await caller.fetch(_SOURCES, open=is_open)
    counts = await caller.fetch_one(_COUNTS) or {}
    now = datetime.now(UTC)
    return CasesAnswer(
        cases=[case_answer(row, now) for row in rows],
        sources={row["source"]: row["n"] for row in counted},
        **counts,
    )


def case_answer(row: Row, now: datetime) -> CaseAnswer:
    """Return a case from a row of `cases_found`."""
    state = from_row(row)
    reporter = None
    if row["reporter_id"] is not None:
        reporter = ReporterAnswer(**{item: row[f"reporter_{item}"] for item in persons.ITEMS})
    return CaseAnswer(
        **{key: row[key] for key in _PLAIN},
        title=case_title(row["title"], row["title_en"]),
        category=state.category_code,
        category_name=category_names(state.category_code),
        stage_zh=STAGE_WORDS[state.stage][0],
        clock=clock_answer(state, clocks_at(row["lon"], row["lat"]), now),
        handler=handler_answer(row),
        asked=asked_answer(state),
        state=None if row["state"] is None else state_name(row["state"]),
        address=shown_address(row["address"]),
        area=area_ref(row, "area"),
        reporter=reporter,
    )


_MADE: Final = {
    *("title", "category", "category_name", "stage_zh", "clock", "handler", "asked", "state"),
    *("address", "area", "reporter"),
}
_PLAIN: Final = tuple(name for name in CaseAnswer.model_fields if name not in _MADE)


class QueueAnswer(BaseModel):
    """A queue of the desk: how many cases wait in it, how many of these are over their time.

    ``waiting`` are parked ones, whose clocks stand still; they are not among the others.
    """

    name: str
    zh: str
    en: str
    open: int
    waiting: int
    overdue: int


class QueuesAnswer(BaseModel):
    """The queues in their order."""

    queues: list[QueueAnswer]


_QUEUE_COUNTS: Final = f"""
    SELECT {
    ", ".join(
        f"count(*) FILTER (WHERE {queue.condition} AND c.parked_at IS NULL) AS {queue.name}_open, "
        f"count(*) FILTER (WHERE {queue.condition} AND c.parked_at IS NOT NULL) AS {queue.name}_waiting, "
        f"count(*) FILTER (WHERE {queue.condition} AND {OVERDUE}) AS {queue.name}_overdue"
        for queue in QUEUES
    )
} FROM case_file AS c WHERE {WAITS}"""


@router.get("/api/queues")
async def list_queues(caller: Reader) -> QueuesAnswer:
    """Return how many cases wait in each queue of the desk; one case may wait in two."""
    counts = await caller.fetch_one(_QUEUE_COUNTS) or {}
    return QueuesAnswer(
        queues=[
            QueueAnswer(
                name=queue.name,
                zh=queue.zh,
                en=queue.en,
                open=counts[f"{queue.name}_open"],
                waiting=counts[f"{queue.name}_waiting"],
                overdue=counts[f"{queue.name}_overdue"],
            )
            for queue in QUEUES
        ]
    )


class CaseReportAnswer(BaseModel):
    """What was said when a case was filed, personal numbers masked; ``media_url`` is never fetched by us.

    ``description`` is as somebody wrote it, under ``zh``, or of sensors in both languages.
    """

    description: Names | None
    media_url: str | None
    attributes: dict[str, str | list[str]]
    filed_at: datetime


@router.get("/api/cases/{id}/report", responses=NOT_FOUND)
async def get_case_report(caller: Reader, case_id: RowId) -> CaseReportAnswer:
    """Return the words of whoever filed a case; 404 where it was not filed by a report."""
    row = await caller.fetch_one(
        "SELECT c.source, r.description, r.media_url, r.attributes, r.filed_at FROM case_report AS r "
        "JOIN case_file AS c ON c.id = r.case_id WHERE r.case_id = :id",
        id=case_id,
    )
    if row is None:
        raise NotFoundError(f"there is no report of a case {case_id}", where="id")
    said = description_names(
        caller.running.twin.catalog, row.pop("source"), row["description"], row["attributes"]
    )
    return CaseReportAnswer(**row | {"description": said})


class CasePoint(BaseModel):
    """Where an open case is."""

    id: int
    number: str
    stage: str
    lon: float
    lat: float


@router.get("/api/cases/points")
async def list_case_points(
    caller: Reader, limit: Annotated[int, Query(ge=1, le=5_000)] = 2_000
) -> list[CasePoint]:
    """Return the places of the open cases, for the map."""
    rows = await caller.fetch(
        """SELECT id, number, stage, ST_X(geom) AS lon, ST_Y(geom) AS lat FROM case_file
           WHERE closed_at IS NULL ORDER BY id DESC LIMIT :limit""",
        limit=limit,
    )
    return [CasePoint(**row) for row in rows]
