"""Judge from tags what a building is and how high it is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import msgspec

from ingest.vector.tag_values import Tags, metres, number
from twin.data_tables import DATA_FOLDER, read_table

HEIGHTS_FILE: Final = DATA_FOLDER / "building_heights.toml"
NO_BUILDING = frozenset({"no", "none", "entrance", ""})
# The use of a building=yes, in the order of what says most; the value becomes the kind.
_USE_KEYS = ("amenity", "shop", "tourism", "office", "healthcare", "leisure", "building:use", "man_made")
_USE_KINDS = {
    "hospital": "hospital",
    "clinic": "clinic",
    "doctors": "clinic",
    "school": "school",
    "kindergarten": "kindergarten",
    "university": "university",
    "college": "college",
    "library": "library",
    "theatre": "theatre",
    "parking": "parking",
    "toilets": "toilets",
    "marketplace": "retail",
    "mall": "mall",
    "supermarket": "supermarket",
    "department_store": "mall",
    "hotel": "hotel",
    "hostel": "hotel",
    "museum": "museum",
    "government": "government",
    "townhall": "government",
    "police": "government",
    "courthouse": "government",
    "sports_centre": "sports_centre",
    "stadium": "stadium",
    "residential": "residential",
    "bank": "commercial",
    "restaurant": "commercial",
}


@dataclass(frozen=True, slots=True)
class Height:
    """Heights of a building above ground, metres, and how they are known."""

    height_m: float
    min_height_m: float
    levels: float | None
    source: str
    ignored: tuple[str, ...] = ()
    """Tags that say something impossible and were not used."""


class UsualHeight(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How high a storey of a kind of building is, metres, and how many it has."""

    storey_m: float
    levels: float


class DefaultHeight(UsualHeight, frozen=True, forbid_unknown_fields=True):
    """The same for kinds that the table lacks; small outlines are low."""

    small_below_m2: float
    small_levels: float
    medium_below_m2: float
    medium_levels: float


class HeightTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is assumed of buildings of whose height nothing is known."""

    default: DefaultHeight
    kinds: dict[str, UsualHeight]


@lru_cache(maxsize=1)
def height_table() -> HeightTable:
    """Return the assumptions of ``data/building_heights.toml``."""
    return read_table(HEIGHTS_FILE, "the heights of buildings", HeightTable)


def kind_of(tags: Tags, key: str = "building") -> str:
    """Return what a building is: its tag's value, or its use where the tag only says yes."""
    kind = tags.get(key, "yes").split(";", 1)[0].strip().lower()[:40]
    if kind not in {"yes", ""}:
        return kind
    for use in _USE_KEYS:
        value = tags.get(use, "").split(";", 1)[0]
        if value in _USE_KINDS:
            return _USE_KINDS[value]
        if value and use in {"shop", "office"}:
            return "retail" if use == "shop" else "office"
    return "yes"


def storey_m(kind: str) -> float:
    """Return the height of a storey for a kind, metres."""
    table = height_table()
    return table.kinds.get(kind, table.default).storey_m


def _usual_levels(kind: str, footprint_m2: float) -> float:
    table = height_table()
    if kind in table.kinds:
        return table.kinds[kind].levels
    default = table.default
    if footprint_m2 < default.small_below_m2:
        return default.small_levels
    if footprint_m2 < default.medium_below_m2:
        return default.medium_levels
    return default.levels


def judge_height(tags: Tags, kind: str, footprint_m2: float) -> Height:
    """Return the height of a building from its tags, else from levels, else from the table of its kind.

    ``height`` includes the roof; ``building:levels`` does not, so tagged roof height or roof levels come on
    top. What is not a number of metres above 0 and below 1000, or not below 250 levels, is ignored and named.
    """
    ignored: list[str] = []
    per_storey = storey_m(kind)
    height = _within(tags, ("height", "building:height", "est_height"), 0.0, 1000.0, metres, ignored)
    levels = _within(tags, ("building:levels",), 0.0, 250.0, number, ignored)
    roof_m = _within(tags, ("roof:height",), -0.001, 200.0, metres, ignored)
    roof_levels = _within(tags, ("roof:levels",), -0.001, 20.0, number, ignored)
    if height is not None:
        source = "estimated" if "height" not in tags and "building:height" not in tags else "measured"
    elif levels is not None:
        height = levels * per_storey + (roof_m if roof_m is not None else (roof_levels or 0.0) * per_storey)
        source = "levels"
    else:
        height, source = _usual_levels(kind, footprint_m2) * per_storey, "estimated"
    bottom = _within(tags, ("min_height", "building:min_height"), -0.001, 1000.0, metres, ignored)
    if bottom is None:
        low = _within(tags, ("building:min_level",), -0.001, 250.0, number, ignored)
        bottom = 0.0 if low is None else low * per_storey
    bottom = max(bottom, 0.0)
    if bottom >= height:
        if source == "estimated" and bottom < 999.0:
            height = min(bottom + per_storey, 999.0)
        else:
            ignored.append("min_height")
            bottom = 0.0
    return Height(round(min(height, 999.0), 2), round(bottom, 2), levels, source, tuple(ignored))


def _within(
    tags: Tags, keys: tuple[str, ...], low: float, high: float, read: Any, ignored: list[str]
) -> float | None:
    for key in keys:
        if key not in tags:
            continue
        value = read(tags[key])
        if value is not None and low < value < high:
            return float(value)
        ignored.append(key)
    return None
