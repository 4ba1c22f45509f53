from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from api.photographs.darkroom import Darkroom
from api.photographs.terms import JPEG, PNG, Terms
from tests.api.photographs.pictures import exif, picture, png_bomb, text_bomb
from twin.errors import FileFormatError, TooLargeError


@pytest.fixture
async def darkroom() -> AsyncIterator[Darkroom]:
    made = Darkroom()
    yield made
    await made.close()


async def test_one_process_serves_one_picture_after_the_other(darkroom):
    made = await darkroom.develop(picture(exif=exif()), JPEG)
    assert made.facts["local_time"] == "2026:11:20 09:30:00"
    first = darkroom.pid
    prints = await asyncio.gather(*(darkroom.develop(picture("PNG"), PNG) for _ in range(8)))
    assert len({p.picture for p in prints}) == 1
    with pytest.raises(FileFormatError, match="损坏"):
        await darkroom.develop(b"\xff\xd8\xff", JPEG)
    assert darkroom.pid == first


def read(darkroom: Darkroom, name: str) -> str:
    return Path(f"/proc/{darkroom.pid}/{name}").read_text()


async def test_process_has_no_rights_it_does_not_need(darkroom):
    await darkroom.develop(picture(), JPEG)
    limits = read(darkroom, "limits")
    found = {line[:26].strip(): line[26:].split()[:2] for line in limits.splitlines()}
    assert found["Max open files"] == ["3", "3"]
    assert found["Max processes"] == ["0", "0"]
    assert found["Max file size"] == ["0", "0"]
    assert found["Max address space"][0] == str(Terms().memory_bytes)
    process = psutil.Process(darkroom.pid)
    assert set(process.environ()) <= {"PYTHONPATH", "LC_CTYPE"}
    if os.geteuid() == 0:
        assert set(process.uids()) == {65534}
    status = read(darkroom, "status")
    assert "NoNewPrivs:\t1" in status
    assert "Seccomp:\t2" in status


async def test_bombs_are_refused_and_take_little_memory(darkroom):
    await darkroom.develop(picture(), JPEG)
    first, process = darkroom.pid, psutil.Process(darkroom.pid)
    before = process.memory_info().rss
    for bomb, error in ((png_bomb(50_000, 5_000), TooLargeError), (text_bomb(), FileFormatError)):
        assert len(bomb) < 1 << 20
        with pytest.raises(error):
            await darkroom.develop(bomb, PNG)
    assert darkroom.pid == first
    assert process.memory_info().rss - before < 120 << 20


async def test_what_needs_more_memory_than_there_is_is_refused_and_the_next_is_taken():
    darkroom = Darkroom(Terms(memory_bytes=160 << 20))
    try:
        with pytest.raises(TooLargeError, match="内存"):
            await darkroom.develop(picture("PNG", (6_000, 4_000), "RGBA", compress_level=1), PNG)
        assert (await darkroom.develop(picture(), JPEG)).facts["width"] == 400
    finally:
        await darkroom.close()


async def test_the_largest_pictures_that_are_taken_fit(darkroom):
    """A 50 million pixel JPEG, plain and in many passes, and a 24 million pixel PNG one can see through."""
    for body, kind in (
        (picture(size=(8_192, 6_144)), JPEG),
        (picture(size=(8_192, 6_144), progressive=True), JPEG),
        (picture("PNG", (6_000, 4_000), "RGBA", compress_level=1), PNG),
    ):
        assert (await darkroom.develop(body, kind)).facts["width"] == 2_560


async def test_what_takes_too_long_is_killed_and_the_loop_goes_on():
    """The picture itself is harmless: the process is stopped, as one that never ends."""
    darkroom = Darkroom(Terms(wall_s=2.0))
    try:
        await darkroom.develop(picture(), JPEG)
        stuck = darkroom.pid
        os.kill(stuck, signal.SIGSTOP)
        begun = time.monotonic()
        work = asyncio.create_task(darkroom.develop(picture(), JPEG))
        late = 0.0
        while not work.done():
            before = time.monotonic()
            await asyncio.sleep(0.01)
            late = max(late, time.monotonic() - before - 0.01)
        with pytest.raises(TooLargeError, match="时间"):
            await work
        assert time.monotonic() - begun < 10
        assert late < 1.5, "the loop waited for the process"
        assert not psutil.pid_exists(stuck)
        assert (await darkroom.develop(picture(), JPEG)).facts["width"] == 400
    finally:
        await darkroom.close()


async def test_too_much_of_the_processor_ends_the_process():
    darkroom = Darkroom(Terms(cpu_s=0))
    try:
        costly = picture("PNG", (6_000, 4_000), "RGBA", compress_level=1)
        # Each takes most of a second, and a second is all there is for them together.
        done = await asyncio.gather(
            *(darkroom.develop(costly, PNG) for _ in range(5)), return_exceptions=True
        )
        assert any(isinstance(one, TooLargeError) and "时间" in str(one) for one in done)
        assert (await darkroom.develop(picture(), JPEG)).facts["width"] == 400
    finally:
        await darkroom.close()


async def test_whoever_goes_away_leaves_no_half_answer_to_the_next(darkroom):
    await darkroom.develop(picture(), JPEG)
    first = darkroom.pid
    work = asyncio.create_task(darkroom.develop(picture(size=(8_000, 6_000)), JPEG))
    await asyncio.sleep(0.05)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert darkroom.pid != first
    assert (await darkroom.develop(picture(size=(60, 40)), JPEG)).facts["width"] == 60


async def test_process_that_died_while_it_was_idle_is_started_anew(darkroom):
    await darkroom.develop(picture(), JPEG)
    dead = darkroom.pid
    os.kill(dead, signal.SIGKILL)
    await asyncio.sleep(0.3)
    assert (await darkroom.develop(picture(), JPEG)).facts["width"] == 400
    assert darkroom.pid != dead
