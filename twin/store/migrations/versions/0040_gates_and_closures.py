"""Keep gates on roads, closures of roads, and the network as planners' SQL asks for it.

Revision 0040, after 0039.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from geoalchemy2 import Geometry
from sqlalchemy.dialects import postgresql

from twin.store.policies import placed_table, readable_table
from twin.store.roles import APP, TWIN
from twin.store.triggers import history_trigger, tile_triggers

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

_PASSING = ("never", "key", "open", "always")
_NETWORKS = ("foot", "bike", "car")
_SIGNED_IN = "(SELECT gt_signed_in())"
_MAY_CLOSE = "scope_code <@ (SELECT gt_scope('may_road_close'))"
_CLOSED = "geom, layers, road_ids, networks, reason, made_by, begins_at, ends_at, case_id, cut_off"

_NOTIFY = """
CREATE FUNCTION notify_streets() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('streets', TG_TABLE_NAME);
    RETURN NULL;
END $$
"""

# As its owner: who closes a case need not be one who may open roads. The lock is a statement of its own,
# see twin.store.journal.
_WITH_CASE = """
CREATE FUNCTION end_closures_of_case() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
    newest bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM closure WHERE case_id = NEW.id AND ended_at IS NULL) THEN
        RETURN NULL;
    END IF;
    PERFORM pg_advisory_xact_lock(7105301);
    WITH ended AS (
        UPDATE closure SET ended_at = now(), ended_by = 'case ' || NEW.number
        WHERE case_id = NEW.id AND ended_at IS NULL AND (ends_at IS NULL OR ends_at > now())
        RETURNING id, reason, scope_code
    ), told AS (
        INSERT INTO journal (seq, at, kind, subject, area_code, actor, data)
        SELECT journal_newest() + row_number() OVER (ORDER BY id), clock_timestamp(), 'road.reopened',
               'closure/' || id, CASE WHEN scope_code > 0 THEN lpad(scope_code::text, 15, '0') END,
               'system', jsonb_build_object('closure_id', id, 'reason', reason, 'case_id', NEW.id)
        FROM ended RETURNING seq
    )
    SELECT max(seq) INTO newest FROM told;
    IF newest IS NOT NULL THEN
        PERFORM pg_notify('journal', newest::text);
    END IF;
    RETURN NULL;
END $$
"""

# Put into the policy as it is in this database: several revisions have added to it.
_MAY_TELL = """
DO $do$ BEGIN
    EXECUTE 'ALTER POLICY journal_insert ON journal WITH CHECK (' || replace(
        (SELECT with_check FROM pg_policies WHERE tablename = 'journal' AND policyname = 'journal_insert'),
        $from${before}$from$, $to${after}$to$) || ')';
