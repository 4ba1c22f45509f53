"""Speak MQTT 5 through gmqtt, with acknowledgements given later and many at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import gmqtt
import numpy as np
from gmqtt.mqtt.constants import MQTTCommands, MQTTv50

Publish = Callable[[bytes, bytes, int, object, bool], None]
"""Called with topic, payload, packet number (0 at QoS 0), the connection it came over, and whether the broker
was to keep it (retain)."""

_PUBACK = np.dtype([("command", "u1"), ("length", "u1"), ("packet", ">u2")])


class LateAckClient(gmqtt.Client):  # type: ignore[misc]
    """A gmqtt client that hands every message over with what is needed to acknowledge it later.

    gmqtt can acknowledge late by itself, through one task a message; at 20,000 messages a second the tasks
    cost more than the work. Its table of packet handlers takes ours for PUBLISH instead: parsed once, handed
    over synchronously, and acknowledged in one write for all messages of a commit.
    """

    def __init__(self, client_id: str, on_publish: Publish, *, session_expiry_s: int) -> None:
        super().__init__(
            client_id,
            clean_session=False,
            optimistic_acknowledgement=False,
            receive_maximum=65535,
            session_expiry_interval=session_expiry_s,
        )
        self._on_publish = on_publish
        self._paused = False
        self._package_handler._handler_cache[int(MQTTCommands.PUBLISH)] = self._take

    def _take(self, command: int, packet: bytes) -> None:
        """Parse one PUBLISH (MQTT 5.0 §3.3): topic, packet number above QoS 0, properties, payload."""
        at = 2 + (packet[0] << 8 | packet[1])
        topic, number = packet[2:at], 0
        if command & 0x06:
            number = packet[at] << 8 | packet[at + 1]
            at += 2
        if self._connection_state.protocol_version == MQTTv50:
            length = packet[at]
            at += 1
            if length >= 0x80:
                length, at = _long_length(length, packet, at)
            at += length
        connection = self._package_handler.current_connection
        self._on_publish(topic, packet[at:], number, connection, bool(command & 0x01))

    def acknowledge(self, connection: Any, packets: Sequence[int]) -> bool:
        """Acknowledge packets of a connection in one write.

        Packet numbers belong to a connection. When it is gone its messages come again over the next one,
        and acknowledging the old numbers there would acknowledge other messages: they are let go.
        """
        if connection is not self._package_handler.current_connection or connection.is_closing():
            return False
        out = np.empty(len(packets), _PUBACK)
        out["command"], out["length"], out["packet"] = int(MQTTCommands.PUBACK), 2, packets
        connection.send_package(out.tobytes())
        return True

    @property
    def last_heard_s(self) -> float:
        """When the broker last sent anything, on the monotonic clock; 0 where no connection is."""
        connection = self._package_handler.current_connection
        return 0.0 if connection is None or connection.is_closing() else float(connection._last_data_in)

    def ping(self) -> None:
        """Ask the broker for a sign of life (MQTT 5.0 §3.12)."""
        connection = self._package_handler.current_connection
        if connection is not None and not connection.is_closing():
            connection._send_ping_request()

    def pause(self) -> None:
        """Read no more from the broker; it keeps what it has."""
        connection = self._package_handler.current_connection
        if connection is not None and not connection.is_closing():
            connection._transport.pause_reading()
            self._paused = True
            self._excuse()

    def _excuse(self) -> None:
        """While we do not read, the broker's silence is ours: gmqtt must not take it for a lost broker."""
        connection = self._package_handler.current_connection
        if self._paused and connection is not None and not connection.is_closing():
            connection._last_data_in = time.monotonic()
            asyncio.get_running_loop().call_later(1.0, self._excuse)

    def resume(self) -> None:
        """Read again."""
        self._paused = False
        connection = self._package_handler.current_connection
        if connection is not None and not connection.is_closing():
            connection._transport.resume_reading()


def _long_length(first: int, packet: bytes, at: int) -> tuple[int, int]:
    """Return a variable byte integer whose first byte says that it goes on, and where it ends."""
    value, factor = first & 0x7F, 128
    while True:
        byte = packet[at]
        at += 1
        value += (byte & 0x7F) * factor
        if byte < 0x80:
            return value, at
        factor *= 128
