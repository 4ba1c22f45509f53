"""Say from the database alone which buildings a tile must hold, and which have nothing to draw in it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import psycopg

BUFFER = 64
EXTENT = 4096

# Written without ST_AsMVTGeom, which is what is judged. A tile's points are whole units, so a footprint is
# first laid on that grid, and then asked for the area it has within the tile and its buffer.
_TRUTH = f"""
    WITH tile AS (
        SELECT env, ST_TileEnvelope(%(z)s, %(x)s, %(y)s, margin => {BUFFER / EXTENT}) AS wide,
               {EXTENT} / (ST_XMax(env) - ST_XMin(env)) AS units_per_m
        FROM ST_TileEnvelope(%(z)s, %(x)s, %(y)s) AS env),
    near AS (
        SELECT id, ST_Intersects(geom_3857, env) AS in_tile, ST_Intersects(geom_3857, wide) AS in_buffer,
               ST_MakeValid(ST_SnapToGrid(ST_Affine(geom_3857, units_per_m, 0, 0, -units_per_m,
                   -ST_XMin(env) * units_per_m, ST_YMax(env) * units_per_m), 1)) AS on_grid
        FROM building, tile
        WHERE valid_to IS NULL AND body <> 'outline' AND geom_3857 && ST_Expand(wide, 1 / units_per_m))
    SELECT id, in_tile, in_buffer,
           ST_Area(ST_Intersection(ST_SetSRID(on_grid, 0),
               ST_MakeEnvelope({-BUFFER}, {-BUFFER}, {EXTENT + BUFFER}, {EXTENT + BUFFER})))
    FROM near"""


@dataclass(frozen=True, slots=True)
class Truth:
    """Ids of the buildings of one tile.

    Parameters
    ----------
    in_tile
        They intersect the tile itself.
    drawn
        They have an area on the tile's grid, within the tile and its buffer: a tile must hold them.
    edge_only
        They intersect the buffer, and have no area there on the grid: they reach less than half a unit over
        the buffer's outer edge, or are smaller than a unit. There is nothing a map could draw of them.
    """

    in_tile: frozenset[int]
    drawn: frozenset[int]
    edge_only: frozenset[int]

    def missing(self, held: Collection[int]) -> frozenset[int]:
        """Give what a tile that holds these ids should hold and does not."""
        return self.drawn.difference(held)


def ask_truth(connection: psycopg.Connection[tuple[object, ...]], zoom: int, x: int, y: int) -> Truth:
    """Ask the database which buildings belong into a tile."""
    rows = connection.execute(_TRUTH, {"z": zoom, "x": x, "y": y}).fetchall()
    ids = [int(str(row[0])) for row in rows]
    drawn = frozenset(number for number, row in zip(ids, rows, strict=True) if float(str(row[3])) > 0)
    return Truth(
        frozenset(number for number, row in zip(ids, rows, strict=True) if row[1]),
        drawn,
        frozenset(number for number, row in zip(ids, rows, strict=True) if row[2]) - drawn,
    )
