"""Trace a break in a network of pipes or cables: what must be closed, and who is without supply then."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final, Literal

import numpy as np
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text

from api.access.caller import Caller
from api.errors import NOT_FOUND
from api.exports.words import NODE_KINDS
from api.routes.answers import HOUSEHOLDS, HOUSEHOLDS_BY, Names, device_names, shown_address
from api.routes.networks import Reader, names_of, with_names
from api.rows import Row
from twin.errors import InvalidError, NotFoundError
from twin.model.network import CLOSABLE
from twin.networks.key_places import KEY_CATEGORIES
from twin.networks.topology import LINES, NODES, Flags, Topology
from twin.networks.tracing import Sources, Trace, downstream, isolate

router = APIRouter(tags=["networks"])

MOST_LISTED: Final = 500
"""Buildings, places and devices that a trace lists; it counts all."""

MOST_DRAWN: Final = 5_000
"""Lines that a trace draws."""


class Start(BaseModel):
    """Where a trace begins; a device stands for the node it sits at."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["line", "node", "device"]
    id: int = Field(ge=1, le=2**63 - 1)


class TraceRequest(BaseModel):
    """What to trace.

    `break`: the nearest valves or switches on all sides are closed. `downstream`: only the thing itself is
    taken out. `closed` are valves or switches that are closed besides.
    """

    model_config = ConfigDict(extra="forbid")

    start: Start
    mode: Literal["break", "downstream"] = "break"
    closed: list[Annotated[int, Field(ge=1, le=2**63 - 1)]] = Field(default=[], max_length=200)


class ToClose(BaseModel):
    """A valve or switch to be closed."""

    id: int
    kind: str
    kind_name: Names
    name: Names
    device_id: int | None
    lon: float
    lat: float


class AffectedBuilding(BaseModel):
    """A building without supply; `households` is estimated from its floor area where it is a dwelling."""

    id: int
    name: str | None
    address: str | None
    households: int
    lon: float
    lat: float


class AffectedPlace(BaseModel):
    """A hospital, school or the like in an affected building."""

    id: int
    category: str
    category_name: Names
    name: Names
    lon: float
    lat: float


class AffectedDevice(BaseModel):
    """A device in an affected building or at an affected node."""

    id: int
    name: Names
    lon: float
    lat: float


class TraceAnswer(BaseModel):
    """Who is affected, as far as the caller sees it.

    `outside` says that the trace leaves the caller's area; what lies there is neither shown nor counted.
    `sources` says how it is known what feeds: declared; assumed to be the one node where lines only begin;
    or not, and then only what is cut off is known to be affected. `section` and `lost` are the lines that
    are cut off, and those that lose their supply by it.
    """

    utility: str
    mode: str
    sources: Sources
    outside: bool
    to_close: list[ToClose]
    lines: int
    length_m: float
    section: dict[str, Any] | None
    lost: dict[str, Any] | None
    buildings: int
    households: int
    listed: list[AffectedBuilding]
    key_places: list[AffectedPlace]
    devices: int
    devices_listed: list[AffectedDevice]


_STARTS: Final = {
    "line": "SELECT utility, id AS line_id, NULL::bigint AS node_id FROM network_line "
    "WHERE id = :id AND valid_to IS NULL",
    "node": "SELECT utility, NULL::bigint AS line_id, id AS node_id FROM network_node "
    "WHERE id = :id AND valid_to IS NULL",
    "device": "SELECT n.utility, NULL::bigint AS line_id, n.id AS node_id FROM network_node AS n "
    "JOIN device AS d ON d.id = n.device_id WHERE d.id = CAST(:id AS bigint) AND n.valid_to IS NULL "
    "ORDER BY n.id LIMIT 1",
}

_CLOSED: Final = """
    SELECT id FROM network_node
    WHERE id = ANY(:ids) AND utility = :utility AND kind = ANY(:closable) AND valid_to IS NULL"""

_CONNECTED: Final = text(
    "SELECT DISTINCT s.building_id FROM service_connection AS s JOIN building AS b ON b.id = s.building_id"
    " WHERE s.node_id = ANY(:nodes) AND b.valid_to IS NULL"
)

_SHOWN_NODES: Final = """
    SELECT id, kind, name, name_en, (SELECT d.id FROM device AS d WHERE d.id = device_id) AS device_id,
           ST_X(geom) AS lon, ST_Y(geom) AS lat FROM network_node WHERE id = ANY(:ids) ORDER BY id"""

_SHOWN_LINES: Final = """
    SELECT count(*) AS lines, coalesce(sum(length_m), 0) AS length_m,
           ST_AsGeoJSON(ST_Collect(geom) FILTER (WHERE section AND n <= :most), 6)::json AS section,
           ST_AsGeoJSON(ST_Collect(geom) FILTER (WHERE NOT section AND n <= :most), 6)::json AS lost
    FROM (SELECT length_m, geom, id = ANY(:section) AS section,
                 row_number() OVER (ORDER BY id <> ALL(:section), id) AS n
          FROM network_line WHERE id = ANY(:ids)) AS shown"""

_SHOWN_BUILDINGS: Final = f"""
    SELECT b.id, b.name, b.address, ST_X(p.geom) AS lon, ST_Y(p.geom) AS lat,
           {HOUSEHOLDS} AS households
    FROM building AS b, LATERAL (SELECT ST_PointOnSurface(b.geom) AS geom) AS p
    WHERE b.id = ANY(:ids) ORDER BY households DESC, b.id"""

