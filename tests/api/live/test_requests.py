"""Bad requests are told what is wrong, and who goes on is closed."""

import asyncio
import time

import pytest
from stirring import closed_with
from tests_live import HERE, staged

from api.live.client import LiveClient


@pytest.mark.parametrize(
    ("message", "what"),
    [
        ("{", "not JSON"),
        ("[]", "JSON object"),
        ('{"op":"drop"}', "no request"),
        ('{"op":"subscribe"}', "zoom"),
        ('{"op":"subscribe","zoom":1e999,"bbox":[0,0,1,1]}', "JSON"),
        ('{"op":"subscribe","zoom":NaN,"bbox":[0,0,1,1]}', "JSON"),
        ('{"op":"subscribe","zoom":15,"bbox":[0,0,1]}', "four numbers"),
        ('{"op":"subscribe","zoom":15,"bbox":[0,0,"1",1]}', "finite"),
        ('{"op":"subscribe","zoom":15,"bbox":[0,50,1,40]}', "south"),
        ('{"op":"subscribe","zoom":15,"bbox":[2,0,1,1]}', "west"),
        ('{"op":"subscribe","zoom":15,"bbox":[0,0,1,91]}', "±90"),
        ('{"op":"subscribe","zoom":99,"bbox":[0,0,1,1]}', "zoom"),
        ('{"op":"subscribe","zoom":15,"bbox":[0,0,1,1],"layers":["secret"]}', "layer"),
        ('{"op":"subscribe","zoom":15,"bbox":[0,0,1,1],"layers":7}', "layer"),
        ('{"op":"subscribe","zoom":15,"bbox":[0,0,1,1],"resume":[]}', "resume"),
        ('{"op":"subscribe","zoom":15,"bbox":[0,0,1,1],"resume":{"epoch":-1,"tick":0}}', "epoch"),
        ('{"op":"subscribe","zoom":15,"bbox":[0,0,1,1],"resume":{"epoch":1,"tick":1e3}}', "tick"),
        ('{"op":"subscribe","zoom":true,"bbox":[0,0,1,1]}', "zoom"),
        ('{"op":"pong"}', "finite"),
    ],
)
async def test_a_bad_request_is_told_what_is_wrong_and_the_socket_stays(message: str, what: str) -> None:
    async with staged() as stage:
        client = LiveClient(stage.url)
        await client.connect()
        await client._connection.send(message)
        await client.until(lambda: client.errors)
        assert what in client.errors[0], client.errors
        await client.look(HERE, 16.0)
        await client.until(lambda: client.subscribed is not None)
        await client.close()


async def test_ten_bad_requests_close_the_socket() -> None:
    async with staged() as stage:
        client = LiveClient(stage.url)
        await client.connect()
        for _ in range(10):
            await client.send({"op": "nonsense"})
        assert await closed_with(client) == 4000
        assert not stage.hub.viewers


async def test_a_flood_of_requests_closes_the_socket() -> None:
    async with staged() as stage:
        client = LiveClient(stage.url)
        await client.connect()
        while time.time() % 1.0 > 0.3:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        for _ in range(200):
            await client.send({"op": "pong", "t": 1})
        assert await closed_with(client) == 4029


async def test_a_huge_message_and_bytes_are_refused() -> None:
    async with staged() as stage:
        client = LiveClient(stage.url)
        await client.connect()
        await client._connection.send(b"\x00\x01")
        await client.until(lambda: client.errors)
        await client._connection.send("x" * 70_000)
        assert await closed_with(client) == 1009


async def test_text_that_is_no_utf_8_closes_the_socket_and_fills_no_log(caplog) -> None:
    async with staged() as stage:
        client = LiveClient(stage.url)
        await client.connect()
        await client._connection.send(b"\xff\xfe", text=True)
        assert await closed_with(client) == 1007
    assert "Traceback" not in caplog.text
    assert not [record for record in caplog.records if record.exc_info]
