"""Send by each protocol as fast as it is acknowledged, to the product and to a peer in turn."""

from __future__ import annotations

import asyncio
import functools
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import orjson

from bench.ingest.http import Poster
from bench.ingest.installation import Installation
from bench.ingest.node_red import NodeRed
from bench.live import mqtt
from bench.live.brokers import peer_broker
from bench.live.database import connect
from bench.live.publisher import Gateway
from bench.report import spread_ms
from ingest.flood import LEAST_RATE
from twin.errors import TwinError

SENDERS: Final = 8
_COLUMNS: Final = 100
_STORED_S: Final = 30.0
_QUIET_S: Final = 2.0
SAVED_DAYS: Final = 25.0
"""Less than the store keeps (30 days), and enough for some eight million readings."""
STEP_MS: Final = round(1000 / LEAST_RATE * 1.25)
"""Between two times."""


@dataclass(slots=True)
class Outcome:
    """What one turn brought: messages and readings sent, latencies of acknowledgement, the stored rate."""

    messages: int = 0
    readings: int = 0
    refused: int = 0
    latency_s: list[float] = field(default_factory=list)
    wall_s: float = 0.0


class Clock:
    """Gives each reading a time of its own, later than all before, as of senders who saved them up for weeks.

    The times of a device are far enough apart that what it says is no flood, however fast it comes.
    """

    def __init__(self) -> None:
        self._ms = time.time_ns() // 1_000_000 - round(SAVED_DAYS * 86_400_000)

    def next_ms(self, n: int = 1) -> list[int]:
        """Give n times in ms."""
        first, self._ms = self._ms + STEP_MS, self._ms + n * STEP_MS
        return list(range(first, first + n * STEP_MS, STEP_MS))


CLOCK: Final = Clock()


def _of_device(n: int) -> bytes:
    times = CLOCK.next_ms(n)
    if n == 1:
        return orjson.dumps({"t": times[0], "p": "level", "v": 12.5})
    return orjson.dumps({"t": times, "p": "level", "v": [12.5] * n})


def _of_owntracks() -> bytes:
    said = {"_type": "location", "lat": 30.66, "lon": 104.06, "tst": CLOCK.next_ms()[0] / 1000}
    return orjson.dumps({**said, "vel": 4, "batt": 80})


def _of_osmand() -> bytes:
    said = {"lat": 30.66, "lon": 104.06, "timestamp": CLOCK.next_ms()[0], "speed": 2, "batt": 80}
    return urlencode(said).encode()


@dataclass(frozen=True, slots=True)
class Protocol:
    """One way in: who sends, and how."""

    title: str
    sender: str
    make: Callable[[], bytes]
    paths: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    window: int = 1
    readings: int = 1
    per_s: int = 0
    """Messages for each second of a turn, where the broker would take over more than anybody stores."""


_DEVICE_PATHS: Final = {
    "gridtwin": "/ingest/v1/devices/{}/observations",
    "node_red": "/devices/{}/observations",
}


def _http(n: int) -> Protocol:
    title = f"HTTP device schema, {n:,} a request"
    return Protocol(title, f"http{n}", functools.partial(_of_device, n), _DEVICE_PATHS, readings=n)


PROTOCOLS: Final[dict[str, Protocol]] = {
    "mqtt_columns": Protocol(
        f"MQTT gateway, {_COLUMNS} a message", "columns", lambda: b"", window=25, readings=_COLUMNS, per_s=400
    ),
    "mqtt_single": Protocol(
        "MQTT devices, one a message", "single", functools.partial(_of_device, 1), window=50, per_s=5_000
    ),
    "http_1": _http(1),
    "http_100": _http(100),
    "http_1000": _http(1000),
    "owntracks": Protocol(
        "OwnTracks over HTTP", "track", _of_owntracks,
        {"gridtwin": "/ingest/v1/owntracks", "node_red": "/owntracks/{}"}, readings=3,
    ),
    "osmand": Protocol(
        "OsmAnd and Traccar over HTTP", "track", _of_osmand,
        {"gridtwin": "/ingest/v1/osmand", "node_red": "/osmand/{}"},
        "application/x-www-form-urlencoded", readings=3,
    ),
}  # fmt: skip
"""Every protocol that is measured; one without a path goes over MQTT."""


