"""Hold cases, and the journal of everything that was decided or raised."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from twin.cases.states import Outcome, Stage
from twin.model.base import Base, Key, Now, Scoped, geometry, spatial_index

STAGES = tuple(stage.value for stage in Stage)

REPORTED_SOURCES = ("resident", "hotline")
"""Sources behind which a person stands who can be called back."""

OUTCOMES = tuple(outcome.value for outcome in Outcome)

SOURCES = ("sensor", "patrol", "camera", "resident", "hotline", "superior", "department")


class Case(Base, Scoped):
    """A case (案件): what was reported, and where it stands.

    Where it stands is a `twin.cases.states.CaseState`, whose fields are columns here. They change by acts
    only: each raises ``version`` by one and is in the journal in the same transaction, which the database
    makes sure of. ``reporter_id`` is empty again once the person was erased; the case stays.
    """

    __tablename__ = "case_file"

    id: Mapped[Key]
    number: Mapped[str] = mapped_column(unique=True)
    title: Mapped[str]
    title_en: Mapped[str | None]
    category_code: Mapped[str]
    source: Mapped[str]
    stage: Mapped[str] = mapped_column(server_default="collected")
    priority: Mapped[int] = mapped_column(SmallInteger, server_default=text("3"))
    geom: Mapped[Any] = geometry("POINT")
    address: Mapped[str | None]
    unit_grid_id: Mapped[int | None] = mapped_column(ForeignKey("area.id"), index=True)
    responsibility_grid_id: Mapped[int | None] = mapped_column(ForeignKey("area.id"), index=True)
    worker_id: Mapped[int | None] = mapped_column(ForeignKey("worker.id"), index=True)
    reporter_id: Mapped[UUID | None] = mapped_column(ForeignKey("person.id", ondelete="SET NULL"), index=True)
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"), index=True)
    opened_at: Mapped[Now]
    filed_at: Mapped[datetime | None]
    stage_since: Mapped[datetime | None]
    stage_due_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    clock_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    asked: Mapped[dict[str, Any] | None]
    parked_at: Mapped[datetime | None]
    pauses: Mapped[list[Any]] = mapped_column(JSONB, server_default=text("'[]'"))
    clock_events: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    supervised_by: Mapped[str | None]
    called_up: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    linked_to: Mapped[int | None] = mapped_column(ForeignKey("case_file.id"), index=True)
    repeats: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    repaired_by: Mapped[UUID | None]
    extensions: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    reworks: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    rating: Mapped[int | None] = mapped_column(SmallInteger)
    review_since: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    simulated: Mapped[bool] = mapped_column(server_default=text("false"))

    __table_args__ = (
        CheckConstraint(f"stage IN {STAGES}", name="stage"),
        CheckConstraint(f"source IN {SOURCES}", name="source"),
        CheckConstraint(f"reporter_id IS NULL OR source IN {REPORTED_SOURCES}", name="reporter"),
        CheckConstraint("priority BETWEEN 1 AND 4", name="priority"),
        CheckConstraint("category_code ~ '^[0-9]{5}$'", name="category_code"),
        CheckConstraint("closed_at IS NULL OR closed_at >= opened_at", name="closed_after_opened"),
        CheckConstraint(f"outcome IN {OUTCOMES}", name="outcome"),
        CheckConstraint("(outcome IS NULL) = (closed_at IS NULL)", name="ended"),
        CheckConstraint("(stage = 'rated') = (outcome IS NOT DISTINCT FROM 'closed')", name="rated"),
        CheckConstraint("outcome IS NULL OR (asked IS NULL AND parked_at IS NULL)", name="nothing_waits"),
        CheckConstraint("rating IS NULL OR (rating BETWEEN 1 AND 5 AND stage = 'rated')", name="rating"),
        CheckConstraint("review_since IS NULL OR rating <= 2", name="review"),
        CheckConstraint("linked_to <> id", name="linked_to_another"),
        CheckConstraint("least(repeats, called_up, extensions, reworks) >= 0", name="counts"),
        CheckConstraint("clock_events BETWEEN 0 AND 3", name="clock_events"),
        Index("ix_case_file_open", "stage", "due_at", postgresql_where=text("closed_at IS NULL")),
        Index("ix_case_file_clock_at", "clock_at", postgresql_where=text("clock_at IS NOT NULL")),
        Index("ix_case_file_review", "review_since", postgresql_where=text("review_since IS NOT NULL")),
        # Of the many that have ended, none is asked for when a report is held against what is open around it.
        Index(
            "ix_case_file_open_place",
            "geom",
            postgresql_using="gist",
            postgresql_where=text("closed_at IS NULL AND linked_to IS NULL"),
        ),
        spatial_index("case_file"),
    )


class Journal(Base):
    """One event, numbered in the order in which transactions committed.

    ``seq`` is given under an advisory lock that is held to the end of the transaction (see
    ``twin.store.journal``), so a reader that has seen n has seen everything below n.
    """

    __tablename__ = "journal"

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[Now]
    kind: Mapped[str]
    subject: Mapped[str]
    area_code: Mapped[str | None]
    actor: Mapped[str]
    data: Mapped[dict[str, Any]]
    scope_code: Mapped[int] = mapped_column(
        BigInteger, Computed("coalesce(area_code::bigint, 0)", persisted=True)
    )

    __table_args__ = (
        Index("ix_journal_subject", "subject", "seq"),
        # A quiet grid would read everybody's newer events to find its own.
        Index("ix_journal_scope_code", "scope_code", "seq"),
    )
