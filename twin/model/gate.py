"""Describe gates and barriers that stand on roads: who passes them, when, and with which keys."""

from __future__ import annotations

from datetime import time
from typing import Any, Final

from sqlalchemy import CheckConstraint, ForeignKey, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from twin.model.base import Base, Imported, Key, Scoped, geometry, present_index, spatial_index

PASSING: Final = ("never", "key", "open", "always")
"""How one passes: not at all; only with a key; when it stands open, or with a key; open or shut."""


class Gate(Base, Imported, Scoped):
    """A gate or barrier on a road. ``foot``, ``bike`` and ``car`` are words of `PASSING`.

    ``keys`` says who has one: roles of workers, kinds of their organisations, or ``public``: everybody. It
    stands open from ``opens`` to ``closes`` of each day, local time of the place, over midnight where it
    closes before it opens; without hours it is shut, and its keys say who passes. ``device_uid`` is what the
    file says; ``device_id`` is made of it: a barrier whose reported state is believed before the hours.
    """

    __tablename__ = "gate"

    id: Mapped[Key]
    geom: Mapped[Any] = geometry("POINT")
    kind: Mapped[str]
    name: Mapped[str | None]
    name_en: Mapped[str | None]
    foot: Mapped[str]
    bike: Mapped[str]
    car: Mapped[str]
    keys: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    opens: Mapped[time | None]
    closes: Mapped[time | None]
    device_uid: Mapped[str | None]
    device_id: Mapped[int | None] = mapped_column(ForeignKey("device.id", ondelete="SET NULL"), index=True)
    compound_id: Mapped[int | None] = mapped_column(
        ForeignKey("compound.id", ondelete="SET NULL"), index=True
    )

    __table_args__ = (
        *(CheckConstraint(f"{mode} IN {PASSING}", name=mode) for mode in ("foot", "bike", "car")),
        CheckConstraint("(opens IS NULL) = (closes IS NULL) AND opens <> closes", name="hours"),
        present_index("gate"),
        spatial_index("gate"),
    )
