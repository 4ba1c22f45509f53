"""Hold where a camera is asked for pictures: sealed, with how its stream does."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Integer, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from twin.model.base import Base, Now


class CameraSource(Base):
    """The stream of a camera; one at most for each.

    ``address_sealed`` holds user name and password too and is opened by the server only, with a key that
    lies outside the database. Whoever sees the camera sees the rest. ``state`` is `ok` or `broken` (for
    ``reason``) since ``since``; `unknown` before the first look. ``sign_posted`` says whether a sign tells
    people of the camera, ``retention_days`` how long its recorder keeps what it films (at least 30).
    """

    __tablename__ = "camera_source"

    device_id: Mapped[int] = mapped_column(
        Integer, ForeignKey("device.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    scheme: Mapped[str]
    address_sealed: Mapped[bytes]
    set_at: Mapped[Now]
    state: Mapped[str] = mapped_column(server_default="unknown")
    reason: Mapped[str | None]
    since: Mapped[datetime | None]
    sign_posted: Mapped[bool | None]
    retention_days: Mapped[int | None] = mapped_column(SmallInteger)

    __table_args__ = (
        CheckConstraint("scheme IN ('rtsp', 'rtsps', 'http', 'https')", name="scheme"),
        CheckConstraint("state IN ('unknown', 'ok', 'broken')", name="state"),
        CheckConstraint("(state = 'broken') = (reason IS NOT NULL)", name="reason"),
        CheckConstraint("retention_days >= 30", name="retention_days"),
    )
