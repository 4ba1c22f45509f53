"""Declare the exports of places: devices with their present state, their readings, buildings, areas."""

from __future__ import annotations

from typing import Final

from api.exports.cells import Cell
from api.exports.table import (
    AREA_COLUMNS,
    AREA_JOINS,
    AREA_SQL,
    POINT_SQL,
    SIMULATED,
    Column,
    Found,
    Table,
    View,
)
from api.exports.words import (
    CODE_SOURCES,
    HEIGHT_SOURCES,
    HOUSEHOLD_SOURCES,
    LEVELS,
    STATES,
    name,
    word,
)
from api.routes.answers import device_names, finite, moment, shown_address, state_name
from twin.access.roles import DataClass
from twin.catalog import ObservedProperty


def area_cells(row: Found, view: View) -> tuple[Cell, ...]:
    """Return the cells of `AREA_COLUMNS`."""
    return (
        row["area_code"],
        name(row["area"], row["area_en"], view.lang),
        name(row["above"], row["above_en"], view.lang),
    )


def kind_name(row: Found, view: View) -> str:
    """Return what a kind of device is called."""
    kind = view.catalog.by_name.get(row["kind"])
    return row["kind"] if kind is None else (kind.en if view.lang == "en" else kind.zh)


def device_name(row: Found, view: View) -> str | None:
    """Return what a device is called."""
    names = device_names(view.catalog, row["kind"], row["uid"], row["name"], row["name_en"])
    return name(names.zh, names.en, view.lang)


def observed(row: Found, slot: int | None, view: View) -> ObservedProperty | None:
    """Return what a slot of a device observes; None for the whole device, or where its kind is gone."""
    kind = view.catalog.by_name.get(row["kind"])
    if kind is None or slot is None or slot >= len(kind.properties):
        return None
    return kind.properties[slot]


def property_cells(found: ObservedProperty | None, slot: int | None, view: View) -> tuple[Cell, Cell]:
    """Return name and unit of an observed property; the number of the slot where its name is not known."""
    if found is None:
        return None if slot is None else str(slot), None
    return (found.en if view.lang == "en" else found.zh), None if found.unit == "1" else found.unit


def _device(row: Found, view: View) -> tuple[Cell, ...]:
    board = view.board
    at = board.row_of_id.get(row["id"])
    state = "unknown" if at is None else state_name(int(board.state[at]))
    return (
        row["uid"],
        device_name(row, view),
        kind_name(row, view),
        word(STATES, state, view.lang),
        *property_cells(observed(row, 0, view), 0, view),
        None if at is None else finite(board.values[at, 0]),
        None if at is None else moment(int(board.heard_us[at])),
        *area_cells(row, view),
        name(row["building"], row["building_en"], view.lang),
        shown_address(name(row["address"], row["address_en"], view.lang)),
        row["lon"],
        row["lat"],
        row["height_m"],
        row["source"],
        row["simulated"],
    )


DEVICES: Final = Table(
    name="devices",
    zh="设备",
    en="Devices",
    data=DataClass.PLACE,
    columns=(
        Column("uid", "设备编号", "Device number"),
        Column("name", "名称", "Name"),
        Column("kind", "类型", "Kind"),
        Column("state", "当前状态", "Present state"),
        Column("property", "观测项", "Property"),
        Column("unit", "单位", "Unit"),
        Column("value", "当前值", "Present value"),
        Column("last_heard", "末次上报（UTC）", "Last heard (UTC)"),
        *AREA_COLUMNS,
        Column("building", "建筑", "Building"),
        Column("address", "地址", "Address"),
        Column("lon", "经度", "Longitude"),
        Column("lat", "纬度", "Latitude"),
        Column("height_m", "离地高度（米）", "Height above ground (m)"),
        Column("source", "数据来源", "Source"),
        SIMULATED,
    ),
    query=f"""
        SELECT d.id, d.uid, d.kind, d.name, d.name_en, d.height_m, d.address, d.address_en,
               b.name AS building, b.name_en AS building_en, dataset.name AS source,
               {POINT_SQL.format("d.geom")},
               d.simulated OR d.readings_simulated AS simulated, {AREA_SQL}, {{shape}} AS shape
        FROM device AS d
        JOIN dataset ON dataset.id = d.dataset_id
        LEFT JOIN building AS b ON b.id = d.building_id
        {AREA_JOINS.format(thing="d")}
        WHERE d.valid_to IS NULL AND d.kind <> 'worker'
          AND (CAST(:kinds AS text[]) IS NULL OR d.kind = ANY(CAST(:kinds AS text[])))
        ORDER BY d.id""",
    shape="d.geom",
    cells=_device,
)


def _reading(row: Found, view: View) -> tuple[Cell, ...]:
    return (
        row["uid"],
        device_name(row, view),
        kind_name(row, view),
        row["phenomenon_time"],
        *property_cells(observed(row, row["property"], view), row["property"], view),
        row["value"],
        row["received_at"],
        row["simulated"],
    )


