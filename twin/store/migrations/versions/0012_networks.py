"""Keep networks of water, gas and power: nodes, lines, and who hangs on them.

Revision 0012, after 0011.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from geoalchemy2 import Geometry
from sqlalchemy.dialects import postgresql

from twin.store.placing import ASSIGN_SCOPE_CODES, ASSIGN_SCOPE_CODES_OF_ALL
from twin.store.policies import placed_table, readable_table
from twin.store.triggers import history_trigger, tile_triggers

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_UTILITY = "utility IN ('water', 'gas', 'power')"
_YEAR = "laid_year BETWEEN 1850 AND 2100"
# Each is asked under its own policies: whoever does not see both ends does not see what joins them.
_CONNECTION = (
    "EXISTS (SELECT FROM network_node n WHERE n.id = node_id) "
    "AND EXISTS (SELECT FROM building b WHERE b.id = building_id)"
)


def _imported(table: str, kind: str) -> tuple[Any, ...]:
    """Return columns and constraints that every imported and placed table has."""
    return (
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("geom", Geometry(kind, srid=4326, spatial_index=False), nullable=False),
        sa.Column("dataset_id", sa.BigInteger(), nullable=False),
        sa.Column("source_ref", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tags", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("scope_code", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("utility", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("name_en", sa.Text(), nullable=True),
        sa.Column("owner_name", sa.Text(), nullable=True),
        sa.Column("laid_year", sa.SmallInteger(), nullable=True),
        sa.CheckConstraint(_UTILITY, name=op.f(f"ck_{table}_utility")),
        sa.CheckConstraint(_YEAR, name=op.f(f"ck_{table}_laid_year")),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"], name=op.f(f"fk_{table}_dataset_id")),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    )


def _indexes(table: str) -> None:
    op.create_index(op.f(f"ix_{table}_scope_code"), table, ["scope_code"])
    op.create_index(
        f"uq_{table}_present",
        table,
        ["dataset_id", "source_ref"],
        unique=True,
        postgresql_where=sa.text("valid_to IS NULL"),
    )
    op.create_index(f"ix_{table}_geom", table, ["geom"], postgresql_using="gist")


def upgrade() -> None:
    op.create_table(
        "network_node",
        *_imported("network_node", "POINT"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("passes", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("device_uid", sa.Text(), nullable=True),
        sa.Column("device_id", sa.Integer(), nullable=True),
        sa.Column("serves", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.CheckConstraint(
            "kind IN ('source', 'valve', 'switch', 'transformer', 'regulator', 'meter', 'hydrant', 'joint')",
            name=op.f("ck_network_node_kind"),
        ),
        sa.CheckConstraint("passes OR kind IN ('valve', 'switch')", name=op.f("ck_network_node_passes")),
        sa.ForeignKeyConstraint(
            ["device_id"], ["device.id"], name=op.f("fk_network_node_device_id"), ondelete="SET NULL"
        ),
    )
    op.create_table(
        "network_line",
        *_imported("network_line", "LINESTRING"),
        sa.Column(
            "geom_3857",
            Geometry("LINESTRING", srid=3857, spatial_index=False),
            sa.Computed("ST_Transform(geom, 3857)", persisted=True),
            nullable=True,
        ),
        sa.Column("grade", sa.Text(), nullable=True),
        sa.Column("diameter_mm", sa.Float(), nullable=True),
        sa.Column("material", sa.Text(), nullable=True),
        sa.Column("length_m", sa.Float(), nullable=False),
        sa.Column("from_node_id", sa.BigInteger(), nullable=True),
        sa.Column("to_node_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("diameter_mm > 0 AND diameter_mm <= 5000", name=op.f("ck_network_line_diameter")),
        sa.CheckConstraint("length_m >= 0", name=op.f("ck_network_line_length")),
        *(
            sa.ForeignKeyConstraint(
                [f"{end}_node_id"],
                ["network_node.id"],
                name=op.f(f"fk_network_line_{end}_node_id"),
                ondelete="SET NULL",
            )
            for end in ("from", "to")
        ),
    )
    op.create_table(
        "service_connection",
        sa.Column("node_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("building_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.CheckConstraint("source IN ('declared', 'meter')", name=op.f("ck_service_connection_source")),
        sa.ForeignKeyConstraint(
            ["node_id"], ["network_node.id"], name=op.f("fk_service_connection_node_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["building_id"], ["building.id"], name=op.f("fk_service_connection_building_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("node_id", "building_id", name=op.f("pk_service_connection")),
    )  # fmt: skip
    for table in ("network_node", "network_line"):
        _indexes(table)
        for statement in (history_trigger(table), *tile_triggers(table), *placed_table(table)):
            op.execute(statement)
    op.create_index(op.f("ix_network_node_device_id"), "network_node", ["device_id"])
    for end in ("from", "to"):
        op.create_index(op.f(f"ix_network_line_{end}_node_id"), "network_line", [f"{end}_node_id"])
    op.create_index("ix_network_line_geom_3857", "network_line", ["geom_3857"], postgresql_using="gist")
    op.create_index("ix_service_connection_building_id", "service_connection", ["building_id"])
    for statement in readable_table("service_connection", _CONNECTION):
        op.execute(statement)
    op.execute(ASSIGN_SCOPE_CODES_OF_ALL)


def downgrade() -> None:
    op.execute(ASSIGN_SCOPE_CODES.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))
    for table in ("service_connection", "network_line", "network_node"):
        op.drop_table(table)
    op.execute("DELETE FROM feature_history WHERE table_name IN ('network_line', 'network_node')")
