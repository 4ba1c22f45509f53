"""Keep refused messages with their reason, at a bounded rate, without delaying the good ones."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter, deque
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from twin.model import Quarantine
from twin.store.outage import is_outage

log = logging.getLogger(__name__)

KEPT_BYTES = 262_144
"""Longer payloads are cut to this and the detail says so."""

_QUEUE_BYTES = 32 * 1024 * 1024
_ROWS_PER_S = 500.0
_BURST_ROWS = 5_000.0
_BATCH_ROWS = 500


@dataclass(frozen=True, slots=True)
class Refused:
    """One message or reading that could not be taken. ``reason`` is a code, ``detail`` is for a person."""

    source: str
    reason: str
    detail: str
    payload: bytes


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
        payload, detail = refused.payload, refused.detail
        if len(payload) > KEPT_BYTES:
            detail = f"{detail} (cut from {len(payload)} bytes)"
            payload = payload[:KEPT_BYTES]
        if self._allowance < 1.0 or self._bytes + len(payload) > _QUEUE_BYTES:
            self.dropped += 1
            return None
        self._allowance -= 1.0
        self._bytes += len(payload)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        kept = Refused(_clean(refused.source, 400), refused.reason, _clean(detail, 1000), payload)
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
                "source": refused.source,
                "reason": refused.reason,
                "detail": refused.detail,
                "payload": refused.payload,
            }
            for refused, at, _ in batch
        ]
        async with self._engine.begin() as connection:
            await connection.execute(insert(Quarantine), rows)


def _clean(words: str, length: int) -> str:
    """Make words storable: PostgreSQL text holds neither NUL nor lone surrogates."""
    return words[:length].replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
