"""Show on the ground, by H3 cell, where the abnormal gathers."""

from __future__ import annotations

from typing import Any

import pydeck as pdk

from layers.declaration import LegendEntry, MapLayer, quoted


def declare(data: Any) -> pdk.Layer:
    """Declare the hexagons under the buildings; records have cell and weight (0 to 1)."""
    return pdk.Layer(
        "H3HexagonLayer",
        data,
        id="heat",
        get_hexagon="cell",
        # Amber and faint: red is kept for what is critical, and marks must stand out from it.
        get_fill_color="[230, 159, 0, 14 + 40 * weight]",
        get_line_color=[230, 159, 0, 80],
        line_width_min_pixels=1,
        extruded=False,
        stroked=True,
        coverage=0.95,
        pickable=False,
        before_id=quoted("building"),
        refresh_s=15,
        toggle=quoted("heat"),
    )


LAYER = MapLayer(
    id="heat",
    declare=declare,
    data="/api/heat?property=abnormal&resolution=10",
    legend=(LegendEntry("heat", "异常热区", "Heat", "heat", "heat"),),
)
