"""Tell where the workers walked lately."""

from __future__ import annotations

import time
from typing import Annotated, Final

import numpy as np
from fastapi import APIRouter, Query
from pydantic import BaseModel

from api.rows import fetch
from api.runtime import Running

router = APIRouter(tags=["workers"])

MOST_POINTS: Final = 40_000
"""Most positions in one answer; with more, each trail keeps every second, third, ... position."""


class TrailAnswer(BaseModel):
    """One walk: positions in degrees and their Unix seconds, oldest first."""

    id: int
    path: list[tuple[float, float]]
    timestamps: list[float]


# The primary key (device, property, time) serves this: one short range per worker.
_TRAILS: Final = """
    SELECT id, lons, lats, times
    FROM unnest(CAST(:ids AS int4[])) AS w (id), LATERAL (
        SELECT array_agg(lon ORDER BY at) AS lons, array_agg(lat ORDER BY at) AS lats,
               array_agg(extract(epoch FROM at)::float8 ORDER BY at) AS times
        FROM (SELECT phenomenon_time AS at, lon, lat,
                     row_number() OVER (ORDER BY phenomenon_time DESC) AS n
              FROM observation
              WHERE device_id = w.id AND property = 0 AND lon IS NOT NULL
                AND phenomenon_time >= to_timestamp(:since)
              LIMIT :most) AS fixes
        WHERE (n - 1) % :every = 0) AS trail
    WHERE times IS NOT NULL"""


@router.get("/api/trails")
async def list_trails(
    running: Running,
    minutes: Annotated[float, Query(gt=0, le=240, allow_inf_nan=False)] = 10.0,
    limit: Annotated[int, Query(ge=1, le=2_000)] = 500,
) -> list[TrailAnswer]:
    """Return the trails of the workers who were heard last, at most `limit`."""
    board = running.twin.board
    n = board.count
    rows = np.flatnonzero((board.layer[:n] == 1) & (board.device_id[:n] != 0) & (board.heard_us[:n] > 0))
    rows = rows[np.argsort(-board.heard_us[rows], kind="stable")][:limit]
    if not len(rows):
        return []
    fixes = minutes * 60.0 / max(1.0, float(np.median(board.expected_s[rows]))) * len(rows)
    found = await fetch(
        running.engine,
        _TRAILS,
        ids=[int(i) for i in board.device_id[rows]],
        since=time.time() - minutes * 60.0,
        every=max(1, int(np.ceil(fixes / MOST_POINTS))),
        most=MOST_POINTS,
    )
    return [
        TrailAnswer(
            id=row["id"],
            path=[(round(lon, 6), round(lat, 6)) for lon, lat in zip(row["lons"], row["lats"], strict=True)],
            timestamps=row["times"],
        )
        for row in found
    ]
