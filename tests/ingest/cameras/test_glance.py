from __future__ import annotations

import time
from itertools import count

import pytest

from ingest.cameras.address import read_address
from ingest.cameras.errors import StreamError
from ingest.cameras.glance import glance
from ingest.cameras.rtp import Depacketizer
from tests.ingest.cameras.camera import Camera, film, packets, read_number
from twin.address_ranges import read_ranges

HERE = read_ranges("127.0.0.0/8", "camera_ranges")


@pytest.mark.parametrize("scheme", ["basic", "digest", "sha"])
@pytest.mark.parametrize("way", ["rtsp", "snapshot", "chunked", "mjpeg", "lengths"])
async def test_every_way_with_every_password(scheme, way):
    async with Camera(user='a"b', password="p@ss:ö", scheme=scheme).running() as camera:
        url = camera.rtsp if way == "rtsp" else camera.http.replace("snapshot", way)
        footage = await glance(read_address(url, camera.user, camera.password), HERE, 5)
        assert len(footage.units) == 1
        if way != "rtsp":
            assert 0 <= camera.number - read_number(footage.units[0]) <= 3
        with pytest.raises(StreamError, match="密码"):
            await glance(read_address(url, camera.user, "wrong"), HERE, 5)
        with pytest.raises(StreamError, match="密码"):
            await glance(read_address(url), HERE, 5)


@pytest.mark.parametrize("way", ["rtsp", "http"])
@pytest.mark.parametrize("mood", ["endless", "garbage", "slow", "closing", "redirecting"])
async def test_a_camera_that_misbehaves_takes_no_longer_than_it_may(mood, way):
    async with Camera(mood=mood).running() as camera:
        begun = time.monotonic()
        with pytest.raises(StreamError):
            await glance(read_address(camera.rtsp if way == "rtsp" else camera.http), HERE, 1.0)
        assert time.monotonic() - begun < 3


def units(codec: str, dropped: set[int]) -> list[bool]:
    """Feed a film with packets left out; return which pictures came, by whether they are key ones."""
    depacketizer = Depacketizer(codec, 96)
    numbers, came = count(65_530), []
    sent = 0
    for number, nals in enumerate(film(codec, 640, 384, 40, 10)):
        for packet in packets(nals, codec, numbers, number * 3600):
            if sent not in dropped:
                came += [unit.key for unit in depacketizer.feed(packet)]
            sent += 1
    return came


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_pictures_with_a_missing_packet_and_those_that_build_on_it_are_left_out(codec):
    whole = units(codec, set())
    assert (len(whole), whole.count(True), whole[0]) == (40, 4, True)
    # A packet of a key picture is lost: the whole group is.
    damaged = units(codec, {1})
    assert (len(damaged), damaged.count(True), damaged[0]) == (30, 3, True)
