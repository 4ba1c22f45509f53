"""Keep how many are usual in each cell, and let the server make a gathering of a cell.

Revision 0027, after 0026.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from twin.store.roles import TWIN

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

# The server's own hand may add no devices but these, and of these only where the readings come from changes.
_PLACE = """
CREATE FUNCTION place_gathering(
    uid text, zh text, en text, lon double precision, lat double precision, simulated boolean
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    made bigint;
BEGIN
    IF place_gathering.uid !~ '^gathering-[0-9]+-[0-9a-f]+$' THEN
        RAISE EXCEPTION 'this is no gathering: %', place_gathering.uid;
    END IF;
    INSERT INTO dataset (name, kind, declared_crs) VALUES ('gatherings', 'devices', 'EPSG:4326')
    ON CONFLICT (name) DO NOTHING;
    SELECT id INTO made FROM dataset WHERE name = 'gatherings';
    INSERT INTO device AS old (dataset_id, source_ref, content_hash, uid, kind, name, name_en, geom,
        simulated, position_source)
    VALUES (made, place_gathering.uid, '', place_gathering.uid, 'gathering', zh, en,
        ST_SetSRID(ST_MakePoint(lon, lat), 4326), place_gathering.simulated, 'estimated')
    ON CONFLICT ON CONSTRAINT uq_device_uid DO UPDATE
    SET simulated = excluded.simulated, name = excluded.name, name_en = excluded.name_en, valid_to = NULL
    WHERE (old.simulated, old.name, old.name_en, old.valid_to)
        IS DISTINCT FROM (excluded.simulated, excluded.name, excluded.name_en, NULL::timestamptz);
END $$
"""
_SIGNATURE = "place_gathering(text, text, text, double precision, double precision, boolean)"


def upgrade() -> None:
    op.create_table(
        "gathering_usual",
        sa.Column("rule_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("counted", sa.Text(), nullable=False),
        sa.Column("learned", sa.LargeBinary(), nullable=False),
        sa.Column("learned_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["rule_id", "version"],
            ["alarm_rule.id", "alarm_rule.version"],
            name=op.f("fk_gathering_usual_rule_id_version"),
        ),
        sa.PrimaryKeyConstraint("rule_id", name=op.f("pk_gathering_usual")),
    )
    for statement in (
        "ALTER TABLE gathering_usual ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE gathering_usual FORCE ROW LEVEL SECURITY",
        "CREATE POLICY gathering_usual_owner ON gathering_usual TO CURRENT_USER "
        "USING (true) WITH CHECK (true)",
        f"GRANT SELECT, INSERT, UPDATE ON gathering_usual TO {TWIN}",
        _PLACE,
        f"REVOKE EXECUTE ON FUNCTION {_SIGNATURE} FROM PUBLIC",
        f"GRANT EXECUTE ON FUNCTION {_SIGNATURE} TO {TWIN}",
    ):
        op.execute(statement)


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {_SIGNATURE}")
    op.drop_table("gathering_usual")
