"""Keep who was asked to go to which case, the planned duty of workers and their certificates.

Revision 0041, after 0040.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from twin.store.policies import readable_table
from twin.store.roles import APP, TWIN

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

# As its owner: the policy of cases must not wait for the policy of assignments, which asks for cases.
_SELF_CASES = """
CREATE FUNCTION gt_self_cases() RETURNS bigint[] LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS $$
    SELECT coalesce(array_agg(case_id), '{}') FROM assignment
    WHERE worker_id = gt_self_worker() AND ended_at IS NULL
$$
"""
# Put into the policies as they are in this database, in its own words: several revisions have added to them.
_AMEND = """
DO $do$ BEGIN
    EXECUTE 'ALTER POLICY {policy} ON {table} {clause} (' || replace(
        (SELECT {column} FROM pg_policies WHERE tablename = '{table}' AND policyname = '{policy}'),
        $from${before}$from$, $to${after}$to$) || ')';
END $do$
"""
_STAFF = "({0}organisation_id = ( SELECT gt_self_organisation() AS gt_self_organisation))"
_SENT = _STAFF + " OR ({0}id = ANY (( SELECT gt_self_cases() AS gt_self_cases)::bigint[]))"
_AMENDED = (
    ("case_file", "case_file_read", "USING", "qual", ""),
    ("journal", "journal_read", "USING", "qual", "c."),
    ("journal", "journal_insert", "WITH CHECK", "with_check", "c."),
)


def _amend(before: str, after: str) -> tuple[str, ...]:
    """Return what changes whose own a case is, in the policies of cases and of what is told of them."""
    return tuple(
        _AMEND.format(
            table=table,
            policy=policy,
            clause=clause,
            column=column,
            before=before.format(of),
            after=after.format(of),
        )
        for table, policy, clause, column, of in _AMENDED
    )


_CASE = "SELECT FROM case_file AS c WHERE c.id = assignment.case_id"
_SEES = f"worker_id = (SELECT gt_self_worker()) OR EXISTS ({_CASE})"
_MAY_SEND = f"EXISTS ({_CASE} AND c.scope_code <@ (SELECT gt_scope('may_case_dispatch')))"
_MAY_ACT = (
    f"worker_id = (SELECT gt_self_worker()) OR EXISTS ({_CASE} AND ("
    "c.scope_code <@ (SELECT gt_scope('may_case_note')) OR c.worker_id = (SELECT gt_self_worker()) "
    "OR c.organisation_id = (SELECT gt_self_organisation())))"
)
_OF_A_WORKER = "EXISTS (SELECT FROM worker WHERE worker.id = worker_id)"
_CURRENT = "state IN ('asked', 'accepted', 'departed', 'arrived')"
_MADE = (
    "case_id, worker_id, state, queued_at, asked_at, answer_by, way_s, profile, network_version, policy, "
    "rank, account_id, chosen_by, override_reason, follows, simulated"
)
_CHANGED = (
    "state, asked_at, answer_by, accepted_at, departed_at, arrived_at, ended_at, reason, arrival, arrival_m, "
    "followed_at"
)


def _time(name: str, *, nullable: bool = True, **options: object) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, **options)  # type: ignore[arg-type]


def _make_assignment() -> None:
    op.create_table(
        "assignment",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("worker_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        _time("made_at", server_default=sa.text("now()"), nullable=False),
        _time("queued_at"),
        _time("asked_at"),
        _time("answer_by"),
        _time("accepted_at"),
        _time("departed_at"),
        _time("arrived_at"),
        _time("ended_at"),
        _time("followed_at"),
        sa.Column("way_s", sa.Float(), nullable=True),
        sa.Column("profile", sa.Text(), nullable=True),
        sa.Column("network_version", sa.Integer(), nullable=True),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("rank", sa.SmallInteger(), nullable=True),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("chosen_by", sa.Text(), nullable=False),
        sa.Column("override_reason", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("arrival", sa.Text(), nullable=True),
        sa.Column("arrival_m", sa.Float(), nullable=True),
        sa.Column("follows", sa.BigInteger(), nullable=True),
        sa.Column("simulated", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint(
            "state IN ('queued', 'asked', 'accepted', 'departed', 'arrived', 'done', 'declined', 'lapsed', "
            "'withdrawn')",
            name=op.f("ck_assignment_state"),
        ),
        sa.CheckConstraint(
            "(ended_at IS NULL) = (state IN ('queued', 'asked', 'accepted', 'departed', 'arrived'))",
            name=op.f("ck_assignment_ended"),
        ),
        sa.CheckConstraint(
            "CASE state WHEN 'queued' THEN queued_at IS NOT NULL AND asked_at IS NULL "
            "WHEN 'asked' THEN asked_at IS NOT NULL AND answer_by IS NOT NULL "
            "WHEN 'accepted' THEN accepted_at IS NOT NULL WHEN 'departed' THEN departed_at IS NOT NULL "
            "WHEN 'arrived' THEN arrived_at IS NOT NULL ELSE true END",
            name=op.f("ck_assignment_moments"),
        ),
        sa.CheckConstraint(
            "(arrived_at IS NULL) = (arrival IS NULL) AND arrival IN ('geofence', 'unproved')",
            name=op.f("ck_assignment_arrival"),
        ),
        sa.CheckConstraint("least(way_s, arrival_m) >= 0", name=op.f("ck_assignment_measures")),
        sa.CheckConstraint("rank >= 1", name=op.f("ck_assignment_rank")),
        sa.CheckConstraint(
            "greatest(char_length(override_reason), char_length(reason)) <= 2000",
            name=op.f("ck_assignment_reasons"),
        ),
        sa.CheckConstraint(
            "followed_at IS NULL OR state IN ('declined', 'lapsed')", name=op.f("ck_assignment_followed")
        ),
        sa.ForeignKeyConstraint(
            ["case_id"], ["case_file.id"], name=op.f("fk_assignment_case_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["worker_id"], ["worker.id"], name=op.f("fk_assignment_worker_id")),
        sa.ForeignKeyConstraint(
            ["follows"], ["assignment.id"], name=op.f("fk_assignment_follows"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assignment")),
    )
    for name, columns, unique, where in (
        ("uq_assignment_current", ["worker_id"], True, _CURRENT),
        ("uq_assignment_open", ["case_id", "worker_id"], True, "ended_at IS NULL"),
        ("ix_assignment_answer_by", ["answer_by"], False, "state = 'asked'"),
        ("ix_assignment_queued", ["worker_id", "queued_at"], False, "state = 'queued'"),
        (
            "ix_assignment_unfollowed",
            ["ended_at"],
            False,
            "state IN ('declined', 'lapsed') AND followed_at IS NULL",
        ),
    ):
        op.create_index(name, "assignment", columns, unique=unique, postgresql_where=sa.text(where))
    op.create_index(op.f("ix_assignment_case_id"), "assignment", ["case_id"])
    op.create_index(op.f("ix_assignment_worker_id"), "assignment", ["worker_id"])
    op.create_index(op.f("ix_assignment_follows"), "assignment", ["follows"])


def _make_roster() -> None:
    op.create_table(
        "shift",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("worker_id", sa.BigInteger(), nullable=False),
        _time("starts_at", nullable=False),
        _time("ends_at", nullable=False),
        sa.Column("breaks", postgresql.TSTZMULTIRANGE(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("simulated", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_shift_validity")),
        sa.CheckConstraint("breaks <@ tstzrange(starts_at, ends_at)", name=op.f("ck_shift_breaks")),
        sa.ForeignKeyConstraint(
            ["worker_id"], ["worker.id"], name=op.f("fk_shift_worker_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shift")),
        postgresql.ExcludeConstraint(
            (sa.column("worker_id"), "="),
            (sa.text("tstzrange(starts_at, ends_at)"), "&&"),
            using="gist",
            name="ex_shift_one_at_a_time",
        ),
    )
    op.create_table(
        "certificate",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("worker_id", sa.BigInteger(), nullable=False),
        sa.Column("skill", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("simulated", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint("skill ~ '^[a-z_]{1,40}$'", name=op.f("ck_certificate_skill")),
        sa.CheckConstraint("valid_to >= valid_from", name=op.f("ck_certificate_validity")),
        sa.ForeignKeyConstraint(
            ["worker_id"], ["worker.id"], name=op.f("fk_certificate_worker_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificate")),
        sa.UniqueConstraint(
            "worker_id", "skill", "valid_from", name=op.f("uq_certificate_worker_id_skill_valid_from")
        ),
    )
    op.add_column("worker", sa.Column("travels_by", sa.Text(), server_default="foot", nullable=False))


def upgrade() -> None:
    _make_assignment()
    _make_roster()
    for statement in (
        _SELF_CASES,
        *_amend(_STAFF, _SENT),
        *readable_table("assignment", _SEES),
        f"GRANT INSERT ({_MADE}), UPDATE ({_CHANGED}) ON assignment TO {APP}, {TWIN}",
        f"CREATE POLICY assignment_insert ON assignment FOR INSERT TO {APP} WITH CHECK ({_MAY_SEND})",
        f"CREATE POLICY assignment_update ON assignment FOR UPDATE TO {APP} "
        f"USING ({_MAY_ACT}) WITH CHECK ({_MAY_ACT})",
        *readable_table("shift", _OF_A_WORKER),
        *readable_table("certificate", _OF_A_WORKER),
    ):
        op.execute(statement)


def downgrade() -> None:
    for statement in _amend(_SENT, _STAFF):
        op.execute(statement)
    op.drop_column("worker", "travels_by")
    for table in ("certificate", "shift", "assignment"):
        op.drop_table(table)
    op.execute("DROP FUNCTION gt_self_cases()")
