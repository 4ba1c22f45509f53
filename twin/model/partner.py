"""Hold the partners that are told of cases, and what came of telling them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Integer, SmallInteger, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from twin.model.base import Base, Now

PARTNER_KINDS = ("webhook", "open311")


class Partner(Base):
    """A system of somebody else that is told of cases: of a city, or of a property company.

    What it is told of: cases whose ``scope_code`` lies from ``low`` to ``high``, of the ``categories`` (codes
    or their beginnings; null is all), that are or were given to ``organisation_id`` (null asks nothing), by
    the ``events`` (null is all). ``version`` counts what people changed. The rest is where telling stands:
    ``sent_seq`` is the number of the journal up to which everything is done with, ``begun_at`` from when on
    the age of what is left counts.
    """

    __tablename__ = "partner"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    address: Mapped[str]
    area_code: Mapped[str]
    low: Mapped[int] = mapped_column(BigInteger)
    high: Mapped[int] = mapped_column(BigInteger)
    categories: Mapped[list[str] | None]
    events: Mapped[list[str] | None]
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"), index=True)
    service_codes: Mapped[dict[str, str] | None]
    jurisdiction: Mapped[str | None]
    secret_sealed: Mapped[bytes]
    receiving_sealed: Mapped[bytes | None]
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    paused_at: Mapped[datetime | None]
    paused_by: Mapped[str | None]
    pause_reason: Mapped[str | None]
    version: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    changed_by: Mapped[str]
    changed_at: Mapped[Now]
    sent_seq: Mapped[int] = mapped_column(BigInteger)
    begun_at: Mapped[Now]
    tries: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    failing_since: Mapped[datetime | None]
    next_try_at: Mapped[datetime | None]
    last_error: Mapped[str | None]
    last_status: Mapped[int | None] = mapped_column(SmallInteger)
    last_error_at: Mapped[datetime | None]
    last_success_at: Mapped[datetime | None]
    asked_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint(f"kind IN {PARTNER_KINDS}", name="kind"),
        CheckConstraint("length(name) BETWEEN 1 AND 80", name="name"),
        CheckConstraint("0 <= low AND low <= high AND high <= 999999999999999", name="codes"),
        CheckConstraint("(paused_at IS NULL) = (paused_by IS NULL)", name="paused"),
        CheckConstraint("kind = 'open311' OR service_codes IS NULL", name="service_codes"),
    )


class ParkedDelivery(Base):
    """An event of which a partner was not told: it refused it, or was away for too long."""

    __tablename__ = "partner_parked"

    partner_id: Mapped[UUID] = mapped_column(ForeignKey("partner.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    parked_at: Mapped[Now]
    error: Mapped[str]
    status: Mapped[int | None] = mapped_column(SmallInteger)


class PartnerCase(Base):
    """A case as a partner that speaks Open311 knows it: its number and token there, and how it does."""

    __tablename__ = "partner_case"

    partner_id: Mapped[UUID] = mapped_column(ForeignKey("partner.id", ondelete="CASCADE"), primary_key=True)
    case_id: Mapped[int] = mapped_column(
        ForeignKey("case_file.id", ondelete="CASCADE"), primary_key=True, autoincrement=False, index=True
    )
    request_id: Mapped[str | None]
    token: Mapped[str | None]
    status: Mapped[str] = mapped_column(server_default="open")
    status_notes: Mapped[str | None]
    sent_at: Mapped[Now]
    changed_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("status IN ('open', 'closed')", name="status"),
        CheckConstraint("request_id IS NOT NULL OR token IS NOT NULL", name="known"),
    )


class ReceivedMessage(Base):
    """A message that a partner sent and that was done: the same one again does nothing."""

    __tablename__ = "partner_message"

    partner_id: Mapped[UUID] = mapped_column(ForeignKey("partner.id", ondelete="CASCADE"), primary_key=True)
    message_id: Mapped[str] = mapped_column(primary_key=True)
    body_sha256: Mapped[bytes]
    received_at: Mapped[Now]
    answer: Mapped[dict[str, Any]] = mapped_column(JSONB)
