"""Say which kinds of gates there are and how one passes each: `data/gate_kinds.toml`."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final, Literal

import msgspec

from twin.data_tables import DATA_FOLDER, read_table
from twin.errors import InvalidError

FILE: Final = DATA_FOLDER / "gate_kinds.toml"

PUBLIC: Final = "public"
"""The key that everybody has."""

KEYS: Final = (
    "grid_worker", "grid_leader", "repair", "security",
    "department", "street_office", "property", "patrol", "volunteer", PUBLIC,
)  # fmt: skip
"""Who may have a key: roles of workers, kinds of their organisations, everybody."""

Passing = Literal["never", "key", "open", "always"]


class GateKind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of gate; how one passes on foot, by bicycle, by car is one of `twin.model.PASSING`."""

    name: str
    zh: str
    en: str
    foot: Passing
    bike: Passing
    car: Passing
    osm: tuple[str, ...] = ()


class GateKinds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The kinds, who has the keys of private gates, and which barriers are none to who goes along a road."""

    version: int
    private_keys: tuple[str, ...]
    passed_by_all: frozenset[str]
    kinds: tuple[GateKind, ...] = msgspec.field(name="kind")

    def find(self, name: str) -> GateKind | None:
        """Return the kind of a name."""
        return next((kind for kind in self.kinds if kind.name == name), None)

    def of_osm(self, barrier: str) -> GateKind | None:
        """Return the kind of a value of ``barrier=*``, None where it is no barrier on a road we know."""
        return next((kind for kind in self.kinds if barrier in kind.osm), None)


@lru_cache(maxsize=4)
def load_gate_kinds(file: Path = FILE) -> GateKinds:
    """Return the kinds of gates.

    Raises
    ------
    FileFormatError, InvalidError
        See `twin.data_tables.read_table`; a name or a value of OpenStreetMap stands twice, or a key is none.
    """
    table = read_table(file, "the kinds of gates", GateKinds)
    names = [kind.name for kind in table.kinds]
    words = [*table.passed_by_all, *(word for kind in table.kinds for word in kind.osm)]
    for what, said in (("name", names), ("value of barrier=*", words)):
        twice = sorted({one for one in said if said.count(one) > 1})
        if twice:
            raise InvalidError(f"the kinds of gates: the {what} “{twice[0]}” stands twice", where=str(file))
    if unknown := sorted(set(table.private_keys) - set(KEYS)):
        raise InvalidError(
            f"the kinds of gates: “{unknown[0]}” is no key", where=str(file), hint=f"one of {', '.join(KEYS)}"
        )
    return table
