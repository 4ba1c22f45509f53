"""Declare every layer of the map once, in pydeck's classes, for the wall and for notebooks."""

from __future__ import annotations

from layers import case_points, cells, devices, heat, trails, vehicles, way, workers
from layers.declaration import MapLayer

LAYERS: tuple[MapLayer, ...] = (
    heat.LAYER,
    trails.LAYER,
    cells.LAYER,
    way.LAYER,
    devices.LAYER,
    vehicles.LAYER,
    workers.LAYER,
    case_points.LAYER,
)
"""The layers in draw order, the lowest first."""
