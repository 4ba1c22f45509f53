"""Keep who reported a case and how to reach a worker: sealed, shown masked, opened on the record.

Revision 0007, after 0006.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from twin.store.roles import APP, TWIN

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_ITEMS = ("name", "phone", "identity_number", "address")
_ACTOR = "actor text, account_id uuid, roles text, address text"

# Masked, where a case they reported or the worker they are is seen.
_SEEN = (
    "EXISTS (SELECT FROM case_file WHERE reporter_id = person.id) "
    "OR EXISTS (SELECT FROM worker WHERE person_id = person.id)"
)

# What a request may look at: neither what is sealed nor the index of phones.
_OPEN = ", ".join(("id", *(f"{item}_masked" for item in _ITEMS), "created_at", "simulated"))

# Under the lock of the record, so that requests side by side cannot both be the last that is allowed. A
# refusal is put on the record once an hour: who tries on does not fill it.
_RECORD_WITHIN = f"""
CREATE FUNCTION record_within(
    most integer, {_ACTOR}, action text, object text, reason text, detail jsonb
) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    since timestamptz;
    oldest timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock(7105303);
    since := clock_timestamp() - interval '1 hour';
    SELECT a.at INTO oldest FROM audit AS a
    WHERE a.at > since AND a.account_id IS NOT DISTINCT FROM record_within.account_id
      AND a.action = record_within.action AND a.result = 'done'
    ORDER BY a.at DESC OFFSET most - 1 LIMIT 1;
    IF oldest IS NULL THEN
        PERFORM audit_append(actor, account_id, roles, address, action, object, 'done', reason, detail);
        RETURN 0;
    END IF;
    IF NOT EXISTS (
        SELECT FROM audit AS a
        WHERE a.at > since AND a.account_id IS NOT DISTINCT FROM record_within.account_id
          AND a.action = record_within.action AND a.result = 'refused') THEN
        PERFORM audit_append(actor, account_id, roles, address, action, object, 'refused', reason,
            jsonb_build_object('most_an_hour', most));
    END IF;
    RETURN greatest(1, ceil(extract(epoch FROM oldest - since))::integer);
END $$
"""

# The only way to what is sealed. No row at all: there is nobody whom the caller may reveal.
_REVEAL = f"""
CREATE FUNCTION reveal_person(
    person_id uuid, most integer, {_ACTOR}, object text, reason text, detail jsonb,
    OUT wait_s integer, OUT name_sealed bytea, OUT phone_sealed bytea, OUT identity_number_sealed bytea,
    OUT address_sealed bytea
) RETURNS SETOF record LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_variable
BEGIN
    IF NOT EXISTS (
        SELECT FROM case_file AS c WHERE c.reporter_id = reveal_person.person_id
          AND c.scope_code <@ (SELECT gt_scope('case'))
          AND c.scope_code <@ (SELECT gt_scope('may_person_reveal')))
       AND NOT EXISTS (
        SELECT FROM worker AS w WHERE w.person_id = reveal_person.person_id
          AND w.scope_code <@ (SELECT gt_scope('worker'))
          AND w.scope_code <@ (SELECT gt_scope('may_person_reveal'))) THEN
        RETURN;
    END IF;
    wait_s := record_within(
        most, actor, account_id, roles, address, 'person.revealed', object, reason, detail);
    IF wait_s = 0 THEN
        SELECT p.name_sealed, p.phone_sealed, p.identity_number_sealed, p.address_sealed
        INTO name_sealed, phone_sealed, identity_number_sealed, address_sealed
        FROM person AS p WHERE p.id = reveal_person.person_id;
    END IF;
    RETURN NEXT;
