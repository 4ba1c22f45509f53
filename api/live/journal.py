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
from twin.store.journal import Event

_CLASS_OF: Final = {"alarm": DataClass.ALARM, "case": DataClass.CASE}
"""By the part of an event's kind before the dot; the rest is about places, as in the policy of the table."""


@dataclass(frozen=True, slots=True)
class _Framed:
    """One event, framed once for all."""

    seq: int
    data: DataClass
    scope_code: int
    of_worker: bool
    framed: bytes

    @classmethod
    def of(cls, event: Event) -> _Framed:
        data = _CLASS_OF.get(event.kind.partition(".")[0], DataClass.PLACE)
        of_worker = event.data.get("kind") == "worker"
        framed = websocket_frame(messages.event(event), TEXT)
        return cls(event.seq, data, int(event.area_code or 0), of_worker, framed)

    def is_for(self, grants: Grants) -> bool:
        if self.of_worker and self.scope_code not in grants.scope(DataClass.WORKER):
            return False  # what a tracker says tells where a worker is
        return self.scope_code in grants.scope(self.data)


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
        """Send events, in order, to those of the viewers who read such at their place."""
        waiting = [viewer for viewer in viewers if viewer.journal is not None]
        for event in events:
            framed = _Framed.of(event)
            self._events.append(framed)
            self.newest = event.seq
            for viewer in waiting:
                if framed.is_for(viewer.grants):
                    viewer.connection.push_framed(framed.framed)
                viewer.journal = event.seq

    def resume(self, viewer: Viewer, last: int) -> None:
        """Send a viewer what came after an event, or say that this is more than is kept."""
        missed = self.newest - last
        kept = [event for event in self._events if event.seq > last]
        if missed < 0 or missed > len(kept):
            viewer.connection.push_text(messages.gap(self.newest))
        else:
            for event in kept:
                if event.is_for(viewer.grants):
                    viewer.connection.push_framed(event.framed)
        viewer.journal = self.newest