READINGS: Final = Table(
    name="readings",
    zh="设备读数",
    en="Readings of a device",
    data=DataClass.PLACE,
    columns=(
        Column("uid", "设备编号", "Device number"),
        Column("name", "名称", "Name"),
        Column("kind", "类型", "Kind"),
        Column("phenomenon_time", "观测时间（UTC）", "Observed at (UTC)"),
        Column("property", "观测项", "Property"),
        Column("unit", "单位", "Unit"),
        Column("value", "数值", "Value"),
        Column("received_at", "接收时间（UTC）", "Received at (UTC)"),
        SIMULATED,
    ),
    query="""
        SELECT d.uid, d.kind, d.name, d.name_en, o.property, o.phenomenon_time, o.value, o.received_at,
               d.simulated OR d.readings_simulated AS simulated, {shape} AS shape
        FROM observation AS o JOIN device AS d ON d.id = o.device_id
        WHERE o.device_id = CAST(:device AS int) AND d.valid_to IS NULL AND d.kind <> 'worker'
          AND o.phenomenon_time >= CAST(:begin AS timestamptz)
          AND o.phenomenon_time < CAST(:end AS timestamptz)
        ORDER BY o.phenomenon_time, o.property""",
    shape="",
    cells=_reading,
)


def _building(row: Found, view: View) -> tuple[Cell, ...]:
    return (
        row["id"],
        name(row["name"], row["name_en"], view.lang),
        row["kind"],
        row["address"],
        row["height_m"],
        word(HEIGHT_SOURCES, row["height_source"], view.lang),
        row["levels"],
        row["footprint_m2"],
        *area_cells(row, view),
        row["lon"],
        row["lat"],
        row["source"],
        row["simulated"],
    )


BUILDINGS: Final = Table(
    name="buildings",
    zh="建筑",
    en="Buildings",
    data=DataClass.PLACE,
    columns=(
        Column("id", "编号", "Number"),
        Column("name", "名称", "Name"),
        Column("kind", "用途", "Use"),
        Column("address", "地址", "Address"),
        Column("height_m", "高度（米）", "Height (m)"),
        Column("height_source", "高度来源", "Source of the height"),
        Column("levels", "层数", "Levels"),
        Column("footprint_m2", "基底面积（平方米）", "Footprint (m²)"),
        *AREA_COLUMNS,
        Column("lon", "经度", "Longitude"),
        Column("lat", "纬度", "Latitude"),
        Column("source", "数据来源", "Source"),
        SIMULATED,
    ),
    query=f"""
        SELECT b.id, b.name, b.name_en, b.kind, b.address, b.height_m, b.height_source, b.levels,
               round(b.footprint_m2::numeric, 1)::float8 AS footprint_m2, dataset.name AS source,
               dataset.simulated,
               {POINT_SQL.format("at.geom")},
               {AREA_SQL}, {{shape}} AS shape
        FROM building AS b
        CROSS JOIN LATERAL (SELECT ST_PointOnSurface(b.geom) AS geom) AS at
        JOIN dataset ON dataset.id = b.dataset_id
        {AREA_JOINS.format(thing="b")}
        WHERE b.valid_to IS NULL AND b.body <> 'part'
          AND (CAST(:kind AS text) IS NULL OR b.kind = CAST(:kind AS text))
        ORDER BY b.id""",
    shape="b.geom",
    cells=_building,
)


def _area(row: Found, view: View) -> tuple[Cell, ...]:
    return (
        row["code"],
        name(row["name"], row["name_en"], view.lang),
        word(LEVELS, row["level"], view.lang),
        name(row["above"], row["above_en"], view.lang),
        row["area_m2"],
        row["households"],
        word(HOUSEHOLD_SOURCES, row["households_source"], view.lang),
        word(CODE_SOURCES, row["code_source"], view.lang),
        row["valid_from"],
        row["lon"],
        row["lat"],
        row["simulated"],
    )


AREAS: Final = Table(
    name="areas",
    zh="区划网格",
    en="Areas and grids",
    data=DataClass.PLACE,
    columns=(
        Column("code", "区划代码", "Area code"),
        Column("name", "名称", "Name"),
        Column("level", "层级", "Level"),
        Column("above", "上级区域", "Area above"),
        Column("area_m2", "面积（平方米）", "Area (m²)"),
        Column("households", "户数", "Households"),
        Column("households_source", "户数来源", "Source of households"),
        Column("code_source", "代码来源", "Source of the code"),
        Column("valid_from", "启用时间（UTC）", "Valid from (UTC)"),
        Column("lon", "经度", "Longitude"),
        Column("lat", "纬度", "Latitude"),
        SIMULATED,
    ),
    # What lies above the own area is seen, to tell where one is; it is not what one takes out.
    query=f"""
        SELECT a.code, a.name, a.name_en, a.level, p.name AS above, p.name_en AS above_en,
               round(a.area_m2::numeric, 1)::float8 AS area_m2, a.households, a.households_source,
               a.code_source, a.valid_from, dataset.simulated,
               {POINT_SQL.format("a.label_point")}, {{shape}} AS shape
        FROM area AS a
        JOIN dataset ON dataset.id = a.dataset_id
        LEFT JOIN area AS p ON p.id = a.parent_id
        WHERE a.valid_to IS NULL
          AND gt_area_range(a.level, a.code, a.scope_code) <@ (SELECT gt_scope('place'))
          AND (CAST(:level AS text) IS NULL OR a.level = CAST(:level AS text))
        ORDER BY a.code, a.level""",
    shape="a.geom",
    cells=_area,
)
