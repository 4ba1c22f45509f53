"""Run Alembic on the connection that the runner hands over."""

from __future__ import annotations

from typing import Any

from alembic import context
from geoalchemy2.alembic_helpers import render_item

from twin.model import Base
from twin.store.migrations.compare import include_object

connection = context.config.attributes["connection"]


def render(kind: str, thing: Any, autogen: Any) -> Any:
    """Write geometry types with their import; leave the rest to Alembic."""
    return render_item(kind, thing, autogen)  # type: ignore[no-untyped-call]


context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    include_object=include_object,
    render_item=render,
    compare_type=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
