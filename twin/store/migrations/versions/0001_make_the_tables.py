"""Make the tables.

Revision 0001, after nothing.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from geoalchemy2 import Geometry
from sqlalchemy.dialects import postgresql

from twin.store.triggers import CREATE_STATEMENTS

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

FUNCTIONS = ("ensure_observation_partition(date)", "notify_tiles()", "keep_history()")


def upgrade() -> None:
    op.create_table(
        "dataset",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("declared_crs", sa.Text(), nullable=False),
        sa.Column("attribution", sa.Text(), nullable=True),
        sa.Column("licence", sa.Text(), nullable=True),
        sa.Column("simulated", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("data_date", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "extent",
            Geometry(
                geometry_type="POLYGON",
                srid=4326,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
            ),
            nullable=True,
        ),
        sa.CheckConstraint("kind IN ('osm', 'vector', 'devices', 'derived')", name=op.f("ck_dataset_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dataset")),
        sa.UniqueConstraint("name", name=op.f("uq_dataset_name")),
    )
    op.create_table(
        "device_state",
        sa.Column("device_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("property", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("phenomenon_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("lon", sa.Double(), nullable=True),
        sa.Column("lat", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("device_id", "property", name=op.f("pk_device_state")),
        postgresql_with={"fillfactor": "60"},
    )
    op.create_table(
        "feature_history",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("row_id", sa.BigInteger(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("row", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "geom",
            Geometry(
                srid=4326, dimension=2, spatial_index=False, from_text="ST_GeomFromEWKT", name="geometry"
            ),
            nullable=True,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feature_history")),
    )
    op.create_index(
        "ix_feature_history_geom", "feature_history", ["geom"], unique=False, postgresql_using="gist"
    )
    op.create_index(
        "ix_feature_history_row", "feature_history", ["table_name", "row_id", "valid_to"], unique=False
    )
    op.create_table(
        "journal",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("area_code", sa.Text(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_journal")),
    )
    op.create_index("ix_journal_subject", "journal", ["subject", "seq"], unique=False)
    op.create_table(
        "observation",
        sa.Column("device_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("property", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("phenomenon_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("lon", sa.Double(), nullable=True),
        sa.Column("lat", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("device_id", "property", "phenomenon_time", name=op.f("pk_observation")),
        postgresql_partition_by="RANGE (phenomenon_time)",
    )
    op.create_table(
        "organisation",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_en", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("parent_id", sa.BigInteger(), nullable=True),
        sa.Column("simulated", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint(
            "kind IN ('department', 'street_office', 'property', 'patrol', 'volunteer')",
            name=op.f("ck_organisation_kind"),
        ),
        sa.ForeignKeyConstraint(["parent_id"], ["organisation.id"], name=op.f("fk_organisation_parent_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organisation")),
        sa.UniqueConstraint("code", name=op.f("uq_organisation_code")),
    )
    op.create_index(op.f("ix_organisation_parent_id"), "organisation", ["parent_id"], unique=False)
    op.create_table(
        "quarantine",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("replayed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantine")),
    )
    op.create_index("ix_quarantine_source", "quarantine", ["source", "received_at"], unique=False)
    op.create_table(
        "area",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("code_source", sa.Text(), server_default="provisional", nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_en", sa.Text(), nullable=True),
        sa.Column("parent_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "geom",
            Geometry(
                geometry_type="MULTIPOLYGON",
                srid=4326,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
                nullable=False,
            ),
            nullable=False,
        ),
        sa.Column(
            "geom_3857",
            Geometry(
                geometry_type="MULTIPOLYGON",
                srid=3857,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
            ),
            sa.Computed("ST_Transform(geom, 3857)", persisted=True),
            nullable=True,
        ),
        sa.Column(
            "label_point",
            Geometry(
                geometry_type="POINT",
                srid=4326,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
                nullable=False,
            ),
            nullable=False,
        ),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("area_m2", sa.Double(), nullable=False),
        sa.Column("households", sa.Integer(), nullable=True),
        sa.Column("households_source", sa.Text(), nullable=True),
        sa.Column("floor_area_m2", sa.Double(), nullable=True),
        sa.Column("source_ref", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tags", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("dataset_id", sa.BigInteger(), nullable=False),
        postgresql.ExcludeConstraint(
            (sa.column("level"), "="),
            (sa.column("code"), "="),
            (sa.text("tstzrange(valid_from, valid_to)"), "&&"),
            using="gist",
            name="ex_area_code_validity",
        ),
        sa.CheckConstraint("code ~ '^[0-9]{15}$'", name=op.f("ck_area_code")),
        sa.CheckConstraint("code_source IN ('official', 'provisional')", name=op.f("ck_area_code_source")),
        sa.CheckConstraint(
            "households_source IN ('counted', 'estimated')", name=op.f("ck_area_households_source")
        ),
        sa.CheckConstraint(
            "level IN ('city', 'district', 'street', 'community', 'responsibility_grid', 'unit_grid')",
            name=op.f("ck_area_level"),
        ),
        sa.CheckConstraint(
            "made_by IN ('imported', 'borders', 'extent', 'polygonised', 'merged', 'drawn')",
            name=op.f("ck_area_made_by"),
        ),
        sa.CheckConstraint("ST_IsValid(geom)", name=op.f("ck_area_geom_valid")),
        sa.CheckConstraint("area_m2 > 0", name=op.f("ck_area_area_positive")),
        sa.CheckConstraint("valid_to IS NULL OR valid_to > valid_from", name=op.f("ck_area_validity")),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"], name=op.f("fk_area_dataset_id")),
        sa.ForeignKeyConstraint(["parent_id"], ["area.id"], name=op.f("fk_area_parent_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_area")),
    )
    op.create_index("ix_area_geom", "area", ["geom"], unique=False, postgresql_using="gist")
    op.create_index("ix_area_geom_3857", "area", ["geom_3857"], unique=False, postgresql_using="gist")
    op.create_index(op.f("ix_area_parent_id"), "area", ["parent_id"], unique=False)
    op.create_index(
        "ix_area_present_level",
        "area",
        ["level", "code"],
        unique=False,
        postgresql_where=sa.text("valid_to IS NULL"),
    )
    op.create_index(
        "uq_area_present",
        "area",
        ["dataset_id", "source_ref"],
        unique=True,
        postgresql_where=sa.text("valid_to IS NULL"),
    )
    op.create_table(
        "building",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column(
            "geom",
            Geometry(
                geometry_type="MULTIPOLYGON",
                srid=4326,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
                nullable=False,
            ),
            nullable=False,
        ),
        sa.Column(
            "geom_3857",
            Geometry(
                geometry_type="MULTIPOLYGON",
                srid=3857,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
            ),
            sa.Computed("ST_Transform(geom, 3857)", persisted=True),
            nullable=True,
        ),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("name_en", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), server_default="whole", nullable=False),
        sa.Column("height_m", sa.Double(), nullable=False),
        sa.Column("min_height_m", sa.Double(), nullable=False),
        sa.Column("levels", sa.Double(), nullable=True),
        sa.Column("height_source", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("footprint_m2", sa.Double(), nullable=False),
        sa.Column("source_ref", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tags", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("dataset_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("body IN ('whole', 'outline', 'part')", name=op.f("ck_building_body")),
        sa.CheckConstraint(
            "height_source IN ('measured', 'levels', 'estimated')", name=op.f("ck_building_height_source")
        ),
        sa.CheckConstraint("ST_IsValid(geom)", name=op.f("ck_building_geom_valid")),
        sa.CheckConstraint("height_m > 0 AND height_m < 1000", name=op.f("ck_building_height")),
        sa.CheckConstraint(
            "levels IS NULL OR (levels > 0 AND levels < 250)", name=op.f("ck_building_levels")
        ),
        sa.CheckConstraint(
            "min_height_m >= 0 AND min_height_m < height_m", name=op.f("ck_building_min_height")
        ),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"], name=op.f("fk_building_dataset_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_building")),
    )
    op.create_index("ix_building_geom", "building", ["geom"], unique=False, postgresql_using="gist")
    op.create_index("ix_building_geom_3857", "building", ["geom_3857"], unique=False, postgresql_using="gist")
    op.create_index(
        "uq_building_present",
        "building",
        ["dataset_id", "source_ref"],
        unique=True,
        postgresql_where=sa.text("valid_to IS NULL"),
    )
    op.create_table(
        "ground_cover",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column(
            "geom",
            Geometry(
                geometry_type="MULTIPOLYGON",
                srid=4326,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
                nullable=False,
            ),
            nullable=False,
        ),
        sa.Column(
            "geom_3857",
            Geometry(
                geometry_type="MULTIPOLYGON",
                srid=3857,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
            ),
            sa.Computed("ST_Transform(geom, 3857)", persisted=True),
            nullable=True,
        ),
        sa.Column("cover", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("name_en", sa.Text(), nullable=True),
        sa.Column("source_ref", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tags", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("dataset_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "cover IN ('water', 'green', 'plaza', 'block')", name=op.f("ck_ground_cover_cover")
        ),
        sa.CheckConstraint("ST_IsValid(geom)", name=op.f("ck_ground_cover_geom_valid")),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"], name=op.f("fk_ground_cover_dataset_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ground_cover")),
    )
    op.create_index("ix_ground_cover_geom", "ground_cover", ["geom"], unique=False, postgresql_using="gist")
    op.create_index(
        "ix_ground_cover_geom_3857", "ground_cover", ["geom_3857"], unique=False, postgresql_using="gist"
    )
    op.create_index(
        "uq_ground_cover_present",
        "ground_cover",
        ["dataset_id", "source_ref"],
        unique=True,
        postgresql_where=sa.text("valid_to IS NULL"),
    )
    op.create_table(
        "import_run",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("dataset_id", sa.BigInteger(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("file_sha256", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"], name=op.f("fk_import_run_dataset_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_run")),
    )
    op.create_index(op.f("ix_import_run_dataset_id"), "import_run", ["dataset_id"], unique=False)
    op.create_table(
        "road",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column(
            "geom",
            Geometry(
                geometry_type="LINESTRING",
                srid=4326,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
                nullable=False,
            ),
            nullable=False,
        ),
        sa.Column(
            "geom_3857",
            Geometry(
                geometry_type="LINESTRING",
                srid=3857,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
            ),
            sa.Computed("ST_Transform(geom, 3857)", persisted=True),
            nullable=True,
        ),
        sa.Column("road_class", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("name_en", sa.Text(), nullable=True),
        sa.Column("foot", sa.Boolean(), nullable=False),
        sa.Column("bike_forward", sa.Boolean(), nullable=False),
        sa.Column("bike_backward", sa.Boolean(), nullable=False),
        sa.Column("car_forward", sa.Boolean(), nullable=False),
        sa.Column("car_backward", sa.Boolean(), nullable=False),
        sa.Column("width_m", sa.Double(), nullable=False),
        sa.Column("layer", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("bridge", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("tunnel", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("stairs", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("max_speed_kmh", sa.Double(), nullable=True),
        sa.Column("source_ref", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tags", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("dataset_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("width_m > 0", name=op.f("ck_road_width")),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"], name=op.f("fk_road_dataset_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_road")),
    )
    op.create_index("ix_road_geom", "road", ["geom"], unique=False, postgresql_using="gist")
    op.create_index("ix_road_geom_3857", "road", ["geom_3857"], unique=False, postgresql_using="gist")
    op.create_index(
        "uq_road_present",
        "road",
        ["dataset_id", "source_ref"],
        unique=True,
        postgresql_where=sa.text("valid_to IS NULL"),
    )
    op.create_table(
        "address",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column(
            "geom",
            Geometry(
                geometry_type="POINT",
                srid=4326,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
                nullable=False,
            ),
            nullable=False,
        ),
        sa.Column("street", sa.Text(), nullable=True),
        sa.Column("house_number", sa.Text(), nullable=True),
        sa.Column("unit", sa.Text(), nullable=True),
        sa.Column("floor", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("entrance", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("building_id", sa.BigInteger(), nullable=True),
        sa.Column("source_ref", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tags", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("dataset_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["building_id"], ["building.id"], name=op.f("fk_address_building_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"], name=op.f("fk_address_dataset_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_address")),
    )
    op.create_index(op.f("ix_address_building_id"), "address", ["building_id"], unique=False)
    op.create_index("ix_address_geom", "address", ["geom"], unique=False, postgresql_using="gist")
    op.create_index(
        "uq_address_present",
        "address",
        ["dataset_id", "source_ref"],
        unique=True,
        postgresql_where=sa.text("valid_to IS NULL"),
    )
    op.create_table(
        "component",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("class_code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "geom",
            Geometry(
                geometry_type="POINT",
                srid=4326,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
                nullable=False,
            ),
            nullable=False,
        ),
        sa.Column("state", sa.Text(), server_default="intact", nullable=False),
        sa.Column("unit_grid_id", sa.BigInteger(), nullable=True),
        sa.Column("responsible_organisation_id", sa.BigInteger(), nullable=True),
        sa.Column("installed_on", sa.Date(), nullable=True),
        sa.Column("source_ref", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tags", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("dataset_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("class_code ~ '^[0-9]{5}$'", name=op.f("ck_component_class_code")),
        sa.CheckConstraint("code ~ '^[0-9]{17}$'", name=op.f("ck_component_code")),
        sa.CheckConstraint(
            "state IN ('intact', 'damaged', 'lost', 'abandoned', 'removed')", name=op.f("ck_component_state")
        ),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"], name=op.f("fk_component_dataset_id")),
        sa.ForeignKeyConstraint(
            ["responsible_organisation_id"],
            ["organisation.id"],
            name=op.f("fk_component_responsible_organisation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["unit_grid_id"], ["area.id"], name=op.f("fk_component_unit_grid_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_component")),
        sa.UniqueConstraint("code", name=op.f("uq_component_code")),
    )
    op.create_index("ix_component_geom", "component", ["geom"], unique=False, postgresql_using="gist")
    op.create_index(op.f("ix_component_unit_grid_id"), "component", ["unit_grid_id"], unique=False)
    op.create_index(
        "uq_component_present",
        "component",
        ["dataset_id", "source_ref"],
        unique=True,
        postgresql_where=sa.text("valid_to IS NULL"),
    )
    op.create_table(
        "device",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("name_en", sa.Text(), nullable=True),
        sa.Column(
            "geom",
            Geometry(
                geometry_type="POINT",
                srid=4326,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
                nullable=False,
            ),
            nullable=False,
        ),
        sa.Column("height_m", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("floor", sa.SmallInteger(), nullable=True),
        sa.Column("bearing_deg", sa.Double(), nullable=True),
        sa.Column("bearing_source", sa.Text(), nullable=True),
        sa.Column("field_of_view_deg", sa.Double(), nullable=True),
        sa.Column("range_m", sa.Double(), nullable=True),
        sa.Column(
            "sight",
            Geometry(
                geometry_type="POLYGON",
                srid=4326,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
            ),
            nullable=True,
        ),
        sa.Column("building_id", sa.BigInteger(), nullable=True),
        sa.Column("unit_grid_id", sa.BigInteger(), nullable=True),
        sa.Column("responsibility_grid_id", sa.BigInteger(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("gb28181_id", sa.Text(), nullable=True),
        sa.Column("expected_interval_s", sa.Double(), nullable=True),
        sa.Column("simulated", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("position_source", sa.Text(), server_default="measured", nullable=False),
        sa.Column("source_ref", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tags", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("dataset_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "bearing_source IN ('measured', 'estimated')", name=op.f("ck_device_bearing_source")
        ),
        sa.CheckConstraint("gb28181_id ~ '^[0-9]{20}$'", name=op.f("ck_device_gb28181_id")),
        sa.CheckConstraint(
            "position_source IN ('measured', 'estimated')", name=op.f("ck_device_position_source")
        ),
        sa.CheckConstraint("uid ~ '^[0-9A-Za-z_-]{4,64}$'", name=op.f("ck_device_uid")),
        sa.CheckConstraint(
            "(bearing_deg IS NULL) = (bearing_source IS NULL)", name=op.f("ck_device_bearing_has_source")
        ),
        sa.CheckConstraint(
            "bearing_deg IS NULL OR (bearing_deg >= 0 AND bearing_deg < 360)", name=op.f("ck_device_bearing")
        ),
        sa.CheckConstraint("expected_interval_s > 0", name=op.f("ck_device_expected_interval")),
        sa.CheckConstraint(
            "field_of_view_deg IS NULL OR (field_of_view_deg > 0 AND field_of_view_deg <= 360)",
            name=op.f("ck_device_field_of_view"),
        ),
        sa.CheckConstraint("range_m IS NULL OR range_m > 0", name=op.f("ck_device_range")),
        sa.ForeignKeyConstraint(
            ["building_id"], ["building.id"], name=op.f("fk_device_building_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"], name=op.f("fk_device_dataset_id")),
        sa.ForeignKeyConstraint(
            ["responsibility_grid_id"],
            ["area.id"],
            name=op.f("fk_device_responsibility_grid_id"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["unit_grid_id"], ["area.id"], name=op.f("fk_device_unit_grid_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device")),
        sa.UniqueConstraint("gb28181_id", name=op.f("uq_device_gb28181_id")),
        sa.UniqueConstraint("uid", name=op.f("uq_device_uid")),
    )
    op.create_index(op.f("ix_device_building_id"), "device", ["building_id"], unique=False)
    op.create_index("ix_device_geom", "device", ["geom"], unique=False, postgresql_using="gist")
    op.create_index(
        op.f("ix_device_responsibility_grid_id"), "device", ["responsibility_grid_id"], unique=False
    )
    op.create_index(op.f("ix_device_unit_grid_id"), "device", ["unit_grid_id"], unique=False)
    op.create_index(
        "uq_device_present",
        "device",
        ["dataset_id", "source_ref"],
        unique=True,
        postgresql_where=sa.text("valid_to IS NULL"),
    )
    op.create_table(
        "import_reject",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("source_ref", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("raw", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"], ["import_run.id"], name=op.f("fk_import_reject_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_reject")),
    )
    op.create_index(op.f("ix_import_reject_run_id"), "import_reject", ["run_id"], unique=False)
    op.create_table(
        "service_point",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column(
            "geom",
            Geometry(
                geometry_type="POINT",
                srid=4326,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
                nullable=False,
            ),
            nullable=False,
        ),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("name_en", sa.Text(), nullable=True),
        sa.Column("opening_hours", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("building_id", sa.BigInteger(), nullable=True),
        sa.Column("matters", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("source_ref", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tags", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("dataset_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["building_id"], ["building.id"], name=op.f("fk_service_point_building_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"], name=op.f("fk_service_point_dataset_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_point")),
    )
    op.create_index(op.f("ix_service_point_building_id"), "service_point", ["building_id"], unique=False)
    op.create_index("ix_service_point_category", "service_point", ["category"], unique=False)
    op.create_index("ix_service_point_geom", "service_point", ["geom"], unique=False, postgresql_using="gist")
    op.create_index(
        "uq_service_point_present",
        "service_point",
        ["dataset_id", "source_ref"],
        unique=True,
        postgresql_where=sa.text("valid_to IS NULL"),
    )
    op.create_table(
        "door_plate",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("address_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "geom",
            Geometry(
                geometry_type="POINT",
                srid=4326,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
                nullable=False,
            ),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["address_id"], ["address.id"], name=op.f("fk_door_plate_address_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_door_plate")),
        sa.UniqueConstraint("code", name=op.f("uq_door_plate_code")),
    )
    op.create_index(op.f("ix_door_plate_address_id"), "door_plate", ["address_id"], unique=False)
    op.create_index("ix_door_plate_geom", "door_plate", ["geom"], unique=False, postgresql_using="gist")
    op.create_table(
        "worker",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_en", sa.Text(), nullable=True),
        sa.Column("role", sa.Text(), server_default="grid_worker", nullable=False),
        sa.Column("organisation_id", sa.BigInteger(), nullable=True),
        sa.Column("responsibility_grid_id", sa.BigInteger(), nullable=True),
        sa.Column("device_id", sa.Integer(), nullable=True),
        sa.Column("skills", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("on_duty", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("simulated", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "base_point",
            Geometry(
                geometry_type="POINT",
                srid=4326,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
            ),
            nullable=True,
        ),
        sa.CheckConstraint(
            "role IN ('grid_worker', 'grid_leader', 'repair', 'security', 'volunteer')",
            name=op.f("ck_worker_role"),
        ),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name=op.f("fk_worker_device_id")),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_worker_organisation_id")
        ),
        sa.ForeignKeyConstraint(
            ["responsibility_grid_id"], ["area.id"], name=op.f("fk_worker_responsibility_grid_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_worker")),
        sa.UniqueConstraint("code", name=op.f("uq_worker_code")),
        sa.UniqueConstraint("device_id", name=op.f("uq_worker_device_id")),
    )
    op.create_index(op.f("ix_worker_organisation_id"), "worker", ["organisation_id"], unique=False)
    op.create_index(
        op.f("ix_worker_responsibility_grid_id"), "worker", ["responsibility_grid_id"], unique=False
    )
    op.create_table(
        "case_file",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("title_en", sa.Text(), nullable=True),
        sa.Column("category_code", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), server_default="collected", nullable=False),
        sa.Column("priority", sa.SmallInteger(), server_default=sa.text("3"), nullable=False),
        sa.Column(
            "geom",
            Geometry(
                geometry_type="POINT",
                srid=4326,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
                nullable=False,
            ),
            nullable=False,
        ),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("unit_grid_id", sa.BigInteger(), nullable=True),
        sa.Column("responsibility_grid_id", sa.BigInteger(), nullable=True),
        sa.Column("worker_id", sa.BigInteger(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("simulated", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint("category_code ~ '^[0-9]{5}$'", name=op.f("ck_case_file_category_code")),
        sa.CheckConstraint(
            "source IN ('sensor', 'patrol', 'camera', 'resident', 'hotline', 'superior', 'department')",
            name=op.f("ck_case_file_source"),
        ),
        sa.CheckConstraint(
            "stage IN ('collected', 'filed', 'dispatched', 'handling', 'feedback', 'checking', 'rated')",
            name=op.f("ck_case_file_stage"),
        ),
        sa.CheckConstraint(
            "closed_at IS NULL OR closed_at >= opened_at", name=op.f("ck_case_file_closed_after_opened")
        ),
        sa.CheckConstraint("priority BETWEEN 1 AND 4", name=op.f("ck_case_file_priority")),
        sa.ForeignKeyConstraint(
            ["responsibility_grid_id"], ["area.id"], name=op.f("fk_case_file_responsibility_grid_id")
        ),
        sa.ForeignKeyConstraint(["unit_grid_id"], ["area.id"], name=op.f("fk_case_file_unit_grid_id")),
        sa.ForeignKeyConstraint(["worker_id"], ["worker.id"], name=op.f("fk_case_file_worker_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_file")),
        sa.UniqueConstraint("number", name=op.f("uq_case_file_number")),
    )
    op.create_index("ix_case_file_geom", "case_file", ["geom"], unique=False, postgresql_using="gist")
    op.create_index(
        "ix_case_file_open",
        "case_file",
        ["stage", "due_at"],
        unique=False,
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_index(
        op.f("ix_case_file_responsibility_grid_id"), "case_file", ["responsibility_grid_id"], unique=False
    )
    op.create_index(op.f("ix_case_file_unit_grid_id"), "case_file", ["unit_grid_id"], unique=False)
    op.create_index(op.f("ix_case_file_worker_id"), "case_file", ["worker_id"], unique=False)
    op.create_table(
        "alarm",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("device_id", sa.Integer(), nullable=False),
        sa.Column("property", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("worst_state", sa.SmallInteger(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cleared_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_by", sa.Text(), nullable=True),
        sa.Column("case_id", sa.BigInteger(), nullable=True),
        sa.Column("simulated", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint(
            "(acknowledged_at IS NULL) = (acknowledged_by IS NULL)", name=op.f("ck_alarm_acknowledged")
        ),
        sa.CheckConstraint(
            "cleared_at IS NULL OR cleared_at >= raised_at", name=op.f("ck_alarm_cleared_after_raised")
        ),
        sa.CheckConstraint(
            "state BETWEEN 0 AND 5 AND worst_state BETWEEN 3 AND 5", name=op.f("ck_alarm_state")
        ),
        sa.ForeignKeyConstraint(["case_id"], ["case_file.id"], name=op.f("fk_alarm_case_id")),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name=op.f("fk_alarm_device_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarm")),
    )
    op.create_index(op.f("ix_alarm_case_id"), "alarm", ["case_id"], unique=False)
    op.create_index(op.f("ix_alarm_device_id"), "alarm", ["device_id"], unique=False)
    op.create_index("ix_alarm_raised_at", "alarm", ["raised_at"], unique=False)
    op.create_index(
        "uq_alarm_open",
        "alarm",
        ["device_id", "property"],
        unique=True,
        postgresql_where=sa.text("cleared_at IS NULL"),
    )
    for statement in CREATE_STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.drop_index("uq_alarm_open", table_name="alarm", postgresql_where=sa.text("cleared_at IS NULL"))
    op.drop_index("ix_alarm_raised_at", table_name="alarm")
    op.drop_index(op.f("ix_alarm_device_id"), table_name="alarm")
    op.drop_index(op.f("ix_alarm_case_id"), table_name="alarm")
    op.drop_table("alarm")
    op.drop_index(op.f("ix_case_file_worker_id"), table_name="case_file")
    op.drop_index(op.f("ix_case_file_unit_grid_id"), table_name="case_file")
    op.drop_index(op.f("ix_case_file_responsibility_grid_id"), table_name="case_file")
    op.drop_index("ix_case_file_open", table_name="case_file", postgresql_where=sa.text("closed_at IS NULL"))
    op.drop_index("ix_case_file_geom", table_name="case_file", postgresql_using="gist")
    op.drop_table("case_file")
    op.drop_index(op.f("ix_worker_responsibility_grid_id"), table_name="worker")
    op.drop_index(op.f("ix_worker_organisation_id"), table_name="worker")
    op.drop_table("worker")
    op.drop_index("ix_door_plate_geom", table_name="door_plate", postgresql_using="gist")
    op.drop_index(op.f("ix_door_plate_address_id"), table_name="door_plate")
    op.drop_table("door_plate")
    op.drop_index(
        "uq_service_point_present", table_name="service_point", postgresql_where=sa.text("valid_to IS NULL")
    )
    op.drop_index("ix_service_point_geom", table_name="service_point", postgresql_using="gist")
    op.drop_index("ix_service_point_category", table_name="service_point")
    op.drop_index(op.f("ix_service_point_building_id"), table_name="service_point")
    op.drop_table("service_point")
    op.drop_index(op.f("ix_import_reject_run_id"), table_name="import_reject")
    op.drop_table("import_reject")
    op.drop_index("uq_device_present", table_name="device", postgresql_where=sa.text("valid_to IS NULL"))
    op.drop_index(op.f("ix_device_unit_grid_id"), table_name="device")
    op.drop_index(op.f("ix_device_responsibility_grid_id"), table_name="device")
    op.drop_index("ix_device_geom", table_name="device", postgresql_using="gist")
    op.drop_index(op.f("ix_device_building_id"), table_name="device")
    op.drop_table("device")
    op.drop_index(
        "uq_component_present", table_name="component", postgresql_where=sa.text("valid_to IS NULL")
    )
    op.drop_index(op.f("ix_component_unit_grid_id"), table_name="component")
    op.drop_index("ix_component_geom", table_name="component", postgresql_using="gist")
    op.drop_table("component")
    op.drop_index("uq_address_present", table_name="address", postgresql_where=sa.text("valid_to IS NULL"))
    op.drop_index("ix_address_geom", table_name="address", postgresql_using="gist")
    op.drop_index(op.f("ix_address_building_id"), table_name="address")
    op.drop_table("address")
    op.drop_index("uq_road_present", table_name="road", postgresql_where=sa.text("valid_to IS NULL"))
    op.drop_index("ix_road_geom_3857", table_name="road", postgresql_using="gist")
    op.drop_index("ix_road_geom", table_name="road", postgresql_using="gist")
    op.drop_table("road")
    op.drop_index(op.f("ix_import_run_dataset_id"), table_name="import_run")
    op.drop_table("import_run")
    op.drop_index(
        "uq_ground_cover_present", table_name="ground_cover", postgresql_where=sa.text("valid_to IS NULL")
    )
    op.drop_index("ix_ground_cover_geom_3857", table_name="ground_cover", postgresql_using="gist")
    op.drop_index("ix_ground_cover_geom", table_name="ground_cover", postgresql_using="gist")
    op.drop_table("ground_cover")
    op.drop_index("uq_building_present", table_name="building", postgresql_where=sa.text("valid_to IS NULL"))
    op.drop_index("ix_building_geom_3857", table_name="building", postgresql_using="gist")
    op.drop_index("ix_building_geom", table_name="building", postgresql_using="gist")
    op.drop_table("building")
    op.drop_index("uq_area_present", table_name="area", postgresql_where=sa.text("valid_to IS NULL"))
    op.drop_index("ix_area_present_level", table_name="area", postgresql_where=sa.text("valid_to IS NULL"))
    op.drop_index(op.f("ix_area_parent_id"), table_name="area")
    op.drop_index("ix_area_geom_3857", table_name="area", postgresql_using="gist")
    op.drop_index("ix_area_geom", table_name="area", postgresql_using="gist")
    op.drop_table("area")
    op.drop_index("ix_quarantine_source", table_name="quarantine")
    op.drop_table("quarantine")
    op.drop_index(op.f("ix_organisation_parent_id"), table_name="organisation")
    op.drop_table("organisation")
    op.drop_table("observation")
    op.drop_index("ix_journal_subject", table_name="journal")
    op.drop_table("journal")
    op.drop_index("ix_feature_history_row", table_name="feature_history")
    op.drop_index("ix_feature_history_geom", table_name="feature_history", postgresql_using="gist")
    op.drop_table("feature_history")
    op.drop_table("device_state")
    op.drop_table("dataset")
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
