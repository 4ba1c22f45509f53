"""Tell how soon workers on duty are at a place: on the network, each by what they travel by."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from api.access.caller import Caller
from api.routes.way_places import Ground, ground_of, traveller_of, workers_seen
from api.rows import Row
from twin.dispatch.network.roads import Floats
from twin.dispatch.network.travel import one_to_many
from twin.dispatch.streets import Traveller
from twin.distance import distances_m

MOST_SEARCHED: Final = 500
"""Workers nearest as the crow flies, of whom the ways are sought."""

IN_PLACE_S: Final = 1_800.0
"""A search no longer than this is over in some milliseconds: no thread is asked for it."""


_CARRIED: Final = text(
    "SELECT w.id, w.name, w.name_en, w.role, w.device_id, w.travels_by, o.kind AS organisation "
    "FROM worker AS w LEFT JOIN organisation AS o ON o.id = w.organisation_id "
    "WHERE w.device_id = ANY(:trackers)"
)


@dataclass(slots=True)
class Arrival:
    """How soon a worker is at a place.

    Attributes
    ----------
    worker
        Columns id, name, name_en, role, device_id, travels_by, and the kind of their organisation.
    seconds
        Inf where there is no way within the limit.
    """

    worker: Row
    lon: float
    lat: float
    straight_m: float
    traveller: Traveller
    seconds: float = np.inf


async def find_arrivals(
    caller: Caller, connection: AsyncConnection, goal: tuple[float, float], profile: str, limit_s: float
) -> list[Arrival]:
    """Return the workers whose place the caller may know, who is there soonest first.

    Parameters
    ----------
    goal
        Lon/lat.
    profile
        How all of them travel; each as they do where empty.
    """
    found = await _on_board(caller, connection, goal, profile)
    grounds = {each: await ground_of(caller, each) for each in {one.traveller for one in found}}
    if limit_s <= IN_PLACE_S:
        _search(grounds, goal, found, limit_s)
    else:
        await asyncio.to_thread(_search, grounds, goal, found, limit_s)
    return sorted(found, key=lambda one: (one.seconds, one.straight_m))


async def _on_board(
    caller: Caller, connection: AsyncConnection, goal: tuple[float, float], profile: str
) -> list[Arrival]:
    """Return the nearest workers as the crow flies, in that order."""
    board = caller.running.twin.board
    rows = workers_seen(caller)
    away = distances_m(*goal, board.lon[rows], board.lat[rows])
    order = np.argsort(away, kind="stable")[:MOST_SEARCHED]
    rows = rows[order]
    columns = (board.device_id[rows], board.lon[rows], board.lat[rows], away[order])
    placed = list(zip(*(column.tolist() for column in columns), strict=True))
    asked = {"trackers": [tracker for tracker, *_ in placed]}
    carried = {row["device_id"]: dict(row) for row in (await connection.execute(_CARRIED, asked)).mappings()}
    return [
        Arrival(carried[tracker], lon, lat, straight_m, traveller_of(carried[tracker], profile))
        for tracker, lon, lat, straight_m in placed
        if tracker in carried
    ]


def _search(
    grounds: dict[Traveller, Ground], goal: tuple[float, float], found: Sequence[Arrival], limit_s: float
) -> None:
    """Write into arrivals how long they take; in place."""
    for traveller, ground in grounds.items():
        going = [one for one in found if one.traveller == traveller]
        place, many = ground.put([goal]), ground.put([(one.lon, one.lat) for one in going])
        seconds: Floats = one_to_many(ground.snapshot, place, many, limit_s, inward=True)
        for one, taken in zip(going, seconds.tolist(), strict=True):
            one.seconds = taken