END $$
"""

_FIND = f"""
CREATE FUNCTION find_reported(
    phone bytea, most integer, {_ACTOR}, detail jsonb, OUT wait_s integer, OUT cases bigint[]
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_variable
BEGIN
    SELECT coalesce(array_agg(c.id ORDER BY c.opened_at DESC), '{{}}') INTO cases
    FROM case_file AS c JOIN person AS p ON p.id = c.reporter_id
    WHERE p.phone_index = phone AND c.scope_code <@ (SELECT gt_scope('case'))
      AND c.scope_code <@ (SELECT gt_scope('may_person_reveal'));
    wait_s := record_within(most, actor, account_id, roles, address, 'person.searched', 'phone', '',
        detail || jsonb_build_object('cases', cases));
    IF wait_s > 0 THEN
        cases := '{{}}';
    END IF;
END $$
"""

# Of somebody with an open case, or who works here, nothing expires. Who was never made part of anything is
# as old as their row.
_EXPIRE = """
CREATE FUNCTION expire_persons(before timestamptz) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
    deleted bigint;
BEGIN
    DELETE FROM person AS p WHERE p.created_at < before
      AND NOT EXISTS (SELECT FROM worker AS w WHERE w.person_id = p.id)
      AND NOT EXISTS (
        SELECT FROM case_file AS c
        WHERE c.reporter_id = p.id AND (c.closed_at IS NULL OR c.closed_at >= before));
    GET DIAGNOSTICS deleted = ROW_COUNT;
    RETURN deleted;
END $$
"""

_SIGNATURES = {
    "record_within": "integer, text, uuid, text, text, text, text, text, jsonb",
    "reveal_person": "uuid, integer, text, uuid, text, text, text, text, jsonb",
    "find_reported": "bytea, integer, text, uuid, text, text, jsonb",
    "expire_persons": "timestamptz",
}
_CALLED_BY = {"reveal_person": APP, "find_reported": APP, "expire_persons": TWIN, "record_within": APP}


def upgrade() -> None:
    op.create_table(
        "person",
        sa.Column("id", sa.Uuid(), nullable=False),
        *(sa.Column(f"{item}_masked", sa.Text(), nullable=True) for item in _ITEMS),
        *(sa.Column(f"{item}_sealed", sa.LargeBinary(), nullable=True) for item in _ITEMS),
        sa.Column("phone_index", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("simulated", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        *(
            sa.CheckConstraint(
                f"({item}_masked IS NULL) = ({item}_sealed IS NULL)", name=op.f(f"ck_person_{item}_both")
            )
            for item in _ITEMS
        ),
        sa.CheckConstraint(
            "concat_ws(' ', name_masked, phone_masked, identity_number_masked) !~ '[0-9]{8}'",
            name=op.f("ck_person_masked"),
        ),
        sa.CheckConstraint(
            "(phone_index IS NULL) = (phone_sealed IS NULL) AND octet_length(phone_index) = 32",
            name=op.f("ck_person_phone_index"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person")),
    )
    op.create_index(op.f("ix_person_phone_index"), "person", ["phone_index"], unique=False)
    for table, column in (("worker", "person_id"), ("case_file", "reporter_id")):
        op.add_column(table, sa.Column(column, sa.Uuid(), nullable=True))
        op.create_foreign_key(
            op.f(f"fk_{table}_{column}"), table, "person", [column], ["id"], ondelete="SET NULL"
        )
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column], unique=False)
    op.create_check_constraint(
        op.f("ck_case_file_reporter"), "case_file", "reporter_id IS NULL OR source IN ('resident', 'hotline')"
    )
    op.execute("ALTER TABLE person ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE person FORCE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY person_owner ON person TO CURRENT_USER USING (true) WITH CHECK (true)")
    op.execute(f"GRANT SELECT ({_OPEN}) ON person TO {APP}")
    op.execute(f"CREATE POLICY person_read ON person FOR SELECT TO {APP} USING ({_SEEN})")
    # A person lies nowhere until a case says so; that case is held to the area of who files it.
    op.execute(f"GRANT INSERT ON person TO {APP}")
    op.execute(
        f"CREATE POLICY person_insert ON person FOR INSERT TO {APP} "
        "WITH CHECK ((SELECT NOT isempty(gt_scope('may_case_write'))))"
    )
    for statement in (_RECORD_WITHIN, _REVEAL, _FIND, _EXPIRE):
        op.execute(statement)
    for name, role in _CALLED_BY.items():
        op.execute(f"REVOKE ALL ON FUNCTION {name}({_SIGNATURES[name]}) FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {name}({_SIGNATURES[name]}) TO {role}")


def downgrade() -> None:
    for name, signature in _SIGNATURES.items():
        op.execute(f"DROP FUNCTION {name}({signature})")
    op.drop_constraint(op.f("ck_case_file_reporter"), "case_file")
    for table, column in (("case_file", "reporter_id"), ("worker", "person_id")):
        op.drop_index(op.f(f"ix_{table}_{column}"), table_name=table)
        op.drop_column(table, column)
    op.drop_table("person")
