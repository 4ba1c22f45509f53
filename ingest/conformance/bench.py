"""Put one message through what the product does with it, on a board of its own, and say what is refused.

Decoders, look-up, judge and rates are those of the server; only the board holds nothing but the devices
under test, and nothing is stored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ingest.decoders.observations import decode_device, decode_gateway
from ingest.decoders.readings import DecodeError, Readings
from ingest.decoders.resolve import Resolver
from ingest.flood import Flood
from ingest.transports.accounts import Kind
from twin.batch import ObserveResult
from twin.catalog import Catalog, DeviceKind
from twin.faults import Fault, Words, place_words
from twin.judge import Judge
from twin.live.board import Board, Placement
from twin.live.duties import Duties
from twin.rules.limits import LimitTable
from twin.store.quarantine import QuarantineWriter, Refused
from twin.store.retention_terms import load_terms


@dataclass(frozen=True, slots=True)
class Sender:
    """Who is tested: a device, or a gateway that speaks for devices."""

    kind: Kind
    name: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why something is refused, and where in the message."""

    fault: Fault
    where: str = ""

    @property
    def words(self) -> Words:
        """What is wrong, where, and what to do where that is more than what the broken rule says."""
        said = (self.fault.words, place_words(self.where), self.fault.hint or Words("", ""))
        return Words(*(" · ".join(part for part in parts if part) for parts in zip(*said, strict=True)))


class _Ears(QuarantineWriter):
    """A quarantine that writes nowhere: it only hears what is refused."""

    def __init__(self) -> None:
        self.reasons = Counter()
        self.heard: list[Refused] = []

    def put(self, refused: Refused) -> None:
        self.heard.append(refused)


class Bench:
    """What the server would say of the messages of one sender.

    Parameters
    ----------
    catalog
        Kinds of devices.
    sender
        Who is tested.
    devices
        Kind of each device by its uid; for a device as sender, its own.
    interval_s
        Expected interval of all of them; None takes that of their kind.
    """

    def __init__(
        self,
        catalog: Catalog,
        sender: Sender,
        devices: Mapping[str, DeviceKind],
        interval_s: float | None = None,
    ) -> None:
        self.sender = sender
        self.devices = devices
        self.interval_s = {uid: interval_s or kind.expected_interval_s for uid, kind in devices.items()}
        self._board = Board(catalog)
        self._board.place(
            [
                Placement(n, uid, kind.code, kind.layer, 0, 0.0, 0.0, 0.0, self.interval_s[uid])
                for n, (uid, kind) in enumerate(devices.items(), 1)
            ]
        )
        terms = load_terms(catalog)
        duties = Duties(terms.longest_days)
        duties.replace([(n, 0, None) for n in range(1, len(devices) + 1)])  # a tracker is always on duty here
        self._ears = _Ears()
        self._judge = Judge(self._board, LimitTable.of(catalog), self._ears, terms, duties)
        self._resolver = Resolver(self._board)
        self._flood = Flood(self._board)

    def take(self, payload: bytes, received_us: int) -> tuple[Readings, list[Trouble]]:
        """Return what a message says, and what of it would be refused and why."""
        readings = Readings()
        troubles = []
        try:
            if self.sender.kind == "device":
                decode_device(self.sender.name, payload, readings)
            else:
                decode_gateway(payload, readings)
        except DecodeError as error:
            return Readings(), [Trouble(error.fault)]
        for wrong in readings.refused:
            troubles.append(Trouble(wrong.fault, wrong.where))
        if len(readings):
            batch, kept, refused = self._resolver.resolve(
                readings, received_us, lambda i: ("", f"reading {readings.index[i]}")
            )
            for _, wrong in refused:
                troubles.append(Trouble(wrong.fault, wrong.where))
            self._ears.heard.clear()
            self._judge.sort_out(batch, ObserveResult())
            for heard in self._ears.heard:
                troubles.append(Trouble(heard.fault, heard.where))
            troubles += self._too_fast(readings, batch.row, batch.phenomenon_us, received_us)
            del kept
        return readings, troubles

    def _too_fast(
        self, readings: Readings, rows: np.ndarray, time_us: np.ndarray, received_us: int
    ) -> list[Trouble]:
        number = self._flood.number_of(self.sender.kind, self.sender.name)
        over = self._flood.over_messages(
            np.array([number]), np.array([len(readings)]), np.array([max(readings.time_us)]), received_us
        )
        if over is not None:
            limit = self._flood.limit_of_publisher(number)
            return [_too_fast(f"{self.sender.kind} {self.sender.name}", limit)]
        if not len(rows):
            return []
        beyond = self._flood.over_readings(rows, time_us, received_us)
        if beyond is None:
            return []
        row = int(rows[int(np.flatnonzero(beyond)[0])])
        limit = self._flood.limit_of_device(row)
        return [_too_fast(f"device {self._board.uid[row]}", limit)]


def _too_fast(sender: str, limit: float) -> Trouble:
    return Trouble(Fault("too_fast_under_test", {"sender": sender, "limit": f"{limit:g}"}))
