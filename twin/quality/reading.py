"""Read areas for the checks and turn faults into findings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from twin.quality.finding import EXAMPLES_MAX, Example, Finding, Severity


@dataclass(frozen=True, slots=True)
class Areas:
    """Present areas of one level: codes, names, ids, ids of parents, and shapes in degrees."""

    ids: list[int]
    codes: list[str]
    names: list[str]
    parents: list[int | None]
    geoms: NDArray[np.object_]


def read_areas(connection: Connection, level: str) -> Areas:
    """Return the present areas of a level in the order of their codes."""
    rows = connection.execute(
        text(
            "SELECT id, code, name, parent_id, ST_AsBinary(geom) AS geom FROM area"
            " WHERE level = :level AND valid_to IS NULL ORDER BY code"
        ),
        {"level": level},
    ).all()
    geoms = np.empty(len(rows), dtype=object)
    geoms[:] = [shapely.from_wkb(bytes(r.geom)) for r in rows]
    return Areas(
        [r.id for r in rows],
        [r.code for r in rows],
        [r.name for r in rows],
        [r.parent_id for r in rows],
        geoms,
    )


def example(subject: str, geom: shapely.Geometry | None, detail: str = "") -> Example:
    """Return an example at a point of a geometry, degrees."""
    if geom is None or shapely.is_empty(geom):
        return Example(subject, detail=detail)
    point = shapely.point_on_surface(geom)
    return Example(subject, round(point.x, 7), round(point.y, 7), detail)


def findings(
    check: str, severity: Severity, examples: Sequence[Example], *, message: str, hint: str
) -> list[Finding]:
    """Return one finding that stands for all examples, or none when there are none.

    ``{n}`` in the message is replaced by their number.
    """
    if not examples:
        return []
    n = len(examples)
    return [Finding(check, severity, n, tuple(examples[:EXAMPLES_MAX]), message.replace("{n}", str(n)), hint)]


def select_examples(connection: Connection, sql: str, **parameters: object) -> list[Example]:
    """Return an example for each row of a query with ``subject``, ``lon``, ``lat`` and ``detail``."""
    return [
        Example(
            r.subject,
            None if r.lon is None else round(r.lon, 7),
            None if r.lat is None else round(r.lat, 7),
            r.detail or "",
        )
        for r in connection.execute(text(sql), parameters)
    ]


def listed(codes: Iterable[str], most: int = 3) -> str:
    """Return a few codes as words."""
    codes = list(codes)
    more = f" and {len(codes) - most} more" if len(codes) > most else ""
    return ", ".join(codes[:most]) + more
