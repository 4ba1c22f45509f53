"""Declare the exports of work: alarms, cases, workers. Who they are is masked, and phones do not come out."""

from __future__ import annotations

from typing import Final

from api.exports.cells import Cell
from api.exports.places import area_cells, device_name, kind_name, observed, property_cells
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
from api.exports.words import OUTCOMES, SOURCES, STAGES, STATES, WORKER_ROLES, name, word
from api.routes.answers import case_title, finite, shown_address, state_name
from api.routes.case_answers import HANDLER_COLUMNS, HANDLER_JOINS
from twin.access.masking import mask_name
from twin.access.roles import DataClass


def _alarm(row: Found, view: View) -> tuple[Cell, ...]:
    return (
        row["id"],
        row["uid"],
        device_name(row, view),
        kind_name(row, view),
        word(STATES, state_name(row["state"]), view.lang),
        word(STATES, state_name(row["worst_state"]), view.lang),
        *property_cells(observed(row, row["property"], view), row["property"], view),
        finite(row["value"]),
        row["raised_at"],
        row["cleared_at"],
        row["acknowledged_at"],
        row["case_number"],
        *area_cells(row, view),
        row["lon"],
        row["lat"],
        row["simulated"],
    )


ALARMS: Final = Table(
    name="alarms",
    zh="告警",
    en="Alarms",
    data=DataClass.ALARM,
    columns=(
        Column("id", "告警编号", "Alarm number"),
        Column("uid", "设备编号", "Device number"),
        Column("name", "设备名称", "Name of the device"),
        Column("kind", "类型", "Kind"),
        Column("state", "状态", "State"),
        Column("worst_state", "最重状态", "Worst state"),
        Column("property", "观测项", "Property"),
        Column("unit", "单位", "Unit"),
        Column("value", "数值", "Value"),
        Column("raised_at", "产生时间（UTC）", "Raised at (UTC)"),
        Column("cleared_at", "解除时间（UTC）", "Cleared at (UTC)"),
        Column("acknowledged_at", "确认时间（UTC）", "Acknowledged at (UTC)"),
        Column("case_number", "案件编号", "Number of the case"),
        *AREA_COLUMNS,
        Column("lon", "经度", "Longitude"),
        Column("lat", "纬度", "Latitude"),
        SIMULATED,
    ),
    # An alarm of a tracker tells of a person; those of devices tell of things.
    query=f"""
        SELECT a.id, d.uid, d.kind, d.name, d.name_en, a.property, a.state, a.worst_state, a.value,
               a.raised_at, a.cleared_at, a.acknowledged_at, c.number AS case_number, a.simulated,
               {POINT_SQL.format("d.geom")},
               {AREA_SQL}, {{shape}} AS shape
        FROM alarm AS a
        JOIN device AS d ON d.id = a.device_id
        LEFT JOIN alarm_group ON alarm_group.id = a.group_id
        LEFT JOIN case_file AS c ON c.id = alarm_group.case_id
        {AREA_JOINS.format(thing="a")}
        WHERE d.kind <> 'worker'
          AND (CAST(:kinds AS text[]) IS NULL OR d.kind = ANY(CAST(:kinds AS text[])))
          AND (CAST(:open AS boolean) IS NULL OR (a.cleared_at IS NULL) = CAST(:open AS boolean))
          AND (CAST(:begin AS timestamptz) IS NULL OR a.raised_at >= CAST(:begin AS timestamptz))
          AND (CAST(:end AS timestamptz) IS NULL OR a.raised_at < CAST(:end AS timestamptz))
        ORDER BY a.raised_at, a.id""",
    shape="d.geom",
    cells=_alarm,
)


def _case(row: Found, view: View) -> tuple[Cell, ...]:
    title = case_title(row["title"], row["title_en"])
    return (
        row["number"],
        name(title.zh, title.en, view.lang),
        row["category_code"],
        word(SOURCES, row["source"], view.lang),
        word(STAGES, row["stage"], view.lang),
        word(OUTCOMES, row["outcome"], view.lang) if row["outcome"] else None,
        row["priority"],
        name(row["organisation"], row["organisation_en"], view.lang),
        mask_name(name(row["worker"], row["worker_en"], view.lang)),
        shown_address(row["address"]),
        row["opened_at"],
        row["filed_at"],
        row["stage_due_at"],
        row["parked_at"],
        row["due_at"],
        row["closed_at"],
        row["rating"],
        row["linked_to"],
        row["repeats"],
        row["alarms"],
        *area_cells(row, view),
        row["lon"],
        row["lat"],
        row["simulated"],
    )


