"""Tell how long ways take: between many places, who is nearest to one, what is reached within a time."""

from __future__ import annotations

import asyncio
import math
from typing import Annotated, Any, Final, Literal

import numpy as np
import shapely
from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from api.access.caller import Caller
from api.access.permissions import needs, reads
from api.exports.words import WORKER_ROLES
from api.routes.answers import Names
from api.routes.arrivals import IN_PLACE_S, Arrival, find_arrivals
from api.routes.way_places import (
    REFUSALS,
    Ground,
    PlaceText,
    ProfileName,
    Spot,
    SpotAnswer,
    check_place,
    find_place,
    ground_of,
    profile_names,
    put_spot,
    traveller_of,
)
from api.routes.ways import Asker
from twin.access.masking import mask_name
from twin.access.roles import DataClass
from twin.dispatch.network.profiles import FOOT
from twin.dispatch.network.reach import reached_ground, reached_lines
from twin.dispatch.network.travel import NO_LIMIT, many_to_many
from twin.errors import InvalidError, TooLargeError

router = APIRouter(tags=["dispatch"])

MOST_PAIRS: Final = 60_000
MOST_PLACES: Final = 1_000
MOST_BANDS: Final = 5
LONGEST_S: Final = 7_200.0
_SIMPLER_M: Final = 1.0

Degrees = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Place = tuple[Degrees, Degrees]


