"""Hold the photographs of cases."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, get_args
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Integer, UniqueConstraint, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from twin.model.base import Base, Key, Now, geometry

Moment = Literal["before", "during", "after", "evidence"]
"""处置前, 处置中, 处置后, 取证."""


class Photograph(Base):
    """A photograph of a case, written anew without metadata, and what was claimed of it when it came.

    Whoever sees the case sees it: it has no scope of its own (see its policy in the migration that made it).
    ``client_id`` is chosen by the sender, once for each photograph, so that sending it again adds nothing;
    ``sent_sha256`` is of the bytes as they came. Claims of the file and of the sender are kept apart, and
    ``flags`` says what of them does not fit the case (`api.photographs.claims`). ``released_at`` is since
    when whoever reported the case is shown it; None: they are not.
    """

    __tablename__ = "photograph"

    id: Mapped[Key]
    case_id: Mapped[int] = mapped_column(ForeignKey("case_file.id", ondelete="CASCADE"))
    client_id: Mapped[UUID] = mapped_column(Uuid)
    moment: Mapped[str]
    added_at: Mapped[Now]
    account_id: Mapped[UUID | None] = mapped_column(Uuid)
    worker_id: Mapped[int | None] = mapped_column(ForeignKey("worker.id", ondelete="SET NULL"), index=True)
    sent_type: Mapped[str]
    sent_sha256: Mapped[bytes]
    picture: Mapped[bytes]
    thumbnail: Mapped[bytes]
    width_px: Mapped[int] = mapped_column(Integer)
    height_px: Mapped[int] = mapped_column(Integer)
    file_at: Mapped[datetime | None]
    file_point: Mapped[Any] = geometry("POINT", nullable=True)
    sender_at: Mapped[datetime | None]
    sender_point: Mapped[Any] = geometry("POINT", nullable=True)
    distance_m: Mapped[float | None]
    flags: Mapped[list[str]]
    simulated: Mapped[bool] = mapped_column(server_default=text("false"))
    released_at: Mapped[datetime | None]

    __table_args__ = (
        # Of one case, so that nobody learns of a photograph elsewhere by trying its number.
        UniqueConstraint("case_id", "client_id"),
        CheckConstraint(f"moment IN {get_args(Moment)}", name="moment"),
        CheckConstraint("octet_length(sent_sha256) = 32", name="sent_sha256"),
        CheckConstraint("width_px > 0 AND height_px > 0", name="size"),
        CheckConstraint("distance_m >= 0", name="distance_m"),
        CheckConstraint("released_at IS NULL OR moment IN ('before', 'after')", name="released"),
    )
