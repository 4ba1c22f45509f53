"""Draw the workers in the grids."""

from __future__ import annotations

from typing import Any

import pydeck as pdk

from layers.declaration import LegendEntry, MapLayer, constant, quoted


def declare(data: Any) -> pdk.Layer:
    """Declare the layer of persons."""
    return pdk.Layer(
        "DevicePointLayer",
        data,
        id="workers",
        shape=quoted("person"),
        palette=constant("STATE_PALETTE"),
        pickable=True,
        on_click={"@@function": "select", "topic": "worker"},
    )


def in_notebook(data: Any) -> pdk.Layer:
    """Declare plain circles for a notebook; records have lon and lat."""
    return pdk.Layer(
        "ScatterplotLayer",
        data,
        id="workers",
        get_position=["lon", "lat"],
        get_fill_color=[62, 207, 166],
        get_radius=4,
        radius_min_pixels=4,
        pickable=True,
    )


LAYER = MapLayer(
    id="workers",
    declare=declare,
    data="live:workers",
    notebook=in_notebook,
    legend=(LegendEntry("worker", "网格员", "Worker", "person"),),
)
