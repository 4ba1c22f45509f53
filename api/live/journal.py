"""Send the journal's events to those who may read them, and again to those who come back."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from api.live import messages
from api.live.viewer import Viewer
from api.live.wire import TEXT, websocket_frame
from twin.access.grants import Grants
from twin.access.roles import DataClass
from twin.store.journal import Event, Held

_CLASS_OF: Final = {"alarm": DataClass.ALARM, "case": DataClass.CASE}
"""By the part of an event's kind before the dot; the rest is about places, as in the policy of the table."""


LEFT: Final = "case.left"
"""What somebody is told of a case that was given to them, and is so no longer: that, and nothing else."""


@dataclass(frozen=True, slots=True)
class _Framed:
    """One event, framed once for all, and who had and has the case it is about."""

    seq: int
    data: DataClass
    scope_code: int
    of_worker: bool
    had: Held
    has: Held
    sent: int | None
    """The worker whose assignment it tells of, who may be no more than one of several at the case."""
    framed: bytes
    framed_left: bytes

    @classmethod
    def of(cls, event: Event) -> _Framed:
        data = _CLASS_OF.get(event.kind.partition(".")[0], DataClass.PLACE)
        of_worker = event.data.get("kind") == "worker"
        had, has = (event.had, event.has) if data is DataClass.CASE else (Held(), Held())
        left = b"" if had in (has, Held()) else _frame(_left(event))
        sent = event.data.get("assignment", {}).get("worker_id") if data is DataClass.CASE else None
        scope_code = int(event.area_code or 0)
        return cls(event.seq, data, scope_code, of_worker, had, has, sent, _frame(event), left)

    def told(self, grants: Grants) -> bytes | None:
        """Return what somebody with such grants is sent; None: nothing."""
        if self.of_worker and self.scope_code not in grants.scope(DataClass.WORKER):
            return None  # what a tracker says tells where a worker is
        if self.scope_code in grants.scope(self.data):
            return self.framed
        if grants.has(self.has.worker_id, self.has.organisation_id) or grants.has(self.sent, None):
            return self.framed
        return self.framed_left if grants.has(self.had.worker_id, self.had.organisation_id) else None


def _frame(event: Event) -> bytes:
    return websocket_frame(messages.event(event), TEXT)


def _left(event: Event) -> Event:
    """Return what is told instead: not where it went, nor why, nor what became of it."""
    data = {"case_id": event.data.get("case_id"), "number": event.data.get("number")}
    return Event(LEFT, event.subject, data, seq=event.seq, at=event.at)


class JournalFeed:
    """The newest events, in order.

    Parameters
    ----------
    kept
        How many of them are kept for those who come back.
    """

    def __init__(self, kept: int) -> None:
        self.newest = 0
        self._events: deque[_Framed] = deque(maxlen=kept)

    def remember(self, events: Sequence[Event]) -> None:
        """Take events that nobody waits for."""
        for event in events:
            self._events.append(_Framed.of(event))
            self.newest = event.seq

    def publish(self, events: Sequence[Event], viewers: Iterable[Viewer]) -> None:
        """Send events, in order, to those of the viewers who read such at their place, or have the case."""
        waiting = [viewer for viewer in viewers if viewer.journal is not None]
        for event in events:
            framed = _Framed.of(event)
            self._events.append(framed)
            self.newest = event.seq
            for viewer in waiting:
                if told := framed.told(viewer.grants):
                    viewer.connection.push_framed(told)
                viewer.journal = event.seq

    def resume(self, viewer: Viewer, last: int) -> None:
        """Send a viewer what came after an event, or say that this is more than is kept."""
        missed = self.newest - last
        kept = [event for event in self._events if event.seq > last]
        if missed < 0 or missed > len(kept):
            viewer.connection.push_text(messages.gap(self.newest))
        else:
            for event in kept:
                if told := event.told(viewer.grants):
                    viewer.connection.push_framed(told)
        viewer.journal = self.newest
