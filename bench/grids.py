"""Divide the synthetic city into districts, streets, communities and responsibility grids by number."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench import city

_COLUMNS, _ROWS = 48, 27
"""Responsibility grids of a third of a kilometre each over the whole synthetic city."""


def grid_codes(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the codes of made-up grids: 4 districts, 12 streets, 108 communities, 1,296 grids."""
    west, south, east, north = city.bounds()
    column = np.clip(((lon - west) / (east - west) * _COLUMNS).astype(np.int64), 0, _COLUMNS - 1)
    row = np.clip(((lat - south) / (north - south) * _ROWS).astype(np.int64), 0, _ROWS - 1)
    district = column // 12 + 1
    street = row // 9 + 1
    community = (column % 12) // 4 * 3 + (row % 9) // 3 + 1
    grid = (column % 4) * 3 + row % 3 + 1
    codes = 510_100_000_000_000 + district * 10**9 + street * 10**6 + community * 10**3 + grid
    return np.asarray(codes, dtype=np.int64)
