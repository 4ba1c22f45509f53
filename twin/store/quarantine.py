"""Keep refused messages with their reason, bounded in rate and room, without delaying the good ones."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter, deque
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncEngine

from twin.faults import Fault
from twin.model import Quarantine
from twin.store.outage import is_outage

log = logging.getLogger(__name__)

KEPT_BYTES = 262_144
"""Longer payloads are cut to this and the detail says so."""

CUT = "(cut from "
"""What the detail of a longer one holds: its bytes cannot be read again."""

MOST_BYTES = 1024 * 1024 * 1024
"""What the quarantine holds, unless said otherwise."""

_QUEUE_BYTES = 32 * 1024 * 1024
_ROWS_PER_S, _BURST_ROWS = 500.0, 10_000.0
# So that nobody else's are lost to one that sends nothing but rubbish.
_ROWS_PER_S_OF_ONE, _BURST_ROWS_OF_ONE, _SHARE_OF_ONE = 250.0, 5_000.0, 0.25
_MOST_SOURCES = 10_000
_BATCH_ROWS = 500
_ROW_BYTES = 800  # what a row takes beside its bytes
_MEASURE_EVERY_S = 300.0

_MEASURE = text(
    f"SELECT source, count(*) * {_ROW_BYTES} + coalesce(sum(octet_length(payload)), 0)::bigint AS bytes "
    "FROM quarantine GROUP BY source"
)

WHAT_TO_DO = {
    "malformed": "send JSON in UTF-8 without NaN, Infinity or 1e999; leave out what was not measured",
    "wrong_type": "send fields of the types of docs/device-schema.md; yes and no are 1 and 0",
    "missing_field": "add the field, as in docs/device-schema.md",
    "wrong_length": "give every list of the message the same length",
    "empty": "send nothing where there is no reading",
    "too_large": "split the message",
    "bad_time": "send whole milliseconds since 1970 UTC, or ISO 8601 with zone",
    "bad_position": "send lon and lat together, in degrees WGS 84, within 180 and 90",
    "unknown_device": "import the device first: gridtwin import devices FILE",
    "wrong_device": "publish on the device's own topic, or as a gateway",
    "unknown_property": "send one of the properties its kind has, or correct the kind in the list of devices",
    "wrong_unit": "send a unit of that quantity, or leave “u” out for the declared one",
    "not_finite": "leave out what was not measured",
    "out_of_range": "check the sensor and its unit",
    "from_the_future": "set the device's clock",
    "too_old": "set the device's clock; what is older than the retention cannot be taken",
    "does_not_move": "leave lon and lat out; where it is installed is corrected in the list of devices",
    "off_duty": "begin a duty of the worker who carries it; of the time between duties nothing is taken",
    "retained": "publish observations without the retain flag; only a status is to be kept",
    "too_fast": "send less often, or let the operator set a higher limit; what was saved up may come at once",
    "not_known": "send the user name and the password of the account: gridtwin device token, gateway add",
    "unfinished": "send the whole message within 30 s, or its length with it",
    "wrong_topic": "publish on one of the topics of docs/device-schema.md",
    "not_storable": "report it: this is a fault of GridTwin; the reading is kept and can be replayed",
    "decoder_failed": "report it: this is a fault of GridTwin; the message is kept and can be replayed",
}
"""What the operator of the sender does about each reason, where the refusal itself says nothing better."""


@dataclass(frozen=True, slots=True)
class Refused:
    """One message or reading that could not be taken.

    Parameters
    ----------
    source
        Where it came from: the topic of MQTT, else the name of the feed and of the sender, parted by a space.
    fault
        What is wrong.
    payload
        Its bytes.
    where
        The device and the place in the message, as far as known.
    cut
        How many bytes it had, where it is longer than what is kept.
    """

    source: str
    fault: Fault
    payload: bytes
    where: str = ""
    cut: int = 0

    @property
    def reason(self) -> str:
        """A code, a key of `WHAT_TO_DO`."""
        return self.fault.reason

    @property
    def detail(self) -> str:
        """What is wrong, where, and what to do, in English, in one line of at most 1,000 characters."""
        what = self.fault.words.en
        if self.cut:
            what = f"{what[:500]} {CUT}{self.cut} bytes)"
        where = f"at {self.where}" if self.where else ""
        hint = self.fault.hint.en if self.fault.hint else WHAT_TO_DO.get(self.reason, "")
        return " · ".join(part for part in (what[:600], where[:100], hint[:280]) if part)

    @property
    def said(self) -> dict[str, Any]:
        """The same in a form that every language can say, as PostgreSQL can store it."""
        values = {
            name: _clean(value) if isinstance(value, str) else value
            for name, value in self.fault.values.items()
        }
        return self.fault.as_dict() | {"values": values, "where": _clean(self.where[:100]), "cut": self.cut}

    @property
    def clean_detail(self) -> str:
        """The detail as PostgreSQL can store it."""
        return _clean(self.detail)


class _Allowance:
    """How many rows may be kept now: a burst, and so many a second."""

    __slots__ = ("_at", "_burst", "_left", "_per_s")

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_s, self._burst = per_s, burst
        self._left, self._at = burst, time.monotonic()

    @property
    def left(self) -> int:
        """How many may be kept now."""
        now = time.monotonic()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_s)
        self._at = now
        return int(self._left)

    def take(self) -> None:
        self._left -= 1.0


class QuarantineWriter:
    """Queue refused messages and write them in batches over a connection of their own.

    A source that sends nothing but rubbish could fill the disk, and leave no room for others: beyond a burst
    of 5,000 rows at most 250 a second of one source are kept, of all 500 a second after 10,000, and no more
    than the quarantine holds, a quarter of it of one source. The rest is counted in ``reasons`` and in
    ``dropped``, and not kept.

    Parameters
    ----------
    engine
        Signed in as the server's own hand.
    most_bytes
        What the quarantine holds.
    """

    def __init__(self, engine: AsyncEngine, most_bytes: int = MOST_BYTES) -> None:
        self._engine = engine
        self.most_bytes = most_bytes
        self._waiting: deque[tuple[Refused, datetime, asyncio.Future[None]]] = deque()
        self._bytes = 0
        self._allowance = _Allowance(_ROWS_PER_S, _BURST_ROWS)
        self._of_one: dict[str, _Allowance] = {}
        self._held: Counter[str] = Counter()
        self._held_bytes = 0
        self._measured_s = float("-inf")
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.reasons: Counter[str] = Counter()
        self.dropped = 0
        self.written = 0

    @property
    def held_bytes(self) -> int:
        """About how many bytes lie in the quarantine."""
        return self._held_bytes

    @property
    def is_full(self) -> bool:
        """Whether nothing more is kept, of any source."""
        return self._held_bytes >= self.most_bytes

    def start(self) -> None:
        """Start writing."""
        self._task = asyncio.create_task(self._run(), name="quarantine")

    async def close(self) -> None:
        """Write what waits, for at most two seconds, and stop."""
        if self._task is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2.0):
                while self._waiting:
                    self._wake.set()
                    await asyncio.sleep(0.02)
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    def put(self, refused: Refused) -> asyncio.Future[None] | None:
        """Count a refusal and queue it; return what is done once it is on disk, None when it is not kept."""
        self.reasons[refused.reason] += 1
        payload, cut = refused.payload, 0
        if len(payload) > KEPT_BYTES:
            payload, cut = payload[:KEPT_BYTES], len(payload)
        source = refused.source[:400]
        if not self._has_room(source) or self._bytes + len(payload) > _QUEUE_BYTES:
            self.dropped += 1
            self._wake.set()  # perhaps somebody made room
            return None
        self._bytes += len(payload)
        self._hold(source, len(payload) + _ROW_BYTES)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        kept = replace(refused, source=source, payload=payload, cut=cut)
        self._waiting.append((kept, datetime.now(UTC), done))
        self._wake.set()
        return done

    def room(self, source: str) -> int:
        """Return how many more refusals of a source would be kept now."""
        source = source[:400]
        if self.is_full or self._held[source] >= self.most_bytes * _SHARE_OF_ONE:
            return 0
        return min(self._allowance.left, self._own(source).left)

    def leave_out(self, refusals: int) -> None:
        """Count refusals that nobody put, since there was no room."""
        self.dropped += refusals

    def _has_room(self, source: str) -> bool:
        """Say whether one more of a source may be kept, and count it where that is so."""
        if self.is_full or self._held[source] >= self.most_bytes * _SHARE_OF_ONE:
            return False
        own = self._own(source)
        if not (own.left and self._allowance.left):
            return False
        own.take()
        self._allowance.take()
        return True

    def _own(self, source: str) -> _Allowance:
        own = self._of_one.get(source)
        if own is None:
            if len(self._of_one) >= _MOST_SOURCES:
                self._of_one.clear()
            own = self._of_one[source] = _Allowance(_ROWS_PER_S_OF_ONE, _BURST_ROWS_OF_ONE)
        return own

    def _hold(self, source: str, n_bytes: int) -> None:
        self._held[source] += n_bytes
        self._held_bytes += n_bytes

    async def _measure(self) -> None:
        """Look now and then how much there is: others write and delete too; in an outage that must wait."""
        if time.monotonic() - self._measured_s < _MEASURE_EVERY_S:
            return
        self._measured_s = time.monotonic()
        try:
            async with self._engine.connect() as connection:
                found = {row.source: row.bytes for row in await connection.execute(_MEASURE)}
        except Exception as error:
            if not is_outage(error):
                log.exception("how much lies in the quarantine could not be found out")
            return
        self._held, self._held_bytes = Counter(found), sum(found.values())
        for refused, _, _ in self._waiting:
            self._hold(refused.source, len(refused.payload) + _ROW_BYTES)

    async def _run(self) -> None:
        pause_s, at_once = 0.1, _BATCH_ROWS
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self._measure()
            while self._waiting:
                batch = [self._waiting[i] for i in range(min(at_once, len(self._waiting)))]
                try:
                    await self._write(batch)
                    self.written += len(batch)
                except Exception as error:
                    if is_outage(error):
                        await asyncio.sleep(pause_s)
                        pause_s = min(5.0, pause_s * 2)
                        continue
                    if len(batch) > 1:
                        at_once = 1  # find the one that cannot be written
                        continue
                    log.exception("a refused message cannot be kept: %s", batch[0][0].detail)
                    self.dropped += 1
                pause_s, at_once = 0.1, min(_BATCH_ROWS, at_once * 2)
                for refused, _, done in batch:
                    self._waiting.popleft()
                    self._bytes -= len(refused.payload)
                    if not done.done():
                        done.set_result(None)

    async def _write(self, batch: list[tuple[Refused, datetime, asyncio.Future[None]]]) -> None:
        rows = [
            {
                "received_at": at,
                "source": _clean(refused.source),
                "reason": refused.reason,
                "detail": refused.clean_detail,
                "said": refused.said,
                "payload": refused.payload,
            }
            for refused, at, _ in batch
        ]
        async with self._engine.begin() as connection:
            await connection.execute(insert(Quarantine), rows)


def _clean(words: str) -> str:
    """Make words storable: PostgreSQL text holds neither NUL nor lone surrogates."""
    return words.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
