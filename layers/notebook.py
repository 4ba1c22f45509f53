"""Make a pydeck map for a notebook from the declarations of the wall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pydeck as pdk

from layers import LAYERS
from layers.declaration import MapLayer
from twin.errors import NotFoundError

STATE_COLOURS: Final = (
    (138, 150, 162),
    (107, 118, 130),
    (107, 118, 130),
    (230, 159, 0),
    (255, 112, 67),
    (255, 77, 109),
)
"""Colours of the six states by code, after web/src/look/tokens.css (dark)."""


def make_deck(
    data: Mapping[str, Any], *, lon: float, lat: float, zoom: float = 15.0, pitch: float = 45.0
) -> pdk.Deck:
    """Return a map with the named layers, in the draw order of the wall.

    Parameters
    ----------
    data
        By layer id: a GeoDataFrame of points in EPSG:4326, a DataFrame, or a list of records. Devices and
        workers are coloured by their column ``state`` (code 0 to 5) where they have one.
    lon, lat
        Where to look, degrees WGS 84.
    zoom, pitch
        How near, and how slanted in degrees.

    Raises
    ------
    NotFoundError
        `data` names a layer that is not declared.
    """
    known = {layer.id for layer in LAYERS}
    unknown = sorted(set(data) - known)
    if unknown:
        raise NotFoundError(
            f"there is no layer “{unknown[0]}”", where="data", hint=f"layers: {', '.join(sorted(known))}"
        )
    chosen = [_layer(layer, data[layer.id]) for layer in LAYERS if layer.id in data]
    view = pdk.ViewState(longitude=lon, latitude=lat, zoom=zoom, pitch=pitch)
    return pdk.Deck(layers=chosen, initial_view_state=view, map_provider=None)


def _layer(layer: MapLayer, data: Any) -> pdk.Layer:
    make = layer.notebook or layer.declare
    return make(_records(data))


def _records(data: Any) -> Sequence[Mapping[str, Any]]:
    """Return plain records: a GeoDataFrame's points become lon and lat, states become colours."""
    if hasattr(data, "geometry") and hasattr(data, "drop"):
        points = data.geometry
        data = data.drop(columns=[points.name]).assign(lon=points.x, lat=points.y)
    records = data.to_dict(orient="records") if hasattr(data, "to_dict") else list(data)
    return [_plain(record) for record in records]


def _plain(record: Mapping[str, Any]) -> dict[str, Any]:
    plain = {key: value.item() if isinstance(value, np.generic) else value for key, value in record.items()}
    plain.setdefault("height_m", 0.0)
    state = plain.get("state")
    if isinstance(state, int) and 0 <= state < len(STATE_COLOURS):
        plain["colour"] = list(STATE_COLOURS[state])
    plain.setdefault("colour", list(STATE_COLOURS[0]))
    return plain
