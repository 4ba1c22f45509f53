"""Let clients of SensorThings declare devices, datastreams, sensors and places.

Revision 0015, after 0014.
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from alembic import op
from geoalchemy2 import Geometry
from sqlalchemy.dialects import postgresql

from twin.store.placing import ASSIGN_SCOPE_CODES
from twin.store.roles import APP, TWIN

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_TABLES = (
    "datastream",
    "sensor",
    "observed_property",
    "declared_place",
    "feature_of_interest",
    "observation_detail",
)
_PLACES = ("declared_place", "feature_of_interest")
_END = "RETURN total + changed;"
_MORE = "".join(
    f"""total := total + changed;
    UPDATE {table} SET scope_code = placed.code FROM (SELECT id, gt_scope_of(
        CASE WHEN ST_Dimension(geom) = 0 THEN geom ELSE ST_PointOnSurface(geom) END) AS code FROM {table}
    ) AS placed WHERE {table}.id = placed.id AND {table}.scope_code <> placed.code;
    GET DIAGNOSTICS changed = ROW_COUNT;
    """
    for table in _PLACES
)
# A day that is dropped takes with it what its observations said beside their numbers.
_DROP = """
CREATE OR REPLACE FUNCTION drop_observations(day date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '2s' AS $$
BEGIN
    IF day > current_date - 2 THEN
        RAISE EXCEPTION 'the observations of % are not a day old yet', day;
    END IF;
    EXECUTE format('DROP TABLE IF EXISTS %I', 'observation_' || to_char(day, 'YYYYMMDD'));
    -- details
    DELETE FROM retired WHERE retired.day = drop_observations.day;
END $$
"""
_DROP_DETAILS = """DELETE FROM observation_detail WHERE phenomenon_time >= day::timestamp AT TIME ZONE 'UTC'
        AND phenomenon_time < (day + 1)::timestamp AT TIME ZONE 'UTC';"""
_REPLACE_ASSIGN = ASSIGN_SCOPE_CODES.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")


_SEE: Final = "scope_code <@ (SELECT gt_scope('place'))"
_MAY: Final = "scope_code <@ (SELECT gt_scope('may_device_manage'))"
_OF_A_DEVICE: Final = "EXISTS (SELECT FROM device WHERE device.id = device_id)"
_SHARED_READ: Final = (
    "scope && (SELECT gt_scope('place')) OR EXISTS (SELECT FROM datastream AS d WHERE d.{0} = {1}.id)"
)

_READS: Final[dict[str, str]] = {
    "datastream": _OF_A_DEVICE,
    "sensor": _SHARED_READ.format("sensor_id", "sensor"),
    "observed_property": _SHARED_READ.format("observed_property_id", "observed_property"),
    "declared_place": _SEE,
    "feature_of_interest": _SEE,
    "observation_detail": _OF_A_DEVICE,
}

_MAY_DEVICE: Final = f"kind <> 'worker' AND {_MAY}"
_OF_A_MANAGED: Final = (
    f"EXISTS (SELECT FROM device WHERE device.id = device_id AND device.kind <> 'worker' AND device.{_MAY})"
)
# What an installed device observed is evidence and stays as it is.
_OF_A_DECLARED: Final = _OF_A_MANAGED.replace(
    "device.id = device_id",
    "device.id = device_id AND device.dataset_id = (SELECT id FROM dataset WHERE name = 'sensorthings')",
)
_MAY_SHARED: Final = "NOT isempty(scope) AND scope <@ (SELECT gt_scope('may_device_manage'))"

_WRITES: Final[dict[str, tuple[tuple[str, str, str], ...]]] = {
    "dataset": (
        (
            "INSERT",
            "INSERT (name, kind, declared_crs)",
            "name = 'sensorthings' AND (SELECT NOT isempty(gt_scope('may_device_manage')))",
        ),
    ),
    "device": (
        (
            "INSERT",
            "INSERT (id, dataset_id, source_ref, content_hash, uid, kind, name, name_en, description, "
            "properties, geom, height_m, floor, building_id, unit_grid_id, responsibility_grid_id, address, "
            "expected_interval_s, simulated, readings_simulated, position_source)",
            _MAY_DEVICE,
        ),
        (
            "UPDATE",
            "UPDATE (name, description, properties, geom, building_id, unit_grid_id, responsibility_grid_id, "
            "position_source, valid_to)",
            _MAY_DEVICE,
        ),
    ),
    "datastream": (("INSERT", "INSERT", _OF_A_MANAGED), ("UPDATE", "UPDATE", _OF_A_MANAGED)),
    **{
        table: (
            ("INSERT", f"INSERT (name, description, properties, {columns})", _MAY_SHARED),
            ("UPDATE", f"UPDATE (name, description, properties, {columns})", _MAY_SHARED),
            ("DELETE", "DELETE", _MAY_SHARED),
        )
        for table, columns in (("sensor", "encoding_type, metadata"), ("observed_property", "definition"))
    },
    **dict.fromkeys(
        ("declared_place", "feature_of_interest"),
        (("INSERT", "INSERT", _MAY), ("UPDATE", "UPDATE", _MAY), ("DELETE", "DELETE", _MAY)),
    ),
    "observation": (("UPDATE", "UPDATE (value)", _OF_A_DECLARED), ("DELETE", "DELETE", _OF_A_DECLARED)),
    "observation_detail": (
        ("INSERT", "INSERT", _OF_A_DECLARED),
        ("UPDATE", "UPDATE", _OF_A_DECLARED),
        ("DELETE", "DELETE", _OF_A_DECLARED),
    ),
}


def _write_policies(table: str, rights: tuple[tuple[str, str, str], ...]) -> list[str]:
    """Return the statements that let requests write a table: command, right, and which rows."""
    statements = []
    for command, right, condition in rights:
        using = "" if command == "INSERT" else f" USING ({condition})"
        check = "" if command == "DELETE" else f" WITH CHECK ({condition})"
        statements += [
            f"GRANT {right} ON {table} TO {APP}",
            f"CREATE POLICY {table}_{command.lower()} ON {table} FOR {command} TO {APP}{using}{check}",
        ]
    return statements


def _json(name: str, *, nullable: bool = True) -> sa.Column[Any]:
    return sa.Column(name, postgresql.JSONB(astext_type=sa.Text()), nullable=nullable)


def _text(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _moment(name: str, *, nullable: bool = True) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _key(name: str, kind: type[sa.types.TypeEngine[Any]] = sa.Integer) -> sa.Column[Any]:
    return sa.Column(name, kind(), autoincrement=False, nullable=False)


def upgrade() -> None:
    op.add_column("device", sa.Column("description", sa.Text(), nullable=True))
    op.add_column("device", _json("properties"))
    op.drop_constraint(op.f("ck_device_position_source"), "device")
    op.create_check_constraint(
        op.f("ck_device_position_source"), "device", "position_source IN ('measured', 'estimated', 'none')"
    )
    op.create_table(
        "datastream",
        _key("device_id"),
        _key("property", sa.SmallInteger),
        *_text("name", "description"),
        _json("unit", nullable=False),
        *_text("observation_type"),
        sa.Column("sensor_id", sa.Integer(), nullable=False),
        sa.Column("observed_property_id", sa.Integer(), nullable=False),
        _json("properties"),
        _moment("valid_to"),
        sa.CheckConstraint("property >= 0 AND property < 1000", name=op.f("ck_datastream_property")),
        sa.ForeignKeyConstraint(
            ["device_id"], ["device.id"], name=op.f("fk_datastream_device_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("device_id", "property", name=op.f("pk_datastream")),
    )
    for column in ("sensor_id", "observed_property_id"):
        op.create_index(op.f(f"ix_datastream_{column}"), "datastream", [column])
    for table, columns in (
        ("sensor", [*_text("encoding_type"), _json("metadata", nullable=False)]),
        ("observed_property", _text("definition")),
    ):
        op.create_table(
            table,
            sa.Column("id", sa.Integer(), sa.Identity(always=True, start=100_000_000), nullable=False),
            *_text("name", "description"),
            _json("properties"),
            sa.Column(
                "scope",
                postgresql.INT8MULTIRANGE(),
                server_default=sa.text("gt_scope('may_device_manage'::text)"),
                nullable=False,
            ),
            *columns,
            sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        )
    for table in _PLACES:
        op.create_table(
            table,
            sa.Column(
                "id",
                sa.Integer(),
                server_default=sa.text("nextval('device_id_seq'::regclass)"),
                autoincrement=False,
                nullable=False,
            ),
            *_text("name", "description", "encoding_type"),
            _json("properties"),
            sa.Column("geom", Geometry("GEOMETRY", srid=4326, spatial_index=False), nullable=False),
            sa.Column("scope_code", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
            sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        )
        op.create_index(op.f(f"ix_{table}_scope_code"), table, ["scope_code"])
        op.create_index(f"ix_{table}_geom", table, ["geom"], postgresql_using="gist")
        op.execute(
            f"CREATE TRIGGER set_scope_code BEFORE INSERT OR UPDATE OF geom ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION set_scope_code()"
        )
    op.add_column("declared_place", sa.Column("device_id", sa.Integer(), nullable=True))
    op.create_foreign_key(
        op.f("fk_declared_place_device_id"),
        "declared_place",
        "device",
        ["device_id"],
        ["id"],
        ondelete="CASCADE",
    )
    op.create_unique_constraint(op.f("uq_declared_place_device_id"), "declared_place", ["device_id"])
    op.create_table(
        "observation_detail",
        _key("device_id"),
        _key("property", sa.SmallInteger),
        _moment("phenomenon_time", nullable=False),
        _moment("phenomenon_end"),
        _moment("result_time"),
        _moment("valid_from"),
        _moment("valid_to"),
        _json("result"),
        _json("result_quality"),
        _json("parameters"),
        sa.Column("feature_id", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint(
            "device_id", "property", "phenomenon_time", name=op.f("pk_observation_detail")
        ),
    )
    op.create_index(
        "ix_observation_detail_feature_id",
        "observation_detail",
        ["feature_id", "device_id"],
        postgresql_where=sa.text("feature_id IS NOT NULL"),
    )
    for table in _TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY {table}_owner ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)")
        op.execute(f"GRANT SELECT ON {table} TO {APP}, {TWIN}")
        op.execute(f"CREATE POLICY {table}_read ON {table} FOR SELECT TO {APP} USING ({_READS[table]})")
    for table, rights in _WRITES.items():
        for statement in _write_policies(table, rights):
            op.execute(statement)
    op.execute(f"GRANT INSERT ON observation_detail TO {TWIN}")
    op.execute(f"GRANT USAGE ON SEQUENCE device_id_seq TO {APP}")
    # A request that changes a device must be able to leave its old row behind, and nothing else there.
    op.execute("ALTER FUNCTION keep_history() SECURITY DEFINER SET search_path = public, pg_temp")
    op.execute(_REPLACE_ASSIGN.replace(_END, _MORE + _END))
    op.execute(_DROP.replace("-- details", _DROP_DETAILS))


def downgrade() -> None:
    op.execute(_DROP)
    op.execute(_REPLACE_ASSIGN)
    op.execute("ALTER FUNCTION keep_history() SECURITY INVOKER RESET search_path")
    op.execute(f"REVOKE USAGE ON SEQUENCE device_id_seq FROM {APP}")
    for table in ("dataset", "device", "observation"):
        for command, right, _ in _WRITES[table]:
            op.execute(f"DROP POLICY {table}_{command.lower()} ON {table}")
            op.execute(f"REVOKE {right} ON {table} FROM {APP}")
    for table in reversed(_TABLES):
        op.drop_table(table)
    op.execute("UPDATE device SET position_source = 'estimated' WHERE position_source = 'none'")
    op.drop_constraint(op.f("ck_device_position_source"), "device")
    op.create_check_constraint(
        op.f("ck_device_position_source"), "device", "position_source IN ('measured', 'estimated')"
    )
    op.drop_column("device", "properties")
    op.drop_column("device", "description")
