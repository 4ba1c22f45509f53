"""Tell everything about one device: details, history, neighbours, events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import numpy as np
from fastapi import APIRouter, Query
from pydantic import BaseModel

from api.access.caller import Caller
from api.access.permissions import needs, reads
from api.errors import NOT_FOUND
from api.routes.answers import (
    AREA_COLUMNS,
    AREA_JOINS,
    AreasOfThing,
    DeviceId,
    LimitAnswer,
    Names,
    areas_of,
    device_names,
    finite,
    limits_of,
    moment,
    state_name,
)
from api.rows import Row
from api.runtime import Runtime
from twin.access.roles import DataClass
from twin.catalog import DeviceKind, ObservedProperty
from twin.distance import distances_m
from twin.errors import NotFoundError

router = APIRouter(tags=["devices"], responses=NOT_FOUND)

Reader = Annotated[Caller, needs(reads(DataClass.PLACE))]


class DevicePropertyAnswer(BaseModel):
    """The present of one observed property."""

    name: str
    zh: str
    en: str
    unit: str
    decimals: int
    value: float | None
    phenomenon_time: datetime | None
    state: str
    limits: list[LimitAnswer]
    words: list[tuple[str, str]]


class BuildingRef(BaseModel):
    """A building in short."""

    id: int
    name: Names


class DeviceAnswer(BaseModel):
    """One device: what it is, where, and what it says now."""

    id: int
    uid: str
    kind: str
    name: Names
    state: str
    since: datetime | None
    value: float | None
    properties: list[DevicePropertyAnswer]
    lon: float
    lat: float
    height_m: float
    floor: int | None
    bearing_deg: float | None
    bearing_source: str | None
    field_of_view_deg: float | None
    range_m: float | None
    building: BuildingRef | None
    address: Names | None
    area: AreasOfThing
    source: str
    position_source: str
    simulated: bool
    readings_simulated: bool
    last_seen: datetime | None
    expected_interval_s: float


_DEVICE: Final = f"""
    SELECT d.id, d.uid, d.kind, d.name, d.name_en, d.height_m, d.floor, d.bearing_deg, d.bearing_source,
           d.field_of_view_deg, d.range_m, d.address, d.address_en, d.simulated, d.readings_simulated,
           d.position_source, d.expected_interval_s,
           ST_X(d.geom) AS lon, ST_Y(d.geom) AS lat,
           b.id AS building_id, b.name AS building_name, b.name_en AS building_name_en,
           b.address AS building_address,
           dataset.name AS source, {AREA_COLUMNS},
           (SELECT max(changed_at) FROM alarm WHERE alarm.device_id = d.id) AS state_changed_at
    FROM device AS d
    JOIN dataset ON dataset.id = d.dataset_id
    LEFT JOIN building AS b ON b.id = d.building_id
    {AREA_JOINS.format(thing="d")}
    WHERE d.id = :id AND d.valid_to IS NULL"""


def find_row(caller: Caller, device_id: int) -> int:
    """Return the row of a device on the board.

    Raises
    ------
    NotFoundError
        There is no present device of this number, or it lies where the caller sees nothing.
    """
    row = caller.running.twin.board.row_of_id.get(device_id)
    if row is None or not caller.sees(np.array([row]))[0]:
        raise _not_there(device_id)
    return row


async def read_device(caller: Caller, device_id: int) -> tuple[Row, int]:
    """Return the database row of a device and its row on the board.

    Raises
    ------
    NotFoundError
        There is no present device of this number, or it lies where the caller sees nothing.
    """
    row = find_row(caller, device_id)
    found = await caller.fetch_one(_DEVICE, id=device_id)
    if found is None:
        raise _not_there(device_id)
    return found, row


def _not_there(device_id: int) -> NotFoundError:
    return NotFoundError(f"there is no device {device_id}", where="id", hint="search with /api/search?q=")


def kind_of(running: Runtime, row: int) -> DeviceKind:
    """Return the kind of a row of the board."""
    return running.twin.catalog.by_code[int(running.twin.board.kind[row])]


def device_answer(caller: Caller, found: Row, row: int) -> dict[str, Any]:
    """Return the fields of a `DeviceAnswer`."""
    running = caller.running
    board = running.twin.board
    kind = kind_of(running, row)
    return {
        "id": found["id"],
        "uid": found["uid"],
        "kind": found["kind"],
        "name": device_names(
            running.twin.catalog,
            found["kind"],
            found["uid"],
            found["name"],
            found["name_en"],
            own=found["id"] == caller.grants.tracker_id,
        ),
        "state": state_name(int(board.state[row])),
        "since": found["state_changed_at"],
        "value": finite(board.value[row]),
        "properties": [_property(running, row, observed) for observed in kind.properties],
        "lon": float(board.lon[row]),
        "lat": float(board.lat[row]),
        "height_m": found["height_m"],
        "floor": found["floor"],
        "bearing_deg": found["bearing_deg"],
        "bearing_source": found["bearing_source"],
        "field_of_view_deg": found["field_of_view_deg"],
        "range_m": found["range_m"],
        "building": BuildingRef(
            id=found["building_id"], name=Names(zh=found["building_name"], en=found["building_name_en"])
        )
        if found["building_id"]
        else None,
        "address": _address(found),
        "area": areas_of(found),
        "source": found["source"],
        "position_source": found["position_source"],
        "simulated": found["simulated"],
        "readings_simulated": found["simulated"] or found["readings_simulated"],
        "last_seen": moment(int(board.heard_us[row])),
        "expected_interval_s": found["expected_interval_s"] or kind.expected_interval_s,
    }


def _address(found: Row) -> Names | None:
    if found["address"]:
        return Names(zh=found["address"], en=found["address_en"])
    return Names(zh=found["building_address"], en=None) if found["building_address"] else None


def _property(running: Runtime, row: int, observed: ObservedProperty) -> DevicePropertyAnswer:
    board = running.twin.board
    return DevicePropertyAnswer(
        name=observed.name,
        zh=observed.zh,
        en=observed.en,
        unit=observed.unit,
        decimals=observed.decimals,
        value=finite(board.values[row, observed.slot]),
        phenomenon_time=moment(int(board.times_us[row, observed.slot])),
        state=state_name(int(board.states[row, observed.slot])),
        limits=limits_of(observed),
        words=list(observed.words),
    )


@router.get("/api/devices/{id}")
async def get_device(caller: Reader, device_id: DeviceId) -> DeviceAnswer:
    """Return one device with its present values, its place, its building and its areas."""
    found, row = await read_device(caller, device_id)
    return DeviceAnswer(**device_answer(caller, found, row))


class HistoryAnswer(BaseModel):
    """A thinned series: for each step the last value and the extremes; null where nothing came."""

    property: str
    unit: str
    limits: list[LimitAnswer]
    t: list[float]
    v: list[float | None]
    min: list[float | None]
    max: list[float | None]
    gaps: list[tuple[float, float]]


HISTORY: Final = """
    SELECT width_bucket(extract(epoch FROM phenomenon_time)::float8, :begin, :end, :points) AS step,
           min(value) AS low, max(value) AS high,
           (array_agg(value ORDER BY phenomenon_time DESC))[1] AS last,
           extract(epoch FROM max(phenomenon_time))::float8 AS at
    FROM observation
    WHERE device_id = :id AND property = :slot
      AND phenomenon_time >= to_timestamp(:begin) AND phenomenon_time < to_timestamp(:end)
    GROUP BY step ORDER BY step"""


@router.get("/api/devices/{id}/history")
async def get_device_history(
    caller: Reader,
    device_id: DeviceId,
    name: Annotated[
        str, Query(alias="property", max_length=64, description="the device's first when left out")
    ] = "",
    hours: Annotated[float, Query(gt=0, le=24 * 31, allow_inf_nan=False)] = 24.0,
    points: Annotated[int, Query(ge=10, le=5_000)] = 600,
) -> HistoryAnswer:
    """Return the past of one property, thinned in the database to at most `points` steps."""
    row = find_row(caller, device_id)
    kind = kind_of(caller.running, row)
    observed = kind.property(name) if name else kind.properties[0]
    end = datetime.now(UTC)
    begin = end - timedelta(hours=hours)
    found = await caller.fetch(
        HISTORY,
        id=device_id,
        slot=observed.slot,
        begin=begin.timestamp(),
        end=end.timestamp(),
        points=points,
    )
    expected_s = max(float(caller.running.twin.board.expected_s[row]), (end - begin).total_seconds() / points)
    times = [float(step["at"]) for step in found]
    gaps = [
        (a, b)
        for a, b in zip([begin.timestamp(), *times], [*times, end.timestamp()], strict=True)
        if b - a > 3.0 * expected_s
    ]
    return HistoryAnswer(
        property=observed.name,
        unit=observed.unit,
        limits=limits_of(observed),
        t=times,
        v=[finite(step["last"]) for step in found],
        min=[finite(step["low"]) for step in found],
        max=[finite(step["high"]) for step in found],
        gaps=gaps,
    )


class NeighbourAnswer(BaseModel):
    """A device near another."""

    id: int
    uid: str
    kind: str
    name: Names
    distance_m: float
    value: float | None
    unit: str
    state: str


@router.get("/api/devices/{id}/neighbours")
async def list_neighbours(
    caller: Reader,
    device_id: DeviceId,
    limit: Annotated[int, Query(ge=1, le=50)] = 6,
    radius_m: Annotated[float, Query(gt=0, le=5_000, allow_inf_nan=False)] = 300.0,
) -> list[NeighbourAnswer]:
    """Return the devices around one that the caller sees, its own kind first, then by distance."""
    running = caller.running
    board = running.twin.board
    row = find_row(caller, device_id)
    n = board.count
    distance = distances_m(float(board.lon[row]), float(board.lat[row]), board.lon[:n], board.lat[:n])
    # A worker who is not on duty stands nowhere: in no room.
    near = np.flatnonzero((distance <= radius_m) & (board.device_id[:n] != 0) & (board.room[:n] != 0))
    near = near[(near != row) & caller.sees(near)]
    order = np.lexsort((distance[near], board.kind[near] != board.kind[row]))
    chosen = near[order][:limit]
    ids = [int(board.device_id[i]) for i in chosen]
    named = await caller.fetch("SELECT id, name, name_en FROM device WHERE id = ANY(:ids)", ids=ids)
    names = {row["id"]: row for row in named}
    answers = []
    for i in chosen.tolist():
        kind = kind_of(running, i)
        own = names.get(int(board.device_id[i]), {})
        answers.append(
            NeighbourAnswer(
                id=int(board.device_id[i]),
                uid=board.uid[i],
                kind=kind.name,
                name=device_names(
                    running.twin.catalog,
                    kind.name,
                    board.uid[i],
                    own.get("name"),
                    own.get("name_en"),
                    own=int(board.device_id[i]) == caller.grants.tracker_id,
                ),
                distance_m=round(float(distance[i]), 1),
                value=finite(board.value[i]),
                unit=kind.properties[0].unit,
                state=state_name(int(board.state[i])),
            )
        )
    return answers
