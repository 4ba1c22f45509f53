"""The edge lets in who is known, and nobody by a trick."""

from __future__ import annotations

import asyncio
import secrets

import httpx
import pytest
import websockets
from sqlalchemy import text
from websockets.exceptions import ConnectionClosed, InvalidStatus

from api.access.door import COOKIE
from twin.access import account_list, accounts, credentials
from twin.access.credentials import CredentialKind
from twin.access.passwords import Passwords
from twin.access.record import COMMAND_LINE
from twin.store.engine import create_async_engine

pytestmark = pytest.mark.postgis

TILE = "/tiles/building/15/25860/13390.mvt"
GOOD = "Regen-Schirm-27"


@pytest.fixture
async def owner(served):
    engine = create_async_engine(served.database.url)
    yield engine
    await engine.dispose()


@pytest.fixture
async def stranger(served):
    async with httpx.AsyncClient(base_url=served.url, timeout=20.0) as http:
        yield http


async def person(owner, name="li.na", role="operator"):
    async with owner.begin() as connection:
        made = await accounts.create(connection, COMMAND_LINE, name, name)
        await accounts.set_password(connection, COMMAND_LINE, made, GOOD, Passwords(), must_change=False)
        await accounts.grant(connection, COMMAND_LINE, made, role)
    return made


async def test_stranger_sees_nothing_but_pages(stranger):
    for path in ("/api/scene", "/api/account", "/api/devices/1", "/api/record", TILE, "/api/live/ticket"):
        answer = await stranger.request("POST" if path.endswith("ticket") else "GET", path)
        assert answer.status_code == 401, path
        assert answer.headers["content-type"] == "application/problem+json"
    assert (await stranger.get("/api/health")).status_code == 200


FORGED = ["-", "x", "null", "c2VjcmV0LXRoYXQtbm9ib2R5LWdhdmU", "' OR 1=1 --", "\\x00", "a" * 5000, "é" * 10]


async def test_forged_secrets_open_nothing(stranger):
    for secret in FORGED:
        for headers in (
            {"cookie": f"{COOKIE}={secret}".encode()},
            {"authorization": f"Bearer {secret}".encode()},
            {"authorization": f"Basic {secret}".encode()},
        ):
            assert (await stranger.get("/api/account", headers=headers)).status_code == 401, headers


async def test_token_of_one_kind_opens_no_other_door(served, stranger):
    session = await served.secret(("operator", "0" * 15))
    token = await served.secret(("operator", "0" * 15), kind=CredentialKind.TOKEN)
    bearer = {"authorization": f"Bearer {token}"}
    assert (await stranger.get("/api/account", headers=bearer)).status_code == 200
    assert (await stranger.get("/api/account", headers={"cookie": f"{COOKIE}={session}"})).status_code == 200
    for headers in ({"authorization": f"Bearer {session}"}, {"cookie": f"{COOKIE}={token}"}):
        assert (await stranger.get("/api/account", headers=headers)).status_code == 401


async def test_expired_session_and_closed_account_are_out(served, signed_in, owner):
    client = await signed_in("operator")
    assert (await client.get("/api/account")).status_code == 200
    async with owner.begin() as connection:
        await connection.execute(text("UPDATE credential SET expires_at = now() - interval '1 s'"))
    served.runtime.door.forget_all()
    assert (await client.get("/api/account")).status_code == 401


async def test_sign_in_gives_a_new_secret_whatever_the_browser_brought(stranger, owner):
    """A secret that somebody planted in the browser is not made good by signing in (fixation)."""
    await person(owner)
    planted = secrets.token_urlsafe(32)
    answer = await stranger.post(
        "/api/sign-in", json={"name": "li.na", "password": GOOD}, headers={"cookie": f"{COOKIE}={planted}"}
    )
    assert answer.json()["state"] == "signed_in"
    given = answer.cookies[COOKIE]
    assert given != planted
    assert (await stranger.get("/api/account", headers={"cookie": f"{COOKIE}={planted}"})).status_code == 401
    flags = answer.headers["set-cookie"].lower()
    assert "httponly" in flags
    assert "samesite=strict" in flags


async def test_sign_out_ends_the_session_at_once(stranger, owner):
    await person(owner)
    await stranger.post("/api/sign-in", json={"name": "li.na", "password": GOOD})
    held = stranger.cookies[COOKIE]
    assert (await stranger.post("/api/sign-out")).status_code == 204
    again = await stranger.get("/api/account", headers={"cookie": f"{COOKIE}={held}"})
    assert again.status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "origin": "http://127.0.0.1:1"},
    ],
)
async def test_writing_from_another_origin_is_refused(client, headers):
    body = {"alarm_ids": [1]}
    refused = await client.post("/api/alarms/acknowledge", json=body, headers=headers)
    assert refused.status_code == 403, refused.text
    assert (await client.post("/api/alarms/acknowledge", json=body)).status_code == 200


