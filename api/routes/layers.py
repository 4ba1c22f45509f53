"""Serve the layers of the map as deck.gl JSON."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel

from api.access.caller import Caller
from api.access.permissions import SIGNED_IN, needs
from layers import LAYERS
from layers.declaration import deck_json

router = APIRouter()


class LayersAnswer(BaseModel):
    """What the page draws above its base map, lowest first, and what the legend says."""

    layers: list[dict[str, Any]]
    legend: list[dict[str, str]]


_AFTER = "worker", "vehicle", "case", "trail", "camera_field", "heat", "component", "network", "compound"
_PLACE = {key: n for n, key in enumerate(_AFTER, 1)}


@cache
def _answer(closed: frozenset[str]) -> LayersAnswer:
    """Return what there is but for layers of some addresses."""
    shown = [layer for layer in LAYERS if layer.data not in closed]
    legend = []
    for layer in reversed(shown):
        for entry in layer.legend:
            line = {"key": entry.key, "zh": entry.zh, "en": entry.en, "shape": entry.shape}
            legend.append(line | ({"toggle": entry.toggle} if entry.toggle else {}))
    legend.sort(key=lambda line: _PLACE.get(line["key"], 0))
    return LayersAnswer(layers=[deck_json(layer) for layer in shown], legend=legend)


@router.get("/api/layers", tags=["scene"])
async def get_layers(caller: Annotated[Caller, needs(SIGNED_IN)], request: Request) -> LayersAnswer:
    """Return the deck.gl JSON of the layers whose data the caller may read, and their legend."""
    addresses = {layer.data: request.app.state.reading.get(layer.data.partition("?")[0]) for layer in LAYERS}
    return _answer(
        frozenset(
            address for address, asked in addresses.items() if asked and not asked.holds(caller.identity)
        )
    )
