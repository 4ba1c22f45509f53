"""Keep of components what their register says, and draw them.

Revision 0010, after 0009.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from twin.store.triggers import tile_triggers

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_TEXTS = (
    "declared_grid_code",
    "department_code",
    "department_name",
    "owner_code",
    "owner_name",
    "maintainer_code",
    "maintainer_name",
    "data_source",
    "note",
)
_CHECKS = {
    "declared_grid_code": "declared_grid_code ~ '^[0-9]{15}$'",
    "department_code": "department_code ~ '^[0-9A-Z]{18}$'",
    "owner_code": "owner_code ~ '^[0-9A-Z]{18}$'",
    "maintainer_code": "maintainer_code ~ '^[0-9A-Z]{18}$'",
    "data_source": "data_source IN ('surveyed', 'topographic_map', 'base_data', 'other')",
}


def upgrade() -> None:
    for name in _TEXTS:
        op.add_column("component", sa.Column(name, sa.Text(), nullable=True))
    op.add_column("component", sa.Column("changed_on", sa.Date(), nullable=True))
    for name, condition in _CHECKS.items():
        op.create_check_constraint(op.f(f"ck_component_{name}"), "component", condition)
    op.create_index("ix_component_class_code", "component", ["class_code"])
    # Nothing ever wrote it: departments are named as the register names them.
    op.drop_column("component", "responsible_organisation_id")
    for statement in tile_triggers("component"):
        op.execute(statement)


def downgrade() -> None:
    for event in ("insert", "update", "delete"):
        op.execute(f"DROP TRIGGER notify_tiles_{event} ON component")
    op.add_column("component", sa.Column("responsible_organisation_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(
        op.f("fk_component_responsible_organisation_id"),
        "component",
        "organisation",
        ["responsible_organisation_id"],
        ["id"],
    )
    op.drop_index("ix_component_class_code", "component")
    for name in _CHECKS:
        op.drop_constraint(op.f(f"ck_component_{name}"), "component")
    for name in (*_TEXTS, "changed_on"):
        op.drop_column("component", name)