CASES: Final = Table(
    name="cases",
    zh="案件",
    en="Cases",
    data=DataClass.CASE,
    columns=(
        Column("number", "案件编号", "Number"),
        Column("title", "标题", "Title"),
        Column("category_code", "小类代码", "Category code"),
        Column("source", "来源", "Source"),
        Column("stage", "阶段", "Stage"),
        Column("outcome", "结果", "Outcome"),
        Column("priority", "优先级", "Priority"),
        Column("organisation", "处理单位", "Handled by (organisation)"),
        Column("worker", "处理人员（已隐去）", "Handled by (masked)"),
        Column("address", "地点", "Place"),
        Column("opened_at", "上报时间（UTC）", "Reported at (UTC)"),
        Column("filed_at", "立案时间（UTC）", "Filed at (UTC)"),
        Column("stage_due_at", "阶段期限（UTC）", "Stage due at (UTC)"),
        Column("parked_at", "挂账时间（UTC）", "Parked at (UTC)"),
        Column("due_at", "期限（UTC）", "Due at (UTC)"),
        Column("closed_at", "结案时间（UTC）", "Closed at (UTC)"),
        Column("rating", "评价（1–5）", "Rating (1–5)"),
        Column("linked_to", "并入案件编号", "Number of the case it repeats"),
        Column("repeats", "重复次数", "Repeats"),
        Column("alarms", "传感器数", "Sensors"),
        *AREA_COLUMNS,
        Column("lon", "经度", "Longitude"),
        Column("lat", "纬度", "Latitude"),
        SIMULATED,
    ),
    query=f"""
        SELECT c.number, c.title, c.title_en, c.category_code, c.source, c.stage, c.outcome, c.priority,
               c.address, c.opened_at, c.filed_at, c.stage_due_at, c.parked_at, c.due_at, c.closed_at,
               c.rating, c.repeats, c.simulated,
               (SELECT other.number FROM case_file AS other WHERE other.id = c.linked_to) AS linked_to,
               (SELECT count(DISTINCT m.device_id) FROM alarm_group AS raised
                JOIN alarm AS m ON m.group_id = raised.id WHERE raised.case_id = c.id) AS alarms,
               {HANDLER_COLUMNS},
               {POINT_SQL.format("c.geom")},
               {AREA_SQL}, {{shape}} AS shape
        FROM case_file AS c {HANDLER_JOINS}
        {AREA_JOINS.format(thing="c")}
        WHERE (CAST(:open AS boolean) IS NULL OR (c.closed_at IS NULL) = CAST(:open AS boolean))
          AND (CAST(:begin AS timestamptz) IS NULL OR c.opened_at >= CAST(:begin AS timestamptz))
          AND (CAST(:end AS timestamptz) IS NULL OR c.opened_at < CAST(:end AS timestamptz))
        ORDER BY c.opened_at, c.id""",
    shape="c.geom",
    cells=_case,
)


def _worker(row: Found, view: View) -> tuple[Cell, ...]:
    return (
        row["code"],
        mask_name(name(row["name"], row["name_en"], view.lang)),
        word(WORKER_ROLES, row["role"], view.lang),
        name(row["organisation"], row["organisation_en"], view.lang),
        row["on_duty"],
        *area_cells(row, view),
        row["simulated"],
    )


WORKERS: Final = Table(
    name="workers",
    zh="人员",
    en="Workers",
    data=DataClass.WORKER,
    columns=(
        Column("code", "编号", "Number"),
        Column("name", "姓名（已隐去）", "Name (masked)"),
        Column("role", "岗位", "Role"),
        Column("organisation", "单位", "Organisation"),
        Column("on_duty", "在岗", "On duty"),
        *AREA_COLUMNS,
        SIMULATED,
    ),
    query=f"""
        SELECT w.code, w.name, w.name_en, w.role, o.name AS organisation, o.name_en AS organisation_en,
               w.on_duty, w.simulated, {AREA_SQL}, {{shape}} AS shape
        FROM worker AS w
        LEFT JOIN organisation AS o ON o.id = w.organisation_id
        {AREA_JOINS.format(thing="w")}
        ORDER BY w.code""",
    # Where workers are is no column: whoever must know sees it on the wall, while they are on duty.
    shape="",
    cells=_worker,
)
