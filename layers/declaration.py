"""Say what a layer of the map is: a pydeck declaration, where its data come from, its legend."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import pydeck as pdk

LIVE_NAMES: Final = ("live:devices", "live:vehicles", "live:workers", "live:cells", "live:way")
"""Data that the page itself has, most of it from the live socket; all else is an address under ``/api/``."""

DECK_CLASSES: Final = (
    "DevicePointLayer",
    "H3HexagonLayer",
    "PathLayer",
    "TripsLayer",
    "ScatterplotLayer",
    "PolygonLayer",
    "SolidPolygonLayer",
    "LineLayer",
    "TextLayer",
    "GeoJsonLayer",
    "IconLayer",
)
"""Classes that the page can draw; the list is kept in ``web/src/layers/README.md``."""

CONSTANTS: Final = ("STATE_PALETTE", "PERSON", "WARNING", "ALARM", "CRITICAL", "FOCUS", "TEXT_2", "CASE")
"""Names the page knows for ``@@#NAME``: colours of the tokens."""

LEGEND_SHAPES: Final = (
    "normal",
    "unknown",
    "offline",
    "warning",
    "alarm",
    "critical",
    "person",
    "vehicle",
    "camera",
    "heat",
    "case",
    "trail",
    "component",
    "network",
    "compound",
)


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """One line of the legend; `toggle` names the switch that shows and hides it."""

    key: str
    zh: str
    en: str
    shape: str
    toggle: str = ""


@dataclass(frozen=True, slots=True)
class MapLayer:
    """One layer of the map.

    Parameters
    ----------
    id
        Name of the layer in the deck.
    declare
        Makes the pydeck layer around given data: a name or an address for the page, records for a notebook.
    data
        Name or address that the page reads.
    notebook
        Makes a layer of deck.gl's own classes around records, where `declare` uses a class that only the
        page has; None when `declare` serves both.
    legend
        Its lines of the legend.
    """

    id: str
    declare: Callable[[Any], pdk.Layer]
    data: str
    notebook: Callable[[Any], pdk.Layer] | None = None
    legend: tuple[LegendEntry, ...] = ()


def constant(name: str) -> str:
    """Return the pydeck string for a constant of the page, for example ``@@#PERSON``."""
    assert name in CONSTANTS, name
    return quoted(f"@@#{name}")


def quoted(text: str) -> str:
    """Return a string that pydeck passes on as it is, not as an expression."""
    return f"'{text}'"


def deck_json(layer: MapLayer) -> dict[str, Any]:
    """Return one layer as deck.gl JSON, with the name of its data, and nothing that is not set."""
    declared: dict[str, Any] = json.loads(layer.declare(layer.data).to_json())
    return {key: value for key, value in declared.items() if value is not None}
