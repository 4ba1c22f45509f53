"""Find roads that hang together with nothing: islands of the network."""

from __future__ import annotations

import numpy as np
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sqlalchemy import Connection, text

from twin.quality.finding import Finding
from twin.quality.reading import example, findings


def check_roads(connection: Connection) -> list[Finding]:
    """Check that all roads are one network; roads meet where they share a vertex."""
    rows = connection.execute(
        text("SELECT source_ref, ST_AsBinary(geom) AS geom FROM road WHERE valid_to IS NULL ORDER BY id")
    ).all()
    if not rows:
        return []
    geoms = np.array([shapely.from_wkb(bytes(r.geom)) for r in rows], dtype=object)
    coordinates, road = shapely.get_coordinates(geoms, return_index=True)
    vertex = np.unique(coordinates, axis=0, return_inverse=True)[1].reshape(-1)
    size = len(rows) + int(vertex.max()) + 1
    # A graph of roads and vertices: each road is joined to the vertices it has.
    graph = coo_array((np.ones(len(road), dtype=np.int8), (road, len(rows) + vertex)), shape=(size, size))
    label = connected_components(graph, directed=False)[1][: len(rows)]
    length_m = np.array([_length_m(g) for g in geoms])
    total = np.bincount(label, weights=length_m)
    main = int(total.argmax())
    islands = []
    for k in sorted(set(label.tolist()) - {main}, key=lambda k: (-total[k], k)):
        members = np.flatnonzero(label == k)
        detail = f"{len(members)} roads, {total[k]:.0f} m"
        islands.append(example(f"road {rows[members[0]].source_ref}", geoms[members[0]], detail))
    share = 100.0 * float(total[main]) / max(float(total.sum()), 1e-9)
    return findings(
        "road_island",
        "warning",
        islands,
        message=f"{{n}} islands of roads cannot be reached from the rest ({share:.1f} % of the length can)",
        hint="join them at a shared vertex in the source; at the edge of an extract they are cut off by it",
    )


def _length_m(line: shapely.Geometry) -> float:
    points = shapely.get_coordinates(line)
    scale = np.array([111_320.0 * np.cos(np.radians(points[0, 1])), 110_574.0])
    return float(np.hypot(*(np.diff(points, axis=0) * scale).T).sum())
