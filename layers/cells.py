"""Draw, from afar, each H3 cell in the colour of its worst member."""

from __future__ import annotations

from typing import Any

import pydeck as pdk

from layers.declaration import MapLayer

# The six states of docs/architecture.md, by code; normal and unknown stay neutral.
_FILL = (
    "worst == 5 ? [255, 77, 109, 170] : worst == 4 ? [255, 112, 67, 150] : worst == 3 ? [230, 159, 0, 130]"
    " : worst == 2 ? [107, 118, 130, 90] : [138, 150, 162, 50]"
)


def declare(data: Any) -> pdk.Layer:
    """Declare the hexagons; records have cell, count, abnormal, worst."""
    return pdk.Layer(
        "H3HexagonLayer",
        data,
        id="cells",
        get_hexagon="cell",
        get_fill_color=_FILL,
        extruded=False,
        stroked=True,
        get_line_color=[176, 190, 204, 70],
        line_width_min_pixels=1,
        coverage=0.94,
        pickable=True,
    )


LAYER = MapLayer(id="cells", declare=declare, data="live:cells")
