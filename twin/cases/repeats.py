"""Find the open cases that a case may repeat, and link it where it surely does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.cases.acting import Act, Acted, act_as
from twin.cases.categories import load_categories
from twin.cases.likeness import Likeness, Said, Terms, likeness, load_terms
from twin.cases.parties import SYSTEM, Told
from twin.distance import box_around
from twin.errors import NotFoundError

MOST_OFFERED: Final = 5
_MOST_NEAR: Final = 500
"""Nearest cases that are looked at: where there are more, those farther away are not offered."""

_FACTS: Final = """
    c.id, c.number, c.title, c.title_en, c.source, c.stage, c.priority, c.repeats, c.category_code,
    ST_X(c.geom) AS lon, ST_Y(c.geom) AS lat, c.opened_at, c.simulated, c.scope_code, c.version, c.outcome,
    c.linked_to, r.description"""
_CASE: Final = text(
    f"SELECT {_FACTS} FROM case_file AS c LEFT JOIN case_report AS r ON r.case_id = c.id WHERE c.id = :id"
)
# A partial index holds what is open and repeats nothing. The nearest ones first, by degrees.
_NEAR: Final = text(
    f"""
    SELECT {_FACTS} FROM case_file AS c LEFT JOIN case_report AS r ON r.case_id = c.id
    WHERE c.closed_at IS NULL AND c.linked_to IS NULL
      AND c.geom && ST_MakeEnvelope(:west, :south, :east, :north, 4326)
      AND (c.opened_at, c.id) < (CAST(:opened_at AS timestamptz), CAST(:id AS bigint))
      AND c.category_code = ANY(:kinds) AND c.simulated = :simulated
    ORDER BY c.geom <-> ST_SetSRID(ST_MakePoint(:lon, :lat), 4326), c.id LIMIT {_MOST_NEAR}
    """
)


@dataclass(frozen=True, slots=True)
class Repeat:
    """An open case that another may repeat: its row, how it is like it, and whether that is sure."""

    row: Row[Any]
    likeness: Likeness
    sure: bool


async def find_repeats(
    connection: AsyncConnection, case_id: int, terms: Terms | None = None
) -> Sequence[Repeat]:
    """Return the open cases that a case may repeat, the likeliest first, `MOST_OFFERED` at most.

    They were reported before it, repeat none themselves, and are simulated as it is or is not. A case that
    has ended or repeats another already may repeat none.

    Parameters
    ----------
    connection
        Of the caller, who is told of cases they see; or of the server's own hand.

    Raises
    ------
    NotFoundError
        The caller sees no such case.
    """
    case = (await connection.execute(_CASE, {"id": case_id})).first()
    if case is None:
        raise NotFoundError(f"there is no case {case_id} that you may see", where="id")
    return await _repeats_of(connection, case, terms or load_terms())


async def link_if_sure(connection: AsyncConnection, case_id: int, *, now: datetime) -> Acted | None:
    """Link a case that was just reported to the one that it surely repeats; None where there is none.

    In the caller's transaction, of the server's own hand: commit soon. Only a case on which nobody has acted,
    so that what somebody unlinked stays so; only to one of the same area, whose people would not see
    the other; and none that sensors raised: what belongs together of their alarms is decided before.

    Raises
    ------
    ConflictError
        Somebody acted meanwhile; what is sure then is found anew.
    """
    case = (await connection.execute(_CASE, {"id": case_id})).first()
    if case is None or case.version != 1 or case.source == "sensor":
        return None
    found = [
        one
        for one in await _repeats_of(connection, case, load_terms())
        if one.sure and one.row.scope_code == case.scope_code
    ]
    if not found:
        return None
    reason = " · ".join(found[0].likeness.reasons())
    told = Told(reason=f"系统判定重复：{reason}", linked_to=found[0].row.id)
    return await act_as(connection, Act(case_id, case.version, "link", told), lambda _row: SYSTEM, now=now)


async def _repeats_of(connection: AsyncConnection, case: Row[Any], terms: Terms) -> Sequence[Repeat]:
    if case.outcome is not None or case.linked_to is not None:
        return []
    west, south, east, north = box_around(case.lon, case.lat, terms.radius_m(case.category_code))
    values = {
        "id": case.id,
        "opened_at": case.opened_at,
        "simulated": case.simulated,
        "kinds": terms.kinds_like(case.category_code, {case.category_code, *load_categories().by_code}),
        "lon": case.lon,
        "lat": case.lat,
        "west": west,
        "south": south,
        "east": east,
        "north": north,
    }
    report, found = _said(case), []
    for row in await connection.execute(_NEAR, values):
        like = likeness(report, _said(row), terms)
        if like is not None and like.score >= terms.score.offer:
            found.append(Repeat(row, like, like.same_kind and like.score >= terms.score.sure))
    return sorted(found, key=lambda one: (-one.likeness.score, one.row.id))[:MOST_OFFERED]


def _said(row: Row[Any]) -> Said:
    return Said(row.category_code, row.lon, row.lat, row.opened_at, row.description)
