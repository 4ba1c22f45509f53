"""Turn the tree of a condition into SQL: columns from the list of `entities`, values always bound.

Conditions that are joined by ``and`` and reach over the same link speak of the same thing there:
``Datastreams/name eq 'a' and Datastreams/id gt 5`` asks for one datastream that is both.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from datetime import time as clock
from typing import Any, Final

import shapely
from shapely.geometry.base import BaseGeometry
from sqlalchemy import (
    Boolean,
    Date,
    DateTime,
    Float,
    Interval,
    Numeric,
    Text,
    Time,
    and_,
    case,
    cast,
    exists,
    func,
    literal,
    not_,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.types import LargeBinary

from api.sensorthings.entities import ENTITIES
from api.sensorthings.functions import (
    BOOL,
    CLOCK,
    DAY,
    DURATION,
    FUNCTIONS,
    GEO,
    JSON,
    NULL,
    NUMBER,
    TEXT,
    TIME,
)
from api.sensorthings.shape import Entity, Expression, Property, Type
from api.sensorthings.syntax import And, Binary, Call, Literal, Minus, Node, Not, Or, Path, Period, wrong

Condition = ColumnElement[bool]

_OF_TYPE: Final = {
    Type.NUMBER: NUMBER,
    Type.TEXT: TEXT,
    Type.BOOL: BOOL,
    Type.TIME: TIME,
    Type.GEO: GEO,
    Type.JSON: JSON,
    Type.RESULT: JSON,
}
_COMPARE: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}


@dataclass(slots=True)
class Value:
    """A value in SQL. ``end`` is set for a period; ``number`` is the number that a JSON result mostly is."""

    kind: str
    made: Expression
    end: Expression | None = None
    number: Expression | None = None
    identifies: Callable[[int | str], Condition] | None = None
    """Says of an id of an entity whether a row has it."""
    given: Any = None
    apart: tuple[Expression, Expression] | None = None
    """The two geometries that a distance lies between."""


@dataclass(slots=True)
class Reach:
    """The rows that the conditions of one ``and`` speak of: the one outside, and those over its links."""

    entity: Entity
    table: Any
    joined: dict[tuple[str, ...], tuple[Entity, Any]] = field(default_factory=dict)
    conditions: list[Condition] = field(default_factory=list)

    def along(self, steps: tuple[str, ...], where: str) -> tuple[Entity, Any, tuple[str, ...]]:
        """Follow links; return where they end, and the steps that are left."""
        entity, table = self.entity, self.table
        for i, step in enumerate(steps):
            link = entity.links.get(step)
            if link is None:
                return entity, table, steps[i:]
            prefix = steps[: i + 1]
            if prefix not in self.joined:
                target = ENTITIES[link.target]
                there = target.table()
                self.joined[prefix] = target, there
                self.conditions.append(link.on(table, there))
            entity, table = self.joined[prefix]
        raise wrong(f"“{'/'.join(steps)}” names things; a property of them is asked", where)


def condition(node: Node, entity: Entity, table: Any) -> Condition:
    """Return the condition that a row of an entity's subquery fits.

    Raises
    ------
    InvalidError
        It names what there is not, or compares what cannot be compared.
    """
    match node:
        case Or(parts):
            return or_(*(condition(part, entity, table) for part in parts))
        case Not(of):
            return not_(condition(of, entity, table))
        case And(parts):
            return _all(_flat(parts), entity, table)
        case _:
            return _all([node], entity, table)


def order(node: Node, entity: Entity, table: Any) -> Expression:
    """Return what rows are ordered by.

    Raises
    ------
    InvalidError
        It is no property, or lies over a link that leads to many.
    """
    reach = Reach(entity, table)
    if isinstance(node, Path):
        here = entity
        for step in node.steps[:-1]:
            link = here.links.get(step)
            if link is not None and link.many:
                raise wrong(f"“{node}” may be many values", "$orderby")
            here = ENTITIES[link.target] if link is not None else here
    found = _Compiler(reach, "$orderby").value(node)
    if found.kind in (GEO, NULL):
        raise wrong("geometries have no order", "$orderby")
    made = found.number if found.number is not None else found.made
    if not reach.joined:
        return made
    tables = [there for _, there in reach.joined.values()]
    return (
        select(made).select_from(*tables).where(*reach.conditions).correlate(table).limit(1).scalar_subquery()
    )


def _flat(parts: Sequence[Node]) -> list[Node]:
    flat: list[Node] = []
    for part in parts:
        flat += _flat(part.parts) if isinstance(part, And) else [part]
    return flat


def _all(parts: Sequence[Node], entity: Entity, table: Any) -> Condition:
    reach = Reach(entity, table)
    compiler = _Compiler(reach, "$filter")
    near: list[Condition] = []
    far: list[Condition] = []
    for part in parts:
        if isinstance(part, Or | Not):
            near.append(condition(part, entity, table))
            continue
        (far if _uses_links(part, entity) else near).append(compiler.truth(part))
    if far:
        tables = [there for _, there in reach.joined.values()]
        near.append(exists(select(1).select_from(*tables).where(*reach.conditions, *far).correlate(table)))
    return and_(*near)


def _uses_links(node: Node, entity: Entity) -> bool:
    match node:
        case Path(steps):
            return steps[0] in entity.links
        case Binary(_, left, right):
            return _uses_links(left, entity) or _uses_links(right, entity)
        case Call(_, arguments):
            return any(_uses_links(argument, entity) for argument in arguments)
        case Minus(of):
            return _uses_links(of, entity)
        case _:
            return False


class _Compiler:
    """Turns expressions over the rows of a `Reach` into SQL."""

    def __init__(self, reach: Reach, where: str) -> None:
        self.reach, self.where = reach, where

    def wrong(self, what: str, hint: str = "") -> Exception:
        return wrong(what, self.where, hint)

    def truth(self, node: Node) -> Condition:
        """Return an expression that is true or false."""
        if isinstance(node, And | Or | Not):
            raise self.wrong("a condition cannot be a part of a value here")
        if isinstance(node, Binary) and node.operator in _COMPARE:
            return self.compare(node.operator, self.value(node.left), self.value(node.right))
        value = self.value(node)
        if value.kind == JSON:
            value = self.as_kind(value, BOOL)
        if value.kind != BOOL:
            raise self.wrong(f"this is a {value.kind}, a condition is wanted")
        return value.made

    def value(self, node: Node) -> Value:
        match node:
            case Literal(given):
                return self.literal(given)
            case Path(steps):
                return self.path(steps)
            case Call(name, arguments):
                return self.call(name, [self.value(argument) for argument in arguments])
            case Minus(of):
                return Value(NUMBER, -self.as_kind(self.value(of), NUMBER).made)
            case Binary(sign, left, right) if sign not in _COMPARE:
                return self.calculate(sign, self.value(left), self.value(right))
        return Value(BOOL, self.truth(node))

    def literal(self, given: Any) -> Value:
        match given:
            case None:
                return Value(NULL, literal(None))
            case bool():
                return Value(BOOL, literal(given, Boolean), given=given)
            case int() | float():
                return Value(NUMBER, literal(float(given), Float), given=given)
            case str():
                return Value(TEXT, literal(given, Text), given=given)
            case datetime():
                return Value(TIME, literal(given, DateTime(timezone=True)), given=given)
            case Period(begin, end):
                moments = (literal(at, DateTime(timezone=True)) for at in (begin, end))
                return Value(TIME, next(moments), next(moments), given=given)
            case date():
                return Value(DAY, literal(given, Date), given=given)
            case clock():
                return Value(CLOCK, literal(given, Time), given=given)
            case timedelta():
                return Value(DURATION, literal(given, Interval), given=given)
            case BaseGeometry():
                return Value(
                    GEO, func.ST_GeomFromWKB(literal(shapely.to_wkb(given), LargeBinary), 4326), given=given
                )
        raise self.wrong("this value is not known")

    def path(self, steps: tuple[str, ...]) -> Value:
        entity, table, rest = self.reach.along(steps, self.where)
        name = "id" if rest[0] == "@iot.id" else rest[0]
        found = entity.properties.get(name)
        if found is None:
            known = ", ".join([*entity.properties, *entity.links])
            raise self.wrong(f"a {entity.singular} has no “{name[:60]}”", f"it has {known}")
        if len(rest) > 1:
            return self.inside(entity, table, found, rest[1:])
        values = found.of(table)
        if found.type is Type.RESULT:
            return Value(JSON, values[1], number=values[0])
        value = Value(_OF_TYPE[found.type], values[0])
        # A datastream observes from a moment to another; an observation is compared by its beginning, which
        # there is an index for.
        if found.type is Type.TIME and len(values) == 2 and found.columns[0] != "phenomenon_time":
            value.end = values[1]
        if name == "id":
            if entity.id_is_text:
                value.kind = TEXT
            value.identifies = lambda given: entity.is_one(table, given)
        return value

    def inside(self, entity: Entity, table: Any, found: Property, steps: tuple[str, ...]) -> Value:
        """Return a member of a JSON property; those of ``properties`` that are columns of ours as such."""
        if found.type not in (Type.JSON, Type.RESULT):
            raise self.wrong(f"“{found.name}” has no members")
        if found.name == "properties" and len(steps) == 1 and steps[0] in entity.inner:
            column, kind = entity.inner[steps[0]]
            return Value(_OF_TYPE[kind], table.c[column])
        values = found.of(table)
        whole = values[1] if found.type is Type.RESULT else values[0]
        return Value(JSON, func.jsonb_extract_path(whole, *(literal(step, Text) for step in steps)))

    # kinds

    def as_kind(self, value: Value, kind: str) -> Value:
        """Return a value as another kind where it may be one: JSON may be a number, a text, true or false."""
        if value.kind == kind:
            return value
        if value.kind == NULL:
            types: dict[str, Any] = {NUMBER: Float, TEXT: Text, BOOL: Boolean, TIME: DateTime(timezone=True)}
            return Value(kind, cast(literal(None), types.get(kind, Text)))
        if value.kind != JSON or kind not in (NUMBER, TEXT, BOOL):
            raise self.wrong(f"a {value.kind} stands where a {kind} is wanted")
        word = {NUMBER: "number", TEXT: "string", BOOL: "boolean"}[kind]
        bare = value.made.op("#>>")(cast(literal("{}"), ARRAY(Text)))
        typed: Any = {NUMBER: Float, TEXT: Text, BOOL: Boolean}[kind]
        made: Expression = case((func.jsonb_typeof(value.made) == word, cast(bare, typed)))
        if value.number is not None and kind == NUMBER:
            made = func.coalesce(value.number, made)
        elif value.number is not None and kind == BOOL:
            made = func.coalesce(made, value.number == 1.0)  # yes or no is stored as 1 or 0
        return Value(kind, made)

    def compare(self, sign: str, left: Value, right: Value) -> Condition:
        apply = _COMPARE[sign]
        if NULL in (left.kind, right.kind):
            return self.with_nothing(sign, left if right.kind == NULL else right)
        for one, other in ((left, right), (right, left)):
            if one.identifies is not None and isinstance(other.given, int | str) and sign in ("eq", "ne"):
                if (one.kind, other.kind) not in ((NUMBER, NUMBER), (TEXT, TEXT)):
                    raise self.wrong(f"this id is a {one.kind}, not a {other.kind}")
                same = one.identifies(other.given)
                return same if sign == "eq" else not_(same)
        if left.kind == JSON and right.kind == JSON:
            return apply(_json_of(left), _json_of(right))  # type: ignore[no-any-return]
        if left.kind == JSON:
            left = self.as_kind(left, right.kind)
        elif right.kind == JSON:
            right = self.as_kind(right, left.kind)
        if left.kind != right.kind:
            hint = "moments are written without quotes" if {left.kind, right.kind} == {TIME, TEXT} else ""
            raise self.wrong(f"a {left.kind} cannot be compared with a {right.kind}", hint)
        if left.kind == GEO:
            if sign not in ("eq", "ne"):
                raise self.wrong("geometries have no order")
            same = and_(left.made.op("&&")(right.made), func.ST_Equals(left.made, right.made))
            return same if sign == "eq" else not_(same)
        if left.apart is not None and sign in ("lt", "le"):
            here, there = left.apart  # the box first: it is what there is an index for
            return and_(here.op("&&")(func.ST_Expand(there, right.made)), apply(left.made, right.made))
        if left.kind == TIME and (left.end is not None or right.end is not None):
            return _periods(sign, left, right)
        return apply(left.made, right.made)  # type: ignore[no-any-return]

    def with_nothing(self, sign: str, value: Value) -> Condition:
        if sign not in ("eq", "ne"):
            raise self.wrong("nothing is greater or less than null")
        empty: Condition = value.made.is_(None)
        if value.kind == JSON:
            empty = or_(empty, value.made == cast(literal("null"), JSONB))
            if value.number is not None:
                empty = and_(empty, value.number.is_(None))
        return empty if sign == "eq" else not_(empty)

    # calculations

    def calculate(self, sign: str, left: Value, right: Value) -> Value:
        kinds = (left.kind, right.kind)
        if sign in ("add", "sub") and (TIME in kinds or DURATION in kinds):
            made = left.made + right.made if sign == "add" else left.made - right.made
            kind = {
                (TIME, DURATION, "add"): TIME,
                (TIME, DURATION, "sub"): TIME,
                (DURATION, TIME, "add"): TIME,
                (TIME, TIME, "sub"): DURATION,
                (DURATION, DURATION, "add"): DURATION,
                (DURATION, DURATION, "sub"): DURATION,
            }.get((*kinds, sign))
            if kind is None:
                raise self.wrong(f"“{sign}” cannot be done with a {kinds[0]} and a {kinds[1]}")
            return Value(kind, made)
        a, b = self.as_kind(left, NUMBER).made, self.as_kind(right, NUMBER).made
        match sign:
            case "add":
                return Value(NUMBER, a + b)
            case "sub":
                return Value(NUMBER, a - b)
            case "mul":
                return Value(NUMBER, a * b)
            case "div":
                return Value(NUMBER, a / func.nullif(b, 0.0))
        rest = func.mod(cast(a, Numeric), func.nullif(cast(b, Numeric), 0))
        return Value(NUMBER, cast(rest, Float))

    def call(self, name: str, given: list[Value]) -> Value:
        known = FUNCTIONS.get(name)
        if known is None:
            raise self.wrong(f"there is no function “{name[:40]}”", "there are " + ", ".join(FUNCTIONS))
        kinds, result, make = known
        if len(given) != len(kinds) and not (name == "substring" and len(given) == 2):
            raise self.wrong(f"{name} takes {len(kinds)} values, not {len(given)}")
        if name == "length" and given[0].kind == JSON:
            given = [self.as_kind(given[0], TEXT)]
        values = [self.as_kind(value, kind) for value, kind in zip(given, kinds, strict=False)]
        if name == "st_relate" and not _is_relation(values[2].given):
            raise self.wrong("the third value of st_relate is nine of T, F, 0, 1, 2, *")
        made = Value(result, make(*(value.made for value in values)))
        if name == "geo.distance":
            made.apart = values[0].made, values[1].made
        return made


def _json_of(value: Value) -> Expression:
    if value.number is None:
        return value.made
    return func.coalesce(value.made, func.to_jsonb(value.number))


def _periods(sign: str, left: Value, right: Value) -> Condition:
    """Compare stretches of time: before is before the whole of the other."""
    begin, end = left.made, left.made if left.end is None else func.coalesce(left.end, left.made)
    other_begin, other_end = (
        right.made,
        right.made if right.end is None else func.coalesce(right.end, right.made),
    )
    match sign:
        case "eq":
            return and_(begin == other_begin, end == other_end)
        case "ne":
            return or_(begin != other_begin, end != other_end)
        case "lt":
            return end < other_begin
        case "gt":
            return begin > other_end
        case "le":
            return end <= other_end
    return begin >= other_begin


def _is_relation(given: object) -> bool:
    return isinstance(given, str) and len(given) == 9 and not set(given) - set("TF012*")
