"""Hold what was reported with a case, and the series that cases are numbered in."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Date, ForeignKey, Index, Integer, UniqueConstraint, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from twin.model.base import Base, Now


class CaseReport(Base):
    """The words of whoever filed a case, and by which account they came; one row a filed case.

    Whoever sees the case sees it. ``description`` and ``attributes`` are masked before they are stored.
    ``client_key`` is what the sender calls the report, so that sending it again makes no second case; it is
    emptied where it was made of the words alone and they may come again. ``token_sha256`` is of the secret by
    which somebody without an account asks how their case is doing.
    """

    __tablename__ = "case_report"

    case_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("case_file.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    account_id: Mapped[UUID] = mapped_column(Uuid)
    client_key: Mapped[bytes | None]
    sent_sha256: Mapped[bytes]
    token_id: Mapped[UUID] = mapped_column(Uuid)
    token_sha256: Mapped[bytes] = mapped_column(unique=True)
    description: Mapped[str | None]
    media_url: Mapped[str | None]
    attributes: Mapped[dict[str, Any]]
    filed_at: Mapped[Now]

    __table_args__ = (
        CheckConstraint(
            "octet_length(client_key) = 32 AND octet_length(sent_sha256) = 32 "
            "AND octet_length(token_sha256) = 32",
            name="digests",
        ),
        CheckConstraint("char_length(description) <= 4000", name="description"),
        CheckConstraint("media_url ~ '^https?://' AND char_length(media_url) <= 500", name="media_url"),
        UniqueConstraint("account_id", "client_key"),
        Index("ix_case_report_account_id_filed_at", "account_id", "filed_at"),
    )


class CaseSeries(Base):
    """How many cases a day has been numbered; a transaction that is taken back gives its number back."""

    __tablename__ = "case_series"

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    last: Mapped[int] = mapped_column(Integer)
