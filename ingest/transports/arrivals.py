"""Take messages off the wire: whose they are, what they mean, and what of them is not taken."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ingest.decoders.observations import decode_device, decode_gateway
from ingest.decoders.readings import DecodeError, RefusedReading
from ingest.decoders.status import decode_status
from ingest.flood import REASON, Flood, Mask
from ingest.intake import without_place
from ingest.transports.counters import FeedCounters
from ingest.transports.topics import ROOT
from ingest.transports.window import Window
from twin.live.sight import WORKERS
from twin.store.quarantine import Refused
from twin.twin import ObservationBatch, Twin

log = logging.getLogger(__name__)

_ROUTES_KEPT = 500_000
_FORMS = {
    ("devices", "observations"): "devices",
    ("gateways", "observations"): "gateways",
    ("devices", "status"): "status",
    ("gateways", "status"): "gateway_status",
}
_SENDERS = {"devices": "device", "status": "device", "gateways": "gateway", "gateway_status": "gateway"}

Route = tuple[str, str, int]
"""Form of a topic, whom it names, and their number as a publisher."""


class Arrivals:
    """Gathers the messages that go into the next commit; one call a message, and none of them waits.

    Parameters
    ----------
    twin
        Whose devices they are of.
    counters, flood
        What is counted of them, and who is held back.
    """

    def __init__(self, twin: Twin, counters: FeedCounters, flood: Flood) -> None:
        self.window = Window()
        self._twin = twin
        self._counters = counters
        self._flood = flood
        self._routes: dict[bytes, Route] = {}

    def close_window(self) -> Window:
        """Return what was gathered, and begin anew."""
        window, self.window = self.window, Window()
        return window

    def take(self, topic: bytes, payload: bytes, number: int, connection: object, retained: bool) -> None:
        """Take one message into the window."""
        counters, window = self._counters, self.window
        counters.messages += 1
        route = self._routes.get(topic)
        if route is None:
            route = self._route(topic)
        form, uid, publisher = route
        readings = window.readings
        begin, refused = len(readings.uid), len(readings.refused)
        index = len(window.messages)
        window.messages.append((connection, number, len(payload), topic))
        window.begins.append(begin)
        window.senders.append(uid if form == "gateways" else "")
        counters.waiting_bytes += len(payload)
        if self._flood.holds_back(publisher):
            window.publishers.append(0)
            counters.readings += 1
            self._hold_back_message(window, index, route, payload)
            return
        window.publishers.append(publisher)
        try:
            if retained and form in ("devices", "gateways"):
                if payload:  # nothing: what was kept is deleted
                    raise DecodeError("retained", "an observation that the broker is to keep")
            elif form == "devices":
                decode_device(uid, payload, readings)
            elif form == "gateways":
                counters.hear_gateway(uid)
                decode_gateway(payload, readings)
            elif form == "status":
                self._take_status(uid, payload)
            elif form == "gateway_status":
                self._take_gateway_status(uid, payload)
            else:
                raise DecodeError("wrong_topic", "not a topic of the device schema")
        except DecodeError as error:
            counters.readings += 1
            wrong = RefusedReading(error.reason, error.what, payload, _sender(route), error.hint)
            self._quarantine_safely(window, index, route, wrong)
        except Exception:  # a fault of ours must not stop the feed: the message is kept for replay
            log.exception("a message on %s could not be decoded", topic[:200])
            readings.cut(begin, refused)
            counters.readings += 1
            what = "the message could not be decoded; the log of the server says more"
            wrong = RefusedReading("decoder_failed", what, payload, _sender(route))
            self._quarantine_safely(window, index, route, wrong)
        else:
            for reading in readings.refused[refused:]:
                self._quarantine_safely(window, index, route, reading)
            counters.readings += len(readings.uid) - begin + len(readings.refused) - refused
        del readings.refused[refused:]
        counters.waiting += len(readings.uid) - begin

    def _route(self, topic: bytes) -> Route:
        parts = topic.decode("utf-8", "replace").split("/")
        form = "none"
        if len(parts) == 5 and parts[:2] == ROOT.split("/"):
            form = _FORMS.get((parts[2], parts[4]), "none")
        if len(self._routes) >= _ROUTES_KEPT:
            self._routes.clear()
        name = parts[3] if form != "none" else ""
        publisher = self._flood.number_of(_SENDERS[form], name) if form != "none" else 0
        route = self._routes[topic] = (form, name, publisher)
        return route

    def _take_status(self, uid: str, payload: bytes) -> None:
        if not payload:
            return  # a retained status that was deleted
        online = decode_status(payload)
        row = self._twin.board.row_of_uid.get(uid)
        if row is None:
            raise DecodeError("unknown_device", f"no device “{uid[:64]}” is installed")
        self._counters.statuses += 1
        rows = np.array([row], np.int32)
        if online:
            self._twin.connection_found(rows)
        else:
            self._twin.connection_lost(rows)

    def _take_gateway_status(self, name: str, payload: bytes) -> None:
        if not payload:
            return
        if decode_status(payload):
            self._counters.hear_gateway(name)
        else:
            self._counters.gateways.pop(name, None)

    # what is not taken

    def _quarantine_safely(self, window: Window, index: int, route: Route, wrong: RefusedReading) -> None:
        form, uid, _ = route
        board = self._twin.board
        # Of all forms these two can say where somebody is.
        if form in ("devices", "gateways"):
            wrong = without_place(wrong, board, uid if form == "devices" else None)
        self.quarantine(window, index, wrong)

    def quarantine(self, window: Window, index: int, wrong: RefusedReading) -> None:
        """Keep what is wrong of one message of a window, with its topic."""
        self._counters.refused[wrong.reason] += 1
        written = self._twin.quarantine.put(
            Refused(window.topic(index), wrong.reason, wrong.what, wrong.payload, wrong.where, wrong.hint)
        )
        if written is not None:
            window.refused[index].append(written)

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
        unkept = len(at)
        # What a tracker says may be known on duty only, which was not asked yet.
        if self._flood.note(sender, len(at), limit) and board.layer[batch.row[i]] != WORKERS:
            unkept -= 1
            uid, name = window.readings.uid[reading], window.readings.name[reading]
            said = {"d": uid, "t": int(batch.phenomenon_us[i]) // 1000, "p": name, "v": float(batch.value[i])}
            where = f"device {uid[:64]}, reading {window.readings.index[reading]}"
            wrong = RefusedReading(REASON, _too_fast(sender, limit), msgspec.json.encode(said), where)
            self.quarantine(window, window.message_of(reading), wrong)
        self._count_only(unkept)

    def _hold_back_message(self, window: Window, index: int, route: Route, payload: bytes) -> None:
        """Refuse a message unread, and keep one now and then."""
        sender, limit = _sender(route), partial(self._flood.limit_of_publisher, route[2])
        if self._flood.note(sender, 1, limit):
            wrong = RefusedReading(REASON, _too_fast(sender, limit), payload, sender)
            self._quarantine_safely(window, index, route, wrong)
        else:
            self._count_only(1)

    def _count_only(self, readings: int) -> None:
        self._counters.refused[REASON] += readings
        self._twin.quarantine.reasons[REASON] += readings


def _too_fast(sender: str, limit: Callable[[], float]) -> str:
    return f"{sender} sends more than {limit():g} readings a second; of the refused ones few are kept"


def _groups(keys: NDArray[np.integer[Any]], at: NDArray[np.intp]) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Yield each key that stands at some places, and its places there."""
    for key in np.unique(keys[at]).tolist():
        yield key, at[keys[at] == key]


def _sender(route: Route) -> str:
    """Say who a message came from, as far as its topic tells."""
    form, uid, _ = route
    return f"{_SENDERS[form]} {uid[:64]}" if form in _SENDERS else ""
