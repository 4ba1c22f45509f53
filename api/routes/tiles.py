"""Describe a vector tile to the API's document, and say of an address of no tile what is wrong with it."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from api.access.permissions import SIGNED_IN, needs
from api.errors import NOT_FOUND
from api.tiles import LONGEST_LAYERS, parse_tile_path

router = APIRouter()

_NUMBER: Final = "^(0|[1-9][0-9]*)$"


@router.get(
    "/tiles/{layers}/{z}/{x}/{y}.mvt",
    tags=["scene"],
    dependencies=[needs(SIGNED_IN)],
    response_class=Response,
    responses={
        200: {"content": {"application/vnd.mapbox-vector-tile": {}}, "description": "Mapbox Vector Tile 2.1"},
        304: {"description": "The tile that the asker has is still true."},
        **NOT_FOUND,
    },
)
async def get_tile(
    request: Request,
    _layers: Annotated[
        str,
        Path(
            alias="layers",
            description="one layer, or several joined by commas",
            max_length=LONGEST_LAYERS,
            pattern="^[a-z_,]+$",
        ),
    ],
    _z: Annotated[str, Path(alias="z", max_length=2, pattern=_NUMBER)],
    _x: Annotated[str, Path(alias="x", max_length=8, pattern=_NUMBER)],
    _y: Annotated[str, Path(alias="y", max_length=8, pattern=_NUMBER)],
) -> Response:
    """Return one tile with one or several layers; empty bytes where there is nothing."""
    address = parse_tile_path(request.url.path)
    raise AssertionError(f"{address} is a tile: the edge answers it before routing")
