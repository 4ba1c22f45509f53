"""Keep the newest messages of each device as they came, in bounded memory, for a person who looks."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ingest.window import Window
from twin.runs import begins_of

OF_A_DEVICE: Final = 20
"""Most messages that are kept of one device."""
OF_A_GATEWAY: Final = 200
"""Most of those messages of one gateway that speak of several devices."""
MOST_BYTES: Final = 32 * 1024 * 1024
"""Of all together; who has been silent the longest is forgotten first."""
MOST_S: Final = 86_400.0
"""A message is forgotten after so long."""

_OVERHEAD_BYTES: Final = 550  # of what holds a message, where it is the only one of its device


class Kept(NamedTuple):
    """A message of which something was stored.

    Parameters
    ----------
    received_s
        Unix s.
    feed, source
        The feed it came by, and the topic or the sender.
    payload
        Its bytes; None where what was refused of it may be nobody's business.
    devices
        Numbers of the devices of which something was stored, shape (n,).
    """

    received_s: float
    feed: str
    source: str
    payload: bytes | None
    devices: NDArray[np.int32]

    @property
    def size_bytes(self) -> int:
        """What it takes of the memory."""
        return len(self.payload or b"") + self.devices.nbytes + _OVERHEAD_BYTES


class Newest:
    """The newest messages by device, and those that speak of several devices by gateway."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.size_bytes = 0
        self._most_bytes = most_bytes
        self._kept: OrderedDict[int, list[Kept]] = OrderedDict()

    def note(self, window: Window) -> None:
        """Keep the messages of a window of which something was stored."""
        if window.stored is None:
            return
        messages, devices = window.stored
        starts = begins_of(messages)
        ends = [*starts[1:].tolist(), len(messages)]
        for message, begin, end in zip(messages[starts].tolist(), starts.tolist(), ends, strict=True):
            self._note(window, message, devices[begin:end])

    def _note(self, window: Window, message: int, devices: NDArray[np.int32]) -> None:
        # Most messages are of one device, and `unique` sorts.
        devices = devices[:1].copy() if (devices == devices[0]).all() else np.unique(devices)
        payload = None if message in window.withheld else window.messages[message].payload
        publisher = window.publishers[message]
        self.keep(devices, publisher, window.counters.feed, window.source(message), payload)

    def keep(
        self, devices: NDArray[np.int32], publisher: int, feed: str, source: str, payload: bytes | None
    ) -> None:
        """Keep a message of which something was stored.

        Parameters
        ----------
        devices
            Numbers of its devices, each once, shape (n,), n > 0.
        publisher
            Number of who sent it, from `Flood.number_of`.
        feed, source, payload
            See `Kept`.
        """
        if len(devices) == 1:
            key, most = int(devices[0]), OF_A_DEVICE
        else:
            key, most = -publisher, OF_A_GATEWAY
        found = Kept(time.time(), feed, source, payload, devices)
        of_key = self._kept.get(key)
        if of_key is None:
            of_key = self._kept[key] = []
        else:
            self._kept.move_to_end(key)
        of_key.append(found)
        self.size_bytes += found.size_bytes
        if len(of_key) > most:
            self.size_bytes -= of_key.pop(0).size_bytes
        self._forget(found.received_s - MOST_S)

    def _forget(self, since_s: float) -> None:
        while self._kept:
            silent = next(iter(self._kept))
            messages = self._kept[silent]
            if self.size_bytes <= self._most_bytes and messages[-1].received_s >= since_s:
                return
            self.size_bytes -= messages.pop(0).size_bytes
            if not messages:
                del self._kept[silent]

    def of(self, device_id: int, most: int) -> list[Kept]:
        """Return the newest messages of which something was stored for a device, the newest first."""
        since_s = time.time() - MOST_S
        found = [one for one in self._candidates(device_id) if one.received_s >= since_s]
        return sorted(found, key=lambda one: -one.received_s)[:most]

    def _candidates(self, device_id: int) -> Iterator[Kept]:
        for key, messages in self._kept.items():
            if key == device_id:
                yield from messages
            elif key <= 0:
                yield from (one for one in messages if device_id in one.devices)
