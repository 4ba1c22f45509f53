"""Compare values and calculate with them in SQL: each has a kind, and what has no meaning is refused."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as clock
from typing import Any, Final

import shapely
from geoalchemy2 import Geometry
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
    false,
    func,
    literal,
    not_,
    or_,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.types import LargeBinary

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
from api.sensorthings.shape import Expression
from api.sensorthings.syntax import Period, wrong

Condition = ColumnElement[bool]

COMPARE: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
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


_TYPES: Final[Mapping[str, Any]] = {
    NUMBER: Float,
    TEXT: Text,
    BOOL: Boolean,
    TIME: DateTime(timezone=True),
    DURATION: Interval,
    DAY: Date,
    CLOCK: Time,
    GEO: Geometry(srid=4326),
    JSON: JSONB,
}


class Algebra:
    """What may be done with values.

    Parameters
    ----------
    where
        The option of the query that they stand in, for errors.
    """

    def __init__(self, where: str) -> None:
        self.where = where

    def wrong(self, what: str, hint: str = "") -> Exception:
        """Make the error of something that has no meaning."""
        return wrong(what, self.where, hint)

    def literal(self, given: Any) -> Value:
        """Return a value that was written down."""
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

    def as_kind(self, value: Value, kind: str) -> Value:
        """Return a value as another kind where it may be one: JSON may be a number, a text, true or false."""
        if value.kind == kind:
            return value
        if value.kind == NULL:
            return Value(kind, cast(literal(None), _TYPES[kind]))
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
        """Return the condition that two values compare so."""
        apply = COMPARE[sign]
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
        """Return the condition that there is no value, or that there is one."""
        if sign not in ("eq", "ne"):
            raise self.wrong("nothing is greater or less than null")
        if value.kind == NULL:
            return true() if sign == "eq" else false()
        empty: Condition = value.made.is_(None)
        if value.kind == JSON:
            empty = or_(empty, value.made == cast(literal("null"), JSONB))
            if value.number is not None:
                empty = and_(empty, value.number.is_(None))
        return empty if sign == "eq" else not_(empty)

    def calculate(self, sign: str, left: Value, right: Value) -> Value:
        """Return what two values give: numbers, or moments and durations."""
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
        """Return what a function of the standard gives."""
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
