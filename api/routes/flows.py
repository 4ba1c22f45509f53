"""Say how messages come, by a way in or by a mapping, in one form."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import BaseModel

from ingest.counters import Heard


class RefusedCountAnswer(BaseModel):
    """How many readings were refused for one reason."""

    code: str
    count: int


class FlowAnswer(BaseModel):
    """How messages come. Counts are since the server started; what is not known is null.

    ``stored`` and ``refused`` count readings, and ``refused_share`` is of those that were decided upon.
    ``lag_s`` is the median of the last minute, from observed to received, 2.5 % exact. ``per_minute`` are the
    messages of sixty minutes, the oldest first, the one that runs last.
    """

    messages: int
    stored: int
    refused: int
    refused_share: float | None
    refused_reasons: list[RefusedCountAnswer]
    messages_per_s: float | None
    lag_s: float | None
    last_message_at: datetime | None
    per_minute: list[int]


def flow_of(heard: Heard) -> FlowAnswer:
    """Return how messages come."""
    refused = heard.refused.total()
    decided = heard.stored + heard.duplicate + refused
    last = None if heard.last_message_at is None else datetime.fromtimestamp(heard.last_message_at, UTC)
    return FlowAnswer(
        messages=heard.messages,
        stored=heard.stored,
        refused=refused,
        refused_share=refused / decided if decided else None,
        refused_reasons=[RefusedCountAnswer(code=code, count=n) for code, n in heard.refused.most_common()],
        messages_per_s=None if last is None else heard.messages_per_s(),
        lag_s=heard.lag.median_s(),
        last_message_at=last,
        per_minute=heard.per_minute(),
    )
