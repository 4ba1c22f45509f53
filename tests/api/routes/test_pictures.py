"""Looking at cameras: who may, what is on the record, how fresh and how quick it is, and what goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
import io
import random
import time

import httpx
import psutil
import pytest
from PIL import Image
from sqlalchemy import create_engine, text

from api.cameras import terms
from tests.api.routes.conftest import BESIDE, HERE
from tests.ingest.cameras.camera import Camera, read_number
from twin.access.sealing import Sealer
from twin.cameras import Source, store_sources

pytestmark = [pytest.mark.postgis, pytest.mark.usefixtures("two_grids")]

CAMERA, BESIDE_CAMERA = 4, 9
PASSWORD = "s3cr3t-of-the-camera"


@pytest.fixture(autouse=True)
def this_machine(monkeypatch):
    """Test cameras listen on this machine, which has to be declared."""
    monkeypatch.setenv("GRIDTWIN_CAMERA_RANGES", "127.0.0.0/8")
    monkeypatch.setenv("GRIDTWIN_CAMERA_PROBE_S", "0")


async def tell(served, url: str, device_id: int = CAMERA) -> None:
    """Keep the address of a camera, as the command line does.

    In a thread: the server, which runs in this loop, may hold the row in a transaction it has to end first.
    """

    def store() -> None:
        engine = create_engine(served.database.url)
        with engine.begin() as connection:
            source = Source(device_id, url.partition(":")[0], url)
            store_sources(connection, served.runtime.sealer, [source])
        engine.dispose()

    await asyncio.to_thread(store)


async def look(http: httpx.AsyncClient, device_id: int = CAMERA, **body: object) -> httpx.Response:
    return await http.post(f"/api/cameras/{device_id}/pictures", json=body or None)


async def picture(http: httpx.AsyncClient, device_id: int = CAMERA) -> bytes:
    answer = await look(http, device_id)
    assert answer.status_code == 200, answer.text
    shown = await http.get(answer.json()["url"])
    assert shown.status_code == 200, shown.text
    return shown.content


def record(served) -> list[tuple[object, ...]]:
    return served.sql(
        "SELECT object, result, reason, actor, detail FROM audit WHERE action = 'camera.looked' ORDER BY seq"
    )


def looked(served, device_id: int = CAMERA) -> tuple[str, str | None]:
    state = served.runtime.cameras.watch.state(device_id)
    return (state.state, state.reason) if state else ("", None)


async def known(served, device_id: int = CAMERA) -> None:
    """Wait until the server heard of the stream."""
    async with asyncio.timeout(5):
        while served.runtime.cameras.watch.state(device_id) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


@pytest.mark.alone
@pytest.mark.parametrize("codec", ["h264", "hevc"])
async def test_a_look_shows_what_is_there_now_and_is_on_the_record(served, signed_in, codec):
    operator = await signed_in("operator", HERE)
    async with Camera(codec=codec, user="admin", password=PASSWORD).running() as camera:
        await tell(served, camera.rtsp.replace("//", f"//admin:{PASSWORD}@"))
        answer = await look(operator, reason="有人求助")
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert told["simulated"] is False
        shown = await operator.get(told["url"])
        age = (camera.number - read_number(shown.content)) / camera.fps
        assert 0 <= age < 1.0, "it is the picture of now"
        assert PASSWORD not in answer.text
        image = Image.open(io.BytesIO(shown.content))
        assert (image.format, image.size) == ("JPEG", (640, 384))
        assert '天府广场 "东"'.encode() in image.info["comment"]
        headers = shown.headers
        assert (headers["content-type"], headers["cache-control"]) == ("image/jpeg", "no-store")
        assert "sandbox" in headers["content-security-policy"]
    [(about, result, reason, actor, detail)] = record(served)
    assert (about, result, reason, detail) == ("camera/4", "done", "有人求助", {"uid": "camera-0001"})
    assert actor.startswith("test-")


@pytest.mark.alone
async def test_the_next_look_is_of_the_same_connection_and_as_fresh(served, signed_in):
    operator = await signed_in("operator", HERE)
    async with Camera(gop=40).running() as camera:
        await tell(served, camera.rtsp)
        async with asyncio.timeout(5):  # it is probed once when it is told
            while looked(served) != ("ok", None):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        for _ in range(3):
            number = read_number(await picture(operator))
            assert 0 <= camera.number - number < camera.fps
            await asyncio.sleep(0.5)
        assert camera.connections == 2
    async with Camera().running() as other:
        await tell(served, other.rtsp)
        await picture(operator)
        assert other.connections >= 1, "another address is another connection"


async def test_only_who_may_looks_and_only_in_their_area(served, signed_in):
    served.sql(
        "INSERT INTO device (id, dataset_id, source_ref, content_hash, uid, kind, geom, height_m, simulated) "
        "SELECT 9, 1, 'camera-9', '', 'camera-0009', 'camera', geom, 3, true FROM device "
        "WHERE uid = 'water-0009'"
    )
    await served.runtime.twin.refresh_devices()
    for role, status in {
        "operator": 200, "dispatcher": 200, "manager": 200, "worker": 403, "department": 403,
        "planner": 403, "wall": 403,
    }.items():  # fmt: skip
        here = await signed_in(role, HERE)
        assert (await look(here)).status_code == status, role
        told = await here.get("/api/cameras/4")
        assert (told.status_code, told.json()["may_look"]) == (200, status == 200), role
        for path in (BESIDE_CAMERA, 999, 1):  # beside, nowhere, no camera
            assert (await look(here, path)).status_code == (404 if status == 200 else 403), (role, path)
            assert (await here.get(f"/api/cameras/{path}")).status_code == 404
    for role in ("auditor", "system_admin", "security_admin"):
        nobody = await signed_in(role)
        assert (await look(nobody)).status_code == 403, role
        assert (await nobody.get("/api/cameras/4")).status_code == 403
    async with httpx.AsyncClient(base_url=served.url) as stranger:
        assert (await look(stranger)).status_code == 401
    assert len(record(served)) == 3
    beside = await signed_in("operator", BESIDE)
    assert (await look(beside, BESIDE_CAMERA)).status_code == 200


async def test_a_picture_is_for_the_session_that_looked_and_for_a_minute(served, signed_in, monkeypatch):
    operator, other = await signed_in("operator", HERE), await signed_in("operator", HERE)
    url = (await look(operator)).json()["url"]
    assert (await operator.get(url)).status_code == 200
    assert (await other.get(url)).status_code == 404, "nor another session"
    for wrong in (url[:-2] + "xx", "/api/pictures/x", "/api/pictures/" + "A" * 64, "/api/pictures/%00"):
        assert (await operator.get(wrong)).status_code == 404, wrong
    now_s = time.time()
    monkeypatch.setattr(time, "time", lambda: now_s + terms.SHOWN_S + 1)
    assert (await operator.get(url)).status_code == 410
    monkeypatch.undo()
    monkeypatch.setattr(served.runtime.cameras.shown, "_of", type(served.runtime.cameras.shown._of)())
    assert (await operator.get(url)).status_code == 410, "a server that began anew has none"
    again = (await look(operator)).json()["url"]
    served.sql("UPDATE membership SET valid_to = now() WHERE role = 'operator'")
    served.sql("SELECT pg_notify('access', account_id::text) FROM membership")
    await asyncio.sleep(0.5)
    assert (await operator.get(again)).status_code in {403, 404}


async def test_what_cannot_be_recorded_is_not_looked_at(served, signed_in):
    operator = await signed_in("operator", HERE)
    async with Camera().running() as camera:
        await tell(served, camera.rtsp)
        await picture(operator)
        asked = camera.connections
        served.sql("ALTER TABLE audit RENAME TO audit_away")
        answer = await look(operator)
        assert answer.status_code >= 500
        assert "url" not in answer.json()
        served.sql("ALTER TABLE audit_away RENAME TO audit")
        assert camera.connections == asked, "the camera was not even asked"
        assert len(record(served)) == 1


async def test_no_request_reads_an_address(served, signed_in):
    """Neither an answer nor a dump of the database shows one; requests may not read even what is sealed."""
    operator = await signed_in("operator", HERE)
    await tell(served, f"rtsp://admin:{PASSWORD}@127.0.0.1:9/stream-path")
    for answer in (
        await operator.get("/api/cameras/4"),
        await look(operator),
        await operator.get("/api/devices/4"),
    ):
        assert PASSWORD not in answer.text
        assert "stream-path" not in answer.text
        assert "admin" not in answer.text
    [(sealed,)] = served.sql("SELECT address_sealed FROM camera_source")
    assert b"admin" not in bytes(sealed)
    assert served.sql(
        "SELECT has_column_privilege('gridtwin_app', 'camera_source', 'address_sealed', 'SELECT')"
    ) == [(False,)]
    assert PASSWORD not in str(served.sql("SELECT * FROM audit"))


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
        assert served.sql("SELECT state, reason FROM camera_source") == [("broken", reason)]
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
    """Within ten seconds; here with a shorter patience."""
    monkeypatch.setattr("api.cameras.watch.PROBE_S", 0.5)
    monkeypatch.setattr("api.cameras.watch.WATCHED_S", 0.3)
    operator = await signed_in("operator", HERE)

    async def until(state: str, most_s: float = 4.0) -> float:
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


async def test_only_so_many_look_at_once(served, signed_in, monkeypatch):
    monkeypatch.setattr("api.cameras.desk.LOOK_S", 1.5)
    monkeypatch.setattr("api.cameras.desk.WAIT_S", 0.2)
    people = [await signed_in("operator", HERE) for _ in range(3)]
    async with Camera(mood="silent").running() as camera:
        await tell(served, camera.rtsp)
        waiting = [asyncio.create_task(look(people[n // 2])) for n in range(4)]
        await asyncio.sleep(0.3)
        own = await look(people[0])
        assert (own.status_code, "本账号" in own.json()["detail"]) == (429, True)
        others = await look(people[2])
        assert (others.status_code, others.headers["retry-after"]) == (429, "2")
        assert {answer.status_code for answer in await asyncio.gather(*waiting)} == {503}
        camera.mood = "well"
        await picture(people[2])


async def test_who_looks_too_often_waits(served, signed_in, monkeypatch):
    monkeypatch.setattr("twin.cameras.LOOKS_PER_HOUR", 2)
    operator = await signed_in("operator", HERE)
    assert [(await look(operator)).status_code for _ in range(3)] == [200, 200, 429]
    assert [row[1] for row in record(served)] == ["done", "done", "refused"]


async def test_a_made_up_camera_shows_a_made_up_picture_and_a_real_one_without_stream_none(served, signed_in):
    operator = await signed_in("operator", HERE)
    told = (await operator.get("/api/cameras/4")).json()
    assert (told["has_stream"], told["made_up"], told["state"]) == (False, True, None)
    answer = await look(operator)
    assert answer.json()["simulated"] is True
    served.sql("UPDATE device SET simulated = false WHERE id = 4")
    answer = await look(operator)
    assert (answer.status_code, answer.json()["where"]) == (404, "stream")
    assert len(record(served)) == 1, "where nothing can be seen nobody looked"


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


async def test_an_address_that_another_key_sealed_says_so_and_what_to_do(served, signed_in):
    operator = await signed_in("operator", HERE)
    engine = create_engine(served.database.url)
    with engine.begin() as connection:
        store_sources(connection, Sealer(b"x" * 32), [Source(CAMERA, "rtsp", "rtsp://127.0.0.1:9/")])
    engine.dispose()
    await known(served)
    told = (await operator.get(f"/api/cameras/{CAMERA}")).json()
    assert (told["state"], told["reason"]) == ("broken", "other_key"), "before anybody looked"
    answer = await look(operator)
    problem = answer.json()
    assert (answer.status_code, problem["where"]) == (503, "stream/other_key"), answer.text
    assert "密钥" in problem["detail"]
    assert "gridtwin camera set" in problem["hint"]
    assert record(served)[-1][1:2] + record(served)[-1][4:] == ("failed", {"stream": "other_key"})


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
