"""Read a ``$filter`` or ``$orderby`` into a tree: by hand, bounded in length and in depth."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from typing import Any, Final

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from twin.errors import InvalidError

MOST_LETTERS: Final = 8192
DEEPEST: Final = 32
_MOST_CORNERS: Final = 2_000

Node = Any
"""One of the classes below."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that was written down: number, text, bool, None, moment, period, duration, day or geometry."""

    value: Any


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of time that was written as ``begin/end``."""

    begin: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Path:
    """A property, after the links that lead to it."""

    steps: tuple[str, ...]

    def __str__(self) -> str:
        return "/".join(self.steps)


@dataclass(frozen=True, slots=True)
class Call:
    """A function of the standard."""

    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Binary:
    """A comparison (``eq`` ...) or a calculation (``add`` ...)."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Minus:
    """A negated number."""

    of: Node


@dataclass(frozen=True, slots=True)
class And:
    """What must all be true."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Of what one must be true."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """What must be false."""

    of: Node


COMPARISONS: Final = ("eq", "ne", "gt", "ge", "lt", "le")
_MOMENT: Final = r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?"
_TOKEN: Final = re.compile(
    rf"""\s*(?:
      (?P<prefix>geography|geometry|duration|datetimeoffset|datetime|date|time)(?P<quoted>'(?:[^']|'')*')
    | (?P<text>'(?:[^']|'')*')
    | (?P<period>{_MOMENT}/{_MOMENT})
    | (?P<moment>{_MOMENT})
    | (?P<day>\d{{4}}-\d\d-\d\d)
    | (?P<clock>\d\d:\d\d:\d\d(?:\.\d{{1,6}})?)
    | (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w])
    | (?P<word>[^\W\d][\w.@:-]*|@[\w.]+)
    | (?P<sign>[(),/-])
    )""",
    re.VERBOSE,
)
_DURATION: Final = re.compile(r"(-)?P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?", re.ASCII)


def wrong(what: str, where: str = "$filter", hint: str = "") -> InvalidError:
    """Make the error of a query that cannot be understood."""
    return InvalidError(what, where=where, hint=hint or "see OGC 18-088, 9.3.3.5")


def parse_filter(source: str) -> Node:
    """Read a condition.

    Raises
    ------
    InvalidError
        It is no condition, or longer or deeper than is allowed.
    """
    parser = _Parser(source, "$filter")
    node = parser.disjunction()
    parser.end()
    return node


def parse_orderby(source: str) -> list[tuple[Node, bool]]:
    """Read what to order by: each an expression, and whether it falls.

    Raises
    ------
    InvalidError
        It cannot be understood.
    """
    parser = _Parser(source, "$orderby")
    orders = []
    while True:
        node = parser.sum()
        falls = False
        if parser.kind == "word" and parser.value.lower() in ("asc", "desc"):
            falls = parser.value.lower() == "desc"
            parser.advance()
        orders.append((node, falls))
        if not parser.take("sign", ","):
            break
    parser.end()
    return orders


class _Parser:
    """One reading of one text, a token ahead."""

    def __init__(self, source: str, where: str) -> None:
        if len(source) > MOST_LETTERS:
            raise wrong(f"it has {len(source)} letters; at most {MOST_LETTERS} are read", where)
        self.source, self.where, self.at, self.depth = source.rstrip(), where, 0, 0
        self.kind, self.value = "", ""
        self.begin = 0
        self.advance()

    def fail(self, what: str) -> InvalidError:
        return wrong(
            f"{what} at letter {self.begin + 1}: {self.source[self.begin : self.begin + 30]!r}", self.where
        )

    def advance(self) -> None:
        """Read the next token."""
        self.begin = self.at
        if self.at >= len(self.source):
            self.kind, self.value = "end", ""
            return
        match = _TOKEN.match(self.source, self.at)
        if match is None:
            raise self.fail("this cannot be read")
        self.at = match.end()
        if match["prefix"] is not None:
            self.kind, self.value = match["prefix"], match["quoted"][1:-1].replace("''", "'")
            return
        assert match.lastgroup is not None
        self.kind, self.value = match.lastgroup, match[match.lastgroup]

    def take(self, kind: str, value: str) -> bool:
        """Go on when this token is here."""
        if (self.kind, self.value) != (kind, value):
            return False
        self.advance()
        return True

    def demand(self, value: str) -> None:
        if not self.take("sign", value):
            raise self.fail(f"“{value}” is missing")

    def end(self) -> None:
        if self.kind != "end":
            raise self.fail("this is more than one condition")

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise wrong(f"it is nested more than {DEEPEST} deep", self.where)

    def disjunction(self) -> Node:
        self.deeper()
        parts = [self.conjunction()]
        while self.take("word", "or"):
            parts.append(self.conjunction())
        self.depth -= 1
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def conjunction(self) -> Node:
        parts = [self.negation()]
        while self.take("word", "and"):
            parts.append(self.negation())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def negation(self) -> Node:
        if self.take("word", "not"):
            self.deeper()
            node = Not(self.negation())
            self.depth -= 1
            return node
        return self.comparison()

    def comparison(self) -> Node:
        left = self.sum()
        if self.kind == "word" and self.value in COMPARISONS:
            operator = self.value
            self.advance()
            return Binary(operator, left, self.sum())
        return left

    def sum(self) -> Node:
        node = self.product()
        while self.kind == "word" and self.value in ("add", "sub"):
            operator = self.value
            self.advance()
            node = Binary(operator, node, self.product())
        return node

    def product(self) -> Node:
        node = self.factor()
        while self.kind == "word" and self.value in ("mul", "div", "mod"):
            operator = self.value
            self.advance()
            node = Binary(operator, node, self.factor())
        return node

    def factor(self) -> Node:
        if self.take("sign", "-"):
            self.deeper()
            node = self.factor()
            self.depth -= 1
            return Literal(-node.value) if _is_number(node) else Minus(node)
        if self.take("sign", "("):
            node = self.disjunction()
            self.demand(")")
            return node
        if self.kind == "word":
            return self.name()
        if self.kind in ("end", "sign"):
            raise self.fail("a value is missing")
        value = _literal(self.kind, self.value, self)
        self.advance()
        return Literal(value)

    def name(self) -> Node:
        word = self.value
        self.advance()
        if word in ("true", "false", "null"):
            return Literal({"true": True, "false": False, "null": None}[word])
        if self.take("sign", "("):
            self.deeper()
            arguments: list[Node] = []
            if not self.take("sign", ")"):
                arguments.append(self.disjunction())
                while self.take("sign", ","):
                    arguments.append(self.disjunction())
                self.demand(")")
            self.depth -= 1
            return Call(word, tuple(arguments))
        steps = [word]
        while self.take("sign", "/"):
            if self.kind not in ("word", "number"):
                raise self.fail("a name is missing after “/”")
            steps.append(self.value)
            self.advance()
        if len(steps) > DEEPEST:
            raise wrong(f"a path has more than {DEEPEST} steps", self.where)
        return Path(tuple(steps))


def _is_number(node: Node) -> bool:
    return (
        isinstance(node, Literal) and isinstance(node.value, int | float) and not isinstance(node.value, bool)
    )


def _literal(kind: str, value: str, parser: _Parser) -> Any:
    """Return the value of a token.

    Raises
    ------
    InvalidError
        It has the form of a value and is none.
    """
    try:
        if kind == "text":
            return _clean(value[1:-1].replace("''", "'"))
        if kind == "number":
            number = int(value) if value.isdecimal() else float(value)
            if not math.isfinite(float(number)):
                raise ValueError("not finite")
            return number
        if kind in ("moment", "datetime", "datetimeoffset"):
            return moment(value)
        if kind == "period":
            begin, end = map(moment, value.split("/"))
            if end < begin:
                raise ValueError("it ends before it begins")
            return Period(begin, end)
        if kind in ("day", "date"):
            return date.fromisoformat(value)
        if kind in ("clock", "time"):
            return clock.fromisoformat(value)
        if kind == "duration":
            return _duration(value)
        return _geometry(value)
    except (ValueError, OverflowError) as error:
        raise parser.fail(f"this is no {kind} ({str(error)[:60]})") from None


def _clean(value: str) -> str:
    if "\x00" in value:
        raise ValueError("a zero byte")
    return value


def moment(value: str) -> datetime:
    """Return an ISO 8601 moment as UTC; without a zone it is UTC.

    Raises
    ------
    ValueError
        It is none.
    """
    at = datetime.fromisoformat(value.replace(",", "."))
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _duration(value: str) -> timedelta:
    match = _DURATION.fullmatch(value)
    if match is None or value.endswith(("P", "T")):
        raise ValueError("write P1DT2H3M4S")
    sign, days, hours, minutes, seconds = match.groups()
    length = timedelta(
        days=int(days or 0), hours=int(hours or 0), minutes=int(minutes or 0), seconds=float(seconds or 0)
    )
    return -length if sign else length


def _geometry(value: str) -> BaseGeometry:
    body = value.rpartition(";")[2] if value.upper().startswith("SRID=4326;") else value
    try:
        geometry = shapely.from_wkt(body)
    except (shapely.errors.GEOSException, NotImplementedError) as error:  # the latter of curves
        raise ValueError(str(error).splitlines()[0]) from None
    return checked(geometry)


def checked(geometry: BaseGeometry) -> BaseGeometry:
    """Return a geometry in two dimensions that is sound and lies on the globe.

    Raises
    ------
    ValueError
        It does not, or has too many corners.
    """
    flat = shapely.force_2d(geometry)
    corners = shapely.get_coordinates(flat)
    if not len(corners) or len(corners) > _MOST_CORNERS:
        raise ValueError(f"a geometry has 1 to {_MOST_CORNERS} corners")
    if not np.isfinite(corners).all() or (np.abs(corners) > (180.0, 90.0)).any():
        raise ValueError("longitude is -180 to 180, latitude -90 to 90")
    if not shapely.is_valid(flat):
        raise ValueError(shapely.is_valid_reason(flat))
    return flat
