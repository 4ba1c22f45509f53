"""Topics of SensorThings: who follows is told of each change as GET tells it, and of nothing of another area.

The client is gmqtt, which knows nothing of the server; a few lines carry its bytes over a websocket.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from datetime import UTC, datetime

import gmqtt
import pytest
import websockets
from gmqtt.mqtt.constants import MQTTv50, MQTTv311

from api.sensorthings.mqtt.packets import (
    BAD_CREDENTIALS,
    BAD_PAYLOAD,
    NOT_ALLOWED,
    MalformedError,
    Ping,
    Stream,
)
from tests.api.routes.conftest import observe
from tests.api.sensorthings.conftest import ROOT, program

pytestmark = pytest.mark.postgis

GRID = "510105001001001"
WHOLE = "000000000000000"


class Client:
    """gmqtt behind a wire of ours, with what it was told and nobody asked for yet."""

    def __init__(self, mqtt: gmqtt.Client) -> None:
        self.mqtt = mqtt
        self.told: list[tuple[str, dict[str, object]]] = []
        self.gone = asyncio.Event()
        self.more = asyncio.Event()

    async def next(self, topic: str) -> dict[str, object]:
        """Return what was told next under a topic."""
        async with asyncio.timeout(10):
            while True:
                for i, (of, _) in enumerate(self.told):
                    if of == topic:
                        return self.told.pop(i)[1]
                self.more.clear()
                await self.more.wait()


@contextlib.asynccontextmanager
async def connected(served, name: str, token: str, *topics: str, version: int = MQTTv50):
    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        url = served.url.replace("http", "ws") + "/sta/mqtt"
        async with websockets.connect(url, subprotocols=["mqtt"]) as socket:

            async def back() -> None:
                async for data in socket:
                    writer.write(data)
                writer.close()

            task = asyncio.create_task(back())
            while data := await reader.read(1000):
                await socket.send(data)
            task.cancel()

    server = await asyncio.start_server(carry, "127.0.0.1", 0)
    mqtt, subscribed = gmqtt.Client(f"client-{name}"), asyncio.Event()
    client = Client(mqtt)
    mqtt.set_config({"reconnect_retries": 0})
    mqtt.set_auth_credentials(name, token)

    def on_message(_client, topic, payload, _quality, _properties):
        client.told.append((topic, json.loads(payload)))
        client.more.set()
        return 0

    mqtt.on_message = on_message
    mqtt.on_subscribe = lambda *_: subscribed.set()
    mqtt.on_disconnect = lambda *_: client.gone.set()
    try:
        async with asyncio.timeout(10):
            await mqtt.connect("127.0.0.1", server.sockets[0].getsockname()[1], version=version)
            if topics:
                mqtt.subscribe([gmqtt.Subscription(topic, qos=1) for topic in topics])
                await subscribed.wait()
        yield client
    finally:
        with contextlib.suppress(Exception):
            await mqtt.disconnect()
        server.close()


@pytest.mark.parametrize("version", [MQTTv311, MQTTv50])
async def test_each_change_is_told_as_get_tells_it(served, version):
    name, token = await program(served, "integrator", GRID)
    topics = "v1.1/Observations", "v1.1/Datastreams(1000)/Observations?$select=result", "v1.1/Things(1)/name"
    more = "v1.1/Things", "v1.1/Things(1)/Locations", "v1.1/Things(2)", "v1.1/Datastreams", "v1.1/Sensors"
    async with (
        await served.signed_in("integrator", GRID) as http,
        connected(served, name, token, *topics, *more, version=version) as client,
    ):
        await observe(served, "water-0001", [3.0, 4.0])
        first, second = await client.next(topics[0]), await client.next(topics[0])
        assert (first["result"], second["result"]) == (3.0, 4.0)
        assert first == (await http.get(first["@iot.selfLink"])).json()
        assert await client.next(topics[1]) == {"result": 3.0}

        # What is moved is another Thing at another place; what is made is told with all it holds.
        moved = {"location": {"type": "Point", "coordinates": [104.0603, 30.6604]}}
        assert (await http.patch(f"{ROOT}/Locations(1)", json=moved)).status_code == 200
        assert (await client.next("v1.1/Things(1)/Locations"))["location"] == moved["location"]
        assert (await http.patch(f"{ROOT}/Things(1)", json={"name": "改名"})).status_code == 200
        assert await client.next("v1.1/Things(1)/name") == {"name": "改名"}
        made = await http.post(f"{ROOT}/Things", json=_station("one"))
        assert made.status_code == 201, made.text
        thing = await client.next("v1.1/Things")
        while thing["@iot.id"] != made.json()["@iot.id"]:
            thing = await client.next("v1.1/Things")
        assert thing == made.json()
        assert (await client.next("v1.1/Datastreams"))["name"] == "T"
        assert (await client.next("v1.1/Sensors"))["name"] == "S"
        assert "v1.1/Things(2)" not in {topic for topic, _ in client.told}


def _station(name: str) -> dict[str, object]:
    unit = {"name": "metre", "symbol": "m", "definition": "ucum:m"}
    kind = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement"
    stream = {
        "name": "T", "description": "t", "observationType": kind, "unitOfMeasurement": unit,
        "Sensor": {"name": "S", "description": "s", "encodingType": "text/html", "metadata": "x"},
        "ObservedProperty": {"name": "P", "description": "p", "definition": "https://example.org/p"},
        "Observations": [{"result": 7.5}],
    }  # fmt: skip
    place = {
        "name": "here", "description": "there", "encodingType": "application/geo+json",
        "location": {"type": "Point", "coordinates": [104.0604, 30.6604]},
    }  # fmt: skip
    return {"name": name, "description": "made", "Locations": [place], "Datastreams": [stream]}


async def test_nobody_is_told_of_another_area(served):
    """The third device lies outside the grid; who loses the role is told nothing more and must leave."""
    whole, part = await program(served, "integrator", WHOLE), await program(served, "integrator", GRID)
    topics = "v1.1/Observations", "v1.1/Datastreams(3000)/Observations", "v1.1/Things", "v1.1/Things(3)"
    async with (
        await served.signed_in("integrator", WHOLE) as http,
        connected(served, *whole, *topics) as all_seeing,
        connected(served, *part, *topics) as local,
    ):
        await observe(served, "water-0003", [1.0, 2.0])
        await http.patch(f"{ROOT}/Things(3)", json={"name": "elsewhere"})
        assert (await all_seeing.next("v1.1/Datastreams(3000)/Observations"))["result"] == 1.0
        assert (await all_seeing.next("v1.1/Things(3)"))["name"] == "elsewhere"
        await observe(served, "worker-0001", [1.0])
        await observe(served, "water-0001", [5.0])
        assert (await local.next("v1.1/Observations"))["@iot.selfLink"].count("Observations('1000-") == 1
        assert not local.told
        await served.run_sql(
            "UPDATE membership SET valid_to = now() FROM account AS a "
            "WHERE a.id = account_id AND a.name = %s",
            part[0],
        )
        served.runtime.door.forget_all()  # as the notice of a change does
        await observe(served, "water-0001", [6.0])
        async with asyncio.timeout(10):
            await local.gone.wait()
        assert not local.told
        seen = {o["@iot.id"].partition("-")[0] for topic, o in all_seeing.told if topic == topics[0]}
        assert seen <= {"3000", "1000"}  # and nothing of the worker


async def test_observations_are_brought_and_answered_once_they_are_committed(served):
    name, token = await program(served, "integrator", GRID)
    async with await served.signed_in("integrator", GRID) as http:
        thing = (await http.post(f"{ROOT}/Things", json=_station("two"))).json()["@iot.id"]
        stream = (await http.get(f"{ROOT}/Things({thing})/Datastreams")).json()["value"][0]["@iot.id"]
        socket = await raw(served, name, token)
        path = f"v1.1/Datastreams({stream})/Observations"
        await socket.send(message(path, b'{"result": 8.25, "phenomenonTime": "%s"}' % _now()))
        assert await answer(socket) == b"\x40\x02\x00\x07"
        told = (await http.get(f"{ROOT}/Datastreams({stream})/Observations?$filter=result eq 8.25")).json()
        assert len(told["value"]) == 1
        for topic, payload in (
            (path, b"{"),
            (path, b'{"resut": 1}'),
            ("v1.1/Datastreams(999000)/Observations", b'{"result": 1}'),
            ("v1.1/Things", b"{}"),
            ("gt/v1/devices/water-0001/observations", b"{}"),
        ):
            await socket.send(message(topic, payload))
            refused = await answer(socket)
            assert (refused[0], refused[4]) == (0x40, BAD_PAYLOAD), (topic, refused)
        foreign = "v1.1/Datastreams(3000)/Observations"
        await socket.send(message(foreign, b'{"result": 1}'))
        assert (await answer(socket))[4] in (NOT_ALLOWED, BAD_PAYLOAD)
        await socket.close()
        reader = await raw(served, *(await program(served, "department", GRID)))
        await reader.send(message(path, b'{"result": 1}'))
        assert (await answer(reader))[4] == NOT_ALLOWED
        await reader.close()
        assert (await http.get(f"{ROOT}/Datastreams({stream})/Observations/$count")).text == "2"


async def test_strangers_and_what_is_no_packet_are_turned_away(served):
    name, token = await program(served, "integrator", GRID)
    for user, secret, code in ((name, "nothing", BAD_CREDENTIALS), ("other", token, BAD_CREDENTIALS)):
        assert (await raw(served, user, secret, code)).close_code is None
    await raw(served, *(await program(served, "auditor", WHOLE)), NOT_ALLOWED)
    url = served.url.replace("http", "ws") + "/sta/mqtt"
    with pytest.raises(websockets.InvalidStatus):
        await websockets.connect(url)
    for data in (b"\x30\x03\x00\x01a", b"\x10\xff\xff\xff\x7f", b"\x00\x00", b"\xf0\x00", "text"):
        async with websockets.connect(url, subprotocols=["mqtt"]) as socket:
            await socket.send(data)
            await closed(socket)
    socket = await raw(served, name, token)
    filters = b"".join(
        field(t) + b"\x01" for t in (b"v1.1/#", b"v1.1/Things/+", b"v1.1/Nope", b"v1.1/Things")
    )
    await socket.send(b"\x82" + bytes([3 + len(filters)]) + b"\x00\x09\x00" + filters)
    assert (await answer(socket))[-4:] == b"\x8f\x8f\x8f\x00"
    again = await raw(served, name, token)  # the same client id: the first one leaves
    await closed(socket)
    await again.close()


async def test_what_is_committed_stays_so_where_telling_fails(served):
    def fail(_stored: object) -> None:
        raise RuntimeError("nobody can be told")

    served.runtime.twin.stored_listener = fail
    async with asyncio.timeout(10):
        for value in (1.0, 2.0):
            await observe(served, "water-0001", [value])


def test_packets_need_not_begin_where_messages_do():
    stream = Stream()
    whole = connect("a", "b")
    for i in range(len(whole) - 1):
        assert stream.feed(whole[i : i + 1]) == []
    assert len(stream.feed(whole[-1:] + b"\xc0\x00\xc0")) == 2
    assert stream.feed(b"\x00") == [Ping()]
    for data in ("34050001610001", "3103000161", "82020001", "80020001", "820500010003", "1000"):
        fresh = Stream()
        fresh.feed(whole)
        with pytest.raises(MalformedError):
            fresh.feed(bytes.fromhex(data.ljust(14, "0")))


def field(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data


def connect(name: str, token: str) -> bytes:
    body = (
        field(b"MQTT")
        + b"\x05\xc2\x00\x3c\x00"
        + field(b"raw")
        + field(name.encode())
        + field(token.encode())
    )
    return bytes([0x10, len(body)]) + body


def message(topic: str, payload: bytes) -> bytes:
    body = field(topic.encode()) + b"\x00\x07\x00" + payload
    assert len(body) < 16384
    return b"\x32" + bytes([len(body) & 0x7F | 0x80, len(body) >> 7]) + body


async def closed(socket) -> None:
    """Wait until the server closed."""
    with contextlib.suppress(websockets.ConnectionClosed):
        async with asyncio.timeout(5):
            while True:
                await socket.recv()


async def answer(socket) -> bytes:
    return await asyncio.wait_for(socket.recv(), 10)


async def raw(served, name: str, token: str, code: int = 0):
    socket = await websockets.connect(served.url.replace("http", "ws") + "/sta/mqtt", subprotocols=["mqtt"])
    await socket.send(connect(name, token))
    told = await answer(socket)
    assert (told[0], told[3]) == (0x20, code)
    return socket


def _now() -> bytes:
    return datetime.now(UTC).isoformat().encode()
