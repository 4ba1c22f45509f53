"""Carry the live protocol on uvicorn: frames made once and written straight to each transport."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any, Final

from starlette.websockets import WebSocket
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from api.live.wire import TEXT, websocket_frame
from twin.errors import InvalidError, UnavailableError

if TYPE_CHECKING:
    from websockets.http11 import Request

    from api.live.hub import Hub
    from twin.access.credentials import Identity

MAX_MESSAGE_BYTES: Final = 64 << 10
LIVE_OPTIONS: Final[dict[str, Any]] = {
    "ws": "api.live.socket:LiveProtocol",
    "ws_max_size": MAX_MESSAGE_BYTES,
    # Frames are packed columns, and our own ping tells the client's page, not only its browser, alive.
    "ws_per_message_deflate": False,
    "ws_ping_interval": None,
}
"""What uvicorn must be told to carry the live protocol."""

_SCOPE_KEY: Final = "gridtwin.protocol"
_NOTSENT_LOWAT: Final = getattr(socket, "TCP_NOTSENT_LOWAT", 25)  # 25 on Linux
_MOST_UNSENT_BYTES: Final = 128 << 10
_ABORT_S: Final = 3.0


class LiveProtocol(WebSocketsSansIOProtocol):
    """Uvicorn's websocket protocol with a way to write frames that are made already.

    Going through ASGI's ``send`` would frame each message once per client and wait for the slowest.
    """

    def handle_connect(self, event: Request) -> None:
        """Leave a way from the application to this protocol in the scope."""
        super().handle_connect(event)
        if hasattr(self, "scope"):
            sock = self.transport.get_extra_info("socket")
            if sock is not None:
                # What the kernel queues for a slow client is old state that nobody can take back.
                sock.setsockopt(socket.IPPROTO_TCP, _NOTSENT_LOWAT, _MOST_UNSENT_BYTES)
            self.scope[_SCOPE_KEY] = self  # type: ignore[typeddict-unknown-key]  # beside ASGI's own

    def send_receive_event_to_app(self) -> None:
        """Hand a message to the application; bytes that are no text close the socket, without a log entry.

        Uvicorn would write a traceback for each, which lets anyone fill the log.
        """
        if self.curr_msg_data_type == "text" and not self.close_sent:
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                self.frames = []
                self.close(1007, "text must be UTF-8")
                return
        super().send_receive_event_to_app()

    # the `Connection` that the hub writes to

    def push_text(self, message: bytes) -> None:
        """Send a text message, now, without waiting."""
        self.push_framed(websocket_frame(message, TEXT))

    def push_framed(self, framed: bytes) -> None:
        """Send bytes that are a complete websocket frame already."""
        if not self.close_sent and not self.transport.is_closing():
            self.transport.write(framed)

    def waiting_bytes(self) -> int:
        """Bytes that the client has not taken yet."""
        return 0 if self.transport.is_closing() else self.transport.get_write_buffer_size()

    def close(self, code: int, reason: str) -> None:
        """Close with a code; a client that takes nothing any more is cut off after three seconds."""
        if self.close_sent or self.transport.is_closing():
            return
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.conn.send_close(code, reason[:120])
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(_ABORT_S, self.transport.abort)


async def serve_live(websocket: WebSocket, hub: Hub, identity: Identity) -> None:
    """Serve one live socket until it closes.

    Parameters
    ----------
    websocket
        Not accepted yet.
    hub
        Of this process.
    identity
        Who looks, and what they may see.
    """
    protocol: Any = websocket.scope.get(_SCOPE_KEY)
    if protocol is None:
        await websocket.close(1008)  # before accept: the handshake is answered 403
        return
    await websocket.accept()
    try:
        # A ticket ends as it is used: what was signed in with is what may be taken back later.
        credential_id = identity.parent_id or identity.credential_id
        viewer = hub.join(protocol, identity.grants, identity.account_id, credential_id)
    except UnavailableError as error:
        await websocket.close(1013, error.what)
        return
    try:
        while not viewer.closed:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                break
            text = message.get("text")
            if text is None:
                hub.refuse(viewer, InvalidError("requests are JSON text", where="message"))
            else:
                hub.receive(viewer, text)
    finally:
        hub.leave(viewer)
        with contextlib.suppress(asyncio.CancelledError, RuntimeError):
            if not protocol.close_sent and not protocol.transport.is_closing():
                await websocket.close(1001)
