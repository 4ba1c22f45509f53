"""Read the classes of managed components from `data/component_classes.toml`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final

import msgspec

from twin.data_tables import DATA_FOLDER, read_table

FILE: Final = DATA_FOLDER / "component_classes.toml"


@dataclass(frozen=True, slots=True)
class ComponentClass:
    """A class of managed component: five digits, names, and the OSM tags that stand for it."""

    code: str
    zh: str
    en: str
    osm: tuple[tuple[str, str], ...] = ()

    @property
    def major(self) -> str:
        """Two digits of the major class."""
        return self.code[:2]


@dataclass(frozen=True, slots=True)
class ComponentClasses:
    """The classes in their order of precedence, by code, and the names (zh, en) of the major ones."""

    standard: str
    ordered: tuple[ComponentClass, ...]
    by_code: MappingProxyType[str, ComponentClass]
    majors: MappingProxyType[str, tuple[str, str]]


class _Major(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    code: str
    zh: str
    en: str


class _Row(_Major, frozen=True, forbid_unknown_fields=True):
    osm: tuple[str, ...] = ()


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    standard: str
    major: tuple[_Major, ...]
    rows: tuple[_Row, ...] = msgspec.field(name="class")


@lru_cache(maxsize=1)
def component_classes() -> ComponentClasses:
    """Return the classes of the file that comes with the program."""
    content = read_table(FILE, "the classes of components", _File)
    found = []
    for row in content.rows:
        pairs = tuple((key, value) for key, _, value in (tag.partition("=") for tag in row.osm))
        found.append(ComponentClass(row.code, row.zh, row.en, pairs))
    return ComponentClasses(
        content.standard,
        tuple(found),
        MappingProxyType({row.code: row for row in found}),
        MappingProxyType({row.code: (row.zh, row.en) for row in content.major}),
    )
