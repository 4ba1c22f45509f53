"""Describe what people need and what the city keeps: service points and components."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from twin.model.base import Base, Imported, Key, Scoped, geometry, present_index, spatial_index


class ServicePoint(Base, Imported, Scoped):
    """A place that serves residents: pharmacy, clinic, post office, community office, market, school."""

    __tablename__ = "service_point"

    id: Mapped[Key]
    geom: Mapped[Any] = geometry("POINT")
    category: Mapped[str]
    name: Mapped[str | None]
    name_en: Mapped[str | None]
    opening_hours: Mapped[str | None]
    phone: Mapped[str | None]
    address: Mapped[str | None]
    building_id: Mapped[int | None] = mapped_column(
        ForeignKey("building.id", ondelete="SET NULL"), index=True
    )
    matters: Mapped[list[str] | None]

    __table_args__ = (
        Index("ix_service_point_category", "category"),
        present_index("service_point"),
        spatial_index("service_point"),
    )


class Component(Base, Imported, Scoped):
    """A managed component (部件): manhole cover, lamp post, hydrant, bin, after GB/T 47678.5-2026.

    ``code`` is its 17-digit identifier: 6 of district, 5 of class, 6 of sequence.
    """

    __tablename__ = "component"

    id: Mapped[Key]
    code: Mapped[str] = mapped_column(unique=True)
    class_code: Mapped[str]
    name: Mapped[str]
    geom: Mapped[Any] = geometry("POINT")
    state: Mapped[str] = mapped_column(server_default="intact")
    unit_grid_id: Mapped[int | None] = mapped_column(ForeignKey("area.id", ondelete="SET NULL"), index=True)
    responsible_organisation_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"))
    installed_on: Mapped[date | None]

    __table_args__ = (
        CheckConstraint("code ~ '^[0-9]{17}$'", name="code"),
        CheckConstraint("class_code ~ '^[0-9]{5}$'", name="class_code"),
        CheckConstraint("state IN ('intact', 'damaged', 'lost', 'abandoned', 'removed')", name="state"),
        present_index("component"),
        spatial_index("component"),
    )
