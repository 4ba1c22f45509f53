"""Keep residential compounds: border, property company, households, declared equipment.

Revision 0013, after 0012.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from geoalchemy2 import Geometry
from sqlalchemy.dialects import postgresql

from twin.store.policies import placed_table
from twin.store.triggers import history_trigger, tile_triggers

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "compound",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("geom", Geometry("MULTIPOLYGON", srid=4326, spatial_index=False), nullable=False),
        sa.Column(
            "geom_3857",
            Geometry("MULTIPOLYGON", srid=3857, spatial_index=False),
            sa.Computed("ST_Transform(geom, 3857)", persisted=True),
            nullable=True,
        ),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_en", sa.Text(), nullable=True),
        sa.Column("property_company", sa.Text(), nullable=True),
        sa.Column("property_company_code", sa.Text(), nullable=True),
        sa.Column("households", sa.Integer(), nullable=True),
        sa.Column("equipment", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("dataset_id", sa.BigInteger(), nullable=False),
        sa.Column("source_ref", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tags", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("scope_code", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint(
            "property_company_code ~ '^[0-9A-Z]{18}$'", name=op.f("ck_compound_property_company_code")
        ),
        sa.CheckConstraint("households >= 0", name=op.f("ck_compound_households")),
        sa.CheckConstraint("ST_IsValid(geom)", name=op.f("ck_compound_geom_valid")),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"], name=op.f("fk_compound_dataset_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_compound")),
    )
    op.create_index(op.f("ix_compound_scope_code"), "compound", ["scope_code"])
    op.create_index(
        "uq_compound_present",
        "compound",
        ["dataset_id", "source_ref"],
        unique=True,
        postgresql_where=sa.text("valid_to IS NULL"),
    )
    op.create_index("ix_compound_geom", "compound", ["geom"], postgresql_using="gist")
    op.create_index("ix_compound_geom_3857", "compound", ["geom_3857"], postgresql_using="gist")
    for statement in (history_trigger("compound"), *tile_triggers("compound"), *placed_table("compound")):
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("compound")
    op.execute("DELETE FROM feature_history WHERE table_name = 'compound'")
