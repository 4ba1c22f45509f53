"""Find devices, buildings, addresses, areas, service points, components, nodes of networks and compounds."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel

from api.access.caller import Caller
from api.access.permissions import needs, reads
from api.routes.answers import Names, device_names, escaped_like
from twin.access.roles import DataClass
from twin.errors import InvalidError
from twin.model.address import ENTRANCE_EN, ENTRANCE_ZH

router = APIRouter(tags=["places"])


class SearchHit(BaseModel):
    """Something found; `id` is the number in its own table."""

    type: str
    id: int
    label: Names
    detail: str | None
    lon: float
    lat: float


_ENTRANCE: Final = f"'{ENTRANCE_ZH}', '{ENTRANCE_EN}'"

# One LIKE with the pattern escaped; the exact, then the beginning, then anywhere. A tracker bears the name of
# its worker, which is masked: who could search by it could guess it.
_SEARCH: Final = f"""
    WITH hits AS (
        (SELECT 'area' AS type, id, name, name_en, code AS detail, label_point AS geom, NULL AS kind,
                name AS matched, 0 AS class
         FROM area WHERE valid_to IS NULL AND level <> 'unit_grid'
           AND (name ILIKE :anywhere OR name_en ILIKE :anywhere OR code = :exact) LIMIT :limit)
        UNION ALL
        (SELECT 'area', id, name, name_en, code, label_point, NULL, code, 4
         FROM area WHERE valid_to IS NULL AND level = 'unit_grid'
           AND (code = :exact OR name ILIKE :anywhere) LIMIT :limit)
        UNION ALL
        (SELECT 'device', id, name, name_en, uid, geom, kind, uid, 1
         FROM device WHERE valid_to IS NULL
           AND (uid ILIKE :anywhere OR gb28181_id = :exact
                OR kind <> 'worker' AND (name ILIKE :anywhere OR name_en ILIKE :anywhere)) LIMIT :limit)
        UNION ALL
        (SELECT 'building', id, coalesce(name, address), name_en, address, ST_PointOnSurface(geom), NULL,
                coalesce(name, address), 2
         FROM building WHERE valid_to IS NULL AND body <> 'part'
           AND (name ILIKE :anywhere OR name_en ILIKE :anywhere OR address ILIKE :anywhere) LIMIT :limit)
        UNION ALL
        (SELECT 'service_point', id, name, name_en, category, geom, NULL, name, 2
         FROM service_point WHERE valid_to IS NULL
           AND (name ILIKE :anywhere OR name_en ILIKE :anywhere) LIMIT :limit)
        UNION ALL
        (SELECT 'component', id, name, NULL, code, geom, NULL, code, 3
         FROM component WHERE valid_to IS NULL AND (code = :exact OR name ILIKE :anywhere) LIMIT :limit)
        UNION ALL
        (SELECT 'compound', id, name, name_en, NULL, ST_PointOnSurface(geom), NULL, name, 1
         FROM compound WHERE valid_to IS NULL
           AND (name ILIKE :anywhere OR name_en ILIKE :anywhere) LIMIT :limit)
        UNION ALL
        (SELECT 'network_node', id, name, name_en, utility, geom, NULL, name, 3
         FROM network_node WHERE valid_to IS NULL
           AND (name ILIKE :anywhere OR name_en ILIKE :anywhere) LIMIT :limit)
        UNION ALL
        (SELECT 'address', id, text, CASE WHEN entrance THEN replace(text, {_ENTRANCE}) END,
                street, geom, NULL, text, 3
         FROM address WHERE valid_to IS NULL
           AND (text ILIKE :anywhere
                OR entrance AND replace(text, {_ENTRANCE}) ILIKE :anywhere)
         LIMIT :limit))
    SELECT type, id, name, name_en, detail, kind, ST_X(geom) AS lon, ST_Y(geom) AS lat FROM hits
    ORDER BY (lower(coalesce(matched, '')) = lower(:exact)) DESC,
             (matched ILIKE :begins) DESC NULLS LAST, class, length(matched), id
    LIMIT :limit"""


@router.get("/api/search")
async def search(
    caller: Annotated[Caller, needs(reads(DataClass.PLACE))],
    q: Annotated[str, Query(min_length=1, max_length=100)],
    limit: Annotated[int, Query(ge=1, le=50)] = 12,
) -> list[SearchHit]:
    """Return what has the words in its name, number, code or address; the exact first."""
    words = q.strip()
    if not words or "\x00" in words:
        raise InvalidError("there is nothing to search for", where="q", hint="write a name or a number")
    escaped = escaped_like(words)
    rows = await caller.fetch(
        _SEARCH,
        anywhere=f"%{escaped}%",
        begins=f"{escaped}%",
        exact=words,
        limit=limit,
    )
    hits = []
    for row in rows:
        label = Names(zh=row["name"], en=row["name_en"])
        if row["type"] == "device":
            label = device_names(
                caller.running.twin.catalog,
                row["kind"],
                row["detail"],
                row["name"],
                row["name_en"],
                own=row["id"] == caller.grants.tracker_id,
            )
        hits.append(
            SearchHit(
                type=row["type"],
                id=row["id"],
                label=label,
                detail=row["detail"],
                lon=row["lon"],
                lat=row["lat"],
            )
        )
    return hits
