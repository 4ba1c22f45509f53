"""Hold who was asked to go to which case, and what came of it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, SmallInteger, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from twin.model.base import Base, Key, Now

_CURRENT = "state IN ('asked', 'accepted', 'departed', 'arrived')"


class Assignment(Base):
    """A worker asked to go to a case.

    Whoever sees the case sees it, and the worker (see its policies in the migration that made it). States and
    what brings them are in `twin.dispatch.assignments`; each change is in the journal. Of one worker at most
    one is current; others are ``queued`` behind it.

    ``way_s`` is what the way was expected to take, by ``profile``, on the streets of ``network_version``;
    ``policy`` and ``rank`` say how the worker was chosen, ``account_id`` by whom: None by the installation
    itself. ``override_reason`` is why somebody else than the first was. ``answer_by`` is on the clock of the
    database. ``arrival`` says whether the tracker was seen at the place. ``follows`` is who was asked before;
    ``followed_at`` when that was done after this one was declined or lapsed, with somebody else found or not.
    """

    __tablename__ = "assignment"

    id: Mapped[Key]
    case_id: Mapped[int] = mapped_column(ForeignKey("case_file.id", ondelete="CASCADE"), index=True)
    worker_id: Mapped[int] = mapped_column(ForeignKey("worker.id"), index=True)
    state: Mapped[str]
    made_at: Mapped[Now]
    queued_at: Mapped[datetime | None]
    asked_at: Mapped[datetime | None]
    answer_by: Mapped[datetime | None]
    accepted_at: Mapped[datetime | None]
    departed_at: Mapped[datetime | None]
    arrived_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    followed_at: Mapped[datetime | None]
    way_s: Mapped[float | None]
    profile: Mapped[str | None]
    network_version: Mapped[int | None] = mapped_column(Integer)
    policy: Mapped[str]
    rank: Mapped[int | None] = mapped_column(SmallInteger)
    account_id: Mapped[UUID | None] = mapped_column(Uuid)
    chosen_by: Mapped[str]
    override_reason: Mapped[str | None]
    reason: Mapped[str | None]
    arrival: Mapped[str | None]
    arrival_m: Mapped[float | None]
    follows: Mapped[int | None] = mapped_column(ForeignKey("assignment.id", ondelete="SET NULL"), index=True)
    simulated: Mapped[bool] = mapped_column(server_default=text("false"))

    __table_args__ = (
        CheckConstraint(
            "state IN ('queued', 'asked', 'accepted', 'departed', 'arrived', 'done', 'declined', 'lapsed', "
            "'withdrawn')",
            name="state",
        ),
        CheckConstraint(
            "(ended_at IS NULL) = (state IN ('queued', 'asked', 'accepted', 'departed', 'arrived'))",
            name="ended",
        ),
        CheckConstraint(
            "CASE state WHEN 'queued' THEN queued_at IS NOT NULL AND asked_at IS NULL "
            "WHEN 'asked' THEN asked_at IS NOT NULL AND answer_by IS NOT NULL "
            "WHEN 'accepted' THEN accepted_at IS NOT NULL WHEN 'departed' THEN departed_at IS NOT NULL "
            "WHEN 'arrived' THEN arrived_at IS NOT NULL ELSE true END",
            name="moments",
        ),
        CheckConstraint(
            "(arrived_at IS NULL) = (arrival IS NULL) AND arrival IN ('geofence', 'unproved')", name="arrival"
        ),
        CheckConstraint("least(way_s, arrival_m) >= 0", name="measures"),
        CheckConstraint("rank >= 1", name="rank"),
        CheckConstraint(
            "greatest(char_length(override_reason), char_length(reason)) <= 2000", name="reasons"
        ),
        CheckConstraint("followed_at IS NULL OR state IN ('declined', 'lapsed')", name="followed"),
        Index("uq_assignment_current", "worker_id", unique=True, postgresql_where=text(_CURRENT)),
        Index(
            "uq_assignment_open",
            "case_id",
            "worker_id",
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index("ix_assignment_answer_by", "answer_by", postgresql_where=text("state = 'asked'")),
        Index("ix_assignment_queued", "worker_id", "queued_at", postgresql_where=text("state = 'queued'")),
        Index(
            "ix_assignment_unfollowed",
            "ended_at",
            postgresql_where=text("state IN ('declined', 'lapsed') AND followed_at IS NULL"),
        ),
    )
