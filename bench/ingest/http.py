"""Post over one kept connection, as plainly as a device does, and open another when it breaks."""

from __future__ import annotations

import asyncio
import base64
import contextlib


class Poster:
    """One connection of one sender.

    Parameters
    ----------
    port
        Of the server on this machine.
    username, secret
        What the sender signs in with; "" sends no sign-in.
    """

    def __init__(self, port: int, username: str = "", secret: str = "") -> None:  # nosec B107  # none
        self._port = port
        signed = base64.b64encode(f"{username}:{secret}".encode()).decode()
        self._sign_in = f"Authorization: Basic {signed}\r\n" if username else ""
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def post(
        self, path: str, body: bytes, content_type: str = "application/json", timeout_s: float = 10.0
    ) -> tuple[int, dict[str, str], bytes]:
        """Post and give status, headers (lower case) and body; status 0 where the connection broke."""
        try:
            async with asyncio.timeout(timeout_s):
                if self._writer is None:
                    self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
                head = (
                    f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n{self._sign_in}"
                    f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
                )
                self._writer.write(head.encode() + body)
                return await self._answer()
        except (OSError, EOFError, ValueError, TimeoutError):
            await self.close()
            return 0, {}, b""

    async def _answer(self) -> tuple[int, dict[str, str], bytes]:
        assert self._reader is not None
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await self._reader.readexactly(int(headers.get("content-length", "0")))
        if headers.get("connection") == "close":
            await self.close()
        return int(first.split(" ", 2)[1]), headers, body

    async def close(self) -> None:
        """Close the connection; the next post opens another."""
        writer, self._reader, self._writer = self._writer, None, None
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