async def test_ticket_opens_one_socket_once(served, client):
    ticket = (await client.post("/api/live/ticket")).json()["ticket"]
    async with websockets.connect(f"{served.live}?ticket={ticket}") as socket:
        assert '"hello"' in str(await socket.recv())
        with pytest.raises(InvalidStatus):
            await websockets.connect(f"{served.live}?ticket={ticket}")


async def test_socket_needs_a_ticket_of_this_moment_and_of_this_origin(served, client, owner):
    cookie = {"cookie": f"{COOKIE}={client.cookies[COOKIE]}"}
    with pytest.raises(InvalidStatus):
        await websockets.connect(served.live)
    with pytest.raises(InvalidStatus):  # a browser sends the cookie with every socket any page opens
        await websockets.connect(served.live, additional_headers=cookie)
    ticket = (await client.post("/api/live/ticket")).json()["ticket"]
    with pytest.raises(InvalidStatus):
        await websockets.connect(f"{served.live}?ticket={ticket}", origin="https://evil.example")
    async with owner.begin() as connection:
        await connection.execute(text("UPDATE credential SET expires_at = now() WHERE kind = 'ticket'"))
    with pytest.raises(InvalidStatus):
        await websockets.connect(f"{served.live}?ticket={ticket}")


async def listen(socket):
    while True:
        await socket.recv()


@pytest.mark.parametrize("how", ["disabled", "signed out", "role withdrawn"])
async def test_revocation_closes_sockets_within_five_seconds(served, owner, how):
    secret = await served.secret(("operator", "0" * 15))
    async with httpx.AsyncClient(base_url=served.url, cookies={COOKIE: secret}) as http:
        ticket = (await http.post("/api/live/ticket")).json()["ticket"]
        name = (await http.get("/api/account")).json()["name"]
        async with websockets.connect(f"{served.live}?ticket={ticket}") as socket:
            await socket.recv()
            if how == "signed out":
                await http.post("/api/sign-out")
            else:
                async with owner.begin() as connection:
                    if how == "disabled":
                        await accounts.disable(connection, COMMAND_LINE, name)
                    else:
                        held = (await account_list.list_accounts(connection))[-1].held
                        await accounts.withdraw(connection, COMMAND_LINE, held[0].id)
            with pytest.raises(ConnectionClosed) as closed:
                await asyncio.wait_for(listen(socket), 5.0)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code in {4401, 4403}


async def test_many_tries_of_one_address_are_held_back(stranger):
    codes = [
        (await stranger.post("/api/sign-in/code", json={"step": "x", "code": "123456"})).status_code
        for _ in range(25)
    ]
    assert codes[:15] == [401] * 15
    assert codes[-1] == 429


async def test_who_must_change_the_password_can_do_only_that(stranger, owner):
    async with owner.begin() as connection:
        made = await accounts.create(connection, COMMAND_LINE, "new.one", "")
        await accounts.set_password(connection, COMMAND_LINE, made, GOOD, Passwords(), must_change=True)
        await accounts.grant(connection, COMMAND_LINE, made, "operator")
    first = await stranger.post("/api/sign-in", json={"name": "new.one", "password": GOOD})
    assert first.json()["must_change_password"] is True
    assert (await stranger.get("/api/scene")).status_code == 403
    body = {"old": GOOD, "new": "Andere-Worte-99"}
    assert (await stranger.post("/api/account/password", json=body)).status_code == 204
    assert (await stranger.get("/api/scene")).status_code == 200


async def test_kiosk_is_enrolled_once_and_reads_only(served, stranger, owner):
    async with owner.begin() as connection:
        wall = await accounts.create(connection, COMMAND_LINE, "wall-1", "大屏", kind="kiosk")
        await accounts.grant(connection, COMMAND_LINE, wall, "wall")
        code, _ = await credentials.issue(connection, wall, CredentialKind.ENROLMENT)
    assert (await stranger.post("/api/kiosk/enrol", json={"code": code})).status_code == 204
    assert (await stranger.get("/api/scene")).status_code == 200
    refused = await stranger.post("/api/alarms/acknowledge", json={"alarm_ids": [1]})
    assert refused.status_code == 403
    async with httpx.AsyncClient(base_url=served.url) as another:
        assert (await another.post("/api/kiosk/enrol", json={"code": code})).status_code == 401
