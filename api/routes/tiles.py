"""Answer with a vector tile that is not kept yet."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.edge import send_tile
from api.errors import NOT_FOUND
from api.runtime import Running
from api.tiles import Tile

router = APIRouter()

_NUMBER: Final = "^(0|[1-9][0-9]*)$"


class _TileResponse(Response):
    def __init__(self, tile: Tile) -> None:
        super().__init__()
        self._tile = tile

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        await send_tile(self._tile, scope, send)


@router.get(
    "/tiles/{layers}/{z}/{x}/{y}.mvt",
    tags=["scene"],
    response_class=Response,
    responses={
        200: {"content": {"application/vnd.mapbox-vector-tile": {}}, "description": "Mapbox Vector Tile 2.1"},
        304: {"description": "The tile that the asker has is still true."},
        **NOT_FOUND,
    },
)
async def get_tile(
    request: Request,
    running: Running,
    _layers: Annotated[
        str,
        Path(
            alias="layers",
            description="one layer, or several joined by commas",
            max_length=120,
            pattern="^[a-z_,]+$",
        ),
    ],
    _z: Annotated[str, Path(alias="z", max_length=2, pattern=_NUMBER)],
    _x: Annotated[str, Path(alias="x", max_length=8, pattern=_NUMBER)],
    _y: Annotated[str, Path(alias="y", max_length=8, pattern=_NUMBER)],
) -> Response:
    """Return one tile with one or several layers; empty bytes where there is nothing."""
    return _TileResponse(await running.tiles.get(request.url.path))
