"""Draw the way of the worker who is looked at to the open case."""

from __future__ import annotations

from typing import Any

import pydeck as pdk

from layers.declaration import MapLayer, constant


def declare(data: Any) -> pdk.Layer:
    """Declare the line; records have path ``[[lon, lat], ...]``."""
    return pdk.Layer(
        "PathLayer",
        data,
        id="way",
        get_path="path",
        get_color=constant("PERSON"),
        opacity=0.85,
        get_width=4,
        width_min_pixels=4,
        width_max_pixels=8,
        joint_rounded=True,
        cap_rounded=True,
        pickable=False,
    )


def in_notebook(data: Any) -> pdk.Layer:
    """Declare the same line in a plain colour, for a deck without the page's constants."""
    return pdk.Layer(
        "PathLayer", data, id="way", get_path="path", get_color=[62, 207, 166], width_min_pixels=4
    )


LAYER = MapLayer(id="way", declare=declare, data="live:way", notebook=in_notebook)
