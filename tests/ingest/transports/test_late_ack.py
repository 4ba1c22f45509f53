"""Our reading of PUBLISH packets and our packed acknowledgements."""

from __future__ import annotations

import asyncio
import struct
import time

import pytest

from ingest.transports.late_ack import LateAckClient


class Wire:
    """Stands where gmqtt's connection stands, and keeps what is sent."""

    def __init__(self) -> None:
        self.sent = b""
        self.closing = False

    def is_closing(self) -> bool:
        return self.closing

    def send_package(self, package: bytes) -> None:
        self.sent += package


class Transport:
    """Stands where the socket stands."""

    reading = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


def publish(
    topic: bytes,
    payload: bytes,
    *,
    qos: int,
    number: int = 0,
    properties: bytes = b"\0",
    retain: bool = False,
) -> tuple[int, bytes]:
    head = struct.pack("!H", len(topic)) + topic + (struct.pack("!H", number) if qos else b"")
    return 0x30 | qos << 1 | retain, head + properties + payload


@pytest.fixture
def taken():
    got: list[tuple] = []
    client = LateAckClient("test", lambda *message: got.append(message), session_expiry_s=60)
    wire = Wire()
    client._package_handler.set_connection(wire)
    return client, wire, got


@pytest.mark.parametrize(
    "properties",
    [b"\0", b"\x05\x02\0\0\0\x09", b"\x80\x02" + b"\x26\0\x7d" + b"k" * 125 + b"\0\x7e" + b"v" * 126],
)
@pytest.mark.parametrize(("qos", "number"), [(0, 0), (1, 7), (1, 65535)])
def test_publish_is_read_whatever_its_properties(taken, properties: bytes, qos: int, number: int) -> None:
    client, wire, got = taken
    command, packet = publish(
        "gt/v1/设备".encode(), b"\x01payload", qos=qos, number=number, properties=properties
    )
    client._package_handler._handle_packet(command, packet)
    assert got == [("gt/v1/设备".encode(), b"\x01payload", number, wire, False)]
    assert wire.sent == b""  # nothing is acknowledged by itself


def test_many_are_acknowledged_in_one_write(taken) -> None:
    client, wire, _ = taken
    assert client.acknowledge(wire, [1, 258, 65535])
    assert wire.sent == b"\x40\x02\x00\x01\x40\x02\x01\x02\x40\x02\xff\xff"


def test_packets_of_a_lost_connection_are_not_acknowledged_on_the_next(taken) -> None:
    client, old, _ = taken
    new = Wire()
    client._package_handler.set_connection(new)
    assert not client.acknowledge(old, [1])
    new.closing = True
    assert not client.acknowledge(new, [1])
    assert old.sent == new.sent == b""


async def test_silence_while_we_do_not_read_is_not_the_brokers(taken) -> None:
    client, wire, _ = taken
    wire._transport = Transport()
    wire._last_data_in = time.monotonic() - 100
    client.pause()
    assert wire._transport.reading is False
    assert time.monotonic() - wire._last_data_in < 1
    wire._last_data_in = 0.0
    await asyncio.sleep(1.2)
    assert time.monotonic() - wire._last_data_in < 1, "it is excused for as long as we do not read"
    client.resume()
    assert wire._transport.reading is True
    wire._last_data_in = 0.0
    await asyncio.sleep(1.2)
    assert wire._last_data_in == 0.0, "from here on the broker must speak again"
