"""Serve the layers of the map as deck.gl JSON."""

from __future__ import annotations

from functools import cache
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from api.access.permissions import SIGNED_IN, needs
from layers import LAYERS
from layers.declaration import deck_json

router = APIRouter()


class LayersAnswer(BaseModel):
    """What the page draws above its base map, lowest first, and what the legend says."""

    layers: list[dict[str, Any]]
    legend: list[dict[str, str]]


@cache
def _answer() -> LayersAnswer:
    legend = []
    for layer in reversed(LAYERS):
        for entry in layer.legend:
            line = {"key": entry.key, "zh": entry.zh, "en": entry.en, "shape": entry.shape}
            legend.append(line | ({"toggle": entry.toggle} if entry.toggle else {}))
    after = "worker", "case", "trail", "camera_field", "heat", "component", "network", "compound"
    order = {key: n for n, key in enumerate(after, 1)}
    legend.sort(key=lambda line: order.get(line["key"], 0))
    return LayersAnswer(layers=[deck_json(layer) for layer in LAYERS], legend=legend)


@router.get("/api/layers", tags=["scene"], dependencies=[needs(SIGNED_IN)])
async def get_layers() -> LayersAnswer:
    """Return the deck.gl JSON of all layers and the legend."""
    return _answer()
