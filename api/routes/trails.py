"""Tell where the workers walked lately."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from typing import Annotated, Final

import numpy as np
from fastapi import APIRouter, Query
from pydantic import BaseModel
from sqlalchemy import text

from api.access.caller import Caller
from api.access.permissions import needs, reads
from api.access.reading import REMEMBERED_S
from api.rows import Row
from twin.access.record import Entry, write
from twin.access.roles import DataClass
from twin.live.placed import placed_workers

router = APIRouter(tags=["workers"])

MOST_POINTS: Final = 40_000
"""Most positions in one answer; with more, each trail keeps every second, third, ... position."""


LEAST_GAP_S: Final = 30.0
"""A worker not heard for this long, and for three of the reporting intervals, leaves a gap."""


class TrailAnswer(BaseModel):
    """One walk without a gap: positions in degrees and their Unix seconds, oldest first.

    A worker has as many as there are gaps: what was not observed is left open, never drawn.
    """

    id: int
    path: list[tuple[float, float]]
    timestamps: list[float]


# The primary key (device, property, time) serves this: one short range per worker.
_TRAILS: Final = text("""
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
    WHERE times IS NOT NULL""")

_WHO: Final = text("SELECT id FROM worker WHERE device_id = ANY(:ids) ORDER BY id")


@router.get("/api/trails")
async def list_trails(
    caller: Annotated[Caller, needs(reads(DataClass.WORKER))],
    minutes: Annotated[float, Query(gt=0, le=240, allow_inf_nan=False)] = 10.0,
    limit: Annotated[int, Query(ge=1, le=2_000)] = 500,
) -> list[TrailAnswer]:
    """Return the trails of the workers who were heard last, at most `limit` workers.

    That they were read is on the record, with the workers; where that fails, nothing is answered. A map that
    asks for the same workers again and again is on the record once in ten minutes.
    """
    board = caller.running.twin.board
    rows = placed_workers(board)
    rows = rows[board.heard_us[rows] > 0]
    rows = rows[caller.sees(rows)]
    rows = rows[np.argsort(-board.heard_us[rows], kind="stable")][:limit]
    if not len(rows):
        return []
    interval_s = max(1.0, float(np.median(board.expected_s[rows])))
    every = max(1, int(np.ceil(minutes * 60.0 / interval_s * len(rows) / MOST_POINTS)))
    ids = [int(i) for i in board.device_id[rows]]
    asked = {"ids": ids, "since": time.time() - minutes * 60.0, "every": every, "most": MOST_POINTS}
    async with caller.transaction() as connection:
        found = [dict(row) for row in (await connection.execute(_TRAILS, asked)).mappings()]
        workers = list((await connection.execute(_WHO, {"ids": ids})).scalars())
        read = caller.identity.credential_id, minutes, tuple(workers)
        if not caller.running.reads.is_known(read):
            about = f"worker/{workers[0]}" if len(workers) == 1 else "workers"
            detail = {"workers": workers, "minutes": minutes, "for_s": REMEMBERED_S}
            await write(connection, caller.actor, Entry("track.read", about, detail=detail))
    caller.running.reads.remember(read)
    gap_s = max(LEAST_GAP_S, 3.0 * interval_s * every)
    return [trail for row in found for trail in _walks(row, gap_s)]


def _walks(row: Row, gap_s: float) -> Iterator[TrailAnswer]:
    """Yield the parts of a trail between its gaps; a single fix is no walk."""
    path = [(round(lon, 6), round(lat, 6)) for lon, lat in zip(row["lons"], row["lats"], strict=True)]
    times = list(row["times"])
    for begin, end in parts_between_gaps(times, gap_s):
        if end - begin > 1:
            yield TrailAnswer(id=row["id"], path=path[begin:end], timestamps=times[begin:end])


def parts_between_gaps(times: Sequence[float], gap_s: float) -> Iterator[tuple[int, int]]:
    """Yield the first index and the one after the last of each part of ascending times without a gap."""
    cuts = (np.flatnonzero(np.diff(times) > gap_s) + 1).tolist()
    yield from itertools.pairwise([0, *cuts, len(times)])
