"""Count observations by the numbers that are kept of days that are over, and row by row only the others."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Subquery,
    and_,
    cast,
    func,
    or_,
    select,
    text,
    true,
    union_all,
)

from api.sensorthings.entities import OBSERVED, PRESENT
from api.sensorthings.paths import Step
from api.sensorthings.shape import Link
from api.sensorthings.syntax import And, Binary, Call, Literal, Minus, Node, Not, Or, Path
from twin.model import OBSERVATION_COUNT, Device, Observation

_DAY: Final = timedelta(days=1)


def is_by_stream(steps: Sequence[Step], asked: Node | None) -> bool:
    """Say whether what is asked of observations depends on nothing but their Datastreams."""
    last = steps[-1]
    if last.entity.name != "Observations" or last.id is not None:
        return False
    return (len(steps) == 1 or of_stream(steps[-2].entity.links[last.link])) and _of_streams(asked)


def is_expanded_by_stream(link: Link, asked: Node | None) -> bool:
    """Say the same of the observations that a link leads to."""
    return link.target == "Observations" and of_stream(link) and _of_streams(asked)


def of_stream(link: Link) -> bool:
    """Say whether a link to observations joins them by their Datastream."""
    return link.keys == ("device_id", "property")


def _of_streams(node: Node | None) -> bool:
    match node:
        case None | Literal():
            return True
        case Path(steps):
            return steps[0] == "Datastream"
        case And(parts) | Or(parts):
            return all(map(_of_streams, parts))
        case Not(of) | Minus(of):
            return _of_streams(of)
        case Binary(_, left, right):
            return _of_streams(left) and _of_streams(right)
        case Call(_, arguments):
            return all(map(_of_streams, arguments))
    return False


def observation_counts(days: Sequence[date]) -> Subquery:
    """Return the ``number`` of observations of each Datastream, in parts that are to be added.

    Parameters
    ----------
    days
        Those that are counted, ascending; of all others the rows are counted.
    """
    kept = select(OBSERVATION_COUNT.c.device_id, OBSERVATION_COUNT.c.property, OBSERVATION_COUNT.c.count)
    rows = select(Observation.device_id, Observation.property, func.count())
    o = union_all(
        kept.where(OBSERVATION_COUNT.c.day.in_(days)),
        rows.where(_not_in(days)).group_by(Observation.device_id, Observation.property),
    ).subquery("o")
    d = Device.__table__.alias("d")
    columns = o.c.device_id, o.c.property, cast(o.c.count, BigInteger).label("number")
    joined = select(*columns).join_from(o, d, d.c.id == o.c.device_id)
    return joined.where(text(PRESENT), text(OBSERVED)).subquery()


def _not_in(days: Sequence[date]) -> ColumnElement[bool]:
    """Return the condition that an observation is of none of these days, in stretches as long as can be."""
    moment = Observation.phenomenon_time
    gaps: list[ColumnElement[bool]] = []
    begin: date | None = None
    for day in days:
        if begin is None:
            gaps.append(moment < _midnight(day))
        elif day != begin:
            gaps.append(and_(moment >= _midnight(begin), moment < _midnight(day)))
        begin = day + _DAY
    gaps.append(true() if begin is None else moment >= _midnight(begin))
    return or_(*gaps)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
