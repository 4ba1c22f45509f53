"""Tell about residential compounds: what they have, what they lack, and which lack most."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel
from sqlalchemy import text

from api.access.caller import Caller
from api.access.permissions import needs, reads
from api.errors import NOT_FOUND
from api.routes.answers import AREA_COLUMNS, AREA_JOINS_BY_POINT, AreasOfThing, Names, RowId, areas_of
from api.routes.stats import ColumnAnswer, ListAnswer
from api.rows import Row
from twin.access.roles import DataClass
from twin.compounds import HIGH_FROM_LEVELS, Score, load_rules, score
from twin.errors import NotFoundError
from twin.partition.households import LEVEL_HEIGHT_M, RESIDENTIAL_KINDS
from twin.partition.options import DivisionOptions

router = APIRouter(tags=["compounds"])

Reader = Annotated[Caller, needs(reads(DataClass.PLACE))]


class TierAnswer(BaseModel):
    """A class of equipment and how complete it is, 0 to 100; null where it asks for nothing here."""

    code: str
    name: Names
    weight: float
    score: float | None


class ItemAnswer(BaseModel):
    """One kind of equipment: how many there are and how many are needed."""

    code: str
    name: Names
    tier: str
    have: int
    need: int
    declared: int | None
    lacks: bool


class CompoundRow(BaseModel):
    """A compound in short; `lacking` are the items it has too few of."""

    id: int
    name: Names
    score: float
    buildings: int
    lacking: list[Names]
    lon: float
    lat: float


class CompoundAnswer(CompoundRow):
    """A compound; `households_source` says whether they are counted by its register or estimated."""

    property_company: str | None
    property_company_code: str | None
    households: int
    households_source: str
    area_m2: float
    devices: int
    tiers: list[TierAnswer]
    items: list[ItemAnswer]
    area: AreasOfThing
    simulated: bool


_SHORT: Final = "c.id, c.name, c.name_en, c.equipment, ST_X(p.geom) AS lon, ST_Y(p.geom) AS lat"
_AT: Final = "LATERAL (SELECT ST_PointOnSurface(c.geom) AS geom) AS p"

_LIST: Final = f"SELECT {_SHORT} FROM compound AS c, {_AT} WHERE c.valid_to IS NULL ORDER BY c.id"

_ONE: Final = f"""
    SELECT {_SHORT}, c.property_company, c.property_company_code, c.households,
           ST_Area(c.geom::geography) AS area_m2, d.simulated, {AREA_COLUMNS}
    FROM compound AS c JOIN dataset AS d ON d.id = c.dataset_id, {_AT}
    {AREA_JOINS_BY_POINT.format(point="p.geom")}
    WHERE c.id = :id AND c.valid_to IS NULL"""

# By the server itself: a compound that two grids share is as complete for the one as for the other. Only
# numbers come of it.
_INSIDE: Final = text(
    """
    SELECT c.id, b.buildings, b.high, b.households, d.kinds
    FROM compound AS c
    CROSS JOIN LATERAL (
        SELECT count(*)::int AS buildings,
               (count(*) FILTER (WHERE levels >= :high_from))::int AS high,
               coalesce(round(sum(footprint_m2 * levels) FILTER (WHERE kind = ANY(:dwellings))
                   / :household_m2), 0)::int AS households
        FROM (SELECT kind, footprint_m2,
                     coalesce(levels, greatest(round((height_m / :level_m)::numeric), 1)) AS levels
              FROM building
              WHERE valid_to IS NULL AND body <> 'part' AND geom && c.geom
                AND ST_Intersects(c.geom, ST_PointOnSurface(geom))) AS inside) AS b
    CROSS JOIN LATERAL (
        SELECT coalesce(jsonb_object_agg(kind, n), '{}'::jsonb) AS kinds
        FROM (SELECT kind, count(*) AS n FROM device
              WHERE valid_to IS NULL AND kind <> 'worker' AND geom && c.geom AND ST_Intersects(c.geom, geom)
              GROUP BY kind) AS counted) AS d
    WHERE c.id = ANY(:ids)
    """
)

LACKING_COLUMNS: Final = (
    ("name", "小区", "Compound"),
    ("score", "完整度", "Completeness"),
    ("basic", "基础类", "Basic"),
    ("lacking", "欠缺", "Lacks"),
)


async def _scored(caller: Caller, rows: list[Row]) -> list[tuple[Row, Row, Score]]:
    """Return each compound with what is inside and its score."""
    async with caller.running.own.connect() as connection:
        found = await connection.execute(
            _INSIDE,
            {
                "ids": [row["id"] for row in rows],
                "high_from": HIGH_FROM_LEVELS,
                "dwellings": list(RESIDENTIAL_KINDS),
                "household_m2": DivisionOptions().floor_area_per_household_m2,
                "level_m": LEVEL_HEIGHT_M,
            },
        )
        inside = {row["id"]: dict(row) for row in found.mappings()}
    return [
        (
            row,
            inside[row["id"]],
            score(
                load_rules(),
                devices=inside[row["id"]]["kinds"],
                declared=row["equipment"] or {},
                buildings=inside[row["id"]]["buildings"],
                high_buildings=inside[row["id"]]["high"],
            ),
        )
        for row in rows
        if row["id"] in inside
    ]


@router.get("/api/compounds")
async def list_compounds(
    caller: Reader, limit: Annotated[int, Query(ge=1, le=2_000)] = 500
) -> list[CompoundRow]:
    """Return the compounds that the caller sees, the least complete first."""
    return [CompoundRow(**_short(*found)) for found in _worst_first(await _all(caller))[:limit]]


@router.get("/api/compounds/lacking")
async def list_lacking_compounds(
    caller: Reader, limit: Annotated[int, Query(ge=1, le=2_000)] = 200
) -> ListAnswer:
    """Return the compounds that lack something, the least complete first, as a list for the wall."""
    lacking = [found for found in _worst_first(await _all(caller)) if any(r.lacks for r in found[2].reasons)]
    rows: list[dict[str, Any]] = []
    for row, _inside, scored in lacking[:limit]:
        missing = [reason.item for reason in scored.reasons if reason.lacks]
        basic = scored.tiers["basic"]
        rows.append(
            {
                "id": row["id"],
                "name": {"zh": row["name"], "en": row["name_en"]},
                "score": round(scored.total, 1),
                "basic": None if basic is None else round(basic, 1),
                "lacking": {
                    "zh": "、".join(item.zh for item in missing),
                    "en": ", ".join(item.en for item in missing),
                },
                "lon": row["lon"],
                "lat": row["lat"],
            }
        )
    columns = [ColumnAnswer(key=key, zh=zh, en=en) for key, zh, en in LACKING_COLUMNS]
    return ListAnswer(columns=columns, rows=rows, total=len(lacking))


@router.get("/api/compounds/{id}", responses=NOT_FOUND)
async def get_compound(caller: Reader, compound_id: RowId) -> CompoundAnswer:
    """Return one compound, its score and the reasons of it."""
    row = await caller.fetch_one(_ONE, id=compound_id)
    found = await _scored(caller, [row]) if row is not None else []
    if row is None or not found:
        raise NotFoundError(f"there is no compound {compound_id}", where="id", hint="see /api/compounds")
    _, inside, scored = found[0]
    declared = row["equipment"] or {}
    return CompoundAnswer(
        **_short(row, inside, scored),
        property_company=row["property_company"],
        property_company_code=row["property_company_code"],
        households=inside["households"] if row["households"] is None else row["households"],
        households_source="estimated" if row["households"] is None else "counted",
        area_m2=row["area_m2"],
        devices=sum(inside["kinds"].values()),
        tiers=[
            TierAnswer(
                code=tier.code, name=Names(zh=tier.zh, en=tier.en), weight=tier.weight,
                score=scored.tiers[tier.code],
            )
            for tier in load_rules().tiers
        ],
        items=[
            ItemAnswer(
                code=reason.item.code,
                name=Names(zh=reason.item.zh, en=reason.item.en),
                tier=reason.item.tier,
                have=reason.have,
                need=reason.need,
                declared=declared.get(reason.item.code),
                lacks=reason.lacks,
            )
            for reason in scored.reasons
        ],
        area=areas_of(row),
        simulated=row["simulated"],
    )  # fmt: skip


async def _all(caller: Caller) -> list[tuple[Row, Row, Score]]:
    return await _scored(caller, await caller.fetch(_LIST))


def _worst_first(found: list[tuple[Row, Row, Score]]) -> list[tuple[Row, Row, Score]]:
    return sorted(found, key=lambda one: (one[2].total, one[0]["id"]))


def _short(row: Row, inside: Row, scored: Score) -> Row:
    return {
        "id": row["id"],
        "name": Names(zh=row["name"], en=row["name_en"]),
        "score": scored.total,
        "buildings": inside["buildings"],
        "lacking": [Names(zh=r.item.zh, en=r.item.en) for r in scored.reasons if r.lacks],
        "lon": row["lon"],
        "lat": row["lat"],
    }
