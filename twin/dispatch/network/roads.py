"""Hold roads and gates as columns, in metres of one local frame, as the network is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

JOINT = "joint"
"""Class of a link that nobody drew: it joins an island to what lies near."""


@dataclass(frozen=True, slots=True)
class Roads:
    """n roads; each column has shape (n,).

    Attributes
    ----------
    id
        Number of the road, -1 for what is none.
    line
        Lines in metres.
    drawn
        Whether a road comes from a drawing, where lines that cross meet; in OpenStreetMap they meet only
        where they share a vertex.
    layer
        Over (positive) or under (negative) the ground: roads of different layers never meet by chance.
    road_class, name, name_en
        Words; names may be None.
    max_speed_kmh
        NaN where none is known.
    """

    id: Integers
    line: NDArray[np.object_]
    drawn: Bools
    layer: NDArray[np.int16]
    foot: Bools
    bike_forward: Bools
    bike_backward: Bools
    car_forward: Bools
    car_backward: Bools
    stairs: Bools
    covered: Bools
    max_speed_kmh: Floats
    road_class: NDArray[np.object_]
    name: NDArray[np.object_]
    name_en: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.id)

    def with_lines(self, line: NDArray[np.object_]) -> Self:
        """Return the same roads with other lines."""
        return replace(self, line=line)

    def plus_joints(self, lines: Sequence[Any], layers: Sequence[int]) -> Self:
        """Return these roads and links that nobody drew: one walks them, and pushes bicycles."""
        n = len(lines)
        none, words = np.zeros(n, bool), np.full(n, None, object)
        more: dict[str, Any] = {
            "id": np.full(n, -1, np.int64),
            "line": np.array(lines, object),
            "layer": np.array(layers, np.int16),
            "foot": np.ones(n, bool),
            "max_speed_kmh": np.full(n, np.nan),
            "road_class": np.full(n, JOINT, object),
            "name": words,
            "name_en": words,
        }
        columns = {
            name: np.concatenate((getattr(self, name), more.get(name, none))) for name in self.__slots__
        }
        return replace(self, **columns)


@dataclass(frozen=True, slots=True)
class Gates:
    """g gates and barriers on roads; each column has shape (g,) but ``xy`` (g, 2), metres."""

    id: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    xy: Floats = field(default_factory=lambda: np.zeros((0, 2)))

    def __len__(self) -> int:
        return len(self.id)

    def at(self, xy: Floats) -> Self:
        """Return the same gates at other places."""
        return replace(self, xy=xy)

    def only(self, which: Bools) -> Self:
        """Return some of the gates."""
        return replace(self, id=self.id[which], xy=self.xy[which])
