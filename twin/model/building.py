"""Describe buildings: footprint, height and how it is known, name, use."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from twin.model.base import Base, Imported, Key, Scoped, geometry, present_index, spatial_index, tile_geometry


class Building(Base, Imported, Scoped):
    """A building. ``height_m`` is above ground to the roof, ``min_height_m`` where the body begins.

    ``body`` says what is to be raised: ``whole`` is a building drawn as one body; ``part`` is one body of
    a building drawn in several (OSM ``building:part``); ``outline`` is a building whose parts stand for it,
    so that its own footprint is drawn flat. Buildings are counted by ``body <> 'part'`` and raised by
    ``body <> 'outline'``.
    """

    __tablename__ = "building"

    id: Mapped[Key]
    geom: Mapped[Any] = geometry("MULTIPOLYGON")
    geom_3857: Mapped[Any] = tile_geometry("MULTIPOLYGON")
    name: Mapped[str | None]
    name_en: Mapped[str | None]
    kind: Mapped[str]
    body: Mapped[str] = mapped_column(server_default="whole")
    height_m: Mapped[float]
    min_height_m: Mapped[float]
    levels: Mapped[float | None]
    height_source: Mapped[str]
    address: Mapped[str | None]
    footprint_m2: Mapped[float]

    __table_args__ = (
        CheckConstraint("body IN ('whole', 'outline', 'part')", name="body"),
        CheckConstraint("height_source IN ('measured', 'levels', 'estimated')", name="height_source"),
        CheckConstraint("height_m > 0 AND height_m < 1000", name="height"),
        CheckConstraint("min_height_m >= 0 AND min_height_m < height_m", name="min_height"),
        CheckConstraint("levels IS NULL OR (levels > 0 AND levels < 250)", name="levels"),
        CheckConstraint("ST_IsValid(geom)", name="geom_valid"),
        present_index("building"),
        spatial_index("building"),
        spatial_index("building", "geom_3857"),
    )
