"""Describe who works in the grids: organisations, workers, and when they are on duty."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, func, text
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from twin.model.base import Base, Key, Scoped, geometry


class Organisation(Base):
    """A department, street office, property company or patrol unit."""

    __tablename__ = "organisation"

    id: Mapped[Key]
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    name_en: Mapped[str | None]
    kind: Mapped[str]
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"), index=True)
    simulated: Mapped[bool] = mapped_column(server_default=text("false"))

    __table_args__ = (
        CheckConstraint(
            "kind IN ('department', 'street_office', 'property', 'patrol', 'volunteer')", name="kind"
        ),
    )


class Worker(Base, Scoped):
    """A grid worker. The tracker they carry is a device of kind ``worker``, and moves on the board.

    ``on_duty`` follows from the table ``duty``, which is what decides. ``device_since`` is set by the
    database when the tracker changes hands: what it observed before is another's track. It is empty for who
    carried their tracker before this was noted. The name is in clear and masked in every answer; the phone
    is sealed in the row of ``person_id``. ``travels_by`` is a profile of `data/travel_profiles.toml`.
    """

    __tablename__ = "worker"

    id: Mapped[Key]
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    name_en: Mapped[str | None]
    role: Mapped[str] = mapped_column(server_default="grid_worker")
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"), index=True)
    responsibility_grid_id: Mapped[int | None] = mapped_column(ForeignKey("area.id"), index=True)
    device_id: Mapped[int | None] = mapped_column(Integer, ForeignKey("device.id"), unique=True)
    device_since: Mapped[datetime | None]
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("person.id", ondelete="SET NULL"), index=True)
    skills: Mapped[list[str] | None]
    on_duty: Mapped[bool] = mapped_column(server_default=text("false"))
    simulated: Mapped[bool] = mapped_column(server_default=text("false"))
    base_point: Mapped[Any] = geometry("POINT", nullable=True)
    travels_by: Mapped[str] = mapped_column(server_default="foot")

    __table_args__ = (
        CheckConstraint(
            "role IN ('grid_worker', 'grid_leader', 'repair', 'security', 'volunteer')", name="role"
        ),
    )


class Duty(Base):
    """A time in which a worker is on duty and has consented that the place of their tracker is known.

    ``ends_at`` is known from the beginning, so that a duty ends whether anybody is there to end it or not;
    only of simulated ones it is empty. It can be brought forward, never put off (trigger ``only_sooner``).
    ``client_id`` is chosen by who begins it: what comes again with the same one is the same duty.
    ``ended_by`` is empty while it lasts. Of one worker no two overlap.
    """

    __tablename__ = "duty"

    id: Mapped[Key]
    worker_id: Mapped[int] = mapped_column(ForeignKey("worker.id", ondelete="CASCADE"))
    client_id: Mapped[UUID] = mapped_column(server_default=func.gen_random_uuid())
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime | None]
    planned_end_at: Mapped[datetime | None]
    consent_at: Mapped[datetime]
    ended_by: Mapped[str | None]
    end_reason: Mapped[str] = mapped_column(server_default="")
    simulated: Mapped[bool] = mapped_column(server_default=text("false"))

    __table_args__ = (
        CheckConstraint("ends_at IS NULL OR ends_at >= starts_at", name="validity"),
        CheckConstraint("consent_at <= starts_at", name="consent_comes_first"),
        CheckConstraint(
            "ended_by IN ('worker', 'staff', 'plan', 'limit', 'command line', 'simulation')", name="ended_by"
        ),
        ExcludeConstraint(
            ("worker_id", "="),
            (func.tstzrange(text("starts_at"), text("ends_at")), "&&"),
            name="ex_duty_one_at_a_time",
            using="gist",
        ),
        Index("uq_duty_worker_id_client_id", "worker_id", "client_id", unique=True),
        Index("ix_duty_not_ended", "ends_at", postgresql_where=text("ended_by IS NULL")),
    )
