"""Keep streams playing for some seconds after a look, so that the next look at the same camera is quick."""

from __future__ import annotations

import asyncio
import contextlib
import time

from api.cameras.terms import FRESH_S, MOST_WARM, WARM_S
from ingest.cameras.address import CameraAddress, Ranges
from ingest.cameras.errors import Reason, StreamError
from ingest.cameras.footage import Footage
from ingest.cameras.http import fetch_picture
from ingest.cameras.rtsp import RtspStream, playing


class _Playing:
    """One stream that plays until nobody looked for a while."""

    def __init__(self, address: CameraAddress, ranges: Ranges) -> None:
        self.address = address
        self.looked_s = time.monotonic()
        self._ranges = ranges
        self._stream: RtspStream | None = None
        self._error: StreamError | None = None
        self._changed = asyncio.Event()
        self.task = asyncio.create_task(self._play())

    @property
    def starved(self) -> bool:
        """Whether pictures come and none of them can be decoded: the last key picture is too long ago."""
        return self._stream is not None and self._stream.newest_s > 0 and not self._stream.film.units

    async def footage(self) -> Footage:
        """Return what there is as soon as it is new enough.

        Raises
        ------
        StreamError
            The stream ended.
        """
        self.looked_s = time.monotonic()
        while True:
            stream = self._stream
            if stream is not None and time.monotonic() - stream.newest_s < FRESH_S:
                footage = stream.film.footage
                if footage is not None:
                    return footage
            if self._error is not None:
                raise self._error
            self._changed.clear()
            await self._changed.wait()

    async def _play(self) -> None:
        try:
            async with playing(self.address, self._ranges) as stream:
                self._stream = stream
                while time.monotonic() - self.looked_s < WARM_S:
                    async with asyncio.timeout(WARM_S):
                        await stream.next_picture()
                    self._changed.set()
        except StreamError as error:
            self._error = error
        except TimeoutError:
            pass
        finally:
            self._stream = None
            self._error = self._error or StreamError(Reason.CLOSED)
            self._changed.set()


class Streams:
    """The streams that play; at most `MOST_WARM`, those looked at longest ago end first.

    Parameters
    ----------
    ranges
        Addresses that may be connected to.
    """

    def __init__(self, ranges: Ranges) -> None:
        self._ranges = ranges
        self._of: dict[int, _Playing] = {}

    async def newest(self, device_id: int, address: CameraAddress) -> Footage:
        """Return the newest picture of a camera; the caller sets the time limit.

        Raises
        ------
        StreamError
            See `ingest.cameras`.
        """
        if address.scheme.startswith("http"):
            return await fetch_picture(address, self._ranges)
        known = self._of.get(device_id)
        if known is not None and (known.task.done() or known.address != address or known.starved):
            self._end(device_id)
            known = None
        if known is None:
            while len(self._of) >= MOST_WARM:
                self._end(min(self._of, key=lambda one: self._of[one].looked_s))
            known = self._of[device_id] = _Playing(address, self._ranges)
            known.task.add_done_callback(lambda task: self._forget(device_id, task))
        return await known.footage()

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

    def _end(self, device_id: int) -> None:
        self._of.pop(device_id).task.cancel()

    def _forget(self, device_id: int, task: asyncio.Task[None]) -> None:
        known = self._of.get(device_id)
        if known is not None and known.task is task:
            del self._of[device_id]
