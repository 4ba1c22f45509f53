"""Give the functions of filters (OGC 18-088, table 24) as SQL: what they take, what they give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlalchemy import Date, DateTime, Float, Integer, Numeric, Text, Time, and_, case, cast, func, literal

from api.sensorthings.shape import Expression

NUMBER, TEXT, BOOL, TIME, GEO, JSON = "number", "text", "true or false", "moment", "geometry", "JSON"
DURATION, DAY, CLOCK, NULL = "duration", "day", "time of day", "null"
"""What a value in a filter is, as it is told to who wrote it."""


def _whole(number: Expression) -> Expression:
    return cast(func.floor(number), Integer)


def _part(name: str) -> tuple[tuple[str, ...], str, Callable[..., Any]]:
    return (TIME,), NUMBER, lambda at: cast(func.date_part(name, func.timezone("UTC", at)), Float)


def _touching(name: str) -> tuple[tuple[str, ...], str, Callable[..., Any]]:
    """Return a relation of two geometries that can only hold where their boxes meet."""
    return (GEO, GEO), BOOL, lambda a, b: and_(a.op("&&")(b), getattr(func, name)(a, b))


def _rounded(number: Expression) -> Expression:
    return cast(func.round(cast(number, Numeric)), Float)  # halves away from zero, as the standard says


def _substring(value: Expression, start: Expression, length: Expression | None = None) -> Expression:
    begin = func.greatest(_whole(start), 0) + 1
    if length is None:
        return func.substr(value, begin)
    return func.substr(value, begin, func.greatest(_whole(length), 0))


FUNCTIONS: Final[Mapping[str, tuple[tuple[str, ...], str, Callable[..., Any]]]] = {
    "substringof": ((TEXT, TEXT), BOOL, lambda part, whole: func.strpos(whole, part) > 0),
    "contains": ((TEXT, TEXT), BOOL, lambda whole, part: func.strpos(whole, part) > 0),
    "endswith": ((TEXT, TEXT), BOOL, lambda a, b: func.right(a, func.length(b)) == b),
    "startswith": ((TEXT, TEXT), BOOL, func.starts_with),
    "length": ((TEXT,), NUMBER, lambda a: cast(func.length(a), Float)),
    "indexof": ((TEXT, TEXT), NUMBER, lambda a, b: cast(func.strpos(a, b) - 1, Float)),
    "substring": ((TEXT, NUMBER, NUMBER), TEXT, _substring),
    "tolower": ((TEXT,), TEXT, func.lower),
    "toupper": ((TEXT,), TEXT, func.upper),
    "trim": ((TEXT,), TEXT, lambda a: func.btrim(a, " \t\r\n")),
    "concat": ((TEXT, TEXT), TEXT, func.concat),
    "year": _part("year"),
    "month": _part("month"),
    "day": _part("day"),
    "hour": _part("hour"),
    "minute": _part("minute"),
    "second": ((TIME,), NUMBER, lambda at: func.floor(cast(func.date_part("second", at), Float))),
    "fractionalseconds": (
        (TIME,),
        NUMBER,
        lambda at: cast(func.mod(cast(func.extract("epoch", at), Numeric), 1), Float),
    ),
    "date": ((TIME,), DAY, lambda at: cast(func.timezone("UTC", at), Date)),
    "time": ((TIME,), CLOCK, lambda at: cast(func.timezone("UTC", at), Time)),
    "totaloffsetminutes": ((TIME,), NUMBER, lambda at: case((at.is_not(None), literal(0.0, Float)))),
    "now": ((), TIME, func.now),
    "mindatetime": ((), TIME, lambda: cast(literal("-infinity", Text), DateTime(timezone=True))),
    "maxdatetime": ((), TIME, lambda: cast(literal("infinity", Text), DateTime(timezone=True))),
    "round": ((NUMBER,), NUMBER, _rounded),
    "floor": ((NUMBER,), NUMBER, func.floor),
    "ceiling": ((NUMBER,), NUMBER, func.ceil),
    "geo.distance": ((GEO, GEO), NUMBER, func.ST_Distance),
    "geo.length": ((GEO,), NUMBER, func.ST_Length),
    "geo.intersects": _touching("ST_Intersects"),
    "st_equals": _touching("ST_Equals"),
    "st_disjoint": ((GEO, GEO), BOOL, func.ST_Disjoint),
    "st_touches": _touching("ST_Touches"),
    "st_within": _touching("ST_Within"),
    "st_overlaps": _touching("ST_Overlaps"),
    "st_crosses": _touching("ST_Crosses"),
    "st_intersects": _touching("ST_Intersects"),
    "st_contains": _touching("ST_Contains"),
    "st_relate": ((GEO, GEO, TEXT), BOOL, func.ST_Relate),
}
