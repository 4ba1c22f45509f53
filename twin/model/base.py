"""Give every table its base, its naming of constraints and the columns they share."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar

from geoalchemy2 import Geometry
from sqlalchemy import BigInteger, Computed, DateTime, ForeignKey, Identity, Index, MetaData, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column

from twin.crs import STORAGE_SRID, TILE_SRID

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

Key = Annotated[int, mapped_column(BigInteger, Identity(always=False), primary_key=True)]
Now = Annotated[datetime, mapped_column(server_default=func.now())]


class Base(DeclarativeBase):
    """Base of all tables: text without length, times with zone, dictionaries as jsonb."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text,
        datetime: DateTime(timezone=True),
        dict[str, str]: JSONB,
        dict[str, Any]: JSONB,
        list[str]: JSONB,
    }


def geometry(kind: str, *, nullable: bool = False, dimension: int = 2) -> Any:
    """Return a stored geometry column (storage SRID, lon/lat); its index is declared by the table."""
    return mapped_column(
        Geometry(kind, srid=STORAGE_SRID, dimension=dimension, spatial_index=False), nullable=nullable
    )


def tile_geometry(kind: str) -> Any:
    """Return the generated web-mercator copy of ``geom`` that vector tiles are cut from."""
    return mapped_column(
        Geometry(kind, srid=TILE_SRID, spatial_index=False),
        Computed(f"ST_Transform(geom, {TILE_SRID})", persisted=True),
        nullable=True,
    )


def spatial_index(table: str, column: str = "geom") -> Index:
    """Return the GiST index of a geometry column."""
    return Index(f"ix_{table}_{column}", column, postgresql_using="gist")


class Imported:
    """Columns of things that come from files and are kept current by importing newer files.

    ``source_ref`` is the thing's name inside its dataset (``way/123``); ``content_hash`` decides whether
    a newer file changes it; ``valid_to`` is null for what is present. The old row of an update is kept in
    ``feature_history`` by a trigger.
    """

    @declared_attr
    def dataset_id(cls) -> Mapped[int]:  # noqa: N805, D102  (SQLAlchemy mixin protocol)
        return mapped_column(ForeignKey("dataset.id"))

    source_ref: Mapped[str]
    content_hash: Mapped[bytes]
    valid_from: Mapped[Now]
    valid_to: Mapped[datetime | None]
    tags: Mapped[dict[str, str] | None]


class Scoped:
    """The column that says whose area a row is in: the code of its responsibility grid as a number.

    Where there is none it is the code of the smallest area of the tree that holds the row, and 0 where
    nothing does. The database sets it from the row's place (`twin.store.placing`), never the writer.
    """

    @declared_attr
    def scope_code(cls) -> Mapped[int]:  # noqa: N805, D102  (SQLAlchemy mixin protocol)
        return mapped_column(BigInteger, server_default=text("0"), index=True)


def present_index(table: str) -> Index:
    """Return the index that allows one present row per dataset and source reference."""
    return Index(
        f"uq_{table}_present",
        "dataset_id",
        "source_ref",
        unique=True,
        postgresql_where=text("valid_to IS NULL"),
    )
