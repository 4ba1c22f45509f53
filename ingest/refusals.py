"""Refuse what cannot be taken: count it, keep it with its reason, and tell a sender who waits."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from ingest.decoders.readings import RefusedReading
from ingest.decoders.unplaced import without_places
from ingest.decoders.unresolved import Unresolved
from ingest.flood import REASON, Flood, Mask
from ingest.receipt import MOST_TOLD
from ingest.window import Window, Wrong
from twin.faults import Fault
from twin.live.board import Board
from twin.live.sight import WORKERS
from twin.runs import begins_of
from twin.store.quarantine import Refused
from twin.twin import ObservationBatch, Twin

# A place in JSON or in a query, and an escape that may hide one.
_PLACES: Final = (b"lon", b"lat", b"location", b"\\u00")


class Refusals:
    """Where all that is refused goes, whatever way it came in.

    Parameters
    ----------
    twin
        Has the quarantine.
    flood
        Says who sends more than they may.
    """

    def __init__(self, twin: Twin, flood: Flood) -> None:
        self._twin = twin
        self._flood = flood

    def refuse_unread(self, window: Window, index: int, uid: str | None, wrong: RefusedReading) -> None:
        """Refuse what was not read: it may say where somebody is, and then its bytes are not kept.

        Parameters
        ----------
        uid
            Device that spoke for itself; None where a gateway spoke of others.
        """
        row = self._twin.board.row_of_uid.get(uid) if uid is not None else None
        if row is not None and self._twin.board.layer[row] == WORKERS:
            window.whole.discard(index)  # of what a tracker says only that it was refused is kept
        window.wrong.append(Wrong(index, without_place(wrong, self._twin.board, uid)))

    def settle(self, window: Window) -> None:
        """Count what was refused of a window, tell it, and put it into the quarantine.

        Done once the rest is stored: a message that comes again would be refused, and kept, again.
        """
        quarantine = self._twin.quarantine
        kept_whole = _first_wrong(window)
        readings_of = Counter(index for index, *_ in window.wrong) if kept_whole else Counter()
        for index, wrong, readings, kept in window.wrong:
            window.refuse(index, wrong.reason, readings)
            window.tell(index, wrong, readings)
            whole = index in window.whole
            if not kept or (whole and kept_whole.get(index) is not wrong):
                quarantine.reasons[wrong.reason] += readings
                continue
            safe = _as_it_came(wrong, window.messages[index].payload, readings_of[index]) if whole else wrong
            written = quarantine.put(Refused(window.source(index), safe.fault, safe.payload, safe.where))
            if written is not None:
                window.refused[index].append(written)
        window.wrong.clear()

    def refuse_unresolved(self, window: Window, unresolved: Unresolved) -> None:
        """Refuse readings that name nothing known; only as many as are kept or told are put into words."""
        if not len(unresolved):
            return
        quarantine = self._twin.quarantine
        room: dict[str, int] = {}
        messages = np.searchsorted(np.array(window.begins, np.intp), unresolved.which, side="right") - 1
        for message, at in _groups(messages, np.arange(len(unresolved))):
            source = window.source(message)
            left = room.get(source)
            if left is None:
                left = quarantine.room(source)
            in_words = max(left, 0)
            if window.receipts is not None:
                in_words = max(in_words, MOST_TOLD)
            if message in window.whole or in_words > len(at):
                in_words = len(at)
            room[source] = left - in_words
            for one in at[:in_words].tolist():
                window.wrong.append(Wrong(message, unresolved[one][1]))
            rest = at[in_words:]
            for first, number in zip(*_first_of_each(unresolved.reason[rest]), strict=True):
                wrong = replace(unresolved[int(rest[first])][1], payload=b"")
                window.wrong.append(Wrong(message, wrong, number, kept=False))
            quarantine.leave_out(len(rest))

    # floods

    def holds_back(self, window: Window, index: int, uid: str | None, payload: bytes) -> bool:
        """Refuse a message unread whose publisher sends too much just now, and keep one now and then."""
        publisher = window.publishers[index]
        if not self._flood.holds_back(publisher):
            return False
        window.publishers[index] = 0
        sender, limit = self._flood.name_of(publisher), partial(self._flood.limit_of_publisher, publisher)
        wrong = RefusedReading(_too_fast(sender, limit), payload, sender)
        if self._flood.note(sender, 1, limit):
            self.refuse_unread(window, index, uid, wrong)
        else:
            window.wrong.append(Wrong(index, replace(wrong, payload=b""), kept=False))
        return True

    def over_messages(self, window: Window) -> Mask | None:
        """Say which messages of a window are beyond what their publishers may send; None where none is."""
        if not window.messages:
            return None
        counts = window.counts()
        newest_us = np.zeros(len(counts), np.int64)
        if len(window.readings):
            full = counts > 0
            begins = np.array(window.begins, np.intp)[full]
            newest_us[full] = np.maximum.reduceat(np.array(window.readings.time_us, np.int64), begins)
        publishers = np.array(window.publishers, np.intp)
        return self._flood.over_messages(publishers, counts, newest_us, time.time_ns() // 1000)

    def hold_back(
        self, window: Window, batch: ObservationBatch, kept: NDArray[np.intp], over: Mask | None
    ) -> tuple[ObservationBatch, NDArray[np.intp]]:
        """Refuse what is beyond what publishers and devices may send; return the rest.

        Parameters
        ----------
        kept
            Number in the window of each reading of the batch, shape (n,).
        over
            What `over_messages` said of the window.
        """
        if not len(kept):
            return batch, kept
        if over is not None:
            late = np.repeat(over, window.counts())[kept]
            publishers = np.repeat(np.array(window.publishers, np.intp), window.counts())[kept]
            for number, at in _groups(publishers, np.flatnonzero(late)):
                name = self._flood.name_of(number)
                self._refuse(window, batch, kept, at, name, partial(self._flood.limit_of_publisher, number))
            batch, kept = batch.only(~late), kept[~late]
            if not len(kept):
                return batch, kept
        wild = self._flood.over_readings(batch.row, batch.phenomenon_us, int(batch.received_us[0]))
        if wild is None:
            return batch, kept
        for row, at in _groups(batch.row, np.flatnonzero(wild)):
            name = f"device {self._twin.board.uid[row]}"
            self._refuse(window, batch, kept, at, name, partial(self._flood.limit_of_device, row))
        return batch.only(~wild), kept[~wild]

    def _refuse(
        self,
        window: Window,
        batch: ObservationBatch,
        kept: NDArray[np.intp],
        at: NDArray[np.intp],
        sender: str,
        limit: Callable[[], float],
    ) -> None:
        """Refuse the readings of one sender at these places of the batch, and keep one now and then."""
        board, i, reading = self._twin.board, int(at[0]), int(kept[at[0]])
        uid, name = window.readings.uid[reading], window.readings.name[reading]
        index = window.message_of(reading)
        said = {"d": uid, "t": int(batch.phenomenon_us[i]) // 1000, "p": name, "v": float(batch.value[i])}
        where = f"device {uid[:64]}, reading {window.readings.index[reading]}"
        wrong = RefusedReading(_too_fast(sender, limit), msgspec.json.encode(said), where)
        unkept = len(at)
        # What a tracker says may be known on duty only, which was not asked yet.
        if self._flood.note(sender, len(at), limit) and board.layer[batch.row[i]] != WORKERS:
            unkept -= 1
            window.wrong.append(Wrong(index, wrong))
        if unkept:
            window.wrong.append(Wrong(index, wrong, unkept, kept=False))


def _first_wrong(window: Window) -> dict[int, RefusedReading]:
    """Return of each message that is kept whole what it is kept for: what was refused of it first.

    One that tells of somebody off duty is not kept.
    """
    first: dict[int, RefusedReading] = {}
    if not window.whole:
        return first
    off_duty = {index for index, wrong, *_ in window.wrong if wrong.reason == "off_duty"}
    for index, wrong, _, kept in window.wrong:
        if kept and index in window.whole and index not in off_duty:
            first.setdefault(index, wrong)
    return first


def _as_it_came(wrong: RefusedReading, payload: bytes, readings: int) -> RefusedReading:
    """Give the first refusal of a message all of it, without what may say where a worker is."""
    if readings > 1:
        wrong = replace(wrong, fault=wrong.fault.noted("more", readings - 1))
    kept = without_places(payload)
    if kept is None:  # no JSON: nobody can tell where in it a place stands
        return _without_bytes(wrong) if _tells_a_place(payload) else replace(wrong, payload=payload)
    if kept != payload:
        wrong = replace(wrong, fault=wrong.fault.noted("placeless"))
    return replace(wrong, payload=kept)


def without_place(wrong: RefusedReading, board: Board, uid: str | None) -> RefusedReading:
    """Take the bytes out of what may say where a worker is: nobody knows whether they are on duty.

    Parameters
    ----------
    uid
        Device that spoke for itself; None where a gateway spoke of others.
    """
    if uid is None:
        told = _tells_a_place(wrong.payload)
    else:
        row = board.row_of_uid.get(uid)
        told = row is not None and bool(board.layer[row] == WORKERS)
    return _without_bytes(wrong) if told else wrong


def _tells_a_place(payload: bytes) -> bool:
    said = payload.lower()  # a pattern that ignores case takes six times as long
    return any(place in said for place in _PLACES)


def _without_bytes(wrong: RefusedReading) -> RefusedReading:
    return replace(wrong, fault=wrong.fault.noted("unkept"), payload=b"")


def _too_fast(sender: str, limit: Callable[[], float]) -> Fault:
    return Fault(REASON, {"sender": sender, "limit": f"{limit():g}"})


def _first_of_each(keys: NDArray[np.uint8]) -> tuple[list[int], list[int]]:
    """Return where each key stands first, and how often it does."""
    _, first, number = np.unique(keys, return_index=True, return_counts=True)
    return first.tolist(), number.tolist()


def _groups(keys: NDArray[np.integer[Any]], at: NDArray[np.intp]) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Yield each key that stands at some places, ascending, and its places there."""
    order = np.argsort(keys[at], kind="stable")
    at = at[order]
    begins = begins_of(keys[at])
    # Of nothing, splitting makes one part of nothing.
    yield from zip(keys[at[begins]].tolist(), np.split(at, begins[1:]), strict=False)
