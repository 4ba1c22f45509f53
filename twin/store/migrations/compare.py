"""Tell which objects of a database belong to the model, and where the two differ."""

from __future__ import annotations

import re
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from twin.model import Base

_PARTITION = re.compile(r"observation_\d{8}")


def include_object(thing: Any, name: str | None, kind: str, reflected: bool, compare_to: Any) -> bool:
    """Leave out PostGIS's own tables, daily partitions, and what only the database has of indexes.

    The signature is Alembic's.
    """
    del compare_to
    if kind == "table" and reflected:
        return name in Base.metadata.tables
    if kind == "index" and _PARTITION.match(thing.table.name):
        return False
    return not (kind == "table" and name is not None and _PARTITION.fullmatch(name))


def schema_differences(connection: Connection) -> list[str]:
    """List where the database's schema differs from the model; empty when they agree."""
    context = MigrationContext.configure(
        connection, opts={"include_object": include_object, "compare_type": True}
    )
    return [repr(difference) for difference in compare_metadata(context, Base.metadata)]
