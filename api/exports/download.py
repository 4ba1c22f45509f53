"""Send a file whose bytes come bit by bit, and let go of what they come from whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

LONGEST_S: Final = 600.0
"""Longest time a file may take to be received: a receiver that stands still keeps others waiting."""


class Download(Response):
    """An answer that is saved as a file.

    One that ends early is told apart by the receiver: its last chunk never comes (RFC 9112, 7.1).

    Parameters
    ----------
    chunks
        The bytes.
    held
        What they come from; closed when the last of them is read, before the end of the file is sent: who
        has the whole file can begin the next one.
    media_type, file_name
        What it is, and what it is called.
    """

    def __init__(
        self, chunks: AsyncIterator[bytes], held: AsyncExitStack, media_type: str, file_name: str
    ) -> None:
        self.status_code = 200
        self.background = None
        self._chunks, self._held = chunks, held
        self.init_headers(
            {"content-type": media_type, "content-disposition": f'attachment; filename="{file_name}"'}
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # ASGI
        """Send it."""
        async with self._held, asyncio.timeout(LONGEST_S):
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async for chunk in self._chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
