"""Hold the mappings by which messages of foreign platforms are read, in all their versions."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CheckConstraint, Integer, text
from sqlalchemy.orm import Mapped, mapped_column

from twin.model.base import Base, Now


class FeedMapping(Base):
    """One version of a mapping; the newest of a name is the one that is used.

    Rows are added and never changed: what was valid when stays there, and to put an old version back is to
    add it once more, with its number in ``restored``. One that is ``retired`` ends the use of the mapping.
    ``content`` is the mapping itself, as `ingest.decoders.mapping` reads it.
    """

    __tablename__ = "feed_mapping"

    name: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    zh: Mapped[str]
    en: Mapped[str]
    content: Mapped[dict[str, Any]]
    changed_by: Mapped[str]
    changed_at: Mapped[Now]
    restored: Mapped[int | None] = mapped_column(Integer)
    retired: Mapped[bool] = mapped_column(server_default=text("false"))

    __table_args__ = (
        CheckConstraint("name ~ '^[a-z][a-z0-9-]{1,31}$'", name="name"),
        CheckConstraint("version >= 1", name="version"),
        CheckConstraint("restored >= 1 AND restored < version", name="restored"),
    )