@dataclass(frozen=True, slots=True)
class Contender:
    """Where one of them takes messages, and what its senders sign in with."""

    name: str
    port: int
    broker: tuple[str, int]
    sign_in: Callable[[str], tuple[str, str]]
    url: str


def sender_names(protocol: Protocol) -> list[str]:
    """Give the names of the senders of a protocol; of devices they are the uids."""
    return [f"rate-{protocol.sender}-{i}" for i in range(SENDERS)]


async def _post_all(
    contender: Contender, protocol: Protocol, name: str, until_s: float, outcome: Outcome
) -> None:
    username, secret = contender.sign_in(name)
    poster = Poster(contender.port, username, secret)
    path = protocol.paths[contender.name].format(name)
    while time.perf_counter() < until_s:
        body, begun = protocol.make(), time.perf_counter()
        status, _, _ = await poster.post(path, body, protocol.content_type)
        if status == 200:
            outcome.messages += 1
            outcome.readings += protocol.readings
            outcome.latency_s.append(time.perf_counter() - begun)
        else:
            outcome.refused += 1
            await asyncio.sleep(0.01)
    await poster.close()


class TimedGateway(Gateway):
    """A connection that knows how long the broker took to take over each message."""

    def __init__(self, name: str, username: str, secret: str, outcome: Outcome) -> None:
        super().__init__(name, username, secret)
        self.free = asyncio.Event()
        self._outcome = outcome
        self._sent_s: dict[int, float] = {}

    def publish(self, topic: bytes, body: bytes, readings: int) -> int:
        size = super().publish(topic, body, readings)
        self._sent_s[self._next_id] = time.perf_counter()
        return size

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        for number in [n for n in self._sent_s if n not in self.in_flight]:
            self._outcome.latency_s.append(time.perf_counter() - self._sent_s.pop(number))
        self.free.set()


async def _publish_all(
    contender: Contender, protocol: Protocol, name: str, most: int, outcome: Outcome
) -> None:
    username, secret = contender.sign_in(name)
    make = functools.partial(TimedGateway, name, username, secret, outcome)
    _, gateway = await asyncio.get_running_loop().create_connection(make, *contender.broker)
    await gateway.accepted
    columns = protocol.sender == "columns"
    topic = mqtt.text(f"gt/v1/{'gateways' if columns else 'devices'}/{name}/observations")
    devices = [f"{name}-{i:03d}" for i in range(_COLUMNS)]
    while outcome.messages < most:
        while len(gateway.in_flight) < protocol.window and outcome.messages < most:
            if columns:
                body = orjson.dumps(
                    {"d": devices, "t": CLOCK.next_ms()[0], "p": "level", "v": [12.5] * _COLUMNS}
                )
            else:
                body = protocol.make()
            gateway.publish(topic, body, protocol.readings)
            outcome.messages += 1
            outcome.readings += protocol.readings
        gateway.free.clear()
        await gateway.free.wait()
    while gateway.in_flight and not gateway.lost:  # noqa: ASYNC110 (a protocol tells nobody)
        await asyncio.sleep(0.005)
    gateway.close()


async def _turn(contender: Contender, protocol: Protocol, seconds: float) -> Outcome:
    outcome, begun = Outcome(), time.perf_counter()
    names = sender_names(protocol)[: 2 if protocol.sender == "columns" else SENDERS]
    if protocol.paths:
        works = [_post_all(contender, protocol, name, begun + seconds, outcome) for name in names]
    else:
        most = round(protocol.per_s * seconds)
        works = [_publish_all(contender, protocol, name, most, outcome) for name in names]
    await asyncio.gather(*works)
    outcome.wall_s = time.perf_counter() - begun
    return outcome


def _count(url: str) -> int:
    with connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM observation").fetchone()
    return int(str(row[0])) if row else 0


