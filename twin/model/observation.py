"""Keep what was observed, by day, and what could not be taken, with its reason."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, Integer, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from twin.model.base import Base, Key, Now


class Observation(Base):
    """One observed value (SensorThings: Observation), partitioned by day of phenomenon time (UTC).

    The primary key is what makes a message that comes twice harmless. ``lon``/``lat`` are set for
    things that move.
    """

    __tablename__ = "observation"
    __table_args__ = ({"postgresql_partition_by": "RANGE (phenomenon_time)"},)

    device_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    property: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    phenomenon_time: Mapped[datetime] = mapped_column(primary_key=True)
    received_at: Mapped[datetime]
    value: Mapped[float]
    lon: Mapped[float | None]
    lat: Mapped[float | None]


class Quarantine(Base):
    """A message that was refused: where it came from, why, and its bytes, so that it can be replayed."""

    __tablename__ = "quarantine"

    id: Mapped[Key]
    received_at: Mapped[Now]
    source: Mapped[str]
    reason: Mapped[str]
    detail: Mapped[str]
    payload: Mapped[bytes]
    replayed_at: Mapped[datetime | None]

    __table_args__ = (Index("ix_quarantine_source", "source", "received_at"),)
