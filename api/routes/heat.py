"""Aggregate the present board by H3 cell."""

from __future__ import annotations

from typing import Annotated, Final

import h3.api.numpy_int as h3
import numpy as np
from fastapi import APIRouter, Query
from numpy.typing import NDArray
from pydantic import BaseModel

from api.access.caller import Caller
from api.access.permissions import needs, reads
from api.errors import NOT_FOUND
from twin.access.roles import DataClass
from twin.errors import NotFoundError
from twin.states import State

router = APIRouter(tags=["scene"])

MOST_CELLS: Final = 20_000
_ABNORMAL: Final = "abnormal"


class HeatAnswer(BaseModel):
    """One cell: `value` and, as a share of the greatest of all, `weight`; `count` things behind it."""

    cell: str
    value: float
    count: int
    weight: float


@router.get("/api/heat", responses=NOT_FOUND)
async def get_heat(
    caller: Annotated[Caller, needs(reads(DataClass.PLACE))],
    name: Annotated[str, Query(alias="property", max_length=64)] = _ABNORMAL,
    resolution: Annotated[int, Query(ge=5, le=11)] = 10,
) -> list[HeatAnswer]:
    """Return H3 cells with the number of abnormal devices, or with the mean of an observed property.

    Only what the caller sees counts. Cells without anything abnormal (or without a value) are left out.
    """
    rows, amounts = _abnormal(caller) if name == _ABNORMAL else _observed(caller, name)
    if not len(rows):
        return []
    board = caller.running.twin.board
    points = zip(board.lat[rows].tolist(), board.lon[rows].tolist(), strict=True)
    cells = np.array([h3.latlng_to_cell(lat, lon, resolution) for lat, lon in points], np.uint64)
    unique, inverse, counts = np.unique(cells, return_inverse=True, return_counts=True)
    values = np.bincount(inverse, amounts).astype(np.float64)
    if name != _ABNORMAL:
        values /= counts
    order = np.argsort(-values, kind="stable")[:MOST_CELLS]
    greatest = float(np.abs(values).max()) or 1.0
    return [
        HeatAnswer(
            cell=h3.int_to_str(int(unique[i])),
            value=round(float(values[i]), 4),
            count=int(counts[i]),
            weight=round(max(0.0, float(values[i])) / greatest, 4),
        )
        for i in order.tolist()
    ]


def _abnormal(caller: Caller) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    board = caller.running.twin.board
    n = board.count
    rows = np.flatnonzero(
        (board.device_id[:n] != 0) & (board.layer[:n] == 0) & (board.state[:n] >= State.WARNING)
    )
    rows = rows[caller.sees(rows)]
    return rows, np.ones(len(rows))


def _observed(caller: Caller, name: str) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    board = caller.running.twin.board
    n = board.count
    rows, amounts = [], []
    known = False
    for kind in caller.running.twin.catalog.by_code.values():
        for observed in kind.properties:
            if observed.name != name:
                continue
            known = True
            of_kind = (board.kind[:n] == kind.code) & (board.device_id[:n] != 0)
            chosen = np.flatnonzero(of_kind & np.isfinite(board.values[:n, observed.slot]))
            chosen = chosen[caller.sees(chosen)]
            rows.append(chosen)
            amounts.append(board.values[chosen, observed.slot])
    if not known:
        raise NotFoundError(
            f"no kind of device observes “{name}”", where="property", hint="see /api/catalog, or abnormal"
        )
    return np.concatenate(rows), np.concatenate(amounts)
