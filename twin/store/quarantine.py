"""Keep refused messages with their reason, at a bounded rate, without delaying the good ones."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter, deque
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from twin.model import Quarantine
from twin.store.outage import is_outage

log = logging.getLogger(__name__)

KEPT_BYTES = 262_144
"""Longer payloads are cut to this and the detail says so."""

CUT = "(cut from "
"""What the detail of a longer one holds: its bytes cannot be read again."""

_QUEUE_BYTES = 32 * 1024 * 1024
_ROWS_PER_S = 500.0
_BURST_ROWS = 5_000.0
_BATCH_ROWS = 500


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
    reason
        A code, a key of `WHAT_TO_DO`.
    what
        What is wrong, for a person.
    payload
        Its bytes.
    where
        The device and the place in the message, as far as known.
    hint
        What to do, where more is known than `WHAT_TO_DO` says.
    """

    source: str
    reason: str
    what: str
    payload: bytes
    where: str = ""
    hint: str = ""

    @property
    def detail(self) -> str:
        """What is wrong, where, and what to do, in one line of at most 1,000 characters."""
        where = f"at {self.where}" if self.where else ""
        hint = self.hint or WHAT_TO_DO.get(self.reason, "")
        return " · ".join(part for part in (self.what[:600], where[:100], hint[:280]) if part)

    @property
    def clean_detail(self) -> str:
        """The detail as PostgreSQL can store it."""
        return _clean(self.detail)


class QuarantineWriter:
    """Queue refused messages and write them in batches over a connection of their own.

    A source that sends nothing but rubbish could fill the disk: beyond a burst of 5,000 rows at most 500 a
    second are kept; the rest is counted in ``reasons`` and in ``dropped``, and not kept.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._waiting: deque[tuple[Refused, datetime, asyncio.Future[None]]] = deque()
        self._bytes = 0
        self._allowance, self._allowance_at = _BURST_ROWS, time.monotonic()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.reasons: Counter[str] = Counter()
        self.dropped = 0
        self.written = 0

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
        now = time.monotonic()
        self._allowance = min(_BURST_ROWS, self._allowance + (now - self._allowance_at) * _ROWS_PER_S)
        self._allowance_at = now
        payload, what = refused.payload, refused.what
        if len(payload) > KEPT_BYTES:
            what = f"{what[:500]} {CUT}{len(payload)} bytes)"
            payload = payload[:KEPT_BYTES]
        if self._allowance < 1.0 or self._bytes + len(payload) > _QUEUE_BYTES:
            self.dropped += 1
            return None
        self._allowance -= 1.0
        self._bytes += len(payload)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        kept = replace(refused, source=refused.source[:400], what=what, payload=payload)
        self._waiting.append((kept, datetime.now(UTC), done))
        self._wake.set()
        return done

    async def _run(self) -> None:
        pause_s, at_once = 0.1, _BATCH_ROWS
        while True:
            await self._wake.wait()
            self._wake.clear()
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
                "payload": refused.payload,
            }
            for refused, at, _ in batch
        ]
        async with self._engine.begin() as connection:
            await connection.execute(insert(Quarantine), rows)


def _clean(words: str) -> str:
    """Make words storable: PostgreSQL text holds neither NUL nor lone surrogates."""
    return words.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
