"""Say what a batch of observations is, and what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.faults import Fault
from twin.live.rooms import Rows


def written_time(us: int) -> int | str:
    """Write a time (Unix µs) as the device schema does: milliseconds, else ISO 8601, exact to the µs."""
    if us % 1000 == 0:
        return us // 1000
    return (datetime.fromtimestamp(0, UTC) + timedelta(microseconds=us)).isoformat()


@dataclass(frozen=True, slots=True)
class Detail:
    """What an observation says beside its number, as text of JSON and as moments; see `ObservationDetail`."""

    phenomenon_end: datetime | None = None
    result_time: datetime | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    result: str | None = None
    result_quality: str | None = None
    parameters: str | None = None
    feature_id: int | None = None


@dataclass(slots=True)
class ObservationBatch:
    """Observations as columns, shape (n,) each.

    ``row`` is the row of the board; ``slot`` the property: below `SLOTS` one of the device's kind, from there
    on one that a client declared, which the sender has looked up and which is kept in the history only. Times
    are Unix µs, ``value`` is in the property's unit, NaN where the result is no number; ``lon``/``lat`` are
    degrees WGS 84, NaN for what does not move. For the quarantine ``trace`` gives the source of one (its
    topic) and its place in the message, by its number in ``origin``; a batch without them has only its
    ``source``. Of what is ``kept_elsewhere`` nothing is put there: it comes out of the quarantine, or who
    hands it over keeps the messages that it came in.
    ``detail`` holds a `Detail` or None for each observation; it is None where none has one.
    """

    row: Rows
    slot: NDArray[np.integer]
    phenomenon_us: NDArray[np.int64]
    value: NDArray[np.float64]
    lon: NDArray[np.float64]
    lat: NDArray[np.float64]
    received_us: NDArray[np.int64]
    source: str = ""
    origin: NDArray[np.intp] | None = None
    trace: Callable[[int], tuple[str, str]] | None = None
    kept_elsewhere: bool = False
    detail: NDArray[np.object_] | None = None

    def __len__(self) -> int:
        return len(self.row)

    def part(self, begin: int, end: int) -> ObservationBatch:
        """Return the observations from index ``begin`` up to, not including, ``end``."""
        return self._with(lambda column: column[begin:end])

    def only(self, keep: NDArray[np.bool_]) -> ObservationBatch:
        """Return the observations that a mask of shape (n,) holds."""
        return self._with(lambda column: column[keep])

    def _with(self, choose: Callable[[NDArray[Any]], NDArray[Any]]) -> ObservationBatch:
        columns: dict[str, Any] = {name: choose(getattr(self, name)) for name in _BATCH_COLUMNS}
        for name in ("origin", "detail"):
            if getattr(self, name) is not None:
                columns[name] = choose(getattr(self, name))
        return replace(self, **columns)

    def came_from(self, index: int) -> tuple[str, str]:
        """Return the source of one observation and its place in the message, "" where that is not known."""
        if self.trace is None or self.origin is None:
            return self.source, ""
        return self.trace(int(self.origin[index]))


_BATCH_COLUMNS = ("row", "slot", "phenomenon_us", "value", "lon", "lat", "received_us")


@dataclass(frozen=True, slots=True)
class Refusal:
    """One observation of a batch that was refused. ``written`` is done once the quarantine is on disk.

    It is None where the quarantine keeps no more of a flood.
    """

    index: int
    fault: Fault
    written: asyncio.Future[None] | None

    @property
    def reason(self) -> str:
        """The code of the device schema it is counted under."""
        return self.fault.reason

    @property
    def what(self) -> str:
        """What is wrong, in English."""
        return self.fault.words.en


class Fate(IntEnum):
    """What became of one observation; a late one was stored, and older than what the board showed."""

    REFUSED = 0
    DUPLICATE = 1
    STORED = 2
    LATE = 3


@dataclass(slots=True)
class ObserveResult:
    """What became of a batch: every observation is counted in exactly one of the first three.

    ``stored`` were new, ``duplicate`` were in the store already, ``quarantined`` were refused. ``late``
    counts those of the stored that were older than what the board already showed. ``fates`` has the `Fate`
    of each, shape (n,).
    """

    stored: int = 0
    duplicate: int = 0
    quarantined: int = 0
    late: int = 0
    refusals: list[Refusal] = field(default_factory=list)
    fates: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, np.uint8))

    def plus(self, other: ObserveResult, offset: int) -> ObserveResult:
        """Add the result of a following part that began at an index of the whole batch."""
        moved = [Refusal(r.index + offset, r.fault, r.written) for r in other.refusals]
        return ObserveResult(
            self.stored + other.stored,
            self.duplicate + other.duplicate,
            self.quarantined + other.quarantined,
            self.late + other.late,
            self.refusals + moved,
            np.concatenate((self.fates, other.fates)),
        )
