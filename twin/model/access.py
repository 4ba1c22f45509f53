"""Hold who may sign in, what roles they have where, their secrets as hashes, and the record of acts."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from twin.model.base import Base, Key, Now


class Account(Base):
    """A person, a wall screen (``kiosk``) or a program that may sign in.

    ``totp_secret`` is sealed with the key outside the database; ``totp_step`` is the newest step that was
    used, so that no code counts twice. ``worker_id`` makes it the account of a grid worker,
    ``organisation_id`` that of somebody on the staff of a department or company, whose cases it handles.
    """

    __tablename__ = "account"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    name: Mapped[str]
    display_name: Mapped[str]
    kind: Mapped[str] = mapped_column(server_default="person")
    password_hash: Mapped[str | None]
    password_at: Mapped[datetime | None]
    must_change_password: Mapped[bool] = mapped_column(server_default=text("false"))
    totp_secret: Mapped[bytes | None]
    totp_step: Mapped[int | None] = mapped_column(BigInteger)
    oidc_issuer: Mapped[str | None]
    oidc_subject: Mapped[str | None]
    worker_id: Mapped[int | None] = mapped_column(ForeignKey("worker.id", ondelete="SET NULL"), index=True)
    organisation_id: Mapped[int | None] = mapped_column(
        ForeignKey("organisation.id", ondelete="SET NULL"), index=True
    )
    demo: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[Now]
    used_at: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(server_default=text("0"))
    locked_until: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("name ~ '^[a-z0-9][a-z0-9._@-]{1,63}$'", name="name"),
        CheckConstraint("kind IN ('person', 'kiosk', 'program')", name="kind"),
        CheckConstraint("kind = 'person' OR password_hash IS NULL", name="only_people_have_passwords"),
        CheckConstraint("(oidc_issuer IS NULL) = (oidc_subject IS NULL)", name="oidc"),
        Index("uq_account_name", "name", unique=True),
        Index("uq_account_oidc", "oidc_issuer", "oidc_subject", unique=True),
    )


class PasswordHistory(Base):
    """Hashes of passwords an account had before, so that none of the last ones comes back."""

    __tablename__ = "password_history"

    id: Mapped[Key]
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    password_hash: Mapped[str]
    replaced_at: Mapped[Now]


class Membership(Base):
    """A role of an account at an area: ``low`` to ``high`` are the codes of the area and all below it."""

    __tablename__ = "membership"

    id: Mapped[Key]
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    role: Mapped[str]
    area_code: Mapped[str]
    area_level: Mapped[str]
    low: Mapped[int] = mapped_column(BigInteger)
    high: Mapped[int] = mapped_column(BigInteger)
    valid_from: Mapped[Now]
    valid_to: Mapped[datetime | None]
    granted_by: Mapped[str]

    __table_args__ = (
        CheckConstraint("area_code ~ '^[0-9]{15}$'", name="area_code"),
        CheckConstraint("0 <= low AND low <= high AND high <= 999999999999999", name="codes"),
        CheckConstraint("valid_to IS NULL OR valid_to >= valid_from", name="validity"),
        Index(
            "uq_membership_present",
            "account_id",
            "role",
            "low",
            "high",
            unique=True,
            postgresql_where=text("valid_to IS NULL"),
        ),
    )


class Credential(Base):
    """An opaque secret somebody holds: only its SHA-256 is kept.

    ``session`` is a browser's cookie, ``token`` a program's, ``kiosk`` a wall screen's; ``ticket`` opens one
    websocket, ``enrolment`` makes one screen a kiosk; ``second`` waits for the second factor.
    """

    __tablename__ = "credential"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str]
    secret_hash: Mapped[bytes] = mapped_column(unique=True)
    parent_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("credential.id", ondelete="CASCADE"), index=True
    )
    created_at: Mapped[Now]
    seen_at: Mapped[Now]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    address: Mapped[str | None]
    agent: Mapped[str | None]
    note: Mapped[str | None]

    __table_args__ = (
        CheckConstraint(
            "kind IN ('session', 'token', 'kiosk', 'ticket', 'enrolment', 'second')", name="kind"
        ),
        Index("ix_credential_expires_at", "expires_at"),
    )


class AuditEntry(Base):
    """One act on the record. ``hash`` covers the row and the hash of the row before it."""

    __tablename__ = "audit"

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    actor: Mapped[str]
    account_id: Mapped[UUID | None]
    roles: Mapped[str]
    address: Mapped[str]
    action: Mapped[str]
    object: Mapped[str]
    result: Mapped[str]
    reason: Mapped[str]
    detail: Mapped[dict[str, Any]]
    prev_hash: Mapped[bytes]
    hash: Mapped[bytes]

    __table_args__ = (
        Index("ix_audit_at", "at"),
        Index("ix_audit_object", "object", "seq"),
        Index("ix_audit_actor", "actor", "seq"),
    )
