"""Read the options of a query: what to show, in which order, how much of it, and what hangs on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

from api.sensorthings.entities import ENTITIES
from api.sensorthings.shape import Entity
from api.sensorthings.syntax import MOST_LETTERS, Node, parse_filter, parse_orderby, wrong

DEFAULT_TOP: Final = 100
MOST_TOP: Final = 1000
_MOST_SKIP: Final = 10**9
_DEEPEST_EXPAND: Final = 6
_MOST_EXPANDS: Final = 32


@dataclass(slots=True)
class Options:
    """The options of one level; ``select`` is None for everything, ``after`` the id a page goes on from."""

    filter: Node | None = None
    orderby: list[tuple[Node, bool]] = field(default_factory=list)
    select: list[str] | None = None
    expand: dict[str, Options] = field(default_factory=dict)
    top: int | None = None
    skip: int = 0
    count: bool = False
    data_array: bool = False
    after: int | str | None = None
    written: dict[str, str] = field(default_factory=dict)
    """As they were given, to be given again in the link to the next page."""

    @property
    def limit(self) -> int:
        """How many entities a page of this level holds at most."""
        return min(self.top if self.top is not None else DEFAULT_TOP, MOST_TOP)


def parse_options(query_string: str, entity: Entity) -> Options:
    """Read the options of a request about an entity.

    Raises
    ------
    InvalidError
        One is not known here, given twice, or cannot be understood.
    """
    if len(query_string) > 4 * MOST_LETTERS:
        raise wrong(f"the query is longer than {4 * MOST_LETTERS} letters", "query")
    try:
        pairs = parse_qsl(query_string, keep_blank_values=True, max_num_fields=40, errors="strict")
    except ValueError as error:
        raise wrong(f"the query cannot be read: {str(error)[:80]}", "query") from None
    return _read(((name, value) for name, value in pairs if name.startswith("$")), entity, 0, [0])


def _read(pairs: Iterator[tuple[str, str]], entity: Entity, depth: int, expands: list[int]) -> Options:
    options = Options()
    for name, value in pairs:
        if name in options.written:
            raise wrong("it is given twice", name)
        if len(value) > MOST_LETTERS or "\x00" in value:
            raise wrong(f"at most {MOST_LETTERS} letters are read, and no zero bytes", name)
        options.written[name] = value
        match name:
            case "$filter":
                options.filter = parse_filter(value)
            case "$orderby":
                options.orderby = parse_orderby(value)
            case "$select":
                options.select = _names(value, entity)
            case "$expand":
                _expand(value, entity, options, depth, expands)
            case "$top":
                options.top = _number(name, value, 10**9)
            case "$skip":
                options.skip = _number(name, value, _MOST_SKIP)
            case "$count":
                if value not in ("true", "false"):
                    raise wrong("it is true or false", name)
                options.count = value == "true"
            case "$resultFormat" if depth == 0:
                if value != "dataArray" or entity.name != "Observations":
                    raise wrong("only dataArray is known, for Observations", name)
                options.data_array = True
            case "$skiptoken" if depth == 0:
                options.after = (
                    int(value) if value.removeprefix("-").isdecimal() and len(value) < 19 else value
                )
                if entity.key_of(options.after) is None:
                    raise wrong("it is no id of this set; take the whole link", name)
            case _:
                known = "$filter $orderby $select $expand $top $skip $count $resultFormat"
                raise wrong("this option is not known", name[:40], f"known are {known}")
    return options


def _number(name: str, value: str, most: int) -> int:
    if not (value.isascii() and value.isdecimal() and len(value) <= 10 and int(value) <= most):
        raise wrong(f"it is a whole number from 0 to {most}", name)
    return int(value)


def _names(value: str, entity: Entity) -> list[str]:
    names = []
    for part in _split(value, ","):
        name = part.strip()
        name = "id" if name in ("@iot.id", "@iot.selfLink") else name.partition("/")[0]
        if name not in entity.properties and name not in entity.links:
            known = ", ".join([*entity.properties, *entity.links])
            raise wrong(f"a {entity.singular} has no “{name[:60]}”", "$select", f"it has {known}")
        names.append(name)
    return names


def _expand(value: str, entity: Entity, options: Options, depth: int, expands: list[int]) -> None:
    if depth >= _DEEPEST_EXPAND:
        raise wrong(f"it is nested more than {_DEEPEST_EXPAND} deep", "$expand")
    for item in _split(value, ","):
        expands[0] += 1
        if expands[0] > _MOST_EXPANDS:
            raise wrong(f"it asks for more than {_MOST_EXPANDS} links", "$expand")
        path, bracket, rest = item.strip().partition("(")
        if bracket and not rest.endswith(")"):
            raise wrong("a bracket is not closed", "$expand")
        at, here, level = options, entity, depth
        steps = [step.strip() for step in path.split("/")]
        for step in steps[:-1]:
            here = _target(here, step)
            at = at.expand.setdefault(step, Options())
            level += 1
        if level >= _DEEPEST_EXPAND:
            raise wrong(f"it is nested more than {_DEEPEST_EXPAND} deep", "$expand")
        last = _target(here, steps[-1])
        pairs = (_pair(part) for part in _split(rest[:-1], ";") if part.strip())
        made = _read(pairs, last, level + 1, expands)
        before = at.expand.get(steps[-1])
        if before is not None:  # Datastreams,Datastreams/Sensor says the same link twice
            made.expand = {**before.expand, **made.expand}
        at.expand[steps[-1]] = made


def _target(entity: Entity, step: str) -> Entity:
    link = entity.links.get(step)
    if link is None:
        raise wrong(
            f"a {entity.singular} has no “{step[:60]}”", "$expand", "it has " + ", ".join(entity.links)
        )
    return ENTITIES[link.target]


def _pair(part: str) -> tuple[str, str]:
    name, equals, value = part.strip().partition("=")
    if not equals:
        raise wrong(
            f"“{part[:40]}” is no option", "$expand", "options in brackets are written $top=1;$skip=2"
        )
    return name.strip(), value


def _split(value: str, sign: str) -> list[str]:
    """Split at a sign that stands in no bracket and no quotes."""
    parts, depth, quoted, begin = [], 0, False, 0
    for at, letter in enumerate(value):
        if letter == "'":
            quoted = not quoted
        elif not quoted:
            depth += (letter == "(") - (letter == ")")
            if letter == sign and depth == 0:
                parts.append(value[begin:at])
                begin = at + 1
    parts.append(value[begin:])
    return parts


def json_options(options: Options) -> dict[str, Any]:
    """Return the options as they were given, without those that say which page is meant."""
    return {name: value for name, value in options.written.items() if name not in ("$skip", "$skiptoken")}
