"""Keep who answers for which cases where, and whose staff an account is: they see and handle what is theirs.

Revision 0026, after 0025.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from twin.store.policies import readable_table
from twin.store.roles import APP, AUTH

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

_SELF = """
CREATE FUNCTION gt_self_organisation() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT nullif(current_setting('gridtwin.self_organisation', true), '')::bigint
$$
"""

_OF_WORKER = "worker_id = (SELECT gt_self_worker())"
_OWN = f"{_OF_WORKER} OR organisation_id = (SELECT gt_self_organisation())"


def _case_policies(own: str) -> tuple[str, ...]:
    """Return the policies of cases and what hangs on them, given which cases are somebody's own.

    But for that they are those of revisions 0022 and 0024.
    """
    sees = f"scope_code <@ (SELECT gt_scope('case')) OR {own}"
    may_act = f"scope_code <@ (SELECT gt_scope('may_case_note')) OR {own}"
    # An array is asked for once a query.
    of_own = f"subject = ANY (ARRAY(SELECT 'case/' || c.id FROM case_file AS c WHERE {own}))"
    sees_told = (
        "CASE split_part(kind, '.', 1) WHEN 'alarm' THEN scope_code <@ (SELECT gt_scope('alarm')) AND "
        "(data ->> 'kind' IS DISTINCT FROM 'worker' OR scope_code <@ (SELECT gt_scope('worker'))) "
        f"WHEN 'case' THEN scope_code <@ (SELECT gt_scope('case')) OR {of_own} "
        "ELSE scope_code <@ (SELECT gt_scope('place')) END"
    )
    may_tell = (
        "CASE split_part(kind, '.', 1) "
        "WHEN 'alarm' THEN scope_code <@ (SELECT gt_scope('may_alarm_acknowledge')) "
        "WHEN 'rule' THEN scope_code <@ (SELECT gt_scope('may_rule_manage')) "
        f"WHEN 'case' THEN scope_code <@ (SELECT gt_scope('may_case_note')) OR {of_own} ELSE false END"
    )
    photograph = f"EXISTS (SELECT FROM case_file WHERE case_file.id = photograph.case_id AND ({may_act}))"
    return (
        "DROP POLICY case_file_read ON case_file",
        f"CREATE POLICY case_file_read ON case_file FOR SELECT TO {APP} USING ({sees})",
        "DROP POLICY case_file_update ON case_file",
        f"CREATE POLICY case_file_update ON case_file FOR UPDATE TO {APP} "
        f"USING ({may_act}) WITH CHECK ({may_act})",
        "DROP POLICY journal_read ON journal",
        f"CREATE POLICY journal_read ON journal FOR SELECT TO {APP} USING ({sees_told})",
        "DROP POLICY journal_insert ON journal",
        f"CREATE POLICY journal_insert ON journal FOR INSERT TO {APP} WITH CHECK ({may_tell})",
        "DROP POLICY photograph_insert ON photograph",
        f"CREATE POLICY photograph_insert ON photograph FOR INSERT TO {APP} WITH CHECK ({photograph})",
    )


_RANGE = "int8range(low, high, '[]')"
_MAY = f"{_RANGE} <@ (SELECT gt_scope('may_case_approve'))"
# What holds above the own area holds in it too, and so it is seen.
_SEES = f"{_RANGE} && (SELECT gt_scope('case')) OR organisation_id = (SELECT gt_self_organisation())"
_GIVEN = "about, area_code, area_level, low, high, organisation_id, set_by"


def upgrade() -> None:
    op.add_column("account", sa.Column("organisation_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(
        op.f("fk_account_organisation_id"),
        "account",
        "organisation",
        ["organisation_id"],
        ["id"],
        ondelete="SET NULL",
    )
    op.create_index(op.f("ix_account_organisation_id"), "account", ["organisation_id"])
    op.create_table(
        "responsibility",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("area_code", sa.Text(), nullable=False),
        sa.Column("area_level", sa.Text(), nullable=False),
        sa.Column("low", sa.BigInteger(), nullable=False),
        sa.Column("high", sa.BigInteger(), nullable=False),
        sa.Column("organisation_id", sa.BigInteger(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_by", sa.Text(), nullable=True),
        sa.CheckConstraint("about ~ '^([0-9]{2}([0-9]{3})?|[a-z_]+)$'", name=op.f("ck_responsibility_about")),
        sa.CheckConstraint("area_code ~ '^[0-9]{15}$'", name=op.f("ck_responsibility_area_code")),
        sa.CheckConstraint(
            "CASE area_level WHEN 'whole' THEN low = 0 AND high = 999999999999999 "
            "ELSE int8range(low, high, '[]') = gt_area_range(area_level, area_code, area_code::bigint) END",
            name=op.f("ck_responsibility_codes"),
        ),
        sa.CheckConstraint(
            "valid_to IS NULL OR valid_to >= valid_from", name=op.f("ck_responsibility_validity")
        ),
        sa.CheckConstraint(
            "(valid_to IS NULL) = (withdrawn_by IS NULL)", name=op.f("ck_responsibility_withdrawn")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_responsibility_organisation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_responsibility")),
    )
    op.create_index(op.f("ix_responsibility_organisation_id"), "responsibility", ["organisation_id"])
    op.create_index(
        "uq_responsibility_present",
        "responsibility",
        ["about", "low", "high"],
        unique=True,
        postgresql_where=sa.text("valid_to IS NULL"),
    )
    for statement in (
        # To name whose staff an account is.
        f"GRANT SELECT ON organisation TO {AUTH}",
        f"CREATE POLICY organisation_auth ON organisation FOR SELECT TO {AUTH} USING (true)",
        _SELF,
        *_case_policies(_OWN),
        *readable_table("responsibility", _SEES),
        f"GRANT INSERT ({_GIVEN}), UPDATE (valid_to, withdrawn_by) ON responsibility TO {APP}",
        f"CREATE POLICY responsibility_insert ON responsibility FOR INSERT TO {APP} WITH CHECK ({_MAY})",
        f"CREATE POLICY responsibility_update ON responsibility FOR UPDATE TO {APP} "
        f"USING ({_MAY}) WITH CHECK ({_MAY})",
    ):
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("responsibility")
    for statement in _case_policies(_OF_WORKER):
        op.execute(statement)
    op.execute("DROP POLICY organisation_auth ON organisation")
    op.execute(f"REVOKE SELECT ON organisation FROM {AUTH}")
    op.execute("DROP FUNCTION gt_self_organisation()")
    op.drop_column("account", "organisation_id")
