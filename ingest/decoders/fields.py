"""List which fields a foreign message holds, so that a person can choose where a mapping reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from ingest.decoders.mapped import MAX_ITEMS
from ingest.decoders.misfit import shown
from ingest.decoders.paths import MAX_SIGNS, below, find
from ingest.decoders.readings import DecodeError
from ingest.decoders.times import from_iso

MOST_FIELDS: Final = 500
"""Most fields that are told of one message."""

_MOST_LISTS: Final = 50
_MOST_VISITS: Final = 20_000
_PLACES: Final = 8
_SAMPLES: Final = 3
_TIMES: Final[tuple[tuple[Literal["seconds", "milliseconds"], float, float], ...]] = (
    ("seconds", 9.4e8, 4.1e9),  # 2000 to 2099
    ("milliseconds", 9.4e11, 4.1e12),
)

Kind = Literal["number", "text", "yes_no", "null"]
TimeForm = Literal["milliseconds", "seconds", "iso"]


@dataclass(slots=True)
class Field:
    """One field, in all items of its list alike.

    Parameters
    ----------
    path
        Where it lies in an item.
    items
        Path of the list of items; "" where the message is the list itself, None where it is one item.
    types
        What was found there.
    samples
        The first different values, as JSON.
    count
        In how many items it lies.
    time_form
        How a time would be written that looks so; None where it looks like no time.
    """

    path: str
    items: str | None
    types: list[Kind] = field(default_factory=list)
    samples: list[str] = field(default_factory=list)
    count: int = 0
    time_form: TimeForm | None = None


@dataclass(slots=True)
class Fields:
    """What a message holds: its fields, its lists with their length, and how many at least were left out.

    Left out is what lies beyond the first `MOST_FIELDS` or too deep for a path; and of long lists their end.
    """

    fields: list[Field]
    lists: dict[str, int]
    left_out: int = 0


def fields_of(content: Any) -> Fields:
    """Return the fields of a message: once as one item, and for each of its lists in the items of that.

    Parameters
    ----------
    content
        The JSON of a message.
    """
    found = Fields([], {})
    lists = list(_lists(content))
    sources: list[tuple[str | None, list[Any]]] = [] if isinstance(content, list) else [(None, [content])]
    for path, items in lists[:_MOST_LISTS]:
        found.lists[path] = len(items)
        sources.append((path, items[:MAX_ITEMS]))
    found.left_out += len(lists) - len(found.lists)
    visits = 0
    for source, items in sources:
        known: dict[str, Field] = {}
        for item, path, value in ((one, *leaf) for one in items for leaf in _leaves(one)):
            visits += 1
            if visits > _MOST_VISITS:
                found.left_out += 1
                return found
            told = known.get(path)
            if told is None:
                if len(found.fields) >= MOST_FIELDS or len(path) > MAX_SIGNS or find(item, path) is not value:
                    found.left_out += 1
                    continue
                told = known[path] = Field(path, source)
                found.fields.append(told)
            _note(told, value)
    return found


def _lists(content: Any) -> Iterator[tuple[str, list[Any]]]:
    """Yield the lists of objects that no other such list holds, with their paths; "" is the message."""
    waiting = [("", content)]
    while waiting:
        path, here = waiting.pop()
        if len(path) > MAX_SIGNS:
            continue
        if isinstance(here, list):
            if any(isinstance(item, dict) for item in here):
                yield path, here
        elif isinstance(here, dict):
            waiting += [(below(path, name), inner) for name, inner in reversed(here.items())]


def _leaves(item: Any) -> Iterator[tuple[str, Any]]:
    """Yield what is neither object nor list, with its path; of lists the first places."""
    waiting = [("", item)]
    while waiting:
        path, here = waiting.pop()
        if len(path) > MAX_SIGNS:
            yield path, None
        elif isinstance(here, dict):
            waiting += [(below(path, name), inner) for name, inner in reversed(here.items())]
        elif isinstance(here, list):
            waiting += [(below(path, i), inner) for i, inner in reversed([*enumerate(here[:_PLACES])])]
        elif path:
            yield path, here


def _note(one: Field, value: Any) -> None:
    kind = _kind(value)
    one.count += 1
    if kind not in one.types:
        one.types.append(kind)
    if len(one.samples) < _SAMPLES:
        sample = shown(value)
        if sample not in one.samples:
            one.samples.append(sample)
    if one.count == 1:
        one.time_form = _time_form(value)


def _kind(value: Any) -> Kind:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "yes_no"
    return "number" if isinstance(value, int | float) else "text"


def _time_form(value: Any) -> TimeForm | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and len(value) >= len("2026-01-01") and "-" in value:
        try:
            from_iso(value if len(value) > len("2026-01-01") else "")
        except DecodeError as error:
            return "iso" if error.hint else None  # only its zone is missing
        return "iso"
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return next((form for form, low, high in _TIMES if low <= number < high), None)
