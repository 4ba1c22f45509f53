"""Divide the city: administrative areas, responsibility grids, and the separate partition of unit grids."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, func, text
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from twin.model.base import Base, Imported, Key, Scoped, geometry, present_index, spatial_index, tile_geometry

LEVELS = ("city", "district", "street", "community", "responsibility_grid", "unit_grid")
"""From the whole to the part. The first four are administrative; the last two each divide communities."""


class Area(Base, Imported, Scoped):
    """An area with its 15-digit code, valid from a date to a date.

    Codes are 6 digits of district (GB/T 2260), 3 of street, 3 of community, 3 of sequence; levels above
    the grid are filled with zeros on the right. Unit grids are numbered west to east, north to south
    inside their community; responsibility grids are numbered in the same way in a sequence of their own.
    ``code_source`` says whether the code is official or made here for want of one.
    """

    __tablename__ = "area"

    id: Mapped[Key]
    code: Mapped[str]
    code_source: Mapped[str] = mapped_column(server_default="provisional")
    level: Mapped[str]
    name: Mapped[str]
    name_en: Mapped[str | None]
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("area.id"), index=True)
    geom: Mapped[Any] = geometry("MULTIPOLYGON")
    geom_3857: Mapped[Any] = tile_geometry("MULTIPOLYGON")
    label_point: Mapped[Any] = geometry("POINT")
    made_by: Mapped[str]
    area_m2: Mapped[float]
    households: Mapped[int | None]
    households_source: Mapped[str | None]
    floor_area_m2: Mapped[float | None]

    __table_args__ = (
        CheckConstraint("code ~ '^[0-9]{15}$'", name="code"),
        CheckConstraint(f"level IN {LEVELS}", name="level"),
        CheckConstraint("code_source IN ('official', 'provisional')", name="code_source"),
        CheckConstraint(
            "made_by IN ('imported', 'borders', 'extent', 'polygonised', 'merged', 'drawn')", name="made_by"
        ),
        CheckConstraint("households_source IN ('counted', 'estimated')", name="households_source"),
        CheckConstraint("valid_to IS NULL OR valid_to > valid_from", name="validity"),
        CheckConstraint("ST_IsValid(geom)", name="geom_valid"),
        CheckConstraint("area_m2 > 0", name="area_positive"),
        ExcludeConstraint(
            ("level", "="),
            ("code", "="),
            (func.tstzrange(text("valid_from"), text("valid_to")), "&&"),
            name="ex_area_code_validity",
            using="gist",
        ),
        present_index("area"),
        Index("ix_area_present_level", "level", "code", postgresql_where=text("valid_to IS NULL")),
        spatial_index("area"),
        spatial_index("area", "geom_3857"),
    )
