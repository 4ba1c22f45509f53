"""Hold the rules by which alarms are raised, in all their versions, and what learned ones learned."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, INT8RANGE
from sqlalchemy.orm import Mapped, mapped_column

from twin.model.base import Base, Now


class AlarmRule(Base):
    """One version of a rule; the one without ``valid_to`` holds, while it is ``enabled``.

    Rows are added and closed, never rewritten. ``area_code`` of null is everywhere, and ``holds`` the area
    codes the rule is about; ``kinds`` empty is every kind, ``property`` null the device as a whole.
    ``condition`` is JSON as `twin.rules.conditions` reads it, ``category_code`` the kind of case that its
    alarms raise, null as the table of device kinds says. ``failed`` is the error for which the server
    itself switched the rule off.
    """

    __tablename__ = "alarm_rule"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=False), primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    zh: Mapped[str]
    en: Mapped[str]
    state: Mapped[int] = mapped_column(SmallInteger)
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
    kinds: Mapped[list[str]] = mapped_column(ARRAY(Text))
    property: Mapped[str | None]
    condition: Mapped[dict[str, Any]]
    category_code: Mapped[str | None]
    enabled: Mapped[bool]
    changed_by: Mapped[str]
    reason: Mapped[str | None]
    failed: Mapped[str | None]
    valid_from: Mapped[Now]
    valid_to: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("version >= 1", name="version"),
        CheckConstraint("state BETWEEN 3 AND 5", name="state"),
        CheckConstraint("(area_code IS NULL) = (area_level IS NULL)", name="area"),
        CheckConstraint("area_code ~ '^[0-9]{15}$'", name="area_code"),
        CheckConstraint("valid_to IS NULL OR valid_to >= valid_from", name="valid"),
        CheckConstraint("failed IS NULL OR NOT enabled", name="failed"),
        CheckConstraint("category_code ~ '^[0-9]{5}$'", name="category_code"),
        Index("uq_alarm_rule_valid", "id", unique=True, postgresql_where=text("valid_to IS NULL")),
    )


class AlarmRuleSeries(Base):
    """What a learned rule knows of a series: the bytes of `twin.rules.learned.SERIES`."""

    __tablename__ = "alarm_rule_series"

    rule_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    device_id: Mapped[int] = mapped_column(
        Integer, ForeignKey("device.id"), primary_key=True, autoincrement=False
    )
    property: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    version: Mapped[int] = mapped_column(Integer)
    learned: Mapped[bytes]

    __table_args__ = (ForeignKeyConstraint(["rule_id", "version"], ["alarm_rule.id", "alarm_rule.version"]),)


class GatheringUsual(Base):
    """What a rule of density knows of every cell: the bytes of `twin.rules.density.USUAL`, only counts.

    ``counted`` names what is counted and in which cells: other counts do not go on from these.
    """

    __tablename__ = "gathering_usual"

    rule_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    version: Mapped[int] = mapped_column(Integer)
    counted: Mapped[str]
    learned: Mapped[bytes]
    learned_at: Mapped[Now]

    __table_args__ = (ForeignKeyConstraint(["rule_id", "version"], ["alarm_rule.id", "alarm_rule.version"]),)
