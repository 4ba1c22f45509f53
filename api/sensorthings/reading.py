"""Read entities as JSON: one query for a page, and one more for each link that is expanded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final
from urllib.parse import quote

import orjson
from sqlalchemy import BigInteger, Select, Text, and_, cast, exists, func, literal, select, true
from sqlalchemy import column as named
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from api.sensorthings.counting import is_by_stream, is_expanded_by_stream, observation_counts
from api.sensorthings.entities import ENTITIES
from api.sensorthings.filters import condition
from api.sensorthings.kinds import COUNT, TRUTH, catalog_values, observation_type
from api.sensorthings.options import Options, json_options
from api.sensorthings.paging import after, begins_oldest, by_moment, ever_longer, orders_of
from api.sensorthings.paths import Resource, Step
from api.sensorthings.shape import Entity, Link, Property, Type, period
from api.sensorthings.values import Condition
from twin.catalog import Catalog
from twin.errors import NotFoundError
from twin.store.day_counts import counted_days

_MOST_EXPANDED: Final = 50_000
"""Entities of one expanded link in one answer; where there are more, links lead to the rest."""

Answer = dict[str, Any]


@dataclass(slots=True)
class Found:
    """One entity: what is told of it, and the columns by which others hang on it."""

    told: Answer
    id: int | str
    keys: dict[str, Any]


@dataclass(slots=True)
class Page:
    """Entities of a set, and how many there are of it where that was asked."""

    rows: list[Found] = field(default_factory=list)
    goes_on: bool = False
    count: int | None = None


class Reader:
    """Reads entities for one request.

    Parameters
    ----------
    connection
        A transaction that shows what the caller may see.
    catalog
        The kinds of devices.
    root
        Address of the service, without a slash at its end.
    """

    def __init__(self, connection: AsyncConnection, catalog: Catalog, root: str) -> None:
        self.connection, self.catalog, self.root = connection, catalog, root
        self.catalog_values = catalog_values(catalog)

    async def ask(self, query: Select[Any]) -> Sequence[Any]:
        """Return the rows of a query."""
        rows: Sequence[Any] = (await self.connection.execute(built(query), self.catalog_values)).all()
        return rows

    def link_to(self, entity: Entity, given: int | str) -> str:
        """Return the address of an entity."""
        return f"{self.root}/{address(entity, given)}"

    async def page(self, resource: Resource, options: Options) -> Page:
        """Return a page of a set.

        Raises
        ------
        NotFoundError
            The entity that the set hangs on is not there, or lies where the caller sees nothing.
        """
        entity = resource.entity
        table = entity.table()
        where = above(resource.steps, table)
        if options.filter is not None:
            where.append(condition(options.filter, entity, table))
        page = Page()
        if options.count:
            page.count = await self._count(resource.steps, options)
        if options.limit:
            shown = Shown(self, entity, options)
            where += after(options, entity, table)
            rows: Sequence[Any] = []
            first = await self._first_day() if begins_oldest(resource, options) else None
            for recent in ever_longer(resource, options, table, first):
                rows = await self.ask(_page_query(shown, options, table, [*where, *recent]))
                if len(rows) > options.limit:
                    break
            page.goes_on = len(rows) > options.limit
            page.rows = [shown.found(row) for row in rows[: options.limit]]
        if not page.rows and len(resource.steps) > 1:
            await self.demand(resource.steps[:-1])
        await self.expand(entity, page.rows, options)
        return page

    async def _count(self, steps: tuple[Step, ...], options: Options) -> int:
        """Return how many entities a path and a filter mean."""
        entity = steps[-1].entity
        if is_by_stream(steps, options.filter):
            table = observation_counts(await counted_days(self.connection))
            number: Any = func.coalesce(func.sum(table.c.number), 0)
        else:
            table, number = entity.table(), func.count()
        where = above(steps, table)
        if options.filter is not None:
            where.append(condition(options.filter, entity, table))
        return int((await self.ask(select(number).select_from(table).where(*where)))[0][0])

    async def _first_day(self) -> date | None:
        return next(iter(await counted_days(self.connection)), None)

    async def one(self, resource: Resource, options: Options) -> Found:
        """Return the entity that a path names.

        Raises
        ------
        NotFoundError
            It is not there, or lies where the caller sees nothing.
        """
        entity = resource.entity
        table = entity.table()
        shown = Shown(self, entity, options)
        rows = await self.ask(select(*shown.columns(table)).where(*above(resource.steps, table)).limit(1))
        if not rows:
            raise not_there(resource.steps)
        found = [shown.found(rows[0])]
        await self.expand(entity, found, options)
        return found[0]

    async def those(
        self, entity: Entity, keys: Sequence[tuple[Any, ...]], steps: tuple[Step, ...] = ()
    ) -> list[Found]:
        """Return entities by the values of their key columns, in that order.

        Those that are not there, or not for this caller, are left out; so are, where ``steps`` are given,
        those that the path does not lead to.
        """
        there = entity.table()
        up = _given([(name, there.c[name].type) for name in entity.key], keys)
        same = and_(*(there.c[name] == up.c[name] for name in entity.key))
        shown = Shown(self, entity, Options())
        query = select(*shown.columns(there)).join_from(up, there, same).order_by(up.c.n)
        if steps:
            query = query.where(*above(steps, there))
        return [shown.found(row) for row in await self.ask(query)]

    async def demand(self, steps: tuple[Step, ...]) -> None:
        """Check that an entity is there.

        Raises
        ------
        NotFoundError
            It is not.
        """
        table = steps[-1].entity.table()
        if not await self.ask(select(literal(1)).select_from(table).where(*above(steps, table)).limit(1)):
            raise not_there(steps)

    async def expand(self, entity: Entity, parents: list[Found], options: Options) -> None:
        """Hang on each entity what its options ask for, and what hangs on that."""
        if not parents:
            return
        for name, asked in options.expand.items():
            link = entity.links[name]
            if link.many:
                children = await self._many(link, parents, asked)
                for parent, page in zip(parents, children, strict=True):
                    self._hang(entity, parent, link, page, asked)
                held = [row for page in children for row in page.rows]
            else:
                held = await self._single(link, parents, asked)
            await self.expand(ENTITIES[link.target], held, asked)

    async def _single(self, link: Link, parents: list[Found], asked: Options) -> list[Found]:
        """Hang one entity on each of n; those that share it share its answer."""
        target = ENTITIES[link.target]
        there = target.table()
        wanted = {tuple(parent.keys[key] for key in link.keys): parent for parent in parents}
        up = _parents(link, list(wanted.values()))
        shown = Shown(self, target, asked)
        rows = await self.ask(select(up.c.n, *shown.columns(there)).join_from(up, there, link.on(up, there)))
        by_key = {}
        keys = list(wanted)
        for row in rows:
            by_key[keys[row.n - 1]] = shown.found(row)
        for parent in parents:
            found = by_key.get(tuple(parent.keys[key] for key in link.keys))
            parent.told[link.name] = found.told if found is not None else None
        return list(by_key.values())

    async def _many(self, link: Link, parents: list[Found], asked: Options) -> list[Page]:
        """Return for each of n entities a page of what hangs on it."""
        target = ENTITIES[link.target]
        up = _parents(link, parents)
        pages = [Page() for _ in parents]
        limit = min(asked.limit, max(1, _MOST_EXPANDED // len(parents)))
        there = target.table()
        where = [link.on(up, there)]
        if asked.filter is not None:
            where.append(condition(asked.filter, target, there))
        shown = Shown(self, target, asked)
        if limit:
            inner = select(*shown.columns(there)).where(*where)
            inner = inner.order_by(*(order.of(order.value) for order in orders_of(asked, target, there)))
            inner = inner.limit(limit + 1).offset(asked.skip).correlate(up)
            each = inner.lateral()
            for row in await self.ask(select(up.c.n, *each.c).join_from(up, each, true()).order_by(up.c.n)):
                page = pages[row.n - 1]
                if len(page.rows) == limit:
                    page.goes_on = True
                else:
                    page.rows.append(shown.found(row))
        if asked.count:
            how_many: Any = func.count()
            if is_expanded_by_stream(link, asked.filter):
                there = observation_counts(await counted_days(self.connection))
                how_many = func.coalesce(func.sum(there.c.number), 0)
                where = [link.on(up, there)]
                if asked.filter is not None:
                    where.append(condition(asked.filter, target, there))
            number = select(how_many.label("number")).select_from(there).where(*where).correlate(up).lateral()
            for row in await self.ask(select(up.c.n, number.c.number).join_from(up, number, true())):
                pages[row.n - 1].count = int(row.number)
        return pages

    def _hang(self, entity: Entity, parent: Found, link: Link, page: Page, asked: Options) -> None:
        if page.count is not None:
            parent.told[f"{link.name}@iot.count"] = page.count
        parent.told[link.name] = [row.told for row in page.rows]
        if page.goes_on:
            base = f"{address(entity, parent.id)}/{link.name}"
            parent.told[f"{link.name}@iot.nextLink"] = self.next_link(base, asked, page)

    def next_link(self, path: str, options: Options, page: Page) -> str:
        """Return the address of the page after this one."""
        pairs = json_options(options)
        if not options.orderby or (by_moment(options) and isinstance(page.rows[-1].id, str)):
            pairs["$skiptoken"] = str(page.rows[-1].id)
        else:
            pairs["$skip"] = str(options.skip + len(page.rows))
        query = "&".join(f"{name}={quote(value, safe=_UNQUOTED)}" for name, value in pairs.items())
        return f"{self.root}/{path}?{query}"


_UNQUOTED: Final = "$@/(),'=*:;"


class Shown:
    """Which columns of an entity are read, and how they are told."""

    def __init__(self, reader: Reader, entity: Entity, options: Options) -> None:
        self.reader, self.entity = reader, entity
        names = options.select
        self.with_id = names is None or "id" in names
        self.properties = [
            p for p in entity.properties.values() if p.name != "id" and (names is None or p.name in names)
        ]
        self.links = [
            link
            for link in entity.links.values()
            if link.name not in options.expand and (names is None or link.name in names)
        ]
        self.keys = {*entity.key, *(key for name in options.expand for key in entity.links[name].keys)}

    def columns(self, table: Any) -> list[Any]:
        """Return what is read of a row of the subquery."""
        read = [table.c.id.label("_id"), *(table.c[key].label(f"_{key}") for key in self.keys if key != "id")]
        for shown in self.properties:
            for i, value in enumerate(shown.of(table)):
                read.append(_readable(shown, i, value).label(f"{shown.name}.{i}"))
        return read

    def found(self, row: Any) -> Found:
        """Return the entity of a row."""
        values = row._mapping
        given = values["_id"]
        told: Answer = {}
        link = self.reader.link_to(self.entity, given)
        if self.with_id:
            told["@iot.selfLink"], told["@iot.id"] = link, given
        for shown in self.properties:
            value = self.value(shown, values)
            if value is not None or not shown.optional:
                told[shown.name] = value
        for way in self.links:
            told[f"{way.name}@iot.navigationLink"] = f"{link}/{way.name}"
        return Found(told, given, {key: values["_id" if key == "id" else f"_{key}"] for key in self.keys})

    def value(self, shown: Property, values: Any) -> Any:
        """Return a property as it is told."""
        first = values[f"{shown.name}.0"]
        match shown.type:
            case Type.TIME:
                end = values[f"{shown.name}.1"] if len(shown.columns) == 2 else None
                return period(first, end, always=shown.computed is not None)
            case Type.GEO | Type.JSON:
                return None if first is None else orjson.Fragment(first)
            case Type.RESULT:
                return self.result(*(values[f"{shown.name}.{i}"] for i in range(5)))
        return first

    def result(
        self, number: float | None, other: str | None, kind: str, slot: int, told_type: str | None
    ) -> Any:
        """Return the result of an observation: a number, yes or no, or what else a client told."""
        if other is not None:
            return orjson.Fragment(other)
        if number is None:
            return None
        type_ = told_type
        if type_ is None:
            properties = (
                self.reader.catalog.by_name[kind].properties if kind in self.reader.catalog.by_name else ()
            )
            type_ = observation_type(properties[slot]) if slot < len(properties) else ""
        if type_ == TRUTH and number in (0.0, 1.0):
            return number == 1.0
        return int(number) if type_ == COUNT and number.is_integer() else number


def built(query: Select[Any]) -> Select[Any]:
    """Return a query as it is: SQLAlchemy built it over the columns of `entities`, and binds every value."""
    return query


def address(entity: Entity, given: int | str) -> str:
    """Return the path of an entity below the root."""
    return f"{entity.name}('{given}')" if isinstance(given, str) else f"{entity.name}({given})"


def above(steps: tuple[Step, ...], table: Any) -> list[Condition]:
    """Return the conditions that a row of the last step's subquery is what a path names."""
    last = steps[-1]
    conditions = [last.entity.is_one(table, last.id)] if last.id is not None else []
    if len(steps) > 1:
        upper = steps[-2].entity
        up = upper.table()
        there = select(literal(1)).select_from(up)
        there = there.where(upper.links[last.link].on(up, table), *above(steps[:-1], up))
        conditions.append(exists(there.correlate(table)))
    return conditions


