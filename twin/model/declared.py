"""Hold what clients of SensorThings declare beside what is installed: datastreams, sensors, places."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from geoalchemy2 import Geometry
from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, Integer, SmallInteger, text
from sqlalchemy.dialects.postgresql import INT8MULTIRANGE, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from twin.crs import STORAGE_SRID
from twin.model.base import Base, Scoped, spatial_index

FIRST_DECLARED = 100_000_000
"""Numbers of declared sensors and properties begin here: below it are those of the kinds of devices."""

_NEXT_PLACE = text("nextval('device_id_seq'::regclass)")


class Datastream(Base):
    """What a client says of one property of a device.

    ``property`` below `twin.catalog.SLOTS` is a slot of the device's kind and lives on the board; from there
    on it is in the history only. A closed one keeps its number: what was observed under it is not another's.
    ``sensor_id`` and ``observed_property_id`` name a row of `Sensor` and `DeclaredProperty`, or a kind.
    """

    __tablename__ = "datastream"

    device_id: Mapped[int] = mapped_column(
        Integer, ForeignKey("device.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    property: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    name: Mapped[str]
    description: Mapped[str]
    unit: Mapped[dict[str, Any]]
    observation_type: Mapped[str]
    sensor_id: Mapped[int] = mapped_column(index=True)
    observed_property_id: Mapped[int] = mapped_column(index=True)
    properties: Mapped[dict[str, Any] | None]
    valid_to: Mapped[datetime | None]

    __table_args__ = (CheckConstraint("property >= 0 AND property < 1000", name="property"),)


class _Shared:
    """A declaration that no place belongs to.

    ``scope`` is where its maker manages devices: who sees a part of that sees it, and who sees a datastream
    that uses it. The database sets it, never the writer.
    """

    name: Mapped[str]
    description: Mapped[str]
    properties: Mapped[dict[str, Any] | None]
    scope: Mapped[Any] = mapped_column(
        INT8MULTIRANGE, server_default=text("gt_scope('may_device_manage'::text)")
    )


class Sensor(Base, _Shared):
    """A procedure or instrument that a client declared."""

    __tablename__ = "sensor"

    id: Mapped[int] = mapped_column(Integer, Identity(always=True, start=FIRST_DECLARED), primary_key=True)
    encoding_type: Mapped[str]
    sensor_metadata: Mapped[Any] = mapped_column("metadata", JSONB)


class DeclaredProperty(Base, _Shared):
    """A phenomenon that a client declared (SensorThings: ObservedProperty)."""

    __tablename__ = "observed_property"

    id: Mapped[int] = mapped_column(Integer, Identity(always=True, start=FIRST_DECLARED), primary_key=True)
    definition: Mapped[str]


class _Place(Scoped):
    """A geometry as a client gave it; its number comes from the same row as the numbers of devices."""

    id: Mapped[int] = mapped_column(
        Integer, primary_key=True, autoincrement=False, server_default=_NEXT_PLACE
    )
    name: Mapped[str]
    description: Mapped[str]
    encoding_type: Mapped[str]
    properties: Mapped[dict[str, Any] | None]
    geom: Mapped[Any] = mapped_column(Geometry("GEOMETRY", srid=STORAGE_SRID, spatial_index=False))


class DeclaredPlace(Base, _Place):
    """A Location that a client declared; without one the place of a device is that of its row."""

    __tablename__ = "declared_place"

    device_id: Mapped[int | None] = mapped_column(ForeignKey("device.id", ondelete="CASCADE"), unique=True)

    __table_args__ = (spatial_index("declared_place"),)


class DeclaredFeature(Base, _Place):
    """A FeatureOfInterest that a client declared; without one what is observed is the place of the device."""

    __tablename__ = "feature_of_interest"

    __table_args__ = (spatial_index("feature_of_interest"),)


class ObservationDetail(Base):
    """What an observation says beside its number, where it says more: one row for those few.

    ``result`` is set where it is no number; the row of `Observation` then holds NaN.
    """

    __tablename__ = "observation_detail"

    device_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    property: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    phenomenon_time: Mapped[datetime] = mapped_column(primary_key=True)
    phenomenon_end: Mapped[datetime | None]
    result_time: Mapped[datetime | None]
    valid_from: Mapped[datetime | None]
    valid_to: Mapped[datetime | None]
    result: Mapped[Any | None] = mapped_column(JSONB(none_as_null=True))
    result_quality: Mapped[Any | None] = mapped_column(JSONB(none_as_null=True))
    parameters: Mapped[dict[str, Any] | None]
    feature_id: Mapped[int | None]

    __table_args__ = (
        Index(
            "ix_observation_detail_feature_id",
            "feature_id",
            "device_id",
            postgresql_where=text("feature_id IS NOT NULL"),
        ),
    )
