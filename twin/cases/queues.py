"""Name the queues of the desk, and which open cases wait in each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Queue:
    """Cases that wait for the same kind of act; a case may wait in two.

    ``condition`` is SQL about a row ``c`` of the case table that is open and repeats no other case.
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
        "c.stage <> 'collected' AND (c.supervised_by IS NOT NULL OR c.called_up > 0 "
        "OR (c.stage_due_at < now() AND c.parked_at IS NULL))",
    ),
    Queue("check", "核查", "Check", "c.stage IN ('feedback', 'checking')"),
)

WAITS: Final = "c.closed_at IS NULL AND c.linked_to IS NULL"
"""Which cases wait in queues at all; what repeats another case is done with it."""
