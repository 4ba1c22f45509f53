"""Looking at cameras: who may, for how long, how often, what is on the record and what nobody reads."""

from __future__ import annotations

import asyncio
import time

import httpx
import pytest
from sqlalchemy import create_engine

from api.cameras import terms
from tests.api.routes.conftest import BESIDE, HERE
from tests.api.routes.looking import CAMERA, PASSWORD, known, look, picture, record, tell
from tests.ingest.cameras.camera import Camera
from tests.waiting import until
from twin.access.sealing import Sealer
from twin.cameras import Source, store_sources

pytestmark = [pytest.mark.postgis, pytest.mark.usefixtures("cameras_here", "two_grids")]

BESIDE_CAMERA = 9


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


async def test_only_so_many_look_at_once(served, signed_in, monkeypatch):
    monkeypatch.setattr("api.cameras.desk.LOOK_S", 4.0)
    monkeypatch.setattr("api.cameras.desk.WAIT_S", 0.2)
    people = [await signed_in("operator", HERE) for _ in range(3)]
    async with Camera(mood="silent").running() as camera:
        await tell(served, camera.rtsp)
        waiting = [asyncio.create_task(look(people[n // 2])) for n in range(4)]
        await until(lambda: served.runtime.cameras._of.total() == len(waiting))
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