_SHOWN_PLACES: Final = """
    SELECT id, category, name, name_en, ST_X(geom) AS lon, ST_Y(geom) AS lat FROM service_point
    WHERE building_id = ANY(:ids) AND valid_to IS NULL AND category = ANY(:key) ORDER BY category, id
    LIMIT :most"""

_SHOWN_DEVICES: Final = """
    SELECT id, kind, uid, name, name_en, ST_X(geom) AS lon, ST_Y(geom) AS lat, count(*) OVER () AS total
    FROM device WHERE valid_to IS NULL AND kind <> 'worker' AND (building_id = ANY(:ids)
        OR id IN (SELECT device_id FROM network_node WHERE id = ANY(:nodes))) ORDER BY id LIMIT :most"""


@router.post("/api/networks/trace", responses=NOT_FOUND)
async def trace_network(caller: Reader, body: TraceRequest) -> TraceAnswer:
    """Return what must be closed after a break, and who is without supply then."""
    start = await caller.fetch_one(_STARTS[body.start.type], id=body.start.id)
    if start is None:
        raise NotFoundError(
            f"there is no {body.start.type} {body.start.id} of a network",
            where="start",
            hint="click one on the map",
        )
    closed = sorted(set(body.closed))
    found = await caller.fetch(_CLOSED, ids=closed, utility=start["utility"], closable=list(CLOSABLE))
    if len(found) != len(closed):
        missing = sorted(set(closed) - {row["id"] for row in found})
        raise InvalidError(
            f"node {missing[0]} cannot be closed",
            where="closed",
            hint="name valves and switches of this network",
        )
    topology, result = await _trace(caller, start, body, closed)
    return await _answer(caller, start["utility"], body.mode, topology, result)


async def _trace(caller: Caller, start: Row, body: TraceRequest, closed: list[int]) -> tuple[Topology, Trace]:
    # The whole network, whoever asks: a valve beside the caller's area still holds the water back.
    async with caller.running.own.connect() as connection:
        of = {"utility": start["utility"]}
        nodes = (await connection.execute(NODES, of)).mappings().all()
        lines = (await connection.execute(LINES, of)).mappings().all()

    def work() -> tuple[Topology, Trace]:
        topology = Topology.of_rows(nodes, lines)
        follow = isolate if body.mode == "break" else downstream
        return topology, follow(
            topology,
            lines=np.asarray(topology.line_id == (start["line_id"] or 0), np.bool_),
            nodes=np.asarray(topology.node_id == (start["node_id"] or 0), np.bool_),
            closed=np.isin(topology.node_id, closed),
        )

    return await asyncio.to_thread(work)


async def _answer(caller: Caller, utility: str, mode: str, topology: Topology, result: Trace) -> TraceAnswer:
    """Show of a trace what the caller may see: the database decides row by row."""
    nodes, lines = _ids(topology.node_id, result.nodes), _ids(topology.line_id, result.lines)
    close = _ids(topology.node_id, result.close)
    async with caller.running.own.connect() as connection:
        connected = list((await connection.execute(_CONNECTED, {"nodes": nodes})).scalars())
    to_close = await caller.fetch(_SHOWN_NODES, ids=close)
    affected = await caller.fetch("SELECT count(*) AS n FROM network_node WHERE id = ANY(:ids)", ids=nodes)
    drawn = await caller.fetch(
        _SHOWN_LINES, ids=lines, section=_ids(topology.line_id, result.section), most=MOST_DRAWN
    )
    buildings = await caller.fetch(
        _SHOWN_BUILDINGS,
        ids=connected,
        **HOUSEHOLDS_BY,
    )
    seen = [row["id"] for row in buildings]
    places = await caller.fetch(_SHOWN_PLACES, ids=seen, key=list(KEY_CATEGORIES), most=MOST_LISTED)
    devices = await caller.fetch(_SHOWN_DEVICES, ids=seen, nodes=nodes, most=MOST_LISTED)
    whole = (len(close), len(nodes), len(lines), len(connected))
    shown = (len(to_close), affected[0]["n"], drawn[0]["lines"], len(buildings))
    return TraceAnswer(
        utility=utility,
        mode=mode,
        sources=result.sources,
        outside=whole != shown,
        to_close=[
            ToClose(
                **{key: row[key] for key in ("id", "kind", "device_id", "lon", "lat")},
                kind_name=names_of(NODE_KINDS[row["kind"]]),
                name=Names(zh=row["name"], en=row["name_en"]),
            )
            for row in to_close
        ],
        **drawn[0],
        buildings=len(buildings),
        households=sum(row["households"] for row in buildings),
        listed=[
            AffectedBuilding(**row | {"address": shown_address(row["address"])})
            for row in buildings[:MOST_LISTED]
        ],
        key_places=[
            AffectedPlace(**with_names(row), category_name=names_of(KEY_CATEGORIES[row["category"]]))
            for row in places
        ],
        devices=devices[0]["total"] if devices else 0,
        devices_listed=[
            AffectedDevice(
                id=row["id"],
                name=device_names(
                    caller.running.twin.catalog, row["kind"], row["uid"], row["name"], row["name_en"]
                ),
                lon=row["lon"],
                lat=row["lat"],
            )
            for row in devices
        ],
    )


def _ids(ids: np.ndarray[Any, Any], flags: Flags) -> list[int]:
    found: list[int] = ids[flags].tolist()
    return found
