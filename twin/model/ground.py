"""Describe the ground that carries the city: roads with who may use them, water, green, squares."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CheckConstraint, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from twin.model.base import Base, Imported, Key, geometry, present_index, spatial_index, tile_geometry


class Road(Base, Imported):
    """A road or path as drawn; each direction says on its own who may use it (forward = as drawn)."""

    __tablename__ = "road"

    id: Mapped[Key]
    geom: Mapped[Any] = geometry("LINESTRING")
    geom_3857: Mapped[Any] = tile_geometry("LINESTRING")
    road_class: Mapped[str]
    name: Mapped[str | None]
    name_en: Mapped[str | None]
    foot: Mapped[bool]
    bike_forward: Mapped[bool]
    bike_backward: Mapped[bool]
    car_forward: Mapped[bool]
    car_backward: Mapped[bool]
    width_m: Mapped[float]
    layer: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    bridge: Mapped[bool] = mapped_column(server_default=text("false"))
    tunnel: Mapped[bool] = mapped_column(server_default=text("false"))
    stairs: Mapped[bool] = mapped_column(server_default=text("false"))
    max_speed_kmh: Mapped[float | None]

    __table_args__ = (
        CheckConstraint("width_m > 0", name="width"),
        present_index("road"),
        spatial_index("road"),
        spatial_index("road", "geom_3857"),
    )


class GroundCover(Base, Imported):
    """Water, green, squares and blocks, for the map's ground and for what cannot be walked."""

    __tablename__ = "ground_cover"

    id: Mapped[Key]
    geom: Mapped[Any] = geometry("MULTIPOLYGON")
    geom_3857: Mapped[Any] = tile_geometry("MULTIPOLYGON")
    cover: Mapped[str]
    name: Mapped[str | None]
    name_en: Mapped[str | None]

    __table_args__ = (
        CheckConstraint("cover IN ('water', 'green', 'plaza', 'block')", name="cover"),
        CheckConstraint("ST_IsValid(geom)", name="geom_valid"),
        present_index("ground_cover"),
        spatial_index("ground_cover"),
        spatial_index("ground_cover", "geom_3857"),
    )
