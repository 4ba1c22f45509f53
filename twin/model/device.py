"""Describe what is installed: devices with kind, place, direction, and their present state."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Integer, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from twin.model.base import Base, Imported, Scoped, geometry, present_index, spatial_index


class Device(Base, Imported, Scoped):
    """An installed thing that reports (SensorThings: Thing). ``id`` is its number on the wire.

    ``kind`` is a row of ``data/device_kinds.toml``. A camera has ``bearing_deg`` (clockwise from north),
    ``field_of_view_deg``, ``range_m`` and, in ``sight``, the ground it sees, cut by buildings. A
    ``position_source`` of ``none`` says that nobody told where it is: it stands in the area of its maker.
    """

    __tablename__ = "device"

    id: Mapped[int] = mapped_column(Integer, Identity(always=False), primary_key=True)
    uid: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    name: Mapped[str | None]
    name_en: Mapped[str | None]
    description: Mapped[str | None]
    properties: Mapped[dict[str, Any] | None]
    geom: Mapped[Any] = geometry("POINT")
    height_m: Mapped[float] = mapped_column(server_default=text("0"))
    floor: Mapped[int | None] = mapped_column(SmallInteger)
    bearing_deg: Mapped[float | None]
    bearing_source: Mapped[str | None]
    field_of_view_deg: Mapped[float | None]
    range_m: Mapped[float | None]
    sight: Mapped[Any] = geometry("POLYGON", nullable=True)
    building_id: Mapped[int | None] = mapped_column(
        ForeignKey("building.id", ondelete="SET NULL"), index=True
    )
    unit_grid_id: Mapped[int | None] = mapped_column(ForeignKey("area.id", ondelete="SET NULL"), index=True)
    responsibility_grid_id: Mapped[int | None] = mapped_column(
        ForeignKey("area.id", ondelete="SET NULL"), index=True
    )
    address: Mapped[str | None]
    address_en: Mapped[str | None]
    gb28181_id: Mapped[str | None] = mapped_column(unique=True)
    expected_interval_s: Mapped[float | None]
    simulated: Mapped[bool] = mapped_column(server_default=text("false"))
    readings_simulated: Mapped[bool] = mapped_column(server_default=text("false"))
    position_source: Mapped[str] = mapped_column(server_default="measured")

    __table_args__ = (
        CheckConstraint("uid ~ '^[0-9A-Za-z_-]{4,64}$'", name="uid"),
        CheckConstraint("bearing_deg IS NULL OR (bearing_deg >= 0 AND bearing_deg < 360)", name="bearing"),
        CheckConstraint("bearing_source IN ('measured', 'estimated')", name="bearing_source"),
        CheckConstraint("(bearing_deg IS NULL) = (bearing_source IS NULL)", name="bearing_has_source"),
        CheckConstraint(
            "field_of_view_deg IS NULL OR (field_of_view_deg > 0 AND field_of_view_deg <= 360)",
            name="field_of_view",
        ),
        CheckConstraint("range_m IS NULL OR range_m > 0", name="range"),
        CheckConstraint("position_source IN ('measured', 'estimated', 'none')", name="position_source"),
        CheckConstraint("gb28181_id ~ '^[0-9]{20}$'", name="gb28181_id"),
        CheckConstraint("expected_interval_s > 0", name="expected_interval"),
        present_index("device"),
        spatial_index("device"),
    )


class DeviceState(Base):
    """The present state of one property of a device or worker, upserted by the observation writer.

    No spatial index and a low fill factor: this is the hottest table; live positions are asked of the board.
    """

    __tablename__ = "device_state"
    __table_args__ = ({"postgresql_with": {"fillfactor": "60"}},)

    device_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    property: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    phenomenon_time: Mapped[datetime]
    received_at: Mapped[datetime]
    value: Mapped[float]
    state: Mapped[int] = mapped_column(SmallInteger)
    lon: Mapped[float | None]
    lat: Mapped[float | None]
