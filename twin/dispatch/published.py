"""Write the network into the tables that planners' SQL asks (pgRouting, QGIS), whenever it is made anew."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import shapely
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from twin.dispatch.network.network import Network
from twin.dispatch.network.reading import Frame
from twin.dispatch.network.roads import Floats
from twin.store.locks import Lock

CLOSED: Final = -1.0
"""The cost of what is closed, as pgRouting writes it."""

_ONE_AT_A_TIME: Final = text(f"SELECT pg_advisory_xact_lock({Lock.STREETS})")
_EMPTY: Final = tuple(text(f"DELETE FROM {name}") for name in ("street_cost", "street_edge", "street_node"))
_NODES: Final = text(
    "INSERT INTO street_node (id, geom) SELECT n, ST_SetSRID(ST_MakePoint(lon, lat), 4326) "
    "FROM unnest(CAST(:lon AS float8[]), CAST(:lat AS float8[])) WITH ORDINALITY AS p (lon, lat, n)"
)
_EDGES: Final = text(
    """
    INSERT INTO street_edge (id, source, target, geom, length_m, road_id, gate_id, joint, layer, name)
    SELECT n, source, target, ST_GeomFromWKB(wkb, 4326), length_m, nullif(road, -1), nullif(gate, -1), joint,
        layer, name
    FROM unnest(CAST(:source AS int8[]), CAST(:target AS int8[]), CAST(:wkb AS bytea[]),
        CAST(:length_m AS float8[]), CAST(:road AS int8[]), CAST(:gate AS int8[]), CAST(:joint AS bool[]),
        CAST(:layer AS int2[]), CAST(:name AS text[]))
        WITH ORDINALITY AS e (source, target, wkb, length_m, road, gate, joint, layer, name, n)
    """
)
_COSTS: Final = text(
    "INSERT INTO street_cost (profile, edge_id, cost, reverse_cost) SELECT :profile, n, cost, reverse_cost "
    "FROM unnest(CAST(:cost AS float8[]), CAST(:reverse_cost AS float8[])) "
    "WITH ORDINALITY AS c (cost, reverse_cost, n)"
)


class Published:
    """The tables `street_node`, `street_edge` and `street_cost`, written only where something is different.

    Parameters
    ----------
    engine
        Writes them.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._written = b""

    async def write(
        self, network: Network, frame: Frame, seconds: Mapping[str, tuple[Floats, Floats]]
    ) -> None:
        """Replace what stands there, in one transaction.

        Parameters
        ----------
        seconds
            Of each edge as it is drawn and against that, by profile; inf is closed.
        """
        rows, costs, digest = await asyncio.to_thread(_content, network, frame, seconds)
        if digest == self._written:
            return
        async with self._engine.begin() as connection:
            await connection.execute(_ONE_AT_A_TIME)
            for statement in _EMPTY:
                await connection.execute(statement)
            await connection.execute(_NODES, {name: rows[name] for name in ("lon", "lat")})
            await connection.execute(
                _EDGES, {name: value for name, value in rows.items() if name not in ("lon", "lat")}
            )
            for profile, (cost, reverse_cost) in costs.items():
                values = {"profile": profile, "cost": cost, "reverse_cost": reverse_cost}
                await connection.execute(_COSTS, values)
        self._written = digest


def _content(
    network: Network, frame: Frame, seconds: Mapping[str, tuple[Floats, Floats]]
) -> tuple[dict[str, list[Any]], dict[str, list[list[float]]], bytes]:
    rows = _rows(network, frame)
    costs = {
        profile: [np.where(np.isfinite(way), way, CLOSED).tolist() for way in both]
        for profile, both in seconds.items()
    }
    return rows, costs, hashlib.blake2b(repr((rows, costs)).encode(), digest_size=16).digest()


def _rows(network: Network, frame: Frame) -> dict[str, list[Any]]:
    nodes = frame.degrees(network.cut.node_xy)
    lines = np.asarray(shapely.transform(network.lines, frame.degrees), object)
    road, gate = network.of_road(network.roads.id, -1), np.full(network.edges, -1, np.int64)
    at = network.cut.gate >= 0
    gate[at] = network.gates.id[network.cut.gate[at]]
    return {
        "lon": nodes[:, 0].tolist(),
        "lat": nodes[:, 1].tolist(),
        "source": (network.cut.tail + 1).tolist(),
        "target": (network.cut.head + 1).tolist(),
        "wkb": shapely.to_wkb(lines).tolist(),
        "length_m": network.length_m.tolist(),
        "road": road.tolist(),
        "gate": gate.tolist(),
        "joint": network.is_joint.tolist(),
        "layer": network.of_road(network.roads.layer, 0).tolist(),
        "name": network.of_road(network.roads.name, None).tolist(),
    }
