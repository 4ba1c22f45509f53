"""Hold who answers for which cases where."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from twin.model.base import Base, Key, Now


class Responsibility(Base):
    """A rule: an organisation answers for a kind of case in an area, from one moment to another.

    ``about`` is a category (five digits), its major (two), or a kind of body of
    `data/case_categories.toml`. ``low`` to ``high`` are the codes of the area and all below it; the level
    ``whole`` is the whole installation. A rule is never changed: it is withdrawn, and another made.
    """

    __tablename__ = "responsibility"

    id: Mapped[Key]
    about: Mapped[str]
    area_code: Mapped[str]
    area_level: Mapped[str]
    low: Mapped[int] = mapped_column(BigInteger)
    high: Mapped[int] = mapped_column(BigInteger)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    valid_from: Mapped[Now]
    set_by: Mapped[str]
    valid_to: Mapped[datetime | None]
    withdrawn_by: Mapped[str | None]

    __table_args__ = (
        CheckConstraint("about ~ '^([0-9]{2}([0-9]{3})?|[a-z_]+)$'", name="about"),
        CheckConstraint("area_code ~ '^[0-9]{15}$'", name="area_code"),
        CheckConstraint(
            "CASE area_level WHEN 'whole' THEN low = 0 AND high = 999999999999999 "
            "ELSE int8range(low, high, '[]') = gt_area_range(area_level, area_code, area_code::bigint) END",
            name="codes",
        ),
        CheckConstraint("valid_to IS NULL OR valid_to >= valid_from", name="validity"),
        CheckConstraint("(valid_to IS NULL) = (withdrawn_by IS NULL)", name="withdrawn"),
        Index(
            "uq_responsibility_present",
            "about",
            "low",
            "high",
            unique=True,
            postgresql_where=text("valid_to IS NULL"),
        ),
    )
