"""Draw vehicles where they drive, pointing the way they go."""

from __future__ import annotations

from typing import Any

import pydeck as pdk

from layers.declaration import LegendEntry, MapLayer, constant, quoted


def declare(data: Any) -> pdk.Layer:
    """Declare the layer of vehicles: devices that move."""
    return pdk.Layer(
        "DevicePointLayer",
        data,
        id="vehicles",
        shape=quoted("vehicle"),
        palette=constant("STATE_PALETTE"),
        pickable=True,
        on_click={"@@function": "select", "topic": "device"},
    )


def in_notebook(data: Any) -> pdk.Layer:
    """Declare plain circles for a notebook; records have lon and lat."""
    return pdk.Layer(
        "ScatterplotLayer",
        data,
        id="vehicles",
        get_position=["lon", "lat"],
        get_fill_color=[208, 215, 224],
        get_radius=4,
        radius_min_pixels=4,
        pickable=True,
    )


LAYER = MapLayer(
    id="vehicles",
    declare=declare,
    data="live:vehicles",
    notebook=in_notebook,
    legend=(LegendEntry("vehicle", "车辆", "Vehicle", "vehicle"),),
)
