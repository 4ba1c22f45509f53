"""Ask how the report of a token is doing, and rate it for who has the token."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from twin.access.grants import NO_GRANTS
from twin.access.roles import Act as Allowed
from twin.calendar import Limit
from twin.cases.acting import Act, act_as
from twin.cases.clocks import clocks_at
from twin.cases.parties import Party, Told
from twin.cases.reporting import token_digest
from twin.cases.states import Outcome, Stage
from twin.store.scoped import scoped

_RESIDENT: Final = Party(None, "resident", frozenset({Allowed.RATE_CASE}))
_OF_RESIDENT: Final = text("SELECT * FROM case_of_resident(CAST(:digest AS bytea), CAST(:kept AS interval))")


_RELEASED: Final = text(
    "SELECT * FROM photographs_of_resident(CAST(:digest AS bytea), CAST(:kept AS interval), :most)"
)
MOST_PHOTOGRAPHS: Final = 6


@dataclass(frozen=True, slots=True)
class Standing:
    """How a report is doing; nothing of who reported it, of its words, or of its place.

    ``entered`` says when each stage was entered last, of what deals with it: a case that it repeats, where
    it repeats one. ``limit`` is that of the present stage.
    """

    case_id: int
    version: int
    number: str
    category_code: str
    stage: Stage
    outcome: Outcome | None
    opened_at: datetime
    closed_at: datetime | None
    stage_due_at: datetime | None
    due_at: datetime | None
    parked: bool
    rating: int | None
    simulated: bool
    is_repeat: bool
    entered: dict[Stage, datetime]
    limit: Limit | None
    zone: str


async def find_standing(engine: AsyncEngine, token: str, *, kept: timedelta) -> Standing | None:
    """Return how the report of a token is doing; None where there is none, or it ended longer ago than kept.

    The database looks for the digest of the token, which nobody can choose, so that how long it takes tells
    nothing of it; one question, whether there is such a report or not.

    Parameters
    ----------
    engine
        For callers: the function of the database is all that it may ask here.
    """
    async with scoped(engine, NO_GRANTS) as connection:
        row = (await connection.execute(_OF_RESIDENT, {"digest": token_digest(token), "kept": kept})).first()
    return None if row is None else _standing(row)


def _standing(row: Row[Any]) -> Standing:
    clocks = clocks_at(row.lon, row.lat)
    stage, outcome = Stage(row.stage), None if row.outcome is None else Outcome(row.outcome)
    told = [(Stage(name), datetime.fromisoformat(at)) for name, at in row.entered or ()]
    limit = None if outcome else clocks.limit(row.category_code, row.priority, stage)
    return Standing(
        case_id=row.case_id,
        version=row.version,
        number=row.number,
        category_code=row.category_code,
        stage=stage,
        outcome=outcome,
        opened_at=row.opened_at,
        closed_at=row.closed_at,
        stage_due_at=row.stage_due_at,
        due_at=row.due_at,
        parked=row.parked,
        rating=row.rating,
        simulated=row.simulated,
        is_repeat=row.is_repeat,
        entered=entered_at(row.opened_at, told),
        limit=limit,
        zone=clocks.calendar.zone.key,
    )


def entered_at(opened_at: datetime, told: Iterable[tuple[Stage, datetime]]) -> dict[Stage, datetime]:
    """Return when each stage was entered last, of what was told in order; a case may be sent back."""
    order, entered = list(Stage), {Stage.COLLECTED: opened_at}
    for stage, at in told:
        before = order[: order.index(stage)]
        entered = {known: when for known, when in entered.items() if known in before}
        entered[stage] = at
    return entered


async def list_released(
    engine: AsyncEngine, token: str, *, kept: timedelta
) -> Sequence[tuple[int, str, bytes]]:
    """Return the photographs released for whoever has a token: number, moment, JPEG; before first."""
    async with scoped(engine, NO_GRANTS) as connection:
        rows = await connection.execute(
            _RELEASED, {"digest": token_digest(token), "kept": kept, "most": MOST_PHOTOGRAPHS}
        )
        return [(row.id, row.moment, row.picture) for row in rows]


async def rate(
    own: AsyncEngine, standing: Standing, rating: int, words: str | None, *, now: datetime
) -> None:
    """Rate a case for its reporter, once; the journal tells ``case.rated`` with the words, numbers masked.

    Parameters
    ----------
    own
        The server's own hand: who rates has no account.

    Raises
    ------
    ConflictError
        The case has not ended as closed, was rated, or has gone on since.
    """
    what = Act(standing.case_id, standing.version, "rate", Told(rating=rating, note=words))
    async with own.begin() as connection:
        await act_as(connection, what, lambda _row: _RESIDENT, now=now)
