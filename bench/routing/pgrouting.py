"""Answer with pgRouting, over the edges of our network in the same private database cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import psycopg

from bench.live.database import connect
from bench.routing.peers.answering import Answer, timed

Place = tuple[float, float]

_TABLE: Final = """
    DROP TABLE IF EXISTS bench_edge;
    CREATE TABLE bench_edge (
        id bigint PRIMARY KEY, source bigint NOT NULL, target bigint NOT NULL, cost float8 NOT NULL,
        reverse_cost float8 NOT NULL, geom geometry(LineString, 4326) NOT NULL
    )
"""
_INDEXES: Final = """
    CREATE INDEX ON bench_edge USING gist (geom);
    CREATE INDEX ON bench_edge (source);
    CREATE INDEX ON bench_edge (target);
    ANALYZE bench_edge
"""
_ALL: Final = "SELECT id, source, target, cost, reverse_cost FROM bench_edge"
_NEAR: Final = (
    _ALL + " WHERE geom && ST_Expand(ST_SetSRID(ST_MakePoint({lon!r}, {lat!r}), 4326), {dx!r}, {dy!r})"
)
_WITHIN: Final = """
    SELECT count(*) FROM pgr_drivingDistance(%s, %s, %s) AS d
    JOIN unnest(%s::bigint[]) AS goal ON goal = d.node
"""
_MATRIX: Final = """
    SELECT count(*) FROM pgr_dijkstraCost(%(edges)s, %(some)s::bigint[], %(others)s::bigint[]) AS c
    JOIN unnest(%(some)s::bigint[]) AS a ON a = c.start_vid
    JOIN unnest(%(others)s::bigint[]) AS b ON b = c.end_vid
    WHERE c.agg_cost <= %(limit)s
"""
_ROUTE: Final = """
    SELECT max(way.agg_cost), ST_AsBinary(ST_LineMerge(ST_Collect(e.geom ORDER BY way.seq)))
    FROM pgr_dijkstra(%s, %s, %s) AS way LEFT JOIN bench_edge AS e ON e.id = way.edge
"""
_REACHED: Final = """
    WITH reached AS (
        SELECT d.agg_cost, e.geom FROM pgr_drivingDistance(%s, %s, %s) AS d
        JOIN bench_edge AS e ON e.id = d.edge
    )
    SELECT limit_s, ST_AsBinary(ST_ConcaveHull(ST_Collect(geom), 0.6))
    FROM reached JOIN unnest(%s::float8[]) AS limit_s ON agg_cost <= limit_s GROUP BY limit_s
"""
_CLOSE: Final = """
    UPDATE bench_edge SET cost = -1, reverse_cost = -1
    WHERE ST_Intersects(geom, ST_SetSRID(ST_GeomFromText(%s), 4326))
"""
_SLACK: Final = 1.3
_M_A_DEGREE: Final = 111_000.0


class PgRouting:
    """A table of edges and a connection to it.

    Every place is given as a node: to find it is not in its times.

    Parameters
    ----------
    url
        The database, which has the roads.
    nodes_of
        The nearer node of the edge each place in degrees lies on.
    """

    def __init__(self, url: str, nodes_of: Callable[[Sequence[Place]], list[int]]) -> None:
        self._connection = connect(url)
        self._nodes_of = nodes_of
        self._kmh = 0.0
        self._server = Path(f"/proc/{self._connection.info.backend_pid}/schedstat")

    def ask(self, do: str, **what: Any) -> Answer:
        """Answer as the processes of the others do."""
        answer: Answer = getattr(self, do)(**what)
        return answer

    def build(self, edges: Path, kmh: float) -> Answer:
        """Copy the edges into a table with its indexes."""
        self._kmh = kmh
        with np.load(edges) as found:
            columns = [found[name].tolist() for name in ("edge", "tail", "head", "there", "back", "wkb")]
        rows = list(zip(*columns, strict=True))

        def fill() -> None:
            self._connection.execute(_TABLE)
            with (
                self._connection.cursor() as cursor,
                cursor.copy(
                    "COPY bench_edge (id, source, target, cost, reverse_cost, geom) FROM STDIN"
                ) as copy,
            ):
                for row in rows:
                    copy.write_row([-1.0 if value == np.inf else value for value in row])
            self._connection.execute(_INDEXES)

        took, _ = timed(fill, self._server_s)
        return took.answer()

    def memory(self) -> Answer:
        """Say what the table and its indexes take; what a question takes is not known from outside."""
        return {"mib": int(self._one("SELECT pg_total_relation_size('bench_edge')")[0]) / 2**20}

    def one_to_many(self, one: Place, many: Sequence[Place], limit_s: float) -> Answer:
        """Time what is reached from a node within a time, over edges within that of the straight line."""
        start, *goals = self._nodes_of([one, *many])
        near = self._near(one, limit_s)
        took, row = timed(lambda: self._one(_WITHIN, near, start, limit_s, goals), self._server_s)
        return took.answer(within=row[0])

    def matrix(self, some: Sequence[Place], others: Sequence[Place], limit_s: float) -> Answer:
        """Time a table of costs; it has no limit to give."""
        nodes = self._nodes_of([*some, *others])
        values = {"edges": _ALL, "limit": limit_s, "some": nodes[: len(some)], "others": nodes[len(some) :]}
        took, row = timed(lambda: self._connection.execute(_MATRIX, values).fetchone(), self._server_s)
        return took.answer(within=row[0])

    def route(self, start: Place, goal: Place) -> Answer:
        """Time one way with its line."""
        a, b = self._nodes_of([start, goal])
        took, row = timed(lambda: self._one(_ROUTE, _ALL, a, b), self._server_s)
        return took.answer(takes_s=row[0])

    def isochrone(self, one: Place, limits_s: Sequence[float]) -> Answer:
        """Time hulls around the edges that are reached."""
        (start,) = self._nodes_of([one])
        near = self._near(one, max(limits_s))
        values = (near, start, max(limits_s), list(limits_s))
        took, _ = timed(lambda: self._connection.execute(_REACHED, values).fetchall(), self._server_s)
        return took.answer()

    def closure(self, start: Place, goal: Place, ring: Sequence[Place], **_: Any) -> Answer:
        """Time edges in a polygon being closed until a way avoids them; then open them again."""
        a, b = self._nodes_of([start, goal])
        polygon = f"POLYGON(({', '.join(f'{lon!r} {lat!r}' for lon, lat in ring)}))"

        def close() -> tuple[Any, ...]:
            self._connection.execute(_CLOSE, (polygon,))
            return self._one(_ROUTE, _ALL, a, b)

        with self._connection.transaction() as transaction:
            took, row = timed(close, self._server_s)
            raise psycopg.Rollback(transaction)
        return took.answer(takes_s=row[0])

    def close(self) -> None:
        """Let the database go."""
        self._connection.close()

    def _server_s(self) -> float:
        """Return the processor time of the server process that works for us."""
        return int(self._server.read_text("ascii").split()[0]) / 1e9

    def _near(self, one: Place, limit_s: float) -> str:
        """Return the statement that gives the edges no farther away than one comes in a time."""
        degrees = limit_s * self._kmh / 3.6 / _M_A_DEGREE
        wide = degrees / float(np.cos(np.radians(one[1])))
        return _NEAR.format(lon=one[0], lat=one[1], dx=wide * _SLACK, dy=degrees * _SLACK)

    def _one(self, statement: str, *values: Any) -> tuple[Any, ...]:
        row = self._connection.execute(statement, values).fetchone()
        assert row is not None
        return row
