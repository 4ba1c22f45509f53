"""Describe what the city keeps: managed components with the attributes of their register."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from twin.model.base import Base, Imported, Key, Scoped, geometry, present_index, spatial_index

COMPONENT_STATES = ("intact", "damaged", "lost", "abandoned", "removed")
"""完好, 破损, 丢失, 废弃, 移除 of the standard."""

DATA_SOURCES = ("surveyed", "topographic_map", "base_data", "other")
"""实测, 地形图, 基础地理数据, 其他 of the standard."""


class Component(Base, Imported, Scoped):
    """A managed component (部件): manhole cover, lamp post, hydrant, bin, after GB/T 47678.5-2026, table 2.

    ``code`` is its 17-digit identifier: 6 of district, 5 of class, 6 of sequence. Of the 18 attributes of
    the standard the unit grid, the street and the community are where it stands now, not columns; what the
    register says of its grid is ``declared_grid_code``. Codes of departments, owners and maintainers are
    unified social credit codes (GB 32100). Former states are in ``feature_history``.
    """

    __tablename__ = "component"

    id: Mapped[Key]
    code: Mapped[str] = mapped_column(unique=True)
    class_code: Mapped[str]
    name: Mapped[str]
    geom: Mapped[Any] = geometry("POINT")
    state: Mapped[str] = mapped_column(server_default="intact")
    unit_grid_id: Mapped[int | None] = mapped_column(ForeignKey("area.id", ondelete="SET NULL"), index=True)
    declared_grid_code: Mapped[str | None]
    department_code: Mapped[str | None]
    department_name: Mapped[str | None]
    owner_code: Mapped[str | None]
    owner_name: Mapped[str | None]
    maintainer_code: Mapped[str | None]
    maintainer_name: Mapped[str | None]
    installed_on: Mapped[date | None]
    changed_on: Mapped[date | None]
    data_source: Mapped[str | None]
    note: Mapped[str | None]

    __table_args__ = (
        CheckConstraint("code ~ '^[0-9]{17}$'", name="code"),
        CheckConstraint("class_code ~ '^[0-9]{5}$'", name="class_code"),
        CheckConstraint(f"state IN {COMPONENT_STATES}", name="state"),
        CheckConstraint("declared_grid_code ~ '^[0-9]{15}$'", name="declared_grid_code"),
        *(
            CheckConstraint(f"{who}_code ~ '^[0-9A-Z]{{18}}$'", name=f"{who}_code")
            for who in ("department", "owner", "maintainer")
        ),
        CheckConstraint(f"data_source IN {DATA_SOURCES}", name="data_source"),
        Index("ix_component_class_code", "class_code"),
        present_index("component"),
        spatial_index("component"),
    )
