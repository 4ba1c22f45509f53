"""Draw the open cases where they are."""

from __future__ import annotations

from typing import Any

import pydeck as pdk

from layers.declaration import LegendEntry, MapLayer, constant


def declare(data: Any) -> pdk.Layer:
    """Declare the rings of open cases; records have lon and lat."""
    return pdk.Layer(
        "ScatterplotLayer",
        data,
        id="cases",
        get_position=["lon", "lat"],
        filled=False,
        stroked=True,
        get_line_color=constant("CASE"),
        get_radius=8,
        radius_min_pixels=7,
        radius_max_pixels=14,
        line_width_min_pixels=2,
        pickable=False,
        refresh_s=30,
    )


LAYER = MapLayer(
    id="cases",
    declare=declare,
    data="/api/cases/points",
    legend=(LegendEntry("case", "案件", "Case", "case"),),
)
