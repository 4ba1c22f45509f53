"""Read the places between which a way is asked for: somewhere, at a case, or where a worker is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import numpy as np
from fastapi import Query
from numpy.typing import NDArray
from pydantic import BaseModel

from api.access.caller import Caller
from api.errors import CONFLICT, NOT_FOUND
from api.routes.answers import Names
from api.rows import Row
from twin.dispatch.network.places import Places, put
from twin.dispatch.network.profiles import FOOT, load_profiles
from twin.dispatch.network.reading import Frame
from twin.dispatch.network.snapshot import Snapshot
from twin.dispatch.network.unreached import off_network
from twin.dispatch.streets import Traveller, keys_of
from twin.errors import ConflictError, InvalidError, NotFoundError
from twin.faults import Words
from twin.live.placed import placed_workers
from twin.live.rooms import Rows

REFUSALS: Final[dict[int | str, dict[str, Any]]] = NOT_FOUND | CONFLICT

PlaceText = Annotated[
    str,
    Query(
        max_length=64,
        description="`lon,lat` in degrees, `case/ID`, or `worker/ID` where that worker is on duty and seen",
        examples=["104.0662,30.6571", "case/12", "worker/3"],
    ),
]
ProfileName = Annotated[
    str,
    Query(
        max_length=32,
        description="how one travels: foot, bike, ebike or car; empty: a worker as they do, others on foot",
    ),
]

_START_S: Final = 5.0
"""A server that has just been started reads the streets for so long; then it says so."""

_NUMBER: Final = r"[+-]?[0-9]{1,3}(?:\.[0-9]{0,15})?"
_LON_LAT: Final = re.compile(rf"\s*({_NUMBER})\s*,\s*({_NUMBER})\s*", re.ASCII)
_THING: Final = re.compile(r"(case|worker)/([1-9][0-9]{0,17})", re.ASCII)

_CASE: Final = "SELECT ST_X(geom) AS lon, ST_Y(geom) AS lat FROM case_file WHERE id = :id"
_WORKER: Final = (
    "SELECT w.device_id, w.role, w.travels_by, o.kind AS organisation "
    "FROM worker AS w LEFT JOIN organisation AS o ON o.id = w.organisation_id WHERE w.id = :id"
)


class SpotAnswer(BaseModel):
    """A place that was asked for, and where the road is on which it was put; in degrees."""

    lon: float
    lat: float
    road_lon: float
    road_lat: float
    beside_m: float


@dataclass(frozen=True, slots=True)
class Ground:
    """What one request goes over from its begin to its end, though the streets are made anew meanwhile."""

    snapshot: Snapshot
    frame: Frame
    version: int

    def put(self, lon_lat: Sequence[tuple[float, float]]) -> Places:
        """Return places in degrees on the network."""
        return put(self.snapshot, self.frame.metres(np.asarray(lon_lat, float).reshape(-1, 2)))

    def degrees(self, xy: NDArray[np.float64]) -> list[tuple[float, float]]:
        """Return places in metres, shape (n, 2), as lon/lat for an answer: to a decimetre."""
        return [(lon, lat) for lon, lat in np.round(self.frame.degrees(xy), 6).tolist()]


@dataclass(frozen=True, slots=True)
class Spot:
    """A place on the network."""

    lon: float
    lat: float
    place: Places

    def answer(self, ground: Ground) -> SpotAnswer:
        """Return it for an answer."""
        edge, along = int(self.place.edge[0]), float(self.place.along[0])
        on = ground.snapshot.network.lines[edge].interpolate(along, normalized=True)
        ((lon, lat),) = ground.degrees(np.array([[on.x, on.y]]))
        return SpotAnswer(
            lon=self.lon,
            lat=self.lat,
            road_lon=lon,
            road_lat=lat,
            beside_m=round(float(self.place.beside_m[0]), 1),
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """A place that was asked for, and the row of the worker who is there where one was named."""

    lon: float
    lat: float
    worker: Row | None = None


def traveller_of(worker: Row | None, profile: str) -> Traveller:
    """Return how somebody travels, and which gates they have keys for.

    Parameters
    ----------
    worker
        With role, travels_by, and the kind of their organisation; None is anybody.
    profile
        Empty: as the worker does, anybody on foot. A way to travel that the installation took out of its
        file is replaced by walking.
    """
    if worker is None:
        return Traveller(profile or FOOT)
    passes = keys_of(worker["role"], worker["organisation"])
    return Traveller(profile, passes) if profile else Traveller.of_worker(worker["travels_by"], passes)


async def ground_of(caller: Caller, traveller: Traveller) -> Ground:
    """Return the streets as a traveller finds them now.

    Raises
    ------
    InvalidError
        There is no such profile.
    UnavailableError
        The streets were not read yet.
    """
    known = load_profiles()
    if traveller.profile not in known:
        names = ", ".join(known)
        raise InvalidError(
            f"nobody travels by “{traveller.profile}”",
            where="profile",
            hint=f"one of {names}",
            zh=f"没有“{traveller.profile}”这种出行方式，可用：{names}",
        )
    streets = caller.running.twin.streets
    await streets.wait_read(_START_S)
    return Ground(streets.snapshot(traveller), streets.frame, streets.version)


async def find_place(caller: Caller, asked: str, where: str) -> Asked:
    """Return a place that was asked for.

    Raises
    ------
    InvalidError
        It cannot be read.
    NotFoundError
        There is no such case or worker that the caller may see.
    ConflictError
        The worker's place is not known now.
    """
    thing = _THING.fullmatch(asked)
    if thing is None:
        return Asked(*_read(asked, where))
    return await _place_of(caller, thing[1], int(thing[2]), where)


def put_spot(ground: Ground, asked: Asked, where: str) -> Spot:
    """Return a place on the network.

    Raises
    ------
    InvalidError
        It lies off it.
    """
    place = ground.put([(asked.lon, asked.lat)])
    if not place.known[0]:
        raise _off(off_network(ground.snapshot, place), where)
    return Spot(asked.lon, asked.lat, place)


def _off(words: Words, where: str) -> InvalidError:
    name = {"from": ("起点", "the start"), "to": ("终点", "the goal")}.get(where, ("这个地点", "the place"))
    return InvalidError(f"{name[1]}: {words.en}", where=where, zh=f"{name[0]}{words.zh}")


def _read(asked: str, where: str) -> tuple[float, float]:
    found = _LON_LAT.fullmatch(asked)
    if found is None:
        raise InvalidError(
            f"“{asked}” is no place",
            where=where,
            hint="write lon,lat in degrees, case/ID or worker/ID",
            zh=f"“{asked}”不是地点；请写经度,纬度，或 case/编号、worker/编号",
        )
    lon, lat = float(found[1]), float(found[2])
    check_place(lon, lat, where)
    return lon, lat


def check_place(lon: float, lat: float, where: str) -> None:
    """Refuse what is no longitude and latitude.

    Raises
    ------
    InvalidError
        One is out of range; NaN is.
    """
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        raise InvalidError(
            f"{lon}, {lat} is no longitude and latitude",
            where=where,
            hint="the longitude comes first, in degrees",
            zh=f"{lon}, {lat} 不是经纬度；经度在前，单位为度",
        )


async def _place_of(caller: Caller, kind: str, key: int, where: str) -> Asked:
    row = await caller.fetch_one(_CASE if kind == "case" else _WORKER, id=key)
    if row is None:
        raise NotFoundError(
            f"there is no {kind} {key} that you may see",
            where=where,
            zh=f"没有您可以查看的{'案件' if kind == 'case' else '人员'} {key}",
        )
    if kind == "case":
        return Asked(row["lon"], row["lat"])
    found = places_of(caller).get(row["device_id"])
    if found is None:
        raise ConflictError(
            f"it is not known where worker {key} is",
            where=where,
            hint="places are known of workers on duty only, once they were heard",
            zh=f"不知道人员 {key} 现在在哪里；只有在岗且有定位的人员才有位置",
        )
    return Asked(*found, row)


def places_of(caller: Caller) -> dict[int, tuple[float, float]]:
    """Return where workers are whose place the caller may know, lon/lat by tracker: on duty and in scope."""
    board = caller.running.twin.board
    rows = workers_seen(caller)
    lon_lat = zip(board.lon[rows].tolist(), board.lat[rows].tolist(), strict=True)
    return dict(zip(board.device_id[rows].tolist(), lon_lat, strict=True))


def workers_seen(caller: Caller) -> Rows:
    """Return the rows of the board of workers whose place the caller may know, shape (n,)."""
    rows = placed_workers(caller.running.twin.board)
    return rows[caller.sees(rows)]


def profile_names(snapshot: Snapshot) -> Names:
    """Return what a way to get about is called."""
    return Names(zh=snapshot.profile.zh, en=snapshot.profile.en)
