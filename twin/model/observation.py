"""Keep what was observed, by day and then by hour, and what could not be taken, with its reason."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import BigInteger, Column, Date, Index, Integer, SmallInteger, Table
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


class ObservationHour(Base):
    """What is left of the observations of an hour (UTC) once they were kept for their time; of no worker."""

    __tablename__ = "observation_hour"
    # By its end it is deleted in the order in which it was written: a few pages say where that is.
    __table_args__ = (Index("ix_observation_hour_hour", "hour", postgresql_using="brin"),)

    device_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    property: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    hour: Mapped[datetime] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column(Integer)
    minimum: Mapped[float]
    mean: Mapped[float]
    maximum: Mapped[float]


class RetiredDay(Base):
    """A kind of device whose observations of a day (UTC) were deleted after their time."""

    __tablename__ = "retired"

    day: Mapped[date] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    observations: Mapped[int] = mapped_column(BigInteger)


class CountedDay(Base):
    """A day (UTC) whose observations `OBSERVATION_COUNT` knows the numbers of, once ``counted_at`` is set."""

    __tablename__ = "counted_day"

    day: Mapped[date] = mapped_column(primary_key=True)
    counted_at: Mapped[datetime | None]


OBSERVATION_COUNT: Final = Table(
    "observation_count",
    Base.metadata,
    Column("day", Date, nullable=False),
    Column("device_id", Integer, nullable=False),
    Column("property", SmallInteger, nullable=False),
    Column("count", Integer, nullable=False),
    Index("ix_observation_count_device_id", "device_id", "property"),
)
"""How many observations a day holds of a device's property: the sum of its rows, which are only added to."""


class Quarantine(Base):
    """A message that was refused: where it came from, why, and its bytes, so that it can be replayed."""

    __tablename__ = "quarantine"

    id: Mapped[Key]
    received_at: Mapped[Now]
    source: Mapped[str]
    reason: Mapped[str]
    detail: Mapped[str]
    said: Mapped[dict[str, Any] | None]
    payload: Mapped[bytes]
    replayed_at: Mapped[datetime | None]

    __table_args__ = (Index("ix_quarantine_source", "source", "received_at"),)
