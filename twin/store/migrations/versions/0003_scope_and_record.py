"""Say whose area each row is in and who may see it; keep accounts and a record of acts.

Revision 0003, after 0002.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from twin.store.policies import CREATE_STATEMENTS, DROP_STATEMENTS, KEEP_HISTORY

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("prev_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit")),
    )
    op.create_index("ix_audit_actor", "audit", ["actor", "seq"], unique=False)
    op.create_index("ix_audit_at", "audit", ["at"], unique=False)
    op.create_index("ix_audit_object", "audit", ["object", "seq"], unique=False)
    op.create_table(
        "account",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), server_default="person", nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("password_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("must_change_password", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("totp_secret", sa.LargeBinary(), nullable=True),
        sa.Column("totp_step", sa.BigInteger(), nullable=True),
        sa.Column("oidc_issuer", sa.Text(), nullable=True),
        sa.Column("oidc_subject", sa.Text(), nullable=True),
        sa.Column("worker_id", sa.BigInteger(), nullable=True),
        sa.Column("demo", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "kind = 'person' OR password_hash IS NULL", name=op.f("ck_account_only_people_have_passwords")
        ),
        sa.CheckConstraint("kind IN ('person', 'kiosk', 'program')", name=op.f("ck_account_kind")),
        sa.CheckConstraint("name ~ '^[a-z0-9][a-z0-9._@-]{1,63}$'", name=op.f("ck_account_name")),
        sa.CheckConstraint("(oidc_issuer IS NULL) = (oidc_subject IS NULL)", name=op.f("ck_account_oidc")),
        sa.ForeignKeyConstraint(
            ["worker_id"], ["worker.id"], name=op.f("fk_account_worker_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
    )
    op.create_index(op.f("ix_account_worker_id"), "account", ["worker_id"], unique=False)
    op.create_index("uq_account_name", "account", ["name"], unique=True)
    op.create_index("uq_account_oidc", "account", ["oidc_issuer", "oidc_subject"], unique=True)
    op.create_table(
        "credential",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("agent", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "kind IN ('session', 'token', 'kiosk', 'ticket', 'enrolment', 'second')",
            name=op.f("ck_credential_kind"),
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_credential_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["credential.id"], name=op.f("fk_credential_parent_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credential")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_credential_secret_hash")),
    )
    op.create_index(op.f("ix_credential_account_id"), "credential", ["account_id"], unique=False)
    op.create_index("ix_credential_expires_at", "credential", ["expires_at"], unique=False)
    op.create_index(op.f("ix_credential_parent_id"), "credential", ["parent_id"], unique=False)
    op.create_table(
        "membership",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("area_code", sa.Text(), nullable=False),
        sa.Column("area_level", sa.Text(), nullable=False),
        sa.Column("low", sa.BigInteger(), nullable=False),
        sa.Column("high", sa.BigInteger(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("granted_by", sa.Text(), nullable=False),
        sa.CheckConstraint("area_code ~ '^[0-9]{15}$'", name=op.f("ck_membership_area_code")),
        sa.CheckConstraint(
            "0 <= low AND low <= high AND high <= 999999999999999", name=op.f("ck_membership_codes")
        ),
        sa.CheckConstraint("valid_to IS NULL OR valid_to >= valid_from", name=op.f("ck_membership_validity")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_membership_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_membership")),
    )
    op.create_index(op.f("ix_membership_account_id"), "membership", ["account_id"], unique=False)
    op.create_index(
        "uq_membership_present",
        "membership",
        ["account_id", "role", "low", "high"],
        unique=True,
        postgresql_where=sa.text("valid_to IS NULL"),
    )
    op.create_table(
        "password_history",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("replaced_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_password_history_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_password_history")),
    )
    op.create_index(op.f("ix_password_history_account_id"), "password_history", ["account_id"], unique=False)
    op.add_column(
        "address", sa.Column("scope_code", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.create_index(op.f("ix_address_scope_code"), "address", ["scope_code"], unique=False)
    op.add_column(
        "alarm", sa.Column("scope_code", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.create_index(op.f("ix_alarm_scope_code"), "alarm", ["scope_code"], unique=False)
    op.add_column(
        "area", sa.Column("scope_code", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.create_index(op.f("ix_area_scope_code"), "area", ["scope_code"], unique=False)
    op.add_column(
        "building", sa.Column("scope_code", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.create_index(op.f("ix_building_scope_code"), "building", ["scope_code"], unique=False)
    op.add_column(
        "case_file", sa.Column("scope_code", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.create_index(op.f("ix_case_file_scope_code"), "case_file", ["scope_code"], unique=False)
    op.add_column(
        "component", sa.Column("scope_code", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.create_index(op.f("ix_component_scope_code"), "component", ["scope_code"], unique=False)
    op.add_column(
        "device", sa.Column("scope_code", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.create_index(op.f("ix_device_scope_code"), "device", ["scope_code"], unique=False)
    op.add_column(
        "journal",
        sa.Column(
            "scope_code",
            sa.BigInteger(),
            sa.Computed("coalesce(area_code::bigint, 0)", persisted=True),
            nullable=False,
        ),
    )
    op.create_index("ix_journal_scope_code", "journal", ["scope_code", "seq"], unique=False)
    op.add_column(
        "service_point", sa.Column("scope_code", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.create_index(op.f("ix_service_point_scope_code"), "service_point", ["scope_code"], unique=False)
    op.add_column(
        "worker", sa.Column("scope_code", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.create_index(op.f("ix_worker_scope_code"), "worker", ["scope_code"], unique=False)
    for statement in (KEEP_HISTORY, *CREATE_STATEMENTS):
        op.execute(statement)
    op.execute("UPDATE area SET scope_code = code::bigint WHERE level <> 'unit_grid'")
    op.execute("SELECT assign_scope_codes()")


def downgrade() -> None:
    for statement in DROP_STATEMENTS:
        op.execute(statement)
    op.drop_index(op.f("ix_worker_scope_code"), table_name="worker")
    op.drop_column("worker", "scope_code")
    op.drop_index(op.f("ix_service_point_scope_code"), table_name="service_point")
    op.drop_column("service_point", "scope_code")
    op.drop_index("ix_journal_scope_code", table_name="journal")
    op.drop_column("journal", "scope_code")
    op.drop_index(op.f("ix_device_scope_code"), table_name="device")
    op.drop_column("device", "scope_code")
    op.drop_index(op.f("ix_component_scope_code"), table_name="component")
    op.drop_column("component", "scope_code")
    op.drop_index(op.f("ix_case_file_scope_code"), table_name="case_file")
    op.drop_column("case_file", "scope_code")
    op.drop_index(op.f("ix_building_scope_code"), table_name="building")
    op.drop_column("building", "scope_code")
    op.drop_index(op.f("ix_area_scope_code"), table_name="area")
    op.drop_column("area", "scope_code")
    op.drop_index(op.f("ix_alarm_scope_code"), table_name="alarm")
    op.drop_column("alarm", "scope_code")
    op.drop_index(op.f("ix_address_scope_code"), table_name="address")
    op.drop_column("address", "scope_code")
    op.drop_index(op.f("ix_password_history_account_id"), table_name="password_history")
    op.drop_table("password_history")
    op.drop_index(
        "uq_membership_present", table_name="membership", postgresql_where=sa.text("valid_to IS NULL")
    )
    op.drop_index(op.f("ix_membership_account_id"), table_name="membership")
    op.drop_table("membership")
    op.drop_index(op.f("ix_credential_parent_id"), table_name="credential")
    op.drop_index("ix_credential_expires_at", table_name="credential")
    op.drop_index(op.f("ix_credential_account_id"), table_name="credential")
    op.drop_table("credential")
    op.drop_index("uq_account_oidc", table_name="account")
    op.drop_index("uq_account_name", table_name="account")
    op.drop_index(op.f("ix_account_worker_id"), table_name="account")
    op.drop_table("account")
    op.drop_index("ix_audit_object", table_name="audit")
    op.drop_index("ix_audit_at", table_name="audit")
    op.drop_index("ix_audit_actor", table_name="audit")
    op.drop_table("audit")
