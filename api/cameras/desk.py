"""Take a picture of a camera for somebody who may look, a few at a time."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime
from uuid import UUID

from api.cameras.decoder import Decoder
from api.cameras.shown import ShownPictures
from api.cameras.streams import Streams
from api.cameras.terms import LOOK_S, MOST_AT_ONCE, MOST_OF_ONE, WAIT_S
from api.cameras.watch import StreamWatch
from ingest.cameras.address import read_address
from ingest.cameras.errors import Reason, StreamError
from ingest.cameras.footage import Footage
from twin.errors import TooManyError


class CameraDesk:
    """Everything that looking at cameras needs, in this process.

    Parameters
    ----------
    streams
        Which play.
    key
        Signs the addresses of pictures.
    watch
        Hears what each look found.
    """

    def __init__(self, streams: Streams, key: bytes, watch: StreamWatch) -> None:
        self.watch = watch
        self.shown = ShownPictures(key)
        self.decoder = Decoder()
        self._streams = streams
        self._places = asyncio.Semaphore(MOST_AT_ONCE)
        self._of: Counter[UUID] = Counter()

    @contextlib.asynccontextmanager
    async def place(self, account_id: UUID) -> AsyncIterator[None]:
        """Hold one of the places while a picture is taken.

        Raises
        ------
        TooManyError
            The account looks at `MOST_OF_ONE` cameras now, or no place came free in time.
        """
        if self._of[account_id] >= MOST_OF_ONE:
            raise _busy(f"{MOST_OF_ONE} looks of this account are under way · 本账号正在查看其他画面")
        self._of[account_id] += 1
        try:
            try:
                async with asyncio.timeout(WAIT_S):
                    await self._places.acquire()
            except TimeoutError:
                raise _busy("others look at cameras now · 查看画面的人较多") from None
            try:
                yield
            finally:
                self._places.release()
        finally:
            self._of[account_id] -= 1
            if not self._of[account_id]:
                del self._of[account_id]

    async def take(self, device_id: int, address: str | None, line: str, plain_line: str) -> bytes:
        """Take a picture now and return it as JPEG with a line on it.

        Parameters
        ----------
        device_id
            The camera.
        address
            Its address in clear; None makes a picture up.
        line, plain_line
            See `Decoder.develop`.

        Raises
        ------
        StreamError
            There is none within `LOOK_S` seconds, or it cannot be decoded.
        UnavailableError
            The process that decodes cannot be started.
        """
        if address is None:
            return await self.decoder.develop(None, line, plain_line)
        try:
            picture = await self.decoder.develop(await self._footage(device_id, address), line, plain_line)
        except StreamError as error:
            self._streams.drop(device_id)
            await self.watch.note(device_id, error.reason)
            raise
        known = self.watch.state(device_id)
        if known is None or known.reason != Reason.FROZEN:  # one picture cannot tell
            await self.watch.note(device_id, None)
        return picture

    async def _footage(self, device_id: int, address: str) -> Footage:
        try:
            async with asyncio.timeout(LOOK_S):
                return await self._streams.newest(device_id, read_address(address))
        except TimeoutError as error:
            raise StreamError(Reason.TIMEOUT) from error

    async def close(self) -> None:
        """End streams and processes."""
        await self._streams.close()
        await self.decoder.close()


def _busy(what: str) -> TooManyError:
    return TooManyError(what, wait_s=2, where="cameras", hint="look again in a moment · 请稍候再试")


def line_of(name: str, uid: str, who: str, at: datetime) -> tuple[str, str]:
    """Return what is written on a picture, and the same in Latin letters: when, which camera, who looks."""
    moment = at.strftime("%Y-%m-%d %H:%M:%S")
    return f"{moment}  {name}  {who}", f"{moment}  {uid}  {who}".encode("ascii", "replace").decode()
