"""Answer with our network, in a process of its own that is asked as the peers are."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely

from bench.routing.peers.answering import Answer, answer_lines, memory_mib, timed
from twin.dispatch.network.network import build
from twin.dispatch.network.places import Places, put
from twin.dispatch.network.profiles import FOOT, load_profiles
from twin.dispatch.network.reach import reached_ground, reached_lines
from twin.dispatch.network.reading import Frame, read_obstacles, read_roads
from twin.dispatch.network.roads import Floats, Roads
from twin.dispatch.network.snapshot import Snapshot, Structure
from twin.dispatch.network.travel import many_to_many, one_to_many
from twin.dispatch.network.way import find_way, way_line
from twin.store.engine import create_async_engine

Place = tuple[float, float]


class Engine:
    """The network of a database on foot, and what one asks of it."""

    def build(self, url: str) -> Answer:
        """Read the roads of a database and make the network; reading is timed apart."""
        before = memory_mib()
        read_s, (roads, self.frame, obstacles) = timed(lambda: asyncio.run(_read(url)))
        seconds, self.snapshot = timed(lambda: _snapshot(roads, obstacles))
        self._before = before
        self._closed = 0
        network = self.snapshot.network
        return {
            "seconds": seconds,
            "read_s": read_s,
            "nodes": network.nodes,
            "edges": network.edges,
            "joints": int(network.is_joint.sum()),
            "kilometres": float(network.length_m.sum() / 1e3),
        }

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

        seconds, found = timed(ask)
        places = self._put([one, *many])
        first, rest = places.only(np.array([0])), places.only(_rest(places))
        put_s, again = timed(lambda: one_to_many(self.snapshot, first, rest, limit_s))
        assert np.array_equal(found, again)
        return {"seconds": seconds, "put_s": put_s, "within": int(np.isfinite(found).sum())}

    def matrix(self, some: Sequence[Place], others: Sequence[Place], limit_s: float) -> Answer:
        """Time it from degrees, and from places put on the network before."""
        seconds, found = timed(
            lambda: many_to_many(self.snapshot, self._put(some), self._put(others), limit_s)
        )
        first, second = self._put(some), self._put(others)
        put_s, _ = timed(lambda: many_to_many(self.snapshot, first, second, limit_s))
        return {"seconds": seconds, "put_s": put_s, "within": int(np.isfinite(found).sum())}

    def route(self, start: Place, goal: Place) -> Answer:
        """Time one way with its line in degrees."""
        seconds, (takes_s, _) = timed(lambda: self._way(self.snapshot, start, goal))
        return {"seconds": seconds, "takes_s": takes_s}

    def isochrone(self, one: Place, limits_s: Sequence[float]) -> Answer:
        """Time polygons of what is reached, in degrees."""

        def ask() -> list[Any]:
            lines = reached_lines(self.snapshot, self._put([one]), limits_s)
            return [shapely.transform(reached_ground(line), self.frame.degrees) for line in lines]

        seconds, _ = timed(ask)
        return {"seconds": seconds}

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
        """Time a closed polygon until a way keeps out of it."""

        def close() -> tuple[float | None, Floats | None]:
            disc = shapely.Polygon(self.frame.metres(np.array(ring)))
            return self._closed_way(disc, start, goal)

        seconds, (takes_s, line) = timed(close)
        return {
            "seconds": seconds,
            "takes_s": takes_s,
            "line": None if line is None else line.tolist(),
        }

    def _closed_way(
        self, disc: shapely.Polygon, start: Place, goal: Place
    ) -> tuple[float | None, Floats | None]:
        network = self.snapshot.network
        closed = np.zeros(network.edges, bool)
        closed[network.tree.query(disc, predicate="intersects")] = True
        self._closed += 1
        return self._way(self.snapshot.closed(closed, self._closed), start, goal)

    def _way(self, snapshot: Snapshot, start: Place, goal: Place) -> tuple[float | None, Floats | None]:
        places = self._put([start, goal])
        way = find_way(snapshot, places.only(np.array([0])), places.only(np.array([1])))
        if way is None:
            return None, None
        return way.seconds, self.frame.degrees(way_line(snapshot, way)[0])

    def _put(self, lon_lat: Sequence[Place]) -> Places:
        return put(self.snapshot, self.frame.metres(np.asarray(lon_lat, float)))


def _rest(places: Places) -> Any:
    return np.arange(1, len(places))


async def _read(url: str) -> tuple[Roads, Frame, Any]:
    engine = create_async_engine(url)
    try:
        async with engine.connect() as connection:
            roads, frame = await read_roads(connection)
            return roads, frame, await read_obstacles(connection, frame)
    finally:
        await engine.dispose()


def _snapshot(roads: Roads, obstacles: Any) -> Snapshot:
    """Return the network, ready to answer: with the indexes and matrices a first question would make."""
    network = build(roads, obstacles=obstacles)
    snapshot = Snapshot.open(network, Structure(network), load_profiles()[FOOT])
    _ = snapshot.outward, snapshot.inward, snapshot.tree, snapshot.part, network.tree
    return snapshot


if __name__ == "__main__":
    engine = Engine()
    names = (
        "build", "memory", "places", "pairs", "edges", "nodes_of", "one_to_many", "matrix", "route",
        "isochrone", "ring_on", "closure",
    )  # fmt: skip
    answer_lines({name: getattr(engine, name) for name in names})
