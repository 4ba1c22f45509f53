"""Let people take tables out as files; each export is on the record of acts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel
from sqlalchemy import text
from starlette.responses import Response

from api.access.caller import Caller
from api.access.permissions import does, needs
from api.errors import NOT_FOUND, PROBLEM_CONTENT
from api.exports.body import MEDIA_TYPES, Form
from api.exports.download import Download
from api.exports.table import Table
from api.exports.tables import TABLES
from api.exports.taking import export_scope, take
from api.exports.words import Language
from api.routes.answers import GivenMoment, Names
from twin.access.roles import Act, DataClass
from twin.access.scope import WHOLE_CODE, Scope
from twin.catalog import Catalog
from twin.errors import ForbiddenError, InvalidError, NotFoundError
from twin.store.scoped import scoped

LONGEST_READINGS: Final = timedelta(days=31)
_TABLE: Final = {table.name: table for table in TABLES}

_FILE: Final[dict[int | str, dict[str, Any]]] = {
    **NOT_FOUND,
    200: {
        "description": "The file; `Content-Disposition` names it. Without its last chunk it is not whole.",
        "content": {
            MEDIA_TYPES["csv"]: {"schema": {"type": "string"}},
            MEDIA_TYPES["geojson"]: {"schema": {"type": "object"}},
        },
    },
    429: {**PROBLEM_CONTENT, "description": "Too many exports at once, or in a minute."},
}
router = APIRouter(tags=["exports"])

AnyForm = Annotated[Form, Path(alias="format")]
CsvOnly = Annotated[Literal["csv"], Path(alias="format", description="its rows have no place to be told")]
Lang = Annotated[Language, Query(alias="lang", description="of headings and code names")]
Area = Annotated[
    str,
    Query(pattern="^([0-9]{15})?$", description="code of an area: only what lies in it; all when left out"),
]
Kind = Annotated[str, Query(max_length=64, description="a kind of device of /api/catalog")]
Open = Annotated[bool | None, Query(alias="open", description="only what is open, or only what is over")]
From = Annotated[GivenMoment | None, Query(alias="from", description="not before this moment")]
To = Annotated[GivenMoment | None, Query(alias="to", description="before this moment")]


def _takes(data: DataClass) -> Any:
    return needs(does(Act.EXPORT, data))


class ExportTable(BaseModel):
    """A table the caller may take out."""

    name: str
    title: Names
    formats: list[Form]


class ExportsAnswer(BaseModel):
    """The tables the caller may take out, and how many rows one file has at most."""

    tables: list[ExportTable]
    most_rows: int


@router.get("/api/exports")
async def list_exports(caller: Annotated[Caller, needs(does(Act.EXPORT))]) -> ExportsAnswer:
    """Return what the caller may take out: what they read where they may export."""
    return ExportsAnswer(
        tables=[
            ExportTable(
                name=table.name,
                title=Names(zh=table.zh, en=table.en),
                formats=["csv", "geojson"] if table.shape else ["csv"],
            )
            for table in TABLES
            if export_scope(caller, table, None)
        ],
        most_rows=caller.running.exports.most_rows,
    )


@router.get("/api/exports/devices.{format}", response_class=Response, responses=_FILE)
async def export_devices(
    caller: Annotated[Caller, _takes(DataClass.PLACE)],
    form: AnyForm,
    lang: Lang = "zh",
    area: Area = "",
    kind: Kind = "",
    group: Annotated[str, Query(max_length=64, description="a group of kinds of /api/catalog")] = "",
) -> Download:
    """Take out devices (no trackers of workers) with their present state."""
    kinds = _kinds(caller.running.twin.catalog, kind, group)
    return await _take(
        caller,
        "devices",
        form,
        lang,
        area,
        {"kinds": kinds},
        {"kind": kind or None, "group": group or None},
    )


_MAY_BE_READ: Final = text("SELECT uid FROM device WHERE id = :id AND valid_to IS NULL AND kind <> 'worker'")


@router.get("/api/exports/readings.{format}", response_class=Response, responses=_FILE)
async def export_readings(
    caller: Annotated[Caller, _takes(DataClass.PLACE)],
    form: CsvOnly,
    device: Annotated[int, Query(ge=1, le=2**31 - 1, description="number of the device on the wire")],
    lang: Lang = "zh",
    begin: From = None,
    end: To = None,
) -> Download:
    """Take out what one device observed: of the last 24 hours, or of at most 31 days."""
    until = end or datetime.now(UTC)
    since = begin or until - timedelta(days=1)
    _check_time(since, until)
    if until - since > LONGEST_READINGS:
        raise InvalidError(
            f"readings of at most {LONGEST_READINGS.days} days come out at once",
            where="from",
            hint="take them out in parts",
        )
    table = _TABLE["readings"]
    inside = caller.grants.within(export_scope(caller, table, None))
    async with scoped(caller.running.engine, inside) as connection:
        uid = await connection.scalar(_MAY_BE_READ, {"id": device})
    if uid is None:
        raise NotFoundError(
            f"there is no device {device} whose readings you may take out",
            where="device",
            hint="see /api/exports",
        )
    values = {"device": device, "begin": since, "end": until}
    chosen = {"device": uid, "from": since.isoformat(), "to": until.isoformat()}
    return await _take(caller, table.name, form, lang, "", values, chosen)


@router.get("/api/exports/buildings.{format}", response_class=Response, responses=_FILE)
async def export_buildings(
    caller: Annotated[Caller, _takes(DataClass.PLACE)],
    form: AnyForm,
    lang: Lang = "zh",
    area: Area = "",
    kind: Annotated[
        str, Query(max_length=64, pattern="^[^\\x00]*$", description="a use, as on the map")
    ] = "",
) -> Download:
    """Take out present buildings."""
    return await _take(caller, "buildings", form, lang, area, {"kind": kind or None}, {"kind": kind or None})


@router.get("/api/exports/areas.{format}", response_class=Response, responses=_FILE)
async def export_areas(
    caller: Annotated[Caller, _takes(DataClass.PLACE)],
    form: AnyForm,
    lang: Lang = "zh",
    area: Area = "",
    level: Annotated[
        Literal["", "city", "district", "street", "community", "responsibility_grid", "unit_grid"], Query()
    ] = "",
) -> Download:
    """Take out present areas and grids that lie wholly where the caller may export."""
    return await _take(caller, "areas", form, lang, area, {"level": level or None}, {"level": level or None})


@router.get("/api/exports/components.{format}", response_class=Response, responses=_FILE)
async def export_components(
    caller: Annotated[Caller, _takes(DataClass.PLACE)],
    form: AnyForm,
    lang: Lang = "zh",
    area: Area = "",
    class_code: Annotated[
        str, Query(alias="class", pattern="^([0-9]{2}|[0-9]{5})?$", description="major or whole class")
    ] = "",
    state: Annotated[Literal["", "intact", "damaged", "lost", "abandoned", "removed"], Query()] = "",
) -> Download:
    """Take out managed components under the names of GB/T 47678.5, table 2."""
    values = {"class": class_code or None, "state": state or None}
    return await _take(caller, "components", form, lang, area, values, values)


@router.get("/api/exports/alarms.{format}", response_class=Response, responses=_FILE)
async def export_alarms(
    caller: Annotated[Caller, _takes(DataClass.ALARM)],
    form: AnyForm,
    lang: Lang = "zh",
    area: Area = "",
    kind: Kind = "",
    is_open: Open = None,
    begin: From = None,
    end: To = None,
) -> Download:
    """Take out alarms of devices (not of trackers), by the time they were raised."""
    kinds = _kinds(caller.running.twin.catalog, kind, "")
    return await _take(
        caller,
        "alarms",
        form,
        lang,
        area,
        {"kinds": kinds, "open": is_open, **_times(begin, end)},
        {"kind": kind or None, "open": is_open, "from": begin, "to": end},
    )


@router.get("/api/exports/cases.{format}", response_class=Response, responses=_FILE)
async def export_cases(
    caller: Annotated[Caller, _takes(DataClass.CASE)],
    form: AnyForm,
    lang: Lang = "zh",
    area: Area = "",
    is_open: Open = None,
    begin: From = None,
    end: To = None,
) -> Download:
    """Take out cases, by the time they were opened; nobody's name or phone is in them."""
    return await _take(
        caller,
        "cases",
        form,
        lang,
        area,
        {"open": is_open, **_times(begin, end)},
        {"open": is_open, "from": begin, "to": end},
    )


