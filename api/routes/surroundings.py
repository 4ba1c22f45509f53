"""Tell what lies around a case: who could go, what happened there before, what sees it, who is hit."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from api.access.caller import Caller
from api.access.permissions import needs, reads
from api.errors import NOT_FOUND
from api.exports.words import ORGANISATION_KINDS, WORKER_ROLES
from api.routes.answers import (
    HOUSEHOLDS,
    HOUSEHOLDS_BY,
    Names,
    RowId,
    case_title,
    device_names,
)
from api.routes.case_answers import about_names
from api.rows import Row
from twin.access.masking import mask_name
from twin.access.roles import DataClass
from twin.cases.responsible import WHOLE, Responsible, find_responsible
from twin.catalog import Catalog
from twin.dispatch.candidates import Ranking, rank_for
from twin.dispatch.eligible import Eligibility
from twin.dispatch.network.profiles import FOOT, load_profiles
from twin.dispatch.ranking import Ranked
from twin.distance import box_around
from twin.errors import NotFoundError
from twin.networks.key_places import KEY_CATEGORIES

router = APIRouter(tags=["cases"])

Reader = Annotated[Caller, needs(reads(DataClass.CASE))]

MOST_HANDLERS: Final = 8
_ELIGIBLE: Final[dict[Eligibility, Literal["yes", "last", "no"]]] = {
    Eligibility.YES: "yes",
    Eligibility.LAST: "last",
    Eligibility.NO: "no",
}
SIMILAR_M: Final = 300.0
MOST_SIMILAR: Final = 10
CAMERAS_M: Final = 200.0
MOST_CAMERAS: Final = 3
IMPACT_M: Final = 100.0
ENTRANCES_KNOWN_M: Final = 1_000.0
"""Where no entrance is known within this, none is counted rather than nought."""


class HandlerChoice(BaseModel):
    """A worker or an organisation to whom the case could be given; names of workers are masked.

    Workers stand as `GET /api/cases/{id}/ranking` ranks them: ``eligible`` is ``yes``, ``last`` (only if
    nobody else is) or ``no``, and ``reasons`` say what speaks for and against them. ``way_s`` is how long
    they take to the case by ``profile``, which ``by`` names; null where there is no way, and where nobody
    knows where they are: places are known of workers on duty only, who stand on the live board as
    ``tracker_id``. ``straight_m`` is as the crow flies. ``rule`` says which rule makes an organisation
    responsible: about what, in which area.
    """

    worker_id: int | None
    organisation_id: int | None
    tracker_id: int | None
    name: Names
    role: Names
    eligible: Literal["yes", "last", "no"]
    reasons: list[Names]
    way_s: float | None
    profile: str | None
    by: Names | None
    straight_m: float | None
    own_grid: bool
    open_cases: int
    on_duty: bool
    busy: bool
    """Whether somebody sent them somewhere already; see `POST /api/cases/{id}/acts`."""
    skills: list[str]
    responsible: bool
    rule: Names | None


class SimilarCase(BaseModel):
    """A case of the same kind nearby, within a year; ``note`` is what was said when it was done."""

    id: int
    number: str
    title: Names
    opened_at: datetime
    closed_at: datetime | None
    took_s: float | None
    note: str | None


class NearCamera(BaseModel):
    """A camera nearby; ``hidden_by`` says what is between where it looks that way and does not see it."""

    id: int
    uid: str
    name: Names
    distance_m: float
    sees: bool
    hidden_by: str | None


class ImpactAnswer(BaseModel):
    """What lies within a radius; numbers that nobody can know there are null.

    ``households`` are estimated from the floor area of dwellings.
    """

    radius_m: float
    buildings: int
    households: int | None
    key_places: int
    entrances: int | None


class SurroundingsAnswer(BaseModel):
    """What lies around a case, as far as the caller sees it."""

    handlers: list[HandlerChoice]
    similar: list[SimilarCase]
    cameras: list[NearCamera]
    impact: ImpactAnswer


_CASE: Final = """
    SELECT id, category_code, scope_code, responsibility_grid_id AS grid, ST_X(geom) AS lon, ST_Y(geom) AS lat
    FROM case_file WHERE id = :id"""

_ORGANISATION: Final = """
    SELECT kind, (SELECT count(*) FROM case_file AS c
                  WHERE c.organisation_id = :id AND c.closed_at IS NULL) AS open_cases
    FROM organisation WHERE id = :id"""

# `&&` first: it is what lets the policies leave the spatial index in use.
_POINT: Final = "ST_SetSRID(ST_MakePoint(CAST(:lon AS float8), CAST(:lat AS float8)), 4326)"
_BOX: Final = "ST_MakeEnvelope(:west, :south, :east, :north, 4326)"

_SIMILAR: Final = f"""
    SELECT c.id, c.number, c.title, c.title_en, c.opened_at, c.closed_at,
           extract(epoch FROM c.closed_at - c.opened_at)::float8 AS took_s,
           (SELECT j.data -> 'told' ->> 'note' FROM journal AS j
            WHERE j.subject = 'case/' || c.id AND j.kind = 'case.reported_done'
            ORDER BY j.seq DESC LIMIT 1) AS note
    FROM case_file AS c
    WHERE c.geom && {_BOX} AND c.category_code = :category AND c.id <> :id
      AND c.opened_at > now() - interval '12 months' AND c.linked_to IS NULL
      AND ST_DWithin(c.geom::geography, {_POINT}::geography, :radius)
    ORDER BY c.opened_at DESC, c.id DESC LIMIT {MOST_SIMILAR}"""

_CAMERAS: Final = f"""
    SELECT d.id, d.uid, d.name, d.name_en, d.bearing_deg, d.field_of_view_deg, d.range_m,
           ST_Distance(d.geom::geography, {_POINT}::geography) AS distance_m,
           degrees(ST_Azimuth(d.geom::geography, {_POINT}::geography)) AS towards_deg,
           coalesce(d.sight && {_POINT} AND ST_Intersects(d.sight, {_POINT}), false) AS sees
    FROM device AS d
    WHERE d.geom && {_BOX} AND d.kind = 'camera' AND d.valid_to IS NULL
      AND ST_DWithin(d.geom::geography, {_POINT}::geography, :radius)
    ORDER BY sees DESC, distance_m, d.id LIMIT 50"""

_BUILDINGS: Final = f"""
    SELECT count(*) AS buildings, sum(b.households) FILTER (WHERE b.dwelling) AS households
    FROM (SELECT {HOUSEHOLDS} AS households, b.kind = ANY(:dwellings) AS dwelling FROM building AS b
          WHERE b.geom && {_BOX} AND b.valid_to IS NULL AND b.body <> 'part'
            AND ST_DWithin(b.geom::geography, {_POINT}::geography, :radius)) AS b"""

_KEY_PLACES: Final = f"""
    SELECT count(*) AS n FROM service_point AS s
    WHERE s.geom && {_BOX} AND s.valid_to IS NULL AND s.category = ANY(:key)
      AND ST_DWithin(s.geom::geography, {_POINT}::geography, :radius)"""

_ENTRANCES: Final = f"""
    SELECT count(*) AS known,
           count(*) FILTER (WHERE ST_DWithin(a.geom::geography, {_POINT}::geography, :near)) AS n
    FROM address AS a WHERE a.geom && {_BOX} AND a.valid_to IS NULL AND a.entrance"""


@router.get("/api/cases/{id}/surroundings", responses=NOT_FOUND)
async def get_case_surroundings(caller: Reader, case_id: RowId) -> SurroundingsAnswer:
    """Return who could go to a case, best first, similar cases, cameras around it, and whom it may hit."""
    # One transaction for all: opening nine would take longer than what they ask.
    async with caller.transaction() as connection:
        found = await _rows(connection, _CASE, id=case_id)
        if not found:
            raise NotFoundError(f"there is no case {case_id} that you may see", where="id")
        (case,) = found
        return SurroundingsAnswer(
            handlers=await _handlers(caller, connection, case),
            similar=await _similar(connection, case),
            cameras=await _cameras(caller.running.twin.catalog, connection, case),
            impact=await _impact(connection, case),
        )


async def _rows(connection: AsyncConnection, sql: str, **parameters: object) -> list[Row]:
    return [dict(row) for row in (await connection.execute(text(sql), parameters)).mappings()]


async def _similar(connection: AsyncConnection, case: Row) -> list[SimilarCase]:
    asked = {"id": case["id"], "category": case["category_code"], **_around(case, SIMILAR_M)}
    return [
        SimilarCase(
            **{key: row[key] for key in ("id", "number", "opened_at", "closed_at", "took_s", "note")},
            title=case_title(row["title"], row["title_en"]),
        )
        for row in await _rows(connection, _SIMILAR, **asked)
    ]


def _around(case: Row, radius_m: float) -> dict[str, float]:
    """Return the place of a case, a radius, and a box that surely holds the circle, in degrees."""
    lon, lat = case["lon"], case["lat"]
    west, south, east, north = box_around(lon, lat, radius_m)
    box = {"west": west, "south": south, "east": east, "north": north}
    return {"lon": lon, "lat": lat, "radius": radius_m, **box}


async def _handlers(caller: Caller, connection: AsyncConnection, case: Row) -> list[HandlerChoice]:
    found = await find_responsible(connection, case["scope_code"], case["category_code"])
    ranking = await rank_for(connection, caller.running.twin, case["id"], caller.grants)
    workers = [] if ranking is None else [_worker(ranking, one) for one in ranking.ranked[:MOST_HANDLERS]]
    if found is None:
        return workers
    return [await _organisation(connection, found), *workers[: MOST_HANDLERS - 1]]


def _worker(ranking: Ranking, one: Ranked) -> HandlerChoice:
    row, candidate = ranking.rows[one.candidate.worker_id], one.candidate
    role = WORKER_ROLES.get(row.role, (row.role, row.role))
    by = load_profiles().get(candidate.travels_by, load_profiles()[FOOT])
    seen = candidate.seen
    return HandlerChoice(
        worker_id=row.id,
        organisation_id=None,
        tracker_id=None if seen is None else row.device_id,
        name=Names(zh=mask_name(row.name), en=mask_name(row.name_en)),
        role=Names(zh=role[0], en=role[1]),
        eligible=_ELIGIBLE[one.verdict.eligibility],
        reasons=[Names(zh=reason.zh, en=reason.en) for reason in one.reasons],
        way_s=None if one.way is None else round(one.way.seconds),
        profile=by.name,
        by=Names(zh=by.zh, en=by.en),
        straight_m=None if seen is None else round(seen.straight_m),
        own_grid=candidate.own_grid,
        open_cases=candidate.open_tasks,
        on_duty=candidate.on_duty,
        busy=candidate.stand is not None,
        skills=sorted(candidate.skills),
        responsible=False,
        rule=None,
    )


async def _organisation(connection: AsyncConnection, found: Responsible) -> HandlerChoice:
    (row,) = await _rows(connection, _ORGANISATION, id=found.organisation_id)
    zh, en = ORGANISATION_KINDS[row["kind"]]
    about = about_names(found.about)
    place = ("全辖区", "everywhere") if found.area_level == WHOLE else (found.area, found.area_en)
    return HandlerChoice(
        worker_id=None,
        organisation_id=found.organisation_id,
        tracker_id=None,
        name=Names(zh=found.name, en=found.name_en),
        role=Names(zh=zh, en=en),
        eligible="yes",
        reasons=[],
        way_s=None,
        profile=None,
        by=None,
        straight_m=None,
        own_grid=False,
        open_cases=row["open_cases"],
        on_duty=True,
        busy=False,
        skills=[],
        responsible=True,
        rule=Names(
            zh="·".join(filter(None, (about.zh, place[0]))),
            en=" · ".join(filter(None, (about.en, place[1] or place[0]))),
        ),
    )


async def _cameras(catalog: Catalog, connection: AsyncConnection, case: Row) -> list[NearCamera]:
    cameras = [
        NearCamera(
            id=row["id"],
            uid=row["uid"],
            name=device_names(catalog, "camera", row["uid"], row["name"], row["name_en"]),
            distance_m=round(row["distance_m"], 1),
            sees=row["sees"],
            hidden_by="building" if not row["sees"] and _looks_there(row) else None,
        )
        for row in await _rows(connection, _CAMERAS, **_around(case, CAMERAS_M))
    ]
    cameras.sort(key=lambda one: (not one.sees, one.hidden_by is None, one.distance_m))
    return cameras[:MOST_CAMERAS]


def _looks_there(row: Row) -> bool:
    """Say whether a place lies in what a camera would see if nothing stood in between."""
    bearing, field, reach = row["bearing_deg"], row["field_of_view_deg"], row["range_m"]
    if bearing is None or field is None or reach is None or row["towards_deg"] is None:
        return False
    off = abs((row["towards_deg"] - bearing + 180.0) % 360.0 - 180.0)
    return bool(row["distance_m"] <= reach and off <= field / 2.0)


async def _impact(connection: AsyncConnection, case: Row) -> ImpactAnswer:
    around = _around(case, IMPACT_M)
    (buildings,) = await _rows(connection, _BUILDINGS, **around, **HOUSEHOLDS_BY)
    (places,) = await _rows(connection, _KEY_PLACES, **around, key=list(KEY_CATEGORIES))
    wider = _around(case, ENTRANCES_KNOWN_M)
    wider.pop("radius")
    (entrances,) = await _rows(connection, _ENTRANCES, **wider, near=IMPACT_M)
    return ImpactAnswer(
        radius_m=IMPACT_M,
        buildings=buildings["buildings"],
        households=buildings["households"],
        key_places=places["n"],
        entrances=entrances["n"] if entrances["known"] else None,
    )