def measure(contender: Contender, protocol: Protocol, seconds: float) -> dict[str, Any]:
    """Send for so many seconds and wait until all is stored; give the stored rate, and latencies."""
    before, begun = _count(contender.url), time.perf_counter()
    outcome = asyncio.run(_turn(contender, protocol, seconds))
    stored, last_s = _count(contender.url) - before, time.perf_counter()
    while stored < outcome.readings and time.perf_counter() - last_s < _QUIET_S:
        if time.perf_counter() - begun > seconds + _STORED_S:
            break
        time.sleep(0.05)
        now = _count(contender.url) - before
        if now != stored:
            stored, last_s = now, time.perf_counter()
    wall_s = outcome.wall_s if protocol.paths else last_s - begun
    return {
        "readings": outcome.readings,
        "stored": stored,
        "refused": outcome.refused,
        "messages_per_s": round(outcome.messages / wall_s, 1),
        "stored_per_s": round(stored / wall_s, 1),
        "acknowledged": spread_ms(outcome.latency_s),
    }


def prepare(running: Installation) -> Callable[[str], tuple[str, str]]:
    """Install the devices and make the accounts of all protocols; gives what each signs in with."""
    secrets: dict[str, str] = {}
    for sender in dict.fromkeys(protocol.sender for protocol in PROTOCOLS.values()):
        protocol = next(one for one in PROTOCOLS.values() if one.sender == sender)
        names = sender_names(protocol)
        if sender == "columns":
            running.install([(f"{name}-{i:03d}", "water_level") for name in names for i in range(_COLUMNS)])
            made = running.admit(dict.fromkeys(names, ()), "gateway")
        else:
            running.install([(name, "worker" if sender == "track" else "water_level") for name in names])
            made = running.admit(dict.fromkeys(names, ()), "device")
        secrets |= {account.name: account.secret for account in made}
    with connect(running.cluster.url) as connection:
        connection.execute(
            "WITH carried AS (INSERT INTO worker (code, name, device_id, simulated) "
            "SELECT uid, uid, id, true FROM device WHERE kind = 'worker' RETURNING id) "
            "INSERT INTO duty (worker_id, starts_at, consent_at, simulated) "
            "SELECT id, now() - interval '26 days', now() - interval '26 days', true FROM carried"
        )
    return lambda name: (name, secrets[name])


def compare(
    folder: Path,
    protocols: list[str],
    rounds: int,
    seconds: float,
    peers: bool,
    progress: Callable[[str], None],
) -> dict[str, Any]:
    """Measure every protocol of both in turn, round by round; a peer that does not install is left out."""
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    left_out: dict[str, str] = {}
    product, beside = folder / "product", folder / "peer"
    for own in (product, beside):
        own.mkdir(parents=True, exist_ok=True)
        own.chmod(0o755)

    def turn(contender: Contender) -> None:
        for name in protocols:
            result = measure(contender, PROTOCOLS[name], seconds)
            found.setdefault(contender.name, {}).setdefault(name, []).append(result)
            progress(f"{contender.name} {name}: {result['stored_per_s']:,.0f} readings/s stored")

    with Installation(product) as running, peer_broker(beside, 0) as (broker, _):
        sign_in = prepare(running)
        account = broker.username, broker.password
        for number in range(rounds):
            progress(f"round {number + 1} of {rounds}")
            running.start_server()
            there = (running.broker.host, running.broker.port)
            turn(Contender("gridtwin", running.port, there, sign_in, running.cluster.url))
            running.stop_server()
            if not peers or left_out:
                continue
            try:
                peer = NodeRed(folder / "node-red", running.cluster, broker)
            except TwinError as error:
                left_out["node_red"] = str(error)
                progress(f"Node-RED is left out: {error}")
                continue
            with peer:
                there = (broker.host, broker.port)
                turn(Contender("node_red", peer.port, there, lambda _name: account, peer.url))
    return {"contenders": {name: _medians(turns) for name, turns in found.items()}, "left_out": left_out}


def _medians(turns: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    out = {}
    for name, results in turns.items():
        acknowledged = {
            key: statistics.median(
                r["acknowledged"][key] for r in results if r["acknowledged"][key] is not None
            )
            for key in ("p50_ms", "p99_ms")
            if any(r["acknowledged"][key] is not None for r in results)
        }
        out[name] = {
            "stored_per_s": statistics.median(r["stored_per_s"] for r in results),
            "messages_per_s": statistics.median(r["messages_per_s"] for r in results),
            "not_stored": sum(max(0, r["readings"] - r["stored"]) for r in results),
            "refused": sum(r["refused"] for r in results),
            **acknowledged,
            "rounds": results,
        }
    return out
