"""Describe what people need: service points."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ForeignKey, Index
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
