"""Read the classes of managed components from `data/component_classes.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

FILE = Path(__file__).resolve().parent.parent / "data" / "component_classes.toml"


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


@lru_cache(maxsize=1)
def component_classes() -> ComponentClasses:
    """Return the classes of the file that comes with the program."""
    with FILE.open("rb") as stream:
        content = tomllib.load(stream)
    found = []
    for row in content["class"]:
        pairs = tuple((key, value) for key, _, value in (tag.partition("=") for tag in row.get("osm", ())))
        found.append(ComponentClass(row["code"], row["zh"], row["en"], pairs))
    return ComponentClasses(
        content["standard"],
        tuple(found),
        MappingProxyType({row.code: row for row in found}),
        MappingProxyType({row["code"]: (row["zh"], row["en"]) for row in content["major"]}),
    )
