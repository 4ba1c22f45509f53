"""Cameras that do not do what they should: it is known why, told, and harms nobody."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time

import psutil
import pytest
from sqlalchemy import create_engine, text

from api.cameras import terms
from tests.api.routes.conftest import HERE
from tests.api.routes.looking import CAMERA, PASSWORD, known, look, looked, picture, record, tell
from tests.ingest.cameras.camera import Camera
from tests.waiting import until
from twin.access.sealing import Sealer
from twin.cameras import Source, store_sources

pytestmark = [pytest.mark.postgis, pytest.mark.usefixtures("cameras_here", "two_grids")]


@pytest.mark.parametrize(
    ("mood", "reason"),
    [
        ("refusing", "not_found"), ("redirecting", "redirected"), ("garbage", "closed"),
        ("endless", "garbage"),
        ("no_video", "no_video"), ("odd_codec", "codec"), ("closing", "closed"), ("silent", "timeout"),
        ("slow", "timeout"),
    ],
)  # fmt: skip
async def test_a_broken_stream_says_why_is_offline_on_the_map_and_comes_back(
    served, signed_in, monkeypatch, mood, reason
):
    monkeypatch.setattr("api.cameras.desk.LOOK_S", 1.0)
    operator = await signed_in("operator", HERE)
    async with Camera(mood=mood).running() as camera:
        await tell(served, camera.rtsp)
        await known(served)
        answer = await look(operator)
        assert answer.status_code == 503
        assert answer.json()["where"] == f"stream/{reason}"
        assert any("\u4e00" <= sign <= "\u9fff" for sign in answer.json()["detail"])
        told = (await operator.get("/api/cameras/4")).json()
        assert (told["state"], told["reason"]) == ("broken", reason)
        board = served.runtime.twin.board
        assert board.link_down[board.row_of_uid["camera-0001"]]
        # A probe that found the same at this moment may be writing it still.
        kept = "SELECT state, reason FROM camera_source"
        await until(lambda: served.sql(kept) == [("broken", reason)])
        results = [(row[1], row[4].get("stream")) for row in record(served)]
        assert results == [("done", None), ("failed", reason)], "that nothing was seen is on the record too"
        camera.mood = "well"
        await picture(operator)
        assert not board.link_down[board.row_of_uid["camera-0001"]]
        assert looked(served) == ("ok", None)


async def test_wrong_password_and_addresses_that_are_not_allowed(served, signed_in, monkeypatch):
    operator = await signed_in("operator", HERE)
    async with Camera(user="admin", password=PASSWORD).running() as camera:
        await tell(served, camera.rtsp.replace("//", "//admin:wrong@"))
        assert (await look(operator)).json()["where"] == "stream/unauthorized"
    for url in (
        "rtsp://169.254.169.254/",
        "http://10.0.0.1/",
        "http://[::ffff:10.0.0.1]/",
        "rtsp://0.0.0.0/",
    ):
        await tell(served, url)
        assert (await look(operator)).json()["where"] == "stream/not_allowed", url


async def test_a_stream_that_breaks_is_known_while_somebody_watches(served, signed_in, monkeypatch):
    """Within ten seconds."""
    monkeypatch.setattr("api.cameras.watch.PROBE_S", 0.5)
    monkeypatch.setattr("api.cameras.watch.WATCHED_S", 0.3)
    operator = await signed_in("operator", HERE)

    async def until(state: str, most_s: float = 10.0) -> float:
        begun = time.monotonic()
        while (await operator.get("/api/cameras/4")).json()["state"] != state:
            assert time.monotonic() - begun < most_s, f"not {state}"
            await asyncio.sleep(0.1)
        return time.monotonic() - begun

    async with Camera().running() as camera:
        await tell(served, camera.rtsp)
        await known(served)
        await until("ok")
        camera.mood = "silent"
        await until("broken")
        assert looked(served) == ("broken", "timeout")
        camera.mood = "well"
        await until("ok")


async def test_a_snapshot_that_never_changes_is_frozen(served, signed_in, monkeypatch):
    monkeypatch.setattr("api.cameras.watch.WATCHED_S", 0.1)
    operator = await signed_in("operator", HERE)
    async with Camera(mood="frozen").running() as camera:
        await tell(served, camera.http)
        await known(served)
        async with asyncio.timeout(5):
            while looked(served) != ("broken", "frozen"):
                await operator.get("/api/cameras/4")
                await asyncio.sleep(0.1)


def children() -> list[psutil.Process]:
    return [p for p in psutil.Process().children() if "api.cameras.decoding" in " ".join(p.cmdline())]


@pytest.mark.parametrize("streams", [50, pytest.param(400, marks=pytest.mark.slow)])
async def test_streams_of_garbage_leave_the_server_whole(served, signed_in, monkeypatch, streams):
    """Broken inside the framing, so that the decoder itself is met; no process is left over."""
    monkeypatch.setattr("api.cameras.desk.LOOK_S", 0.5)
    monkeypatch.setattr("twin.cameras.LOOKS_PER_HOUR", 10_000)
    operator = await signed_in("operator", HERE)
    seen: dict[int, int] = {}
    before = 0
    async with broken_camera() as (port, seeds):
        for n in range(streams):
            if n == 10:
                before = psutil.Process().memory_info().rss
            kind = "http" if n % 3 == 0 else "rtsp"
            await tell(served, f"{kind}://127.0.0.1:{port}/{n}")
            answer = await look(operator)
            seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
        assert len(seeds) >= streams
    assert set(seen) == {200, 503}, seen
    assert min(seen.values()) >= streams // 10, f"both sides of the border are met: {seen}"
    assert psutil.Process().memory_info().rss - before < 64 << 20
    assert len(children()) <= terms.DECODERS
    assert all(p.memory_info().rss < 300 << 20 for p in children())
    assert (await operator.get("/api/health")).status_code == 200
    await served.run_sql("DELETE FROM camera_source")
    assert (await look(operator)).status_code == 200, "and goes on"


@contextlib.asynccontextmanager
async def broken_camera():
    """A camera whose bytes are flipped on their way, each connection otherwise."""
    seeds: list[int] = []
    async with Camera(width=160, height=96).running() as camera:

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            rng = random.Random(len(seeds))
            seeds.append(1)
            inner, outer = await asyncio.open_connection("127.0.0.1", camera.port)

            async def forward() -> None:
                while data := await reader.read(65_536):
                    outer.write(data)

            async def back() -> None:
                answers = 0
                while data := bytearray(await inner.read(2_000)):
                    answers += 1
                    if answers > 3 or data.startswith(b"HTTP"):
                        for _ in range(rng.choice((0, 4, 40, 400))):
                            at = rng.randrange(len(data))
                            data[at] = rng.randrange(256)
                    writer.write(data)
                    await writer.drain()

            tasks = [asyncio.create_task(forward()), asyncio.create_task(back())]
            with contextlib.suppress(Exception):
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            for end in (writer, outer):
                end.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        yield server.sockets[0].getsockname()[1], seeds
        server.close()


async def test_cameras_sealed_with_another_key_are_told_of_in_one_line_and_not_probed(served, caplog):
    """Whoever restores a database without its key has a line to read, not one for each camera and probe."""
    caplog.set_level("INFO", "gridtwin.cameras")
    engine = create_engine(served.database.url)
    sources = [Source(number, "rtsp", "rtsp://127.0.0.1:9/") for number in (1, CAMERA)]
    with engine.begin() as connection:
        store_sources(connection, Sealer(b"x" * 32), sources)
    watch = served.runtime.cameras.watch
    for source in sources:
        await known(served, source.device_id)
        watch.watch(source.device_id)
    await asyncio.sleep(0.6)  # two rounds of probes
    assert watch.probes == 0
    assert [line.getMessage() for line in caplog.records if line.name == "gridtwin.cameras"] == [
        "2 of 2 cameras have an address that cannot be used and are not probed; first 1: "
        "a sealed value cannot be opened"
    ]
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM camera_source"))
        store_sources(connection, served.runtime.sealer, sources)
    engine.dispose()
    async with asyncio.timeout(5):
        while "can be used again" not in caplog.text:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
