"""Describe closures of roads: what is closed to whom, from when until when, why, and by whom."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, SmallInteger, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from twin.model.base import Base, Key, Now, Scoped, geometry


class Closure(Base, Scoped):
    """Roads that are closed: those a polygon meets on some layers, or those that are named.

    ``networks`` says to whom: foot, bike, car. A closure without ``ends_at`` lasts until somebody ends it;
    one of a case ends with the case (trigger ``end_closures_of_case``). ``cut_off`` is what it left without
    a way when it was made.
    """

    __tablename__ = "closure"

    id: Mapped[Key]
    geom: Mapped[Any] = geometry("GEOMETRY")
    layers: Mapped[list[int] | None] = mapped_column(ARRAY(SmallInteger))
    road_ids: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    networks: Mapped[list[str]] = mapped_column(ARRAY(Text))
    reason: Mapped[str]
    made_by: Mapped[str]
    made_at: Mapped[Now]
    begins_at: Mapped[datetime]
    ends_at: Mapped[datetime | None]
    case_id: Mapped[int | None] = mapped_column(ForeignKey("case_file.id"), index=True)
    cut_off: Mapped[dict[str, Any] | None]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str | None]

    __table_args__ = (
        CheckConstraint("num_nonnulls(layers, road_ids) = 1", name="what"),
        CheckConstraint("ST_IsValid(geom) AND NOT ST_IsEmpty(geom)", name="geom"),
        CheckConstraint(
            "networks <@ ARRAY['foot', 'bike', 'car']::text[] AND cardinality(networks) > 0", name="networks"
        ),
        CheckConstraint("char_length(reason) BETWEEN 1 AND 500", name="reason"),
        CheckConstraint("ends_at > begins_at", name="ends"),
        CheckConstraint("(ended_at IS NULL) = (ended_by IS NULL)", name="ended"),
        Index("ix_closure_open", "ends_at", postgresql_where=text("ended_at IS NULL")),
    )
