"""Hold which feeds a person has paused."""

from __future__ import annotations

from sqlalchemy.orm import Mapped, mapped_column

from twin.model.base import Base, Now


class FeedPause(Base):
    """A feed of which nothing is taken until somebody resumes it; earlier ones are on the record of acts."""

    __tablename__ = "feed_pause"

    feed: Mapped[str] = mapped_column(primary_key=True)
    paused_at: Mapped[Now]
    paused_by: Mapped[str]
    reason: Mapped[str]
