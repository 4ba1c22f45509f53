"""Hold when workers are planned to be on duty, and what they are certified for."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, Date, ForeignKey, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import TSTZMULTIRANGE, ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from twin.model.base import Base, Key


class Shift(Base):
    """A time in which a worker is planned to be on duty, and the breaks in it; of one worker none overlap.

    A plan is no duty: only the worker begins one (see `twin.duty`).
    """

    __tablename__ = "shift"

    id: Mapped[Key]
    worker_id: Mapped[int] = mapped_column(ForeignKey("worker.id", ondelete="CASCADE"))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    breaks: Mapped[Any] = mapped_column(TSTZMULTIRANGE, server_default=text("'{}'"))
    simulated: Mapped[bool] = mapped_column(server_default=text("false"))

    __table_args__ = (
        CheckConstraint("ends_at > starts_at", name="validity"),
        CheckConstraint("breaks <@ tstzrange(starts_at, ends_at)", name="breaks"),
        ExcludeConstraint(
            ("worker_id", "="),
            (func.tstzrange(text("starts_at"), text("ends_at")), "&&"),
            name="ex_shift_one_at_a_time",
            using="gist",
        ),
    )


class Certificate(Base):
    """That a worker is certified for a skill from one day to another, that day included; None for good."""

    __tablename__ = "certificate"

    id: Mapped[Key]
    worker_id: Mapped[int] = mapped_column(ForeignKey("worker.id", ondelete="CASCADE"))
    skill: Mapped[str]
    valid_from: Mapped[date] = mapped_column(Date)
    valid_to: Mapped[date | None] = mapped_column(Date)
    simulated: Mapped[bool] = mapped_column(server_default=text("false"))

    __table_args__ = (
        CheckConstraint("skill ~ '^[a-z_]{1,40}$'", name="skill"),
        CheckConstraint("valid_to >= valid_from", name="validity"),
        UniqueConstraint("worker_id", "skill", "valid_from"),
    )
