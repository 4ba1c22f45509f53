"""Say what a place for a device is, and in which order equal places come."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

STOREY_M = 3.0
"""Storey height used for the mounting height of what hangs in a building."""


@dataclass(frozen=True, slots=True)
class Site:
    """A place for one device, in metres of the local frame. ``ref`` names it for ever: the same place in
    the same city has the same name, whatever the wish and the order of import. ``number`` tells apart
    what stands along one street (0: there is nothing to tell apart).
    """

    ref: str
    x_m: float
    y_m: float
    height_m: float
    place_zh: str
    place_en: str
    number: int = 0
    floor: int | None = None
    building_id: int | None = None
    bearing_deg: float | None = None


def rank(seed: int, ref: str) -> int:
    """Return the number that decides the order of equals: a hash of seed and name, the same everywhere."""
    return int.from_bytes(hashlib.blake2b(f"{seed}/{ref}".encode(), digest_size=8).digest(), "big")
