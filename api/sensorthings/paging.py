"""Order entities, and say where a page goes on after another and among what it is looked for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from typing import Any, Final, NamedTuple

from sqlalchemy import literal, tuple_

from api.sensorthings.entities import ENTITIES
from api.sensorthings.filters import order
from api.sensorthings.options import Options
from api.sensorthings.paths import Resource
from api.sensorthings.shape import Entity
from api.sensorthings.syntax import Path
from api.sensorthings.values import Condition
from twin.errors import NotFoundError


def by_moment(options: Options) -> bool:
    """Say whether observations are asked for in the order of their moments, which has an index."""
    return len(options.orderby) == 1 and options.orderby[0][0] == Path(("phenomenonTime",))


def begins_oldest(resource: Resource, options: Options) -> bool:
    """Say whether a first page of all observations is asked for, the oldest first."""
    return _is_of_all(resource, options) and not options.orderby[0][1] and options.after is None


def _is_of_all(resource: Resource, options: Options) -> bool:
    return resource.entity.name == "Observations" and len(resource.steps) == 1 and by_moment(options)


def _ordered_columns(options: Options, entity: Entity, table: Any) -> tuple[list[Any], bool] | None:
    """Return the columns that pages go on from, and whether they fall.

    None where pages are told by how many came before, which takes longer and longer.
    """
    if not options.orderby:
        return [table.c[key] for key in entity.key], False
    if entity.name == "Observations" and by_moment(options):
        keys = ("phenomenon_time", "device_id", "property")
        return [table.c[key] for key in keys], options.orderby[0][1]
    return None


class Order(NamedTuple):
    """What rows are ordered by; a column of the key is never null, and so finds the order of its index."""

    value: Any
    falls: bool = False
    is_key: bool = True

    def of(self, value: Any) -> Any:
        """Return this order of a value that is the same elsewhere."""
        ordered = value.desc() if self.falls else value.asc()
        return ordered if self.is_key else ordered.nulls_last()


def orders_of(options: Options, entity: Entity, table: Any) -> list[Order]:
    """Return what a page is ordered by; the key comes last, so that no two are equal."""
    columns = _ordered_columns(options, entity, table)
    if columns is not None:
        return [Order(column, columns[1]) for column in columns[0]]
    given = [Order(order(node, entity, table), falls, is_key=False) for node, falls in options.orderby]
    return [*given, *(Order(table.c[key]) for key in entity.key)]


_STRETCHES: Final = tuple(timedelta(minutes=m) for m in (1, 15, 240, 3600))


def ever_longer(
    resource: Resource, options: Options, table: Any, first_day: date | None = None
) -> Iterator[list[Condition]]:
    """Yield conditions under which to look for a page, one after the other until it is full.

    The newest and the oldest observations of everything have no index, but those of a stretch of time have:
    most pages are full of what came within a minute.

    Parameters
    ----------
    first_day
        About where the observations begin, for a page that begins with the oldest.
    """
    if _is_of_all(resource, options):
        key = ENTITIES["Observations"].key_of(options.after) if options.after is not None else None
        if options.orderby[0][1]:
            newest = key[2] if key is not None else datetime.now(UTC)
            for time in _STRETCHES:
                yield [table.c.phenomenon_time > newest - time]
        else:
            begin = datetime.now(UTC) - timedelta(days=2)
            if first_day is not None:
                begin = datetime.combine(first_day, clock(), UTC)
            oldest = key[2] if key is not None else begin
            for time in _STRETCHES:
                yield [table.c.phenomenon_time < oldest + time]
    yield []


def after(options: Options, entity: Entity, table: Any) -> list[Condition]:
    """Return the conditions that a row comes after the page before.

    Raises
    ------
    NotFoundError
        The link to this page was made for another order.
    """
    if options.after is None:
        return []
    columns = _ordered_columns(options, entity, table)
    key = entity.key_of(options.after)
    if columns is None or key is None:
        raise NotFoundError("this link to the next page does not fit its order", where="$skiptoken")
    values = [dict(zip(entity.key, key, strict=True))[column.name] for column in columns[0]]
    pairs = (
        tuple_(*columns[0]),
        tuple_(*(literal(v, c.type) for v, c in zip(values, columns[0], strict=True))),
    )
    return [pairs[0] < pairs[1] if columns[1] else pairs[0] > pairs[1]]