@router.get("/api/exports/workers.{format}", response_class=Response, responses=_FILE)
async def export_workers(
    caller: Annotated[Caller, _takes(DataClass.WORKER)],
    form: CsvOnly,
    lang: Lang = "zh",
    area: Area = "",
) -> Download:
    """Take out workers, their names masked; not where they are."""
    return await _take(caller, "workers", form, lang, area, {}, {})


async def _take(
    caller: Caller,
    name: str,
    form: Form,
    lang: Language,
    area: str,
    values: dict[str, Any],
    chosen: dict[str, Any],
) -> Download:
    table: Table = _TABLE[name]
    inside = await _scope_of(caller, area) if area else None
    scope = export_scope(caller, table, inside)
    if not scope:
        raise ForbiddenError("the roles of this account do not allow exports there", where="area")
    return await take(
        caller, table, form, lang, scope=scope, values=values, chosen={"area": area or None, **chosen}
    )


async def _scope_of(caller: Caller, code: str) -> Scope:
    """Return an area of the tree, as far as the caller sees it."""
    if code == WHOLE_CODE:
        return Scope.of_area(code, "whole")
    found = await caller.fetch_one(
        "SELECT level FROM area WHERE code = :code AND level <> 'unit_grid' AND valid_to IS NULL", code=code
    )
    if found is None:
        raise NotFoundError(f"there is no area {code}", where="area", hint="search with /api/search?q=")
    return Scope.of_area(code, found["level"])


def _kinds(catalog: Catalog, kind: str, group: str) -> list[str] | None:
    """Return the kinds that are asked for by name or by group; None for all."""
    if kind and kind not in catalog.by_name:
        raise InvalidError(f"there is no kind of device “{kind}”", where="kind", hint="see /api/catalog")
    if group and group not in catalog.groups:
        raise InvalidError(f"there is no group “{group}”", where="group", hint="see /api/catalog")
    if not kind and not group:
        return None
    return [k.name for k in catalog.by_code.values() if kind in ("", k.name) and group in ("", k.group)]


def _times(begin: datetime | None, end: datetime | None) -> dict[str, datetime | None]:
    if begin is not None and end is not None:
        _check_time(begin, end)
    return {"begin": begin, "end": end}


def _check_time(begin: datetime, end: datetime) -> None:
    if begin >= end:
        raise InvalidError("the time ends before it begins", where="from", hint="give from < to")
