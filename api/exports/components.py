"""Declare the export of managed components under the names of GB/T 47678.5, table 2."""

from __future__ import annotations

from typing import Final

from api.exports.cells import Cell
from api.exports.table import POINT_SQL, SIMULATED, Column, Found, Table, View
from api.exports.words import COMPONENT_STATES, DATA_SOURCES, word
from twin.access.roles import DataClass


def _component(row: Found, view: View) -> tuple[Cell, ...]:
    return (
        row["code"],
        row["name"],
        row["department_code"],
        row["department_name"],
        row["owner_code"],
        row["owner_name"],
        row["maintainer_code"],
        row["maintainer_name"],
        row["grid_code"],
        word(COMPONENT_STATES, row["state"], view.lang),
        row["installed_on"],
        row["changed_on"],
        word(DATA_SOURCES, row["data_source"], view.lang),
        row["note"],
        row["street_code"],
        row["street"],
        row["community_code"],
        row["community"],
        row["lon"],
        row["lat"],
        row["simulated"],
    )


COMPONENTS: Final = Table(
    name="components",
    zh="管理部件",
    en="Managed components",
    data=DataClass.PLACE,
    columns=(
        Column("GLBJBSM", "管理部件标识码", "Component code"),
        Column("GLBJMC", "管理部件名称", "Component name"),
        Column("ZGBMDM", "主管部门代码", "Department code"),
        Column("ZGBMMC", "主管部门名称", "Department"),
        Column("QSDWDM", "权属单位代码", "Owner code"),
        Column("QSDWMC", "权属单位名称", "Owner"),
        Column("YHDWDM", "养护单位代码", "Maintainer code"),
        Column("YHDWMC", "养护单位名称", "Maintainer"),
        Column("SZDYWGBSM", "所在单元网格标识码", "Unit grid code"),
        Column("GLBJZT", "管理部件状态", "State"),
        Column("CSRQ", "初始日期", "Installed on"),
        Column("BGRQ", "变更日期", "Changed on"),
        Column("SJLY", "数据来源", "Source of the data"),
        Column("BZ", "备注", "Note"),
        Column("SZJDDM", "所在街道代码", "Street code"),
        Column("SZJDMC", "所在街道名称", "Street"),
        Column("SZSQDM", "所在社区代码", "Community code"),
        Column("SZSQMC", "所在社区名称", "Community"),
        Column("lon", "经度", "Longitude"),
        Column("lat", "纬度", "Latitude"),
        SIMULATED,
    ),
    # The standard writes dates as YYYYMMDD, streets with 9 digits and communities with 12.
    query=f"""
        SELECT c.code, c.name, c.department_code, c.department_name, c.owner_code, c.owner_name,
               c.maintainer_code, c.maintainer_name, g.code AS grid_code, c.state,
               to_char(c.installed_on, 'YYYYMMDD') AS installed_on,
               to_char(c.changed_on, 'YYYYMMDD') AS changed_on, c.data_source, c.note,
               left(s.code, 9) AS street_code, s.name AS street,
               left(m.code, 12) AS community_code, m.name AS community,
               dataset.simulated, {POINT_SQL.format("c.geom")}, {{shape}} AS shape
        FROM component AS c
        JOIN dataset ON dataset.id = c.dataset_id
        LEFT JOIN area AS g ON g.id = c.unit_grid_id
        LEFT JOIN area AS m ON m.id = g.parent_id AND m.level = 'community'
        LEFT JOIN area AS s ON s.id = m.parent_id AND s.level = 'street'
        WHERE c.valid_to IS NULL
          AND (CAST(:class AS text) IS NULL OR starts_with(c.class_code, CAST(:class AS text)))
          AND (CAST(:state AS text) IS NULL OR c.state = CAST(:state AS text))
        ORDER BY c.code""",
    shape="c.geom",
    cells=_component,
)
