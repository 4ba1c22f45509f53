from __future__ import annotations

import asyncio
import ipaddress

import pytest

from ingest.cameras.address import DEFAULT_RANGES, connected, read_address
from ingest.cameras.errors import Reason, StreamError
from twin.address_ranges import read_ranges
from twin.errors import InvalidError

DEFAULT = read_ranges(DEFAULT_RANGES, "camera_ranges")


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("10.1.2.3", True), ("172.16.0.1", True), ("192.168.1.1", True), ("fd00::1", True),
        ("::ffff:192.168.1.1", True), ("127.0.0.1", False), ("::1", False), ("169.254.169.254", False),
        ("::ffff:127.0.0.1", False), ("0.0.0.0", False), ("::", False), ("fe80::1", False),
        ("8.8.8.8", False),
        ("172.32.0.1", False), ("2001:db8::1", False), ("224.0.0.1", False), ("255.255.255.255", False),
    ],
)  # fmt: skip
def test_only_private_networks_are_allowed_unless_others_are_declared(host, allowed):
    assert DEFAULT.allows(ipaddress.ip_address(host)) is allowed


def test_an_address_keeps_its_secrets_and_shows_none():
    address = read_address("rtsp://admin:p%40ss%2F@10.1.2.3/live?channel=1&pwd=x")
    assert (address.user, address.password, address.port) == ("admin", "p@ss/", 554)
    assert address.url == "rtsp://10.1.2.3:554/live?channel=1&pwd=x"
    for shown in (repr(address), address.shown):
        assert not any(word in shown for word in ("admin", "p@ss", "pwd", "live"))
    assert read_address(address.secret) == address
    assert read_address("http://[fd00::1]:8080/a", "u", "p").shown == "http://[fd00::1]:8080"


@pytest.mark.parametrize(
    "text",
    [
        "ftp://10.0.0.1/", "file:///etc/passwd", "rtsp://", "rtsp://10.0.0.1:0/", "rtsp://10.0.0.1:99999/",
        "10.0.0.1", "rtsp://10.0.0.1/#a", "rtsp://a:b%0d%0aX: y@10.0.0.1/", "rtsp://10.0.0.1/" + "a" * 2_000,
        "rtsp://[::1/", "",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_without_repeating_it(text):
    with pytest.raises(InvalidError) as refused:
        read_address(text)
    assert len(text) < 8 or text not in str(refused.value)


def test_line_ends_in_a_path_never_reach_the_wire():
    assert "\n" not in read_address("http://10.0.0.1/a\r\nX: y").target
    assert "\n" not in read_address("http://10.0.0.1/a%0d%0aX").url


async def test_a_name_is_judged_by_what_it_resolves_to_when_it_is_connected_to(monkeypatch):
    answers = iter(["10.0.0.1", "127.0.0.1"])
    asked: list[str] = []

    async def resolve(self, host, port, **_):
        return [(2, 1, 6, "", (next(answers), port))]

    async def connect(host, port, **_):
        asked.append(host)
        raise ConnectionRefusedError

    monkeypatch.setattr(type(asyncio.get_running_loop()), "getaddrinfo", resolve)
    monkeypatch.setattr(asyncio, "open_connection", connect)
    reasons = []
    for _ in range(2):
        with pytest.raises(StreamError) as broken:
            async with connected(read_address("rtsp://camera.example/"), DEFAULT):
                pass
        reasons.append(broken.value.reason)
    assert reasons == [Reason.REFUSED, Reason.NOT_ALLOWED]
    assert asked == ["10.0.0.1"], "the very address that was looked at, and no other"
