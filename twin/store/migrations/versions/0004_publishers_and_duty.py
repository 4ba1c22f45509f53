"""Give every publisher an account at the broker; keep the places of workers only while they are on duty.

Revision 0004, after 0003.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from twin.store.roles import TWIN

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TABLES = ("publisher", "publisher_secret", "duty")

_NOTIFY = """
CREATE FUNCTION notify_channel() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify(TG_ARGV[0], '');
    RETURN NULL;
END $$
"""

# The table of duties decides; the column says the same to those who only want to know whether.
_FOLLOW_DUTY = """
CREATE FUNCTION follow_duty() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE worker SET on_duty = now_on FROM (
        SELECT w.id AS worker_id, EXISTS (
            SELECT FROM duty AS d WHERE d.worker_id = w.id
              AND d.starts_at <= now() AND (d.ends_at IS NULL OR d.ends_at > now())) AS now_on
        FROM worker AS w WHERE w.id IN (NEW.worker_id, OLD.worker_id)) AS found
    WHERE id = found.worker_id AND on_duty <> now_on;
    RETURN NULL;
END $$
"""

# The server refuses such places itself; this holds for whatever else writes, and for its mistakes. NULL drops
# the row: a place that must not be known is not worth failing the other rows of a commit.
_ONLY_ON_DUTY = """
CREATE FUNCTION drop_place_off_duty() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (
        SELECT FROM worker AS w JOIN duty AS d ON d.worker_id = w.id
        WHERE w.device_id = NEW.device_id AND d.starts_at <= NEW.phenomenon_time
          AND (d.ends_at IS NULL OR NEW.phenomenon_time < d.ends_at))
        OR NOT EXISTS (SELECT FROM device WHERE id = NEW.device_id AND kind = 'worker') THEN
        RETURN NEW;
    END IF;
    RETURN NULL;
END $$
"""

_EXPIRE_TRACKS = """
CREATE FUNCTION expire_tracks(day date, before timestamptz) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
    part regclass := to_regclass('observation_' || to_char(day, 'YYYYMMDD'));
    deleted bigint := 0;
BEGIN
    IF part IS NOT NULL THEN
        EXECUTE format('DELETE FROM %s WHERE phenomenon_time < $1 AND device_id = ANY(ARRAY('
            'SELECT id FROM device WHERE kind = ''worker''))', part) USING before;
        GET DIAGNOSTICS deleted = ROW_COUNT;
    END IF;
    RETURN deleted;
END $$
"""

# Only of simulated workers: nobody's consent is invented here.
_FIRST_DUTIES = """
INSERT INTO duty (worker_id, starts_at, consent_at, simulated)
SELECT id, now(), now(), true FROM worker WHERE on_duty AND simulated
"""


def upgrade() -> None:
    op.create_table(
        "publisher",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("low", sa.BigInteger(), nullable=False),
        sa.Column("high", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("name ~ '^[0-9A-Za-z_-]{4,64}$'", name=op.f("ck_publisher_name")),
        sa.CheckConstraint("kind IN ('device', 'gateway')", name=op.f("ck_publisher_kind")),
        sa.CheckConstraint(
            "0 <= low AND low <= high AND high <= 999999999999999", name=op.f("ck_publisher_codes")
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_publisher")),
    )
    op.create_table(
        "publisher_secret",
        sa.Column("publisher", sa.Text(), nullable=False),
        sa.Column("slot", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("mqtt_hash", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("slot IN (1, 2)", name=op.f("ck_publisher_secret_slot")),
        sa.CheckConstraint("octet_length(secret_hash) = 32", name=op.f("ck_publisher_secret_secret_hash")),
        sa.CheckConstraint(
            "mqtt_hash ~ '^[$]7[$][0-9A-Za-z+/=$]+$'", name=op.f("ck_publisher_secret_mqtt_hash")
        ),
        sa.ForeignKeyConstraint(
            ["publisher"],
            ["publisher.name"],
            name=op.f("fk_publisher_secret_publisher"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("publisher", "slot", name=op.f("pk_publisher_secret")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_publisher_secret_secret_hash")),
    )
    op.create_table(
        "duty",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("worker_id", sa.BigInteger(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("consent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.Column("simulated", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        postgresql.ExcludeConstraint(
            (sa.column("worker_id"), "="),
            (sa.text("tstzrange(starts_at, ends_at)"), "&&"),
            using="gist",
            name="ex_duty_one_at_a_time",
        ),
        sa.CheckConstraint("ends_at IS NULL OR ends_at >= starts_at", name=op.f("ck_duty_validity")),
        sa.CheckConstraint("consent_at <= starts_at", name=op.f("ck_duty_consent_comes_first")),
        sa.ForeignKeyConstraint(
            ["worker_id"], ["worker.id"], name=op.f("fk_duty_worker_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duty")),
    )
    op.create_index(op.f("ix_duty_worker_id"), "duty", ["worker_id"], unique=False)
    for table in _TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY {table}_owner ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)")
    for statement in (_NOTIFY, _FOLLOW_DUTY, _ONLY_ON_DUTY, _EXPIRE_TRACKS):
        op.execute(statement)
    for table, channel, events in (
        ("publisher", "publishers", "INSERT OR UPDATE OR DELETE"),
        ("publisher_secret", "publishers", "INSERT OR UPDATE OR DELETE"),
        ("duty", "duty", "INSERT OR UPDATE OR DELETE"),
        ("worker", "duty", "INSERT OR UPDATE OF device_id OR DELETE"),
    ):
        op.execute(
            f"CREATE TRIGGER notify_{channel} AFTER {events} ON {table} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION notify_channel('{channel}')"
        )
    op.execute("UPDATE worker SET on_duty = false WHERE on_duty AND NOT simulated")
    op.execute(_FIRST_DUTIES)
    op.execute(
        "CREATE TRIGGER follow_duty AFTER INSERT OR UPDATE OR DELETE ON duty "
        "FOR EACH ROW EXECUTE FUNCTION follow_duty()"
    )
    for table in ("observation", "device_state"):
        op.execute(
            f"CREATE TRIGGER drop_place_off_duty BEFORE INSERT ON {table} FOR EACH ROW "
            "WHEN (NEW.lon IS NOT NULL) EXECUTE FUNCTION drop_place_off_duty()"
        )
    op.execute("REVOKE ALL ON FUNCTION expire_tracks(date, timestamptz) FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION expire_tracks(date, timestamptz) TO {TWIN}")
    op.execute(f"GRANT SELECT ON publisher, duty TO {TWIN}")
    op.execute(f"GRANT UPDATE (on_duty) ON worker TO {TWIN}")


def downgrade() -> None:
    for table in ("observation", "device_state"):
        op.execute(f"DROP TRIGGER drop_place_off_duty ON {table}")
    op.execute("DROP TRIGGER notify_duty ON worker")
    op.execute(f"REVOKE UPDATE (on_duty) ON worker FROM {TWIN}")
    op.drop_index(op.f("ix_duty_worker_id"), table_name="duty")
    op.drop_table("duty")
    op.drop_table("publisher_secret")
    op.drop_table("publisher")
    for function in (
        "expire_tracks(date, timestamptz)",
        "drop_place_off_duty()",
        "follow_duty()",
        "notify_channel()",
    ):
        op.execute(f"DROP FUNCTION {function}")
