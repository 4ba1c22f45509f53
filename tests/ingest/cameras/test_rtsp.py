from __future__ import annotations

import time

from ingest.cameras.address import read_address
from ingest.cameras.pace import Pace
from ingest.cameras.rtsp import playing
from tests.ingest.cameras.camera import Camera
from twin.address_ranges import read_ranges

HERE = read_ranges("127.0.0.0/8", "camera_ranges")
SMALL = {"width": 160, "height": 96, "gop": 100, "groups": 2}


def test_a_live_camera_is_told_from_one_that_catches_up_whatever_the_network_does():
    live, late, slow = Pace(), Pace(), Pace()
    for n in range(8):
        live.note(n * 3600, n * 0.04 + (0.03 if n % 2 else 0.0))  # every second picture is held up
        late.note(n * 3600, n * 0.002 + (0.05 if n > 3 else 0.0))  # a pause in the midst of it
    assert live.is_real(0.29)
    assert not late.is_real(0.07)
    assert late.is_real(0.3), "nothing came for long"
    for n in range(40):
        slow.note(n * 36_000, n * 0.03)  # its clock runs thirteen times too fast
    assert slow.is_real(1.2)


async def test_a_camera_that_begins_with_its_last_key_picture_is_current_when_it_has_caught_up():
    async with Camera(**SMALL).running() as camera:
        camera.began_s -= 3.0
        async with playing(read_address(camera.rtsp), HERE) as stream:
            await stream.next_picture()
            assert not stream.is_current, "it is three seconds old"
            while not stream.is_current:
                await stream.next_picture()
            assert len(stream.film.units) >= 70


async def test_who_comes_between_key_pictures_asks_for_one():
    async with Camera(**SMALL, begins_with_key=False, heeds_wishes=True).running() as camera:
        camera.began_s -= 1.0
        begun = time.monotonic()
        async with playing(read_address(camera.rtsp), HERE) as stream:
            while stream.film.footage is None:
                await stream.next_picture()
        assert time.monotonic() - begun < 1.0, "three seconds before its next"
    report, wish, source = "80c9000100000000", "81ce000200000000", "00000001"
    assert camera.wishes == [bytes.fromhex(report + wish + source)]


async def test_who_is_given_a_key_picture_asks_for_none():
    async with Camera(**SMALL).running() as camera, playing(read_address(camera.rtsp), HERE) as stream:
        for _ in range(3):
            await stream.next_picture()
        assert camera.wishes == []
