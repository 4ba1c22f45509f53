"""Draw where the workers walked in the last five minutes."""

from __future__ import annotations

from typing import Any

import pydeck as pdk

from layers.declaration import LegendEntry, MapLayer, constant, quoted


def declare(data: Any) -> pdk.Layer:
    """Declare the paths; records have path ``[[lon, lat], ...]`` and timestamps."""
    return pdk.Layer(
        "PathLayer",
        data,
        id="trails",
        get_path="path",
        get_color=constant("PERSON"),
        opacity=0.28,
        width_min_pixels=2,
        get_width=2,
        joint_rounded=True,
        cap_rounded=True,
        pickable=False,
        before_id=quoted("building"),
        refresh_s=10,
    )


def in_notebook(data: Any) -> pdk.Layer:
    """Declare the same paths in a plain colour, for a deck without the page's constants."""
    return pdk.Layer(
        "PathLayer",
        data,
        id="trails",
        get_path="path",
        get_color=[62, 207, 166, 120],
        width_min_pixels=2,
        get_width=2,
    )


LAYER = MapLayer(
    id="trails",
    declare=declare,
    data="/api/trails?minutes=5",
    notebook=in_notebook,
    legend=(
        LegendEntry("trail", "轨迹", "Trail", "trail"),
        LegendEntry("camera_field", "摄像机视野", "Camera view", "camera", "camera_field"),
        LegendEntry("component", "部件", "Components", "component", "component"),
        LegendEntry("network", "管网", "Networks", "network", "network"),
        LegendEntry("compound", "小区", "Compounds", "compound", "compound"),
    ),
)
"""Camera fields, components, networks and compounds are vector tiles of the base map, the last three off at
first; the legend of what lies on the ground is kept here."""
