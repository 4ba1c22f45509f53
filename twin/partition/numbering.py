"""Number grids north to south in rows, west to east in each row."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from twin.partition.linework import Geometries


def reading_order(grids: Geometries, row_height_m: float) -> NDArray[np.int64]:
    """Return the order in which grids (metres) are numbered, like the words of a page.

    Rows of ``row_height_m`` are laid from the northernmost point of all; a grid belongs to the row of its
    centroid, and stands in it by the easting of the centroid. GB/T 47678.3 says only "west to east, north
    to south"; the rows make that an order which does not depend on how the grids were made.
    """
    if len(grids) == 0:
        return np.empty(0, dtype=np.int64)
    centre = shapely.get_coordinates(shapely.centroid(grids))
    north = float(shapely.bounds(grids)[:, 3].max())
    row = np.floor((north - centre[:, 1]) / row_height_m)
    return np.lexsort((-centre[:, 1], centre[:, 0], row))


def grid_code(community_code: str, number: int) -> str:
    """Return the 15-digit code of grid ``number`` (1–999) of a community."""
    if not 1 <= number <= 999:
        raise ValueError(f"grid number {number} does not fit three digits")
    return f"{community_code[:12]}{number:03d}"
