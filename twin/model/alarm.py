"""Hold alarms, the groups of those that belong together, and what people put aside."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    SmallInteger,
    text,
)
from sqlalchemy.dialects.postgresql import INT8RANGE, ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from twin.model.base import Base, Key, Now, Scoped, geometry


class AlarmGroup(Base, Scoped):
    """Alarms that are near in place, time and kind: what a person is asked to look at once.

    ``family`` is what makes properties belong together (``data/device_kinds.toml``). The group lies around
    its first alarm, ``geom``, and gathers alarms whose own square meets ``seed_box`` from ``opened_at`` until
    ``gathers_until``; no two groups of a family gather in the same place at the same time, but one of what is
    made up beside one of what is not. Times are of the database's clock when alarms were stored: a device
    whose clock is wrong, or hours that come late after an outage, tear nothing apart. ``alarms`` counts those
    it ever had, ``open_alarms`` those that are not cleared; ``ended_at`` is since when there is none.
    ``scope_code`` is that of the first alarm. ``no_case`` says why the server could raise no case of it,
    ``no_case_why`` in words, ``no_case_at`` when it last tried; ``case_priority`` how urgent the group has
    made its case so far.
    """

    __tablename__ = "alarm_group"

    id: Mapped[Key]
    family: Mapped[str]
    geom: Mapped[Any] = geometry("POINT")
    seed_box: Mapped[Any] = geometry("POLYGON")
    opened_at: Mapped[datetime]
    gathers_until: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    worst_state: Mapped[int] = mapped_column(SmallInteger)
    alarms: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    open_alarms: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    case_id: Mapped[int | None] = mapped_column(ForeignKey("case_file.id"), unique=True)
    case_priority: Mapped[int | None] = mapped_column(SmallInteger)
    no_case: Mapped[str | None]
    no_case_why: Mapped[str | None]
    no_case_at: Mapped[datetime | None]
    simulated: Mapped[bool] = mapped_column(server_default=text("false"))

    __table_args__ = (
        CheckConstraint("worst_state BETWEEN 3 AND 5", name="worst_state"),
        CheckConstraint("gathers_until >= opened_at", name="gathers"),
        CheckConstraint("open_alarms BETWEEN 0 AND alarms", name="alarms"),
        CheckConstraint("ended_at IS NULL OR open_alarms = 0", name="ended"),
        CheckConstraint(
            "no_case IS NULL OR (no_case IN ('no_area', 'failed', 'before') AND case_id IS NULL)",
            name="no_case",
        ),
        CheckConstraint("case_priority BETWEEN 1 AND 4", name="case_priority"),
        ExcludeConstraint(
            ("family", "="),
            (text("CAST(simulated AS integer)"), "="),
            ("seed_box", "&&"),
            (text("tstzrange(opened_at, gathers_until)"), "&&"),
            name="ex_alarm_group_gathers_alone",
            using="gist",
        ),
        Index("ix_alarm_group_opened_at", "opened_at"),
        Index("ix_alarm_group_gathers_until", "gathers_until"),
        # Of those that may make their case more urgent still, few have not ended.
        Index("ix_alarm_group_worsening", "ended_at", postgresql_where=text("case_priority > 1")),
    )


class Alarm(Base, Scoped):
    """A device that left its normal range, from first sign to return.

    One is open per property and rule. ``rule_id`` null is a limit of the kind of the device; ``property``
    null is the device as a whole.
    """

    __tablename__ = "alarm"

    id: Mapped[Key]
    device_id: Mapped[int] = mapped_column(Integer, ForeignKey("device.id"), index=True)
    property: Mapped[int | None] = mapped_column(SmallInteger)
    rule_id: Mapped[int | None] = mapped_column(BigInteger)
    rule_version: Mapped[int | None] = mapped_column(Integer)
    state: Mapped[int] = mapped_column(SmallInteger)
    worst_state: Mapped[int] = mapped_column(SmallInteger)
    value: Mapped[float]
    raised_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    cleared_at: Mapped[datetime | None]
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[str | None]
    group_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("alarm_group.id"), index=True)
    maintenance_id: Mapped[int | None] = mapped_column(ForeignKey("maintenance_window.id"), index=True)
    simulated: Mapped[bool] = mapped_column(server_default=text("false"))

    __table_args__ = (
        CheckConstraint("state BETWEEN 0 AND 5 AND worst_state BETWEEN 3 AND 5", name="state"),
        CheckConstraint("cleared_at IS NULL OR cleared_at >= raised_at", name="cleared_after_raised"),
        CheckConstraint("(acknowledged_at IS NULL) = (acknowledged_by IS NULL)", name="acknowledged"),
        CheckConstraint("(rule_id IS NULL) = (rule_version IS NULL)", name="rule"),
        CheckConstraint("property IS NOT NULL OR rule_id IS NOT NULL", name="property"),
        ForeignKeyConstraint(["rule_id", "rule_version"], ["alarm_rule.id", "alarm_rule.version"]),
        Index(
            "uq_alarm_open",
            "device_id",
            "property",
            "rule_id",
            unique=True,
            postgresql_where=text("cleared_at IS NULL"),
            postgresql_nulls_not_distinct=True,
        ),
        Index("ix_alarm_raised_at", "raised_at"),
    )


class Shelving(Base, Scoped):
    """A group or a device put aside for a while by a person, who says why (搁置).

    It holds until ``until_at``, at most eight hours, or until somebody ends it; that it ended is noted by
    whoever ended it, be it the server. Alarms are recorded meanwhile as ever.
    """

    __tablename__ = "shelving"

    id: Mapped[Key]
    group_id: Mapped[int | None] = mapped_column(ForeignKey("alarm_group.id"))
    device_id: Mapped[int | None] = mapped_column(Integer, ForeignKey("device.id"))
    reason: Mapped[str]
    shelved_by: Mapped[str]
    begins_at: Mapped[Now]
    until_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str | None]

    __table_args__ = (
        CheckConstraint("num_nonnulls(group_id, device_id) = 1", name="of"),
        CheckConstraint("char_length(reason) BETWEEN 1 AND 500", name="reason"),
        CheckConstraint("until_at > begins_at AND until_at <= begins_at + interval '8 hours'", name="until"),
        CheckConstraint("(ended_at IS NULL) = (ended_by IS NULL)", name="ended"),
        Index("uq_shelving_group_id", "group_id", unique=True, postgresql_where=text("ended_at IS NULL")),
        Index("uq_shelving_device_id", "device_id", unique=True, postgresql_where=text("ended_at IS NULL")),
    )


class MaintenanceWindow(Base):
    """A time in which alarms of a place are expected: they are recorded and marked, and raise no case.

    ``area_code`` of null is everywhere; ``holds`` are the area codes the window is about, ``geom`` narrows it
    to a polygon, ``kind`` to devices of a kind. It ends at ``ends_at``, or when somebody ends it before.
    """

    __tablename__ = "maintenance_window"

    id: Mapped[Key]
    area_code: Mapped[str | None]
    area_level: Mapped[str | None]
    holds: Mapped[Any] = mapped_column(
        INT8RANGE,
        Computed(
            "CASE WHEN area_code IS NULL THEN int8range(0, 999999999999999, '[]') "
            "ELSE gt_area_range(area_level, area_code, area_code::bigint) END",
            persisted=True,
        ),
        nullable=True,
    )
    geom: Mapped[Any] = geometry("POLYGON", nullable=True)
    kind: Mapped[str | None]
    reason: Mapped[str]
    made_by: Mapped[str]
    made_at: Mapped[Now]
    begins_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str | None]

    __table_args__ = (
        CheckConstraint("(area_code IS NULL) = (area_level IS NULL)", name="area"),
        CheckConstraint("area_code ~ '^[0-9]{15}$'", name="area_code"),
        CheckConstraint("char_length(reason) BETWEEN 1 AND 500", name="reason"),
        CheckConstraint("ends_at > begins_at", name="ends"),
        CheckConstraint("(ended_at IS NULL) = (ended_by IS NULL)", name="ended"),
        Index("ix_maintenance_window_ends_at", "ends_at", postgresql_where=text("ended_at IS NULL")),
    )
