"""Name the queues of the desk, and which open cases wait in each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Queue:
    """Cases that wait for the same kind of act; a case may wait in two.

    ``condition`` is SQL about a row ``c`` of the case table that waits at all.
    """

    name: str
    zh: str
    en: str
    condition: str


QUEUES: Final[tuple[Queue, ...]] = (
    Queue("collect", "受理", "Intake", "c.stage = 'collected'"),
    Queue("dispatch", "派遣", "Dispatch", "(c.stage = 'filed' OR c.asked IS NOT NULL)"),
    Queue(
        "supervise",
        "督办",
        "Supervise",
        "(c.review_since IS NOT NULL OR c.stage <> 'collected' AND (c.supervised_by IS NOT NULL "
        "OR c.called_up > 0 OR (c.stage_due_at < now() AND c.parked_at IS NULL)))",
    ),
    Queue("check", "核查", "Check", "c.stage IN ('feedback', 'checking')"),
)

OVERDUE: Final = "c.closed_at IS NULL AND c.parked_at IS NULL AND c.stage_due_at < now()"
"""Which of them are over their time."""

WAITS: Final = "(c.closed_at IS NULL AND c.linked_to IS NULL OR c.review_since IS NOT NULL)"
"""Which cases wait in queues at all.

What repeats another case is done with it. One that was closed waits when whoever rated it was dissatisfied,
also one that ended with another: each reporter rates their own.
"""
