"""Say in Chinese and in English what is wrong with a message or a reading that was refused."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import msgspec

from twin.data_tables import DATA_FOLDER, read_table
from twin.errors import InvalidError

FILE: Final = DATA_FOLDER / "faults.toml"

Value = str | int
"""What stands in the braces of a row: written down as people shall read it."""

_PLACE: Final = re.compile(r"(?:(device|gateway) (.+?))?(?:, |^)?(?:reading (\d+))?", re.DOTALL)


class Words(NamedTuple):
    """One thing said in Chinese and in English."""

    zh: str
    en: str

    def fill(self, values: Mapping[str, Value]) -> Words:
        """Return them with what stands in their braces."""
        return Words(self.zh.format_map(values), self.en.format_map(values))


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    code: str
    reason: str
    zh: str
    en: str
    hint_zh: str = ""
    hint_en: str = ""


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    fault: tuple[_Row, ...]


NOTES: Final[Mapping[str, Words]] = MappingProxyType(
    {
        "more": Words("（另有 {n} 个）", " (and {n} more)"),
        "placeless": Words("；已去除位置后保留", "; kept without its places"),
        "unkept": Words("；可能涉及人员位置，内容未保留", "; not kept, it may say where a person is"),
    }
)
"""What may be said besides: that more was refused, and how much of the message is kept."""


_TYPES: Final[Mapping[str, Words]] = MappingProxyType(
    {
        "int": Words("整数", "a whole number"),
        "float": Words("数", "a number"),
        "str": Words("文字", "text"),
        "bool": Words("是否", "true or false"),
        "array": Words("列表", "a list"),
        "object": Words("对象", "an object"),
        "null": Words("空值", "null"),
    }
)
_OF_TYPES: Final = ("expected", "got")
"""Values that are types, as the decoder names them, with bars between."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one thing: a row of `data/faults.toml`, and what stands in its braces.

    ``notes`` are of `NOTES`, each with its number.
    """

    code: str
    values: Mapping[str, Value] = field(default_factory=dict)
    notes: tuple[tuple[str, int], ...] = ()

    @property
    def reason(self) -> str:
        """The code of the device schema it is counted under."""
        return rows()[self.code].reason

    @property
    def words(self) -> Words:
        """What is wrong."""
        row = rows()[self.code]
        zh, en = dict(self.values), dict(self.values)
        for name in self.values.keys() & set(_OF_TYPES):
            types = [_TYPES.get(one, Words(one, one)) for one in str(self.values[name]).split(" | ")]
            zh[name], en[name] = "或".join(one.zh for one in types), " or ".join(one.en for one in types)
        parts = [Words(row.zh.format_map(zh), row.en.format_map(en))]
        parts += [NOTES[note].fill({"n": n}) for note, n in self.notes]
        return Words("".join(part.zh for part in parts), "".join(part.en for part in parts))

    @property
    def hint(self) -> Words | None:
        """What to do, where that is more than what holds for the reason as a whole."""
        row = rows()[self.code]
        return Words(row.hint_zh, row.hint_en) if row.hint_en else None

    def noted(self, note: str, n: int = 0) -> Fault:
        """Return it with something said besides."""
        return replace(self, notes=(*self.notes, (note, n)))

    def as_dict(self) -> dict[str, Any]:
        """Return it as it is kept."""
        return {"fault": self.code, "values": dict(self.values), "notes": [list(note) for note in self.notes]}


def read_fault(kept: Mapping[str, Any]) -> Fault | None:
    """Return a fault as it was kept; None where this build does not know it, or not all of it is there."""
    notes = tuple((str(note), int(n)) for note, n in kept.get("notes", ()))
    found = Fault(str(kept.get("fault", "")), kept.get("values", {}), notes)
    try:
        found.words  # noqa: B018 (says whether it can be said)
    except (KeyError, IndexError, ValueError):
        return None
    return found


@functools.cache
def rows(file: Path = FILE) -> Mapping[str, _Row]:
    """Read the table of faults, once a process.

    Raises
    ------
    FileFormatError
        The file cannot be read or is not TOML.
    InvalidError
        A row is wrong.
    """
    found: dict[str, _Row] = {}
    for row in read_table(file, "the table of faults", _File).fault:
        if row.code in found:
            raise InvalidError("this code is used twice", where=f"{file} fault {row.code}")
        found[row.code] = row
    return MappingProxyType(found)


def place_words(where: str) -> Words:
    """Say where something was found: a device or gateway, and which reading of the message, from 0."""
    found = _PLACE.fullmatch(where)
    if found is None:
        return Words(where, where)
    who, name, reading = found.groups()
    senders = {"device": "设备", "gateway": "网关", None: ""}
    said = [f"{senders[who]} {name}"] if who else []
    said += [f"第 {int(reading) + 1} 个读数"] if reading else []
    return Words("，".join(said), where)