class MatrixRequest(BaseModel):
    """Between which places, lon/lat; ``limit_s`` null seeks however far it is."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    starts: list[Place] = Field(alias="from", min_length=1, max_length=MOST_PLACES)
    goals: list[Place] = Field(alias="to", min_length=1, max_length=MOST_PLACES)
    profile: str = Field(default=FOOT, max_length=32)
    limit_s: float | None = Field(default=IN_PLACE_S, gt=0, le=86_400, allow_inf_nan=False, strict=True)


class MatrixAnswer(BaseModel):
    """Seconds from each place to each other, one list a start; null where there is no way within the limit.

    ``starts_off`` and ``goals_off`` are the places, counted from 0, that lie off the network.
    """

    profile: str
    network_version: int
    seconds: list[list[float | None]]
    starts_off: list[int]
    goals_off: list[int]


class NearWorker(BaseModel):
    """A worker and how long they take; the name is masked."""

    worker_id: int
    tracker_id: int
    name: Names
    role: Names
    profile: str
    seconds: float
    lon: float
    lat: float


class NearestAnswer(BaseModel):
    """Who is there soonest, first; ``unreached`` more workers have no way within the limit."""

    goal: SpotAnswer
    network_version: int
    workers: list[NearWorker]
    unreached: int


class BandProperties(BaseModel):
    """Which band it is."""

    minutes: float


class GeometryAnswer(BaseModel):
    """A GeoJSON polygon or several in lon/lat; without coordinates where nothing is reached."""

    type: Literal["Polygon", "MultiPolygon"]
    coordinates: list[Any]


class BandAnswer(BaseModel):
    """What is reached within so many minutes."""

    type: Literal["Feature"] = "Feature"
    properties: BandProperties
    geometry: GeometryAnswer


class ReachAnswer(BaseModel):
    """GeoJSON of the bands, the widest first, so that drawn one after the other all are seen."""

    type: Literal["FeatureCollection"] = "FeatureCollection"
    profile: str
    profile_name: Names
    network_version: int
    direction: Literal["from", "to"]
    place: SpotAnswer
    features: list[BandAnswer]


@router.post("/api/ways/matrix")
async def get_matrix(caller: Asker, body: MatrixRequest) -> MatrixAnswer:
    """Return how long the ways from many places to many others take."""
    if len(body.starts) * len(body.goals) > MOST_PAIRS:
        pairs = len(body.starts) * len(body.goals)
        raise TooLargeError(
            f"{pairs:,} pairs are too many",
            where="from",
            hint=f"ask for at most {MOST_PAIRS:,} at once",
            zh=f"一次最多 {MOST_PAIRS} 对地点，这里有 {pairs} 对",
        )
    for where, places in (("from", body.starts), ("to", body.goals)):
        for i, place in enumerate(places):
            check_place(*place, f"{where}.{i}")
    ground = await ground_of(caller, traveller_of(None, body.profile))
    # Many searches, one after the other: between two of them others are served.
    return await asyncio.to_thread(_matrix, ground, body)


def _matrix(ground: Ground, body: MatrixRequest) -> MatrixAnswer:
    starts, goals = ground.put(body.starts), ground.put(body.goals)
    limit = NO_LIMIT if body.limit_s is None else body.limit_s
    if len(starts) <= len(goals):
        found = many_to_many(ground.snapshot, starts, goals, limit)
    else:
        found = many_to_many(ground.snapshot, goals, starts, limit, inward=True).T
    return MatrixAnswer(
        profile=body.profile,
        network_version=ground.version,
        seconds=[[round(s, 1) if math.isfinite(s) else None for s in row] for row in found.tolist()],
        starts_off=np.flatnonzero(~starts.known).tolist(),
        goals_off=np.flatnonzero(~goals.known).tolist(),
    )


@router.get("/api/ways/nearest", responses=REFUSALS)
async def list_nearest(
    caller: Annotated[Caller, needs(reads(DataClass.WORKER))],
    goal: Annotated[PlaceText, Query(alias="to")],
    k: Annotated[int, Query(ge=1, le=50)] = 8,
    limit_s: Annotated[float, Query(gt=0, le=LONGEST_S, allow_inf_nan=False)] = IN_PLACE_S,
    profile: Annotated[str, Query(max_length=32, description="how they travel; empty: each as they do")] = "",
) -> NearestAnswer:
    """Return the workers who are at a place soonest, of those whose place the caller may know."""
    ground = await ground_of(caller, traveller_of(None, profile))
    spot = put_spot(ground, await find_place(caller, goal, "to"), "to")
    async with caller.transaction() as connection:
        found = await find_arrivals(caller, connection, (spot.lon, spot.lat), profile, limit_s)
    there = [one for one in found if math.isfinite(one.seconds)]
    return NearestAnswer(
        goal=spot.answer(ground),
        network_version=ground.version,
        workers=[_near(one) for one in there[:k]],
        unreached=len(found) - len(there),
    )


def _near(one: Arrival) -> NearWorker:
    row = one.worker
    zh, en = WORKER_ROLES.get(row["role"], (row["role"], row["role"]))
    return NearWorker(
        worker_id=row["id"],
        tracker_id=row["device_id"],
        name=Names(zh=mask_name(row["name"]), en=mask_name(row["name_en"])),
        role=Names(zh=zh, en=en),
        profile=one.traveller.profile,
        seconds=round(one.seconds, 1),
        lon=one.lon,
        lat=one.lat,
    )


@router.get("/api/ways/reach", responses=REFUSALS)
async def get_reach(
    caller: Asker,
    place: PlaceText,
    minutes: Annotated[
        str, Query(max_length=64, description=f"up to {MOST_BANDS} numbers with commas between")
    ] = "5,10,15",
    direction: Literal["from", "to"] = "from",
    profile: ProfileName = "",
) -> ReachAnswer:
    """Return the ground that is reached from a place within some minutes, or from where it is reached."""
    bands = _minutes(minutes)
    asked = await find_place(caller, place, "place")
    ground = await ground_of(caller, traveller_of(asked.worker if direction == "from" else None, profile))
    spot = put_spot(ground, asked, "place")
    return await asyncio.to_thread(_reach, ground, spot, bands, direction)


def _minutes(asked: str) -> list[float]:
    """Return the bands, the longest first."""
    try:
        bands = sorted({float(part) for part in asked.split(",")}, reverse=True)
    except ValueError:
        bands = []
    if not 1 <= len(bands) <= MOST_BANDS or not all(0 < band <= LONGEST_S / 60 for band in bands):
        raise InvalidError(
            f"“{asked}” are no minutes",
            where="minutes",
            hint=f"write 1 to {MOST_BANDS} numbers up to {LONGEST_S / 60:.0f} with commas between",
            zh=f"“{asked}”不是分钟数；请写 1 到 {MOST_BANDS} 个不超过 {LONGEST_S / 60:.0f} 的数，用逗号隔开",
        )
    return bands


def _reach(ground: Ground, spot: Spot, bands: list[float], direction: Literal["from", "to"]) -> ReachAnswer:
    limits = [60.0 * band for band in bands]
    lines = reached_lines(ground.snapshot, spot.place, limits, inward=direction == "to")
    return ReachAnswer(
        profile=ground.snapshot.profile.name,
        profile_name=profile_names(ground.snapshot),
        network_version=ground.version,
        direction=direction,
        place=spot.answer(ground),
        features=[
            BandAnswer(properties=BandProperties(minutes=band), geometry=_geometry(ground, reached))
            for band, reached in zip(bands, lines, strict=True)
        ],
    )


def _geometry(ground: Ground, lines: shapely.MultiLineString) -> GeometryAnswer:
    on_ground = shapely.simplify(reached_ground(lines), _SIMPLER_M)
    degrees = shapely.transform(on_ground, lambda xy: np.round(ground.frame.degrees(xy), 6))
    return GeometryAnswer.model_validate_json(shapely.to_geojson(degrees))
