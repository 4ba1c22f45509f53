"""Read one message into a window, whatever way it came in; what cannot be read is refused, nothing waits."""

from __future__ import annotations

import logging
from collections.abc import Callable

from ingest.decoders.readings import DecodeError, Readings, RefusedReading
from ingest.refusals import Refusals
from ingest.window import Window
from twin.faults import Fault

log = logging.getLogger(__name__)


def read_into(
    window: Window,
    index: int,
    payload: bytes,
    who: str,
    uid: str | None,
    decode: Callable[[Readings], object],
    refusals: Refusals,
) -> None:
    """Decode a message that was begun in a window, and append its readings.

    Parameters
    ----------
    index
        What `Window.begin` gave.
    who
        Who sent it, for the quarantine; "" where nobody knows.
    uid
        Device that speaks for itself; None where a gateway speaks of others.
    decode
        Appends what the message says to columns.
    """
    readings = window.readings
    if refusals.holds_back(window, index, uid, payload):
        window.hear(1)
        return
    begin, refused = len(readings.uid), len(readings.refused)
    try:
        decode(readings)
    except DecodeError as error:
        window.hear(1)
        wrong = RefusedReading(error.fault, payload, who)
        refusals.refuse_unread(window, index, uid, wrong)
    except Exception:  # a fault of ours must not stop the feed: the message is kept for replay
        log.exception("a message of %s could not be decoded", window.source(index)[:200])
        readings.cut(begin, refused)
        window.hear(1)
        refusals.refuse_unread(window, index, uid, RefusedReading(Fault("decoder_failed"), payload, who))
    else:
        for reading in readings.refused[refused:]:
            refusals.refuse_unread(window, index, uid, reading)
        window.hear(len(readings.uid) - begin + len(readings.refused) - refused)
    del readings.refused[refused:]