def not_there(steps: tuple[Step, ...]) -> NotFoundError:
    """Make the error of an entity that is not there, or not for this caller."""
    last = steps[-1]
    where = address(last.entity, last.id) if last.id is not None else last.link
    return NotFoundError(f"there is no such {last.entity.singular}", where=where)


def _readable(shown: Property, index: int, value: Any) -> Any:
    if shown.type is Type.GEO:
        return func.ST_AsGeoJSON(value, 9)
    if shown.type is Type.JSON or (shown.type is Type.RESULT and index == 1):
        return cast(value, Text)
    return value


def _parents(link: Link, parents: list[Found]) -> Any:
    """Return n rows as a table: the columns that a link starts from, and their number from 1."""
    rows = [tuple(parent.keys[key] for key in link.keys) for parent in parents]
    return _given([(key, BigInteger()) for key in link.keys], rows)


def _given(columns: Sequence[tuple[str, Any]], rows: Sequence[tuple[Any, ...]]) -> Any:
    """Return n rows of named, typed columns as a table, and their number ``n`` from 1."""
    arrays = [literal([row[i] for row in rows], ARRAY(type_)) for i, (_, type_) in enumerate(columns)]
    names = [named(name, type_) for name, type_ in columns]
    return func.unnest(*arrays).table_valued(*names, with_ordinality="n").render_derived()


def _page_query(shown: Shown, options: Options, table: Any, where: list[Condition]) -> Select[Any]:
    """Return the query of a page: first which rows it holds, then what is told of these.

    In one step PostgreSQL works out what is told of all rows of the set and then sorts.
    """
    orders = orders_of(options, shown.entity, table)
    values = [order.value.label(f"order.{i}") for i, order in enumerate(orders)]
    held = select(*table.c, *values).where(*where).order_by(*(order.of(order.value) for order in orders))
    held = held.limit(options.limit + 1)
    rows = (held.offset(options.skip) if options.skip else held).subquery()
    return select(*shown.columns(rows)).order_by(
        *(order.of(rows.c[f"order.{i}"]) for i, order in enumerate(orders))
    )
