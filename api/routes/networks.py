"""Tell about networks of pipes and cables, their lines and nodes."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter
from pydantic import BaseModel

from api.access.caller import Caller
from api.access.permissions import needs, reads
from api.errors import NOT_FOUND
from api.exports.words import NODE_KINDS, UTILITIES
from api.routes.answers import Names, RowId
from api.rows import Row
from twin.access.roles import DataClass
from twin.errors import NotFoundError
from twin.model.network import CLOSABLE

router = APIRouter(tags=["networks"])

Reader = Annotated[Caller, needs(reads(DataClass.PLACE))]


class NetworkSummary(BaseModel):
    """How much of one utility the caller sees."""

    utility: str
    name: Names
    lines: int
    length_m: float
    nodes: int
    closable: int


class LineAnswer(BaseModel):
    """A pipe or cable; `grade` is its class of pressure or voltage in the owner's words."""

    id: int
    utility: str
    utility_name: Names
    name: Names
    grade: str | None
    diameter_mm: float | None
    material: str | None
    owner: str | None
    laid_year: int | None
    length_m: float
    lon: float
    lat: float
    from_node_id: int | None
    to_node_id: int | None
    simulated: bool


class NodeAnswer(BaseModel):
    """A node; `passes` is whether it lets through in normal operation."""

    id: int
    utility: str
    utility_name: Names
    kind: str
    kind_name: Names
    name: Names
    passes: bool
    owner: str | None
    laid_year: int | None
    lon: float
    lat: float
    device_id: int | None
    lines: int
    buildings: int
    simulated: bool


_SUMMARY: Final = """
    SELECT utility, sum(lines)::int AS lines, sum(length_m) AS length_m, sum(nodes)::int AS nodes,
           sum(closable)::int AS closable
    FROM (SELECT utility, count(*) AS lines, sum(length_m) AS length_m, 0 AS nodes, 0 AS closable
          FROM network_line WHERE valid_to IS NULL GROUP BY utility
          UNION ALL
          SELECT utility, 0, 0, count(*), count(*) FILTER (WHERE kind = ANY(:closable))
          FROM network_node WHERE valid_to IS NULL GROUP BY utility) AS counted
    GROUP BY utility ORDER BY array_position(ARRAY['water', 'gas', 'power'], utility)"""

_LINE: Final = """
    SELECT l.id, l.utility, l.name, l.name_en, l.grade, l.diameter_mm, l.material, l.owner_name AS owner,
           l.laid_year, l.length_m, ST_X(p.geom) AS lon, ST_Y(p.geom) AS lat, d.simulated,
           (SELECT id FROM network_node WHERE id = l.from_node_id) AS from_node_id,
           (SELECT id FROM network_node WHERE id = l.to_node_id) AS to_node_id
    FROM network_line AS l JOIN dataset AS d ON d.id = l.dataset_id,
         LATERAL (SELECT ST_LineInterpolatePoint(l.geom, 0.5) AS geom) AS p
    WHERE l.id = :id AND l.valid_to IS NULL"""

_NODE: Final = """
    SELECT n.id, n.utility, n.kind, n.name, n.name_en, n.passes, n.owner_name AS owner, n.laid_year,
           ST_X(n.geom) AS lon, ST_Y(n.geom) AS lat, d.simulated,
           (SELECT id FROM device WHERE id = n.device_id) AS device_id,
           (SELECT count(*) FROM network_line AS l
            WHERE l.valid_to IS NULL AND n.id IN (l.from_node_id, l.to_node_id)) AS lines,
           (SELECT count(*) FROM service_connection WHERE node_id = n.id) AS buildings
    FROM network_node AS n JOIN dataset AS d ON d.id = n.dataset_id
    WHERE n.id = :id AND n.valid_to IS NULL"""


@router.get("/api/networks")
async def list_networks(caller: Reader) -> list[NetworkSummary]:
    """Return how much of each utility there is where the caller sees."""
    rows = await caller.fetch(_SUMMARY, closable=list(CLOSABLE))
    return [NetworkSummary(**row, name=names_of(UTILITIES[row["utility"]])) for row in rows]


@router.get("/api/networks/lines/{id}", responses=NOT_FOUND)
async def get_line(caller: Reader, line_id: RowId) -> LineAnswer:
    """Return one present pipe or cable."""
    row = await caller.fetch_one(_LINE, id=line_id)
    if row is None:
        raise NotFoundError(f"there is no network line {line_id}", where="id")
    return LineAnswer(**_named(row))


@router.get("/api/networks/nodes/{id}", responses=NOT_FOUND)
async def get_node(caller: Reader, node_id: RowId) -> NodeAnswer:
    """Return one present node, and how many lines and buildings hang on it."""
    row = await caller.fetch_one(_NODE, id=node_id)
    if row is None:
        raise NotFoundError(f"there is no network node {node_id}", where="id")
    return NodeAnswer(**_named(row), kind_name=names_of(NODE_KINDS[row["kind"]]))


def names_of(words: tuple[str, str]) -> Names:
    """Return a pair (zh, en) as names."""
    return Names(zh=words[0], en=words[1])


def with_names(row: Row) -> Row:
    """Return a row with its ``name`` and ``name_en`` as one name in both languages."""
    return {key: value for key, value in row.items() if key != "name_en"} | {
        "name": Names(zh=row["name"], en=row["name_en"])
    }


def _named(row: Row) -> Row:
    return with_names(row) | {"utility_name": names_of(UTILITIES[row["utility"]])}
