"""Start each contender of the fan-out on the same ground, and say how its viewers connect."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.accounts import make_tokens
from bench.live import payload
from bench.live.brokers import SignIns
from bench.live.child import Child
from bench.live.plan import Viewer
from bench.machine import ROOT
from bench.npm import install_packages, node_program
from ingest.transports.broker import Broker
from twin.errors import UnavailableError
from twin.store.cluster import PrivateCluster
from twin.store.sockets import free_tcp_port

_READY_TIMEOUT_S = 60.0


@dataclass(slots=True)
class Running:
    """A contender that runs: who to watch, how publishers write, how viewers connect and sign in."""

    protocol: str
    port: int
    route: str
    mode: str
    pids: Mapping[str, list[int]]
    token: str = ""
    by_room: bool = False
    topics: Callable[[Viewer], list[str]] = field(default=lambda _viewer: [])


Starter = Callable[["Ground"], contextlib.AbstractContextManager[Running]]


@dataclass(slots=True)
class Ground:
    """What a contender stands on: its folder, the broker the gateways speak to and how, the database if any.

    The peers get a broker of their own: one that held the product's lasting session would queue for it.
    """

    folder: Path
    broker: Broker
    cluster_pid: int | None
    mode: str
    sign_ins: SignIns = ()


@contextlib.contextmanager
def gridtwin(ground: Ground) -> Iterator[Running]:
    """Run the product's server on the ground's database and broker, as its supervisor does."""
    port = free_tcp_port()
    arguments = ["--data-dir", str(ground.folder), "--port", str(port), "--no-browser", "--no-demo"]
    command = [sys.executable, "-m", "api.cli", "serve", "--attach", *arguments]
    with Child("server", command, ground.folder) as server:
        _wait_healthy(server, f"http://127.0.0.1:{port}/api/health")
        pids = {"server": [server.pid], **_base_pids(ground)}
        token = make_tokens(PrivateCluster.running_url(ground.folder), 1)[0]
        yield Running("gridtwin", port, "MQTT -> store, rules, board -> /live", ground.mode, pids, token)


@contextlib.contextmanager
def mosquitto_all(ground: Ground) -> Iterator[Running]:
    """Fan out by mosquitto itself over websockets: every viewer subscribes to everything."""
    yield Running(
        "mqtt",
        _websockets_port(ground),
        "MQTT -> mosquitto -> MQTT over websockets, every viewer all topics",
        ground.mode,
        _base_pids(ground),
        topics=lambda _viewer: [payload.ALL_TOPICS],
    )


@contextlib.contextmanager
def mosquitto_rooms(ground: Ground) -> Iterator[Running]:
    """Fan out by mosquitto with a topic per H3 room: a viewer subscribes to the rooms it sees."""

    def topics(viewer: Viewer) -> list[str]:
        if viewer.wall:
            return [payload.ROOM_TOPICS + "#"]
        return [payload.ROOM_TOPICS + room for room in viewer.rooms]

    yield Running(
        "mqtt",
        _websockets_port(ground),
        "MQTT by room -> mosquitto -> MQTT over websockets, a viewer its rooms",
        "rooms",
        _base_pids(ground),
        by_room=True,
        topics=topics,
    )


@contextlib.contextmanager
def node_broadcast(ground: Ground) -> Iterator[Running]:
    """Fan out by a Node ``ws`` server that broadcasts every message to every viewer as JSON text."""
    source = ROOT / "bench" / "live" / "peers"
    folder = install_packages(source, ground.folder / "peers")
    shutil.copy(source / "broadcast.mjs", folder)
    port = free_tcp_port()
    specification = {
        "brokerUrl": f"mqtt://{ground.broker.host}:{ground.broker.port}",
        "username": ground.broker.username,
        "password": ground.broker.password,
        "topic": payload.ALL_TOPICS,
        "port": port,
    }
    program = node_program()
    command = [program, str(folder / "broadcast.mjs"), json.dumps(specification)]
    with Child("node", command, ground.folder) as node_server:
        if node_server.answer(_READY_TIMEOUT_S) != "ready":
            raise UnavailableError("the Node server did not start", where=str(node_server.log))
        yield Running(
            "broadcast",
            port,
            "MQTT -> Node ws, every viewer all messages",
            ground.mode,
            {"node": [node_server.pid], **_base_pids(ground)},
        )


CONTENDERS: dict[str, Starter] = {
    "gridtwin": gridtwin,
    "mosquitto_all": mosquitto_all,
    "mosquitto_rooms": mosquitto_rooms,
    "node_ws": node_broadcast,
}
"""Name on the command line and in the result -> how to start it."""


def _base_pids(ground: Ground) -> dict[str, list[int]]:
    pids = {"broker": [ground.broker.pid] if ground.broker.pid else []}
    if ground.cluster_pid:
        pids["database"] = [ground.cluster_pid]
    return pids


def _websockets_port(ground: Ground) -> int:
    assert ground.broker.websockets_port is not None
    return ground.broker.websockets_port


def _wait_healthy(server: Child, url: str) -> None:
    deadline = time.monotonic() + _READY_TIMEOUT_S
    while time.monotonic() < deadline:
        if not server.alive:
            server.answer(1.0)
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:  # nosec B310  # of this machine
            if answer.status == 200 and json.load(answer).get("status") == "ok":
                return
        time.sleep(0.1)
    raise UnavailableError("the server does not become healthy", where=str(server.log), hint=f"ask {url}")