END $do$
"""
_CASE = "CASE split_part(kind, '.'::text, 1)"
_ROAD_TOO = f"{_CASE} WHEN 'road'::text THEN (scope_code <@ (SELECT gt_scope('may_road_close'::text)))"


def _time(name: str, **options: object) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), **options)  # type: ignore[arg-type]


def _gates() -> None:
    op.create_table(
        "gate",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("geom", Geometry("POINT", srid=4326, dimension=2, spatial_index=False), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("name_en", sa.Text(), nullable=True),
        *(sa.Column(mode, sa.Text(), nullable=False) for mode in _NETWORKS),
        sa.Column("keys", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("opens", sa.Time(), nullable=True),
        sa.Column("closes", sa.Time(), nullable=True),
        sa.Column("device_uid", sa.Text(), nullable=True),
        sa.Column("device_id", sa.Integer(), nullable=True),
        sa.Column("compound_id", sa.BigInteger(), nullable=True),
        sa.Column("dataset_id", sa.BigInteger(), nullable=False),
        sa.Column("source_ref", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        _time("valid_from", server_default=sa.text("now()"), nullable=False),
        _time("valid_to", nullable=True),
        sa.Column("tags", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("scope_code", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        *(sa.CheckConstraint(f"{mode} IN {_PASSING}", name=op.f(f"ck_gate_{mode}")) for mode in _NETWORKS),
        sa.CheckConstraint(
            "(opens IS NULL) = (closes IS NULL) AND opens <> closes", name=op.f("ck_gate_hours")
        ),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"], name=op.f("fk_gate_dataset_id")),
        sa.ForeignKeyConstraint(
            ["device_id"], ["device.id"], name=op.f("fk_gate_device_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["compound_id"], ["compound.id"], name=op.f("fk_gate_compound_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gate")),
    )
    op.create_index(op.f("ix_gate_scope_code"), "gate", ["scope_code"])
    op.create_index(op.f("ix_gate_device_id"), "gate", ["device_id"])
    op.create_index(op.f("ix_gate_compound_id"), "gate", ["compound_id"])
    op.create_index(
        "uq_gate_present",
        "gate",
        ["dataset_id", "source_ref"],
        unique=True,
        postgresql_where=sa.text("valid_to IS NULL"),
    )
    op.create_index("ix_gate_geom", "gate", ["geom"], postgresql_using="gist")
    for statement in (history_trigger("gate"), *tile_triggers("gate"), *placed_table("gate")):
        op.execute(statement)


def _closures() -> None:
    op.create_table(
        "closure",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("geom", Geometry("GEOMETRY", srid=4326, dimension=2, spatial_index=False), nullable=False),
        sa.Column("layers", postgresql.ARRAY(sa.SmallInteger()), nullable=True),
        sa.Column("road_ids", postgresql.ARRAY(sa.BigInteger()), nullable=True),
        sa.Column("networks", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        _time("made_at", server_default=sa.text("now()"), nullable=False),
        _time("begins_at", nullable=False),
        _time("ends_at", nullable=True),
        sa.Column("case_id", sa.BigInteger(), nullable=True),
        sa.Column("cut_off", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        _time("ended_at", nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.Column("scope_code", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("num_nonnulls(layers, road_ids) = 1", name=op.f("ck_closure_what")),
        sa.CheckConstraint("ST_IsValid(geom) AND NOT ST_IsEmpty(geom)", name=op.f("ck_closure_geom")),
        sa.CheckConstraint(
            f"networks <@ ARRAY{list(_NETWORKS)}::text[] AND cardinality(networks) > 0",
            name=op.f("ck_closure_networks"),
        ),
        sa.CheckConstraint("char_length(reason) BETWEEN 1 AND 500", name=op.f("ck_closure_reason")),
        sa.CheckConstraint("ends_at > begins_at", name=op.f("ck_closure_ends")),
        sa.CheckConstraint("(ended_at IS NULL) = (ended_by IS NULL)", name=op.f("ck_closure_ended")),
        sa.ForeignKeyConstraint(["case_id"], ["case_file.id"], name=op.f("fk_closure_case_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_closure")),
    )
    op.create_index(op.f("ix_closure_scope_code"), "closure", ["scope_code"])
    op.create_index(op.f("ix_closure_case_id"), "closure", ["case_id"])
    op.create_index("ix_closure_open", "closure", ["ends_at"], postgresql_where=sa.text("ended_at IS NULL"))
    for statement in (
        *placed_table("closure"),
        f"GRANT INSERT ({_CLOSED}), UPDATE (ended_at, ended_by) ON closure TO {APP}",
        f"CREATE POLICY closure_insert ON closure FOR INSERT TO {APP} WITH CHECK ({_MAY_CLOSE})",
        f"CREATE POLICY closure_update ON closure FOR UPDATE TO {APP} "
        f"USING ({_MAY_CLOSE}) WITH CHECK ({_MAY_CLOSE})",
        _NOTIFY,
        "CREATE TRIGGER notify_streets AFTER INSERT OR UPDATE OR DELETE ON closure "
        "FOR EACH STATEMENT EXECUTE FUNCTION notify_streets()",
        _WITH_CASE,
        "CREATE TRIGGER end_closures_of_case AFTER UPDATE OF closed_at ON case_file FOR EACH ROW "
        "WHEN (OLD.closed_at IS NULL AND NEW.closed_at IS NOT NULL) EXECUTE FUNCTION end_closures_of_case()",
        _MAY_TELL.format(before=_CASE, after=_ROAD_TOO),
    ):
        op.execute(statement)


def _streets() -> None:
    op.create_table(
        "street_node",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("geom", Geometry("POINT", srid=4326, dimension=2, spatial_index=False), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_street_node")),
    )
    op.create_table(
        "street_edge",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("source", sa.BigInteger(), nullable=False),
        sa.Column("target", sa.BigInteger(), nullable=False),
        sa.Column(
            "geom", Geometry("LINESTRING", srid=4326, dimension=2, spatial_index=False), nullable=False
        ),
        sa.Column("length_m", sa.Float(), nullable=False),
        sa.Column("road_id", sa.BigInteger(), nullable=True),
        sa.Column("gate_id", sa.BigInteger(), nullable=True),
        sa.Column("joint", sa.Boolean(), nullable=False),
        sa.Column("layer", sa.SmallInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_street_edge")),
    )
    op.create_table(
        "street_cost",
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("edge_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("cost", sa.Float(), nullable=False),
        sa.Column("reverse_cost", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("profile", "edge_id", name=op.f("pk_street_cost")),
    )
    for table in ("street_node", "street_edge"):
        op.create_index(f"ix_{table}_geom", table, ["geom"], postgresql_using="gist")
    for table in ("street_node", "street_edge", "street_cost"):
        for statement in (*readable_table(table, _SIGNED_IN), f"GRANT INSERT, DELETE ON {table} TO {TWIN}"):
            op.execute(statement)
    # Who asks the view is asked by the policies of the tables, not who made it.
    op.execute(
        "CREATE VIEW street_way WITH (security_invoker = true) AS "
        "SELECT c.profile, e.id, e.source, e.target, c.cost, c.reverse_cost, e.length_m, e.road_id, "
        "e.gate_id, e.joint, e.layer, e.name, e.geom "
        "FROM street_edge AS e JOIN street_cost AS c ON c.edge_id = e.id"
    )
    op.execute(f"GRANT SELECT ON street_way TO {APP}, {TWIN}")


def upgrade() -> None:
    _gates()
    _closures()
    _streets()


def downgrade() -> None:
    op.execute("DROP VIEW street_way")
    for table in ("street_cost", "street_edge", "street_node"):
        op.drop_table(table)
    op.execute(_MAY_TELL.format(before=_ROAD_TOO, after=_CASE))
    op.execute("DROP TRIGGER end_closures_of_case ON case_file")
    op.execute("DROP FUNCTION end_closures_of_case()")
    op.execute("DELETE FROM journal WHERE kind IN ('road.closed', 'road.reopened')")
    op.drop_table("closure")
    op.execute("DROP FUNCTION notify_streets()")
    op.drop_table("gate")
    op.execute("DELETE FROM feature_history WHERE table_name = 'gate'")
