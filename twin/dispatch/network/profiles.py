"""Say how people get about and how fast: `data/travel_profiles.toml`."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from twin.data_tables import DATA_FOLDER, read_table
from twin.errors import InvalidError

FILE: Final = DATA_FOLDER / "travel_profiles.toml"

FOOT: Final = "foot"
"""The profile of who walks: everybody does on the last metres."""

Kmh = Annotated[float, msgspec.Meta(gt=0, le=200)]


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One way to get about.

    ``network`` says which roads are open to it. Stairs are closed to it without ``stairs_kmh``; where it may
    not ride but walk, it is pushed with ``push_kmh``, or not at all without. ``by_class`` has speeds of road
    classes that differ from ``speed_kmh``.
    """

    name: str
    zh: str
    en: str
    network: Literal["foot", "bike", "car"]
    speed_kmh: Kmh
    stairs_kmh: Kmh | None = None
    push_kmh: Kmh | None = None
    by_class: dict[str, Kmh] = {}


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    profiles: tuple[Profile, ...] = msgspec.field(name="profile")


@lru_cache(maxsize=4)
def load_profiles(file: Path = FILE) -> dict[str, Profile]:
    """Return the profiles by their names, in the order of the file.

    Raises
    ------
    FileFormatError, InvalidError
        See `twin.data_tables.read_table`; a name stands twice, or nobody walks.
    """
    rows = read_table(file, "the travel profiles", _Table).profiles
    by_name = {row.name: row for row in rows}
    if len(by_name) != len(rows):
        raise InvalidError("the travel profiles: a name stands twice", where=str(file))
    if FOOT not in by_name:
        raise InvalidError(
            f"the travel profiles: “{FOOT}” is missing",
            where=str(file),
            hint="everybody walks the last metres",
        )
    return by_name
