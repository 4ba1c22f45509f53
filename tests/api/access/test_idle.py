"""A session ends when no person did anything for half an hour, whatever its page asks for meanwhile."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
import websockets
from websockets.exceptions import ConnectionClosed

from twin.access.credentials import CredentialKind, end_overdue

pytestmark = pytest.mark.postgis

WHOLE = "0" * 15


@pytest.fixture
def pass_minutes(served):
    """Let time pass for everybody's secrets, as seen from the database."""

    async def pass_(minutes: float) -> None:
        await served.run_sql(
            "UPDATE credential SET seen_at = seen_at - %s, expires_at = expires_at - %s",
            *[timedelta(minutes=minutes)] * 2,
        )
        served.runtime.door.forget_all()

    return pass_


async def poll(http):
    """Ask what an open page asks for by itself; return the worst answer."""
    tile = await http.get("/tiles/building/15/25860/13390.mvt")
    reads = [await http.get(path) for path in ("/api/scene", "/api/alarms", "/api/account", "/api/session")]
    ticket = await http.post("/api/live/ticket")
    return max(answer.status_code for answer in (tile, ticket, *reads))


async def test_what_a_page_asks_by_itself_keeps_no_session(signed_in, pass_minutes):
    http = await signed_in("operator")
    for _ in range(3):
        await pass_minutes(9.9)
        assert await poll(http) == 200
    await pass_minutes(0.4)
    assert await poll(http) == 401


@pytest.mark.parametrize("act", ["/api/account/active", "/api/alarms/acknowledge"])
async def test_what_a_person_does_keeps_it(signed_in, pass_minutes, act):
    http = await signed_in("operator")
    body = {"alarm_ids": [1]} if act.endswith("acknowledge") else None
    for _ in range(3):
        await pass_minutes(29)
        assert (await http.post(act, json=body)).status_code == 200
    assert await poll(http) == 200
    await pass_minutes(31)
    assert (await http.post(act, json=body)).status_code == 401, "what is over is not brought back"


async def test_no_session_outlives_its_twelve_hours(signed_in, pass_minutes):
    http = await signed_in("operator")
    for _ in range(36):
        await pass_minutes(19.9)
        assert (await http.post("/api/account/active")).status_code == 200
    remaining = (await http.get("/api/session")).json()["remaining"]
    assert remaining["ends_s"] < remaining["idle_s"]
    await pass_minutes(4)
    assert (await http.get("/api/account")).status_code == 401


async def test_screens_and_programs_are_not_asked_for_a_person(served, signed_in, pass_minutes):
    http = await signed_in("operator")
    kiosk = await served.secret(("wall", WHOLE), kind=CredentialKind.KIOSK)
    token = await served.secret(("operator", WHOLE), kind=CredentialKind.TOKEN)
    http.cookies.clear()
    for _ in range(3):
        await pass_minutes(45)
        for headers in ({"cookie": f"gridtwin_session={kiosk}"}, {"authorization": f"Bearer {token}"}):
            assert (await http.get("/api/scene", headers=headers)).status_code == 200
            session = (await http.get("/api/session", headers=headers)).json()
            assert session["account"] is not None
            assert session["remaining"]["idle_s"] is None


async def test_who_is_signed_in_can_be_asked_without_a_refusal(served, signed_in, pass_minutes):
    http = await signed_in("operator")
    await pass_minutes(10)
    for _ in range(2):
        session = (await http.get("/api/session")).json()
        assert session["account"] == (await http.get("/api/account")).json()
        assert session["remaining"]["idle_s"] == pytest.approx(20 * 60, abs=5)
    kept = (await http.post("/api/account/active")).json()
    assert kept["idle_s"] == pytest.approx(kept["idle_after_s"], abs=5)
    assert kept["idle_after_s"] == 30 * 60
    assert (await http.get("/api/session")).json()["remaining"]["idle_s"] == pytest.approx(30 * 60, abs=5)
    http.cookies.clear()
    assert (await http.get("/api/session")).json() == {"account": None, "remaining": None}


async def test_what_is_remembered_of_a_session_ends_with_it(served, signed_in):
    served.runtime.door.idle = timedelta(seconds=0.6)
    http = await signed_in("operator")
    assert (await http.get("/api/account")).status_code == 200
    await asyncio.sleep(0.7)
    assert (await http.get("/api/account")).status_code == 401


async def test_an_open_socket_neither_keeps_a_session_nor_outlives_it(served, signed_in, pass_minutes):
    http = await signed_in("operator")
    ticket = (await http.post("/api/live/ticket")).json()["ticket"]
    late = (await http.post("/api/live/ticket")).json()["ticket"]
    async with websockets.connect(f"{served.live}?ticket={ticket}") as socket:
        await socket.recv()
        await pass_minutes(29.5)
        await served.run_sql(
            "UPDATE credential SET expires_at = now() + interval '1 h' WHERE kind = 'ticket'"
        )
        await asyncio.sleep(2.5)
        await socket.send('{"op": "pong"}')
        assert socket.state is websockets.State.OPEN
        await pass_minutes(1)

        async def listen():
            while True:
                await socket.recv()

        with pytest.raises(ConnectionClosed) as closed:
            await asyncio.wait_for(listen(), 5.0)
        assert closed.value.rcvd.code == 4401
    with pytest.raises(websockets.exceptions.InvalidStatus):
        await websockets.connect(f"{served.live}?ticket={late}")


async def test_the_end_of_a_session_nobody_used_is_on_the_record_once(served, signed_in, pass_minutes):
    await signed_in("operator")
    idle = "action = 'session.ended' AND reason = 'nobody did anything for 30 min'"
    ended = f"SELECT count(*) FROM audit WHERE {idle}"

    async def end() -> tuple[int, int]:
        (before,) = (await served.run_sql(ended))[0]
        async with served.runtime.accounts.begin() as connection:
            found = await end_overdue(connection, served.runtime.door.idle)
        return found, (await served.run_sql(ended))[0][0] - before

    await pass_minutes(29)
    await end()  # those of other tests
    await pass_minutes(2)
    assert await end() == (1, 1)
    assert await end() == (0, 0)
