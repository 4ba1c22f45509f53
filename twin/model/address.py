"""Tell where things are in words: addresses and the door plates that carry them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ForeignKey, false
from sqlalchemy.orm import Mapped, mapped_column

from twin.model.base import Base, Imported, Key, Scoped, geometry, present_index, spatial_index

ENTRANCE_ZH, ENTRANCE_EN = "入口", "entrance"
"""Our own word in the text of a door that has no house number; what else stands there is from the source."""


class Address(Base, Imported, Scoped):
    """A street address at a point; ``entrance`` marks a door of its building."""

    __tablename__ = "address"

    id: Mapped[Key]
    geom: Mapped[Any] = geometry("POINT")
    street: Mapped[str | None]
    house_number: Mapped[str | None]
    unit: Mapped[str | None]
    floor: Mapped[str | None]
    text: Mapped[str]
    entrance: Mapped[bool] = mapped_column(server_default=false())
    building_id: Mapped[int | None] = mapped_column(
        ForeignKey("building.id", ondelete="SET NULL"), index=True
    )

    __table_args__ = (present_index("address"), spatial_index("address"))


class DoorPlate(Base):
    """A door plate with its QR code; the code opens or locates a case and proves a check-in."""

    __tablename__ = "door_plate"

    id: Mapped[Key]
    code: Mapped[str] = mapped_column(unique=True)
    address_id: Mapped[int] = mapped_column(ForeignKey("address.id"), index=True)
    geom: Mapped[Any] = geometry("POINT")

    __table_args__ = (spatial_index("door_plate"),)
