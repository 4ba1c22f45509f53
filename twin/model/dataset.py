"""Record where things come from: datasets, import runs, what was refused, and what was replaced."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from geoalchemy2 import Geometry
from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from twin.crs import STORAGE_SRID
from twin.model.base import Base, Key, Now, geometry, spatial_index


class Dataset(Base):
    """A source that is imported again and again under one name (``osm``, ``city-devices``)."""

    __tablename__ = "dataset"

    id: Mapped[Key]
    name: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    declared_crs: Mapped[str]
    attribution: Mapped[str | None]
    licence: Mapped[str | None]
    simulated: Mapped[bool] = mapped_column(server_default=text("false"))
    data_date: Mapped[datetime | None]
    extent: Mapped[Any] = geometry("POLYGON", nullable=True)

    __table_args__ = (CheckConstraint("kind IN ('osm', 'vector', 'devices', 'derived')", name="kind"),)


class ImportRun(Base):
    """One import of one file; its counts add up to what was read."""

    __tablename__ = "import_run"

    id: Mapped[Key]
    dataset_id: Mapped[int] = mapped_column(ForeignKey("dataset.id"), index=True)
    file_name: Mapped[str]
    file_sha256: Mapped[str]
    started_at: Mapped[Now]
    finished_at: Mapped[datetime | None]
    counts: Mapped[dict[str, Any] | None]


class ImportReject(Base):
    """A thing that an import could not take: its source reference, the reason, and what it was."""

    __tablename__ = "import_reject"

    id: Mapped[Key]
    run_id: Mapped[int] = mapped_column(ForeignKey("import_run.id", ondelete="CASCADE"), index=True)
    target: Mapped[str]
    source_ref: Mapped[str]
    reason: Mapped[str]
    detail: Mapped[str]
    raw: Mapped[dict[str, Any] | None]


class FeatureHistory(Base):
    """A row as it was before it was changed, written by the trigger ``keep_history``."""

    __tablename__ = "feature_history"

    id: Mapped[Key]
    table_name: Mapped[str]
    row_id: Mapped[int] = mapped_column(BigInteger)
    valid_from: Mapped[datetime]
    valid_to: Mapped[Now]
    row: Mapped[dict[str, Any]]
    geom: Mapped[Any] = mapped_column(
        Geometry("GEOMETRY", srid=STORAGE_SRID, spatial_index=False), nullable=True
    )

    __table_args__ = (
        Index("ix_feature_history_row", "table_name", "row_id", "valid_to"),
        spatial_index("feature_history"),
    )
