"""Score how complete a compound's equipment is, by the rules of `data/compound_equipment.toml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from twin.catalog import load_catalog
from twin.data_tables import DATA_FOLDER, read_table
from twin.errors import InvalidError

FILE: Final = DATA_FOLDER / "compound_equipment.toml"

HIGH_FROM_LEVELS: Final = 7
"""A building of so many floors needs a lift (GB 50096)."""

Per = Literal["compound", "building", "high_building"]


class Tier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A class of equipment; ``weight`` is its part of the score."""

    code: str
    zh: str
    en: str
    weight: Annotated[float, msgspec.Meta(ge=0)]


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of equipment: ``per_each`` are needed for each compound, building or high building."""

    code: str
    zh: str
    en: str
    tier: str
    kinds: tuple[str, ...]
    per: Per
    per_each: Annotated[int, msgspec.Meta(ge=1)]


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The classes and items in the order of the file."""

    tiers: tuple[Tier, ...] = msgspec.field(name="tier")
    items: tuple[Item, ...] = msgspec.field(name="item")


@dataclass(frozen=True, slots=True)
class Reason:
    """Of one item: how many there are and how many are needed, by what is declared and what stands there."""

    item: Item
    have: int
    need: int

    @property
    def lacks(self) -> bool:
        """Whether there are fewer than needed."""
        return self.have < self.need


@dataclass(frozen=True, slots=True)
class Score:
    """Completeness from 0 to 100 with its reasons; of a class it is None where that asks for nothing."""

    total: float
    tiers: Mapping[str, float | None]
    reasons: tuple[Reason, ...]


@lru_cache(maxsize=1)
def load_rules(file: Path = FILE) -> Rules:
    """Read and check the rules.

    Raises
    ------
    FileFormatError
        The file cannot be read or is not TOML.
    InvalidError
        A row is wrong, or names a class or kind of device that does not exist.
    """
    rules = read_table(file, "the equipment of compounds", Rules)
    tiers, kinds = {tier.code for tier in rules.tiers}, load_catalog().by_name
    for item in rules.items:
        where = f"{file} item “{item.code}”"
        if item.tier not in tiers:
            raise InvalidError(
                f"there is no class “{item.tier}”", where=where, hint="one of " + ", ".join(sorted(tiers))
            )
        for kind in item.kinds:
            if kind not in kinds:
                raise InvalidError(
                    f"there is no kind of device “{kind}”", where=where, hint="see data/device_kinds.toml"
                )
    return rules


def score(
    rules: Rules,
    *,
    devices: Mapping[str, int],
    declared: Mapping[str, int],
    buildings: int,
    high_buildings: int,
) -> Score:
    """Score a compound.

    Each item counts by the share of what is needed that there is, all items of a class alike, and the
    classes by their weights; a class that asks for nothing is left out.

    Parameters
    ----------
    devices
        How many devices of each kind stand inside.
    declared
        How many of each item its register declares; the larger of both counts.
    buildings, high_buildings
        How many buildings are inside, and how many of them have `HIGH_FROM_LEVELS` floors or more.
    """
    units = {"compound": 1, "building": buildings, "high_building": high_buildings}
    reasons = tuple(
        Reason(
            item,
            max(declared.get(item.code, 0), sum(devices.get(kind, 0) for kind in item.kinds)),
            item.per_each * units[item.per],
        )
        for item in rules.items
    )
    tiers: dict[str, float | None] = {}
    for tier in rules.tiers:
        shares = [min(1.0, r.have / r.need) for r in reasons if r.item.tier == tier.code and r.need]
        tiers[tier.code] = 100.0 * sum(shares) / len(shares) if shares else None
    weighed = [(tier.weight, part) for tier in rules.tiers if (part := tiers[tier.code]) is not None]
    whole = sum(weight for weight, _ in weighed)
    total = sum(weight * part for weight, part in weighed) / whole if whole else 0.0
    return Score(total, tiers, reasons)
