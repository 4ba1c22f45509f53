"""Answer with our network, in a process of its own that is asked as the peers are."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Final, TypeVar

import numpy as np
import shapely
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from bench.routing.peers.answering import Answer, answer_lines, memory_mib, timed
from twin.dispatch.gate_kinds import KEYS
from twin.dispatch.network.closures import RoadClosure, closed_edges
from twin.dispatch.network.places import Places
from twin.dispatch.network.reach import reached_ground, reached_lines
from twin.dispatch.network.roads import Floats
from twin.dispatch.network.snapshot import Snapshot
from twin.dispatch.network.travel import many_to_many, one_to_many
from twin.dispatch.network.way import find_way, way_line
from twin.dispatch.streets import Streets, Traveller
from twin.store.engine import create_async_engine

Place = tuple[float, float]
T = TypeVar("T")

WALKER: Final = Traveller("foot", frozenset(KEYS))
"""Passes every gate but those nobody passes: peers know no keys and no hours."""

_LAYERS: Final = tuple(range(-5, 6))
_CLOSE: Final = text(
    """
    INSERT INTO closure (geom, layers, networks, reason, made_by, begins_at)
    VALUES (ST_GeomFromText(:ring, 4326), :layers, '{foot}', 'bench', 'bench', now() - interval '1 minute')
    """
)
_OPEN: Final = text("DELETE FROM closure")


class Engine:
    """The network of a database on foot, and what one asks of it."""

    def build(self, url: str) -> Answer:
        """Read roads, gates and obstacles of a database and make the network, ready to answer."""
        self._loop = asyncio.new_event_loop()
        self._database: AsyncEngine = create_async_engine(url)
        self._run(self._connect())
        self._before = memory_mib()
        self._streets = Streets(self._database)

        def ready() -> Snapshot:
            self._run(self._streets.refresh())
            snapshot = self._streets.snapshot(WALKER)
            _ = snapshot.outward, snapshot.inward, snapshot.tree, snapshot.part, snapshot.network.tree
            return snapshot

        took, self.snapshot = timed(ready)
        self.frame = self._streets.frame
        network = self.snapshot.network
        return took.answer(
            nodes=network.nodes,
            edges=network.edges,
            gates=len(network.gates),
            joints=int(network.is_joint.sum()),
            kilometres=float(network.length_m.sum() / 1e3),
        )

    def memory(self) -> Answer:
        """Say what it took since before it was built."""
        return {"mib": memory_mib() - self._before}

    def places(self, count: int, seed: int, main: bool) -> Answer:
        """Draw places on streets one may walk, evenly by length, none on a joint; degrees.

        With ``main`` only on the largest part that hangs together.
        """
        snapshot, network = self.snapshot, self.snapshot.network
        walked = np.isfinite(snapshot.there) & (network.cut.gate < 0) & ~network.is_joint
        if main:
            walked &= snapshot.part[network.cut.tail] == 0
        edges = np.flatnonzero(walked)
        random = np.random.default_rng(seed)
        share = network.length_m[edges] / network.length_m[edges].sum()
        edge = random.choice(edges, size=count, p=share)
        along = random.random(count)
        points = shapely.line_interpolate_point(network.lines[edge], along, normalized=True)
        xy = shapely.get_coordinates(points)
        return {
            "lon_lat": self.frame.degrees(xy).tolist(),
            "edge": edge.tolist(),
            "along": along.tolist(),
        }

    def pairs(self, edge: Sequence[int], along: Sequence[float], joints: bool) -> Answer:
        """Return seconds between the first and the second half of places, with or without joints."""
        network = self.snapshot.network
        snapshot = self.snapshot if joints else self.snapshot.closed(network.is_joint, 1)
        xy = np.zeros((len(edge), 2))
        all_of_them = Places(xy, np.array(edge, np.int64), np.array(along), np.zeros(len(edge)))
        half = len(edge) // 2
        found: list[dict[str, Any]] = []
        for i in range(half):
            start = all_of_them.only(np.array([i]))
            goal = all_of_them.only(np.array([half + i]))
            way = find_way(snapshot, start, goal)
            if way is None:
                found.append({"seconds": None})
                continue
            steps = np.abs(way.end - way.begin) * network.length_m[way.edge]
            stairs = network.of_road(network.roads.stairs, False)[way.edge]
            found.append(
                {
                    "seconds": way.seconds,
                    "metres": float(steps.sum()),
                    "stairs_m": float(steps[stairs.astype(bool)].sum()),
                    "joints_m": float(steps[network.is_joint[way.edge]].sum()),
                    "roads": network.of_road(network.roads.id, -1)[way.edge].tolist(),
                    "middles": self._middles(way.edge),
                }
            )
        return {"found": found}

    def _middles(self, edge: Any) -> list[Any]:
        lines = self.snapshot.network.lines[edge]
        middle = shapely.line_interpolate_point(lines, 0.5, normalized=True)
        return self.frame.degrees(shapely.get_coordinates(middle)).tolist()

    def edges(self, file: str) -> Answer:
        """Write what pgRouting is to search: nodes, seconds and lines of all edges open on foot."""
        snapshot, network = self.snapshot, self.snapshot.network
        kept = np.flatnonzero(np.isfinite(snapshot.there) | np.isfinite(snapshot.back))
        lines = shapely.transform(network.lines[kept], self.frame.degrees)
        np.savez(
            file,
            edge=kept,
            tail=network.cut.tail[kept],
            head=network.cut.head[kept],
            there=snapshot.there[kept],
            back=snapshot.back[kept],
            wkb=shapely.to_wkb(shapely.set_srid(lines, 4326), hex=True, include_srid=True).astype(str),
        )
        return {}

    def nodes_of(self, lon_lat: Sequence[Place]) -> Answer:
        """Return the nearer node of the edge each place lies on: pgRouting is asked from node to node."""
        places = self._put(lon_lat)
        cut = self.snapshot.network.cut
        return {"node": np.where(places.along < 0.5, cut.tail[places.edge], cut.head[places.edge]).tolist()}

    def one_to_many(self, one: Place, many: Sequence[Place], limit_s: float) -> Answer:
        """Time it from degrees, and from places put on the network before, as those of workers are."""

        def ask() -> Floats:
            places = self._put([one, *many])
            return one_to_many(self.snapshot, places.only(np.array([0])), places.only(_rest(places)), limit_s)

        took, found = timed(ask)
        places = self._put([one, *many])
        first, rest = places.only(np.array([0])), places.only(_rest(places))
        put, again = timed(lambda: one_to_many(self.snapshot, first, rest, limit_s))
        assert np.array_equal(found, again)
        return took.answer(within=int(np.isfinite(found).sum()), apart=put.answer())

    def matrix(self, some: Sequence[Place], others: Sequence[Place], limit_s: float) -> Answer:
        """Time it from degrees, and from places put on the network before."""
        took, found = timed(lambda: many_to_many(self.snapshot, self._put(some), self._put(others), limit_s))
        first, second = self._put(some), self._put(others)
        put, _ = timed(lambda: many_to_many(self.snapshot, first, second, limit_s))
        return took.answer(within=int(np.isfinite(found).sum()), apart=put.answer())

    def route(self, start: Place, goal: Place) -> Answer:
        """Time one way with its line in degrees."""
        took, (takes_s, _) = timed(lambda: self._way(self.snapshot, start, goal))
        return took.answer(takes_s=takes_s)

    def isochrone(self, one: Place, limits_s: Sequence[float]) -> Answer:
        """Time polygons of what is reached, in degrees."""

        def ask() -> list[Any]:
            lines = reached_lines(self.snapshot, self._put([one]), limits_s)
            return [shapely.transform(reached_ground(line), self.frame.degrees) for line in lines]

        took, _ = timed(ask)
        return took.answer()

    def ring_on(self, start: Place, goal: Place, radius_m: float) -> Answer:
        """Return a ring around the middle of a way and the roads in it, None where no other way is left."""
        snapshot = self.snapshot
        way = find_way(snapshot, self._put([start]), self._put([goal]))
        if way is None:
            return {"ring": None}
        line = shapely.LineString(way_line(snapshot, way)[0])
        disc = shapely.line_interpolate_point(line, 0.5, normalized=True).buffer(radius_m, quad_segs=4)
        _, without = self._closed_way(disc, start, goal)
        if without is None:
            return {"ring": None}
        return {"ring": self.frame.degrees(shapely.get_coordinates(disc)).tolist(), "metres": line.length}

    def closure(self, start: Place, goal: Place, ring: Sequence[Place], **_: Any) -> Answer:
        """Time a closed polygon until a way keeps out of it: written to the database, and in memory only."""
        disc = shapely.Polygon(ring)
        values = {"ring": disc.wkt, "layers": list(_LAYERS)}

        def close() -> tuple[float | None, Floats | None]:
            self._run(self._write(_CLOSE, values))
            return self._way(self._streets.snapshot(WALKER), start, goal)

        took, (takes_s, line) = timed(close)
        self._run(self._write(_OPEN))
        self._streets.snapshot(WALKER)
        inside = shapely.transform(disc, self.frame.metres)
        memory, (again_s, _line) = timed(lambda: self._closed_way(inside, start, goal))
        assert line is not None
        assert takes_s == again_s
        crossed = shapely.LineString(line).intersects(disc)
        return took.answer(takes_s=takes_s, crossed=bool(crossed), apart=memory.answer())

    def _closed_way(
        self, disc: shapely.Polygon, start: Place, goal: Place
    ) -> tuple[float | None, Floats | None]:
        area = RoadClosure(1, frozenset({"foot"}), 0.0, np.inf, disc, frozenset(_LAYERS))
        return self._way(self.snapshot.closed(closed_edges(self.snapshot.network, area), 1), start, goal)

    async def _connect(self) -> None:
        async with self._database.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def _write(self, statement: Any, values: Any = None) -> None:
        """Change closures, and let the streets know, as the news of the database does."""
        async with self._database.begin() as connection:
            await connection.execute(statement, values)
        await self._streets.refresh_closures()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(work)

    def _way(self, snapshot: Snapshot, start: Place, goal: Place) -> tuple[float | None, Floats | None]:
        places = self._put([start, goal])
        way = find_way(snapshot, places.only(np.array([0])), places.only(np.array([1])))
        if way is None:
            return None, None
        return way.seconds, self.frame.degrees(way_line(snapshot, way)[0])

    def _put(self, lon_lat: Sequence[Place]) -> Places:
        return self._streets.put(self.snapshot, lon_lat)


def _rest(places: Places) -> Any:
    return np.arange(1, len(places))


if __name__ == "__main__":
    engine = Engine()
    names = (
        "build", "memory", "places", "pairs", "edges", "nodes_of", "one_to_many", "matrix", "route",
        "isochrone", "ring_on", "closure",
    )  # fmt: skip
    answer_lines({name: getattr(engine, name) for name in names})
