"""Keep streams playing for some seconds, so that a look finds the connection and the newest picture there.

They play from when somebody opened the details of the camera who may look, and after a look. Nothing of them
is decoded or shown but by a look, which is on the record.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Final

from api.cameras.terms import FRESH_S, MOST_WARM, OPENED_S, WARM_S
from ingest.cameras.address import CameraAddress
from ingest.cameras.errors import Reason, StreamError
from ingest.cameras.footage import Footage
from ingest.cameras.http import fetch_picture
from ingest.cameras.rtsp import RtspStream, playing
from twin.address_ranges import Ranges

_MOMENT_S: Final = 0.05


class _Playing:
    """One stream that plays until its time is over, which each look puts off."""

    def __init__(self, address: CameraAddress, ranges: Ranges, for_s: float) -> None:
        self.address = address
        self.until_s = time.monotonic() + for_s
        self._ranges = ranges
        self._stream: RtspStream | None = None
        self._error: StreamError | None = None
        self._changed = asyncio.Event()
        self.task = asyncio.create_task(self._play())
        self._ending = asyncio.get_running_loop().call_later(for_s, self._end_in_time)

    @property
    def starved(self) -> bool:
        """Whether pictures come and none of them can be decoded: the last key picture is too long ago."""
        return self._stream is not None and self._stream.newest_s > 0 and not self._stream.film.units

    @property
    def newest(self) -> Footage | None:
        """What there is, where that is new enough to be shown as the picture of now."""
        stream = self._stream
        if stream is None or not stream.is_current or time.monotonic() - stream.newest_s >= FRESH_S:
            return None
        return stream.film.footage

    async def footage(self) -> Footage:
        """Return what there is as soon as it is new enough.

        Raises
        ------
        StreamError
            The stream ended.
        """
        self.until_s = max(self.until_s, time.monotonic() + WARM_S)
        while (footage := self.newest) is None:
            if self._error is not None:
                raise self._error
            self._changed.clear()
            with contextlib.suppress(TimeoutError):  # that nothing came for a moment tells something, too
                async with asyncio.timeout(_MOMENT_S):
                    await self._changed.wait()
        return footage

    async def _play(self) -> None:
        try:
            async with playing(self.address, self._ranges) as stream:
                self._stream = stream
                while True:
                    await stream.next_picture()
                    self._changed.set()
        except StreamError as error:
            self._error = error
        finally:
            self._ending.cancel()
            self._stream = None
            self._error = self._error or StreamError(Reason.CLOSED)
            self._changed.set()

    def _end_in_time(self) -> None:
        left_s = self.until_s - time.monotonic()
        if left_s > 0:
            self._ending = asyncio.get_running_loop().call_later(left_s, self._end_in_time)
        else:
            self.task.cancel()


class Streams:
    """The streams that play; at most `MOST_WARM`, a look ends the one that would end first.

    Parameters
    ----------
    ranges
        Addresses that may be connected to.
    """

    def __init__(self, ranges: Ranges) -> None:
        self.ranges = ranges
        self._of: dict[int, _Playing] = {}

    async def newest(self, device_id: int, address: CameraAddress) -> Footage:
        """Return the newest picture of a camera; the caller sets the time limit.

        Raises
        ------
        StreamError
            See `ingest.cameras`.
        """
        if address.scheme.startswith("http"):
            return await fetch_picture(address, self.ranges)
        known = self._useful(device_id, address)
        if known is None:
            while len(self._of) >= MOST_WARM:
                self._end(min(self._of, key=lambda one: self._of[one].until_s))
            known = self._begin(device_id, address, WARM_S)
        return await known.footage()

    def warm(self, device_id: int, address: CameraAddress) -> None:
        """Let the stream of a camera play that somebody may be about to look at, where there is room."""
        if address.scheme.startswith("http") or self._useful(device_id, address):
            return
        if len(self._of) < MOST_WARM:
            self._begin(device_id, address, OPENED_S)

    def plays(self, device_id: int, address: CameraAddress) -> bool:
        """Say whether pictures of a camera come from an address just now."""
        known = self._of.get(device_id)
        return known is not None and known.address == address and known.newest is not None

    def drop(self, device_id: int) -> None:
        """End the stream of a camera, where it plays."""
        if device_id in self._of:
            self._end(device_id)

    async def close(self) -> None:
        """End all."""
        tasks = [one.task for one in self._of.values()]
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def _useful(self, device_id: int, address: CameraAddress) -> _Playing | None:
        """Return the stream of a camera that plays; one of no use any more ends."""
        known = self._of.get(device_id)
        if known is not None and (known.task.done() or known.address != address or known.starved):
            self._end(device_id)
            return None
        return known

    def _begin(self, device_id: int, address: CameraAddress, for_s: float) -> _Playing:
        made = self._of[device_id] = _Playing(address, self.ranges, for_s)
        made.task.add_done_callback(lambda task: self._forget(device_id, task))
        return made

    def _end(self, device_id: int) -> None:
        self._of.pop(device_id).task.cancel()

    def _forget(self, device_id: int, task: asyncio.Task[None]) -> None:
        known = self._of.get(device_id)
        if known is not None and known.task is task:
            del self._of[device_id]
