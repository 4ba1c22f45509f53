"""Draw every device as the shape and colour of its state."""

from __future__ import annotations

from typing import Any

import pydeck as pdk

from layers.declaration import LegendEntry, MapLayer, constant, quoted
from twin.states import STATE_NAMES_ZH, State

_EN = {
    State.NORMAL: "Normal",
    State.UNKNOWN: "Unknown",
    State.OFFLINE: "Offline",
    State.WARNING: "Warning",
    State.ALARM: "Alarm",
    State.CRITICAL: "Critical",
}
_IN_ORDER = (State.NORMAL, State.WARNING, State.ALARM, State.CRITICAL, State.OFFLINE, State.UNKNOWN)


def declare(data: Any) -> pdk.Layer:
    """Declare the layer of points."""
    return pdk.Layer(
        "DevicePointLayer",
        data,
        id="devices",
        shape=quoted("state"),
        palette=constant("STATE_PALETTE"),
        pickable=True,
        on_click={"@@function": "select", "topic": "device"},
    )


def in_notebook(data: Any) -> pdk.Layer:
    """Declare plain circles for a notebook, which has no class of ours; records have lon, lat, colour."""
    return pdk.Layer(
        "ScatterplotLayer",
        data,
        id="devices",
        get_position=["lon", "lat", "height_m"],
        get_fill_color="colour",
        get_radius=3,
        radius_min_pixels=3,
        radius_max_pixels=9,
        pickable=True,
    )


LAYER = MapLayer(
    id="devices",
    declare=declare,
    data="live:devices",
    notebook=in_notebook,
    legend=tuple(
        LegendEntry(state.name.lower(), STATE_NAMES_ZH[state], _EN[state], state.name.lower())
        for state in _IN_ORDER
    ),
)
