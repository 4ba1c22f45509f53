"""The database is away for a while: everybody is told, nothing is acknowledged, all comes in afterwards."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import orjson
import psutil
import pytest
from websockets.sync.client import connect

from bench.accounts import make_tokens
from bench.ingest.account import settle
from bench.ingest.installation import Installation
from bench.ingest.kills import WRITERS, flowing, stop
from ingest.transports.saving import EVERY_S

pytestmark = [pytest.mark.postgis, pytest.mark.broker, pytest.mark.timeout(300)]

HTTP_PER_S, MQTT_PER_S = 50.0, 200.0


class Watch:
    """Looks at the server four times a second, and at what it says over a live socket, until it is ended."""

    def __init__(self, running: Installation, token: str) -> None:
        self._running = running
        self._token = token
        self._stop = threading.Event()
        self.live: list[tuple[float, int]] = []
        self.ready: list[tuple[float, int]] = []
        self.told: list[tuple[float, str]] = []
        self.socket_lost = False
        self._threads = [threading.Thread(target=work) for work in (self._look, self._listen)]

    def __enter__(self) -> Watch:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _look(self) -> None:
        while not self._stop.wait(0.25):
            self.live.append((time.monotonic(), self._running.status("/api/health")))
            begun = time.monotonic()
            self.ready.append((time.monotonic(), self._running.status("/api/health/ready")))
            self.slowest_s = max(getattr(self, "slowest_s", 0.0), time.monotonic() - begun)

    def _listen(self) -> None:
        url = f"ws://127.0.0.1:{self._running.port}/live"
        with connect(url, additional_headers={"Authorization": f"Bearer {self._token}"}) as socket:
            while not self._stop.is_set():
                try:
                    said = socket.recv(timeout=0.25)
                except TimeoutError:
                    continue
                except Exception:
                    self.socket_lost = True
                    return
                if isinstance(said, str):
                    message: dict[str, Any] = orjson.loads(said)
                    if message.get("type") == "ping":  # who does not answer is taken for gone
                        socket.send(orjson.dumps({"op": "pong", "t": message["t"]}), text=True)
                    if message.get("type") == "ages":
                        self.told.append((time.monotonic(), message["parts"]["database"]))

    def first(self, seen: list[tuple[float, Any]], wanted: Any, after_s: float) -> float:
        """Return how many seconds after a moment something was seen first."""
        return next((at - after_s for at, what in seen if at >= after_s and what == wanted), float("inf"))


def acknowledged_over_http(journal: Path) -> int:
    lines = journal.read_text(encoding="ascii").splitlines()
    return sum(int(line.split(" ")[0]) < WRITERS for line in lines)


def outage(folder: Path, seconds: float) -> None:
    with (
        Installation(folder) as running,
        flowing(running, folder, http_rate=HTTP_PER_S / WRITERS, mqtt_rate=MQTT_PER_S) as (
            writers,
            journal,
            senders,
        ),
    ):
        (token,) = make_tokens(running.cluster.url, 1)
        server = psutil.Process(running.server_pid)
        with Watch(running, token) as watch:
            time.sleep(2.0)
            before_mib = server.memory_info().rss / 2**20
            away_s = time.monotonic()
            with running.database_stopped():
                time.sleep(0.5)
                answered = acknowledged_over_http(journal)
                time.sleep(seconds - 0.5)
                assert acknowledged_over_http(journal) == answered  # never a 2xx
                peak_mib = server.memory_info().rss / 2**20
            back_s = time.monotonic()
            ready_s = running.wait_ready()
            time.sleep(1.0)
            told = stop(writers)
            verdict, _ = settle(running.cluster.url, journal, senders)
            drained_s = time.monotonic() - back_s
            time.sleep(2.0)
        assert (verdict.lost, verdict.duplicated) == (0, 0), verdict
        assert told["mqtt"]["acknowledged"] == told["mqtt"]["sent"]
        assert told["mqtt"]["sent"] > MQTT_PER_S * seconds * 0.7, told
        assert set(told["statuses"]) == {"200", "503"}, told  # 503 with Retry-After, and nothing else
        assert {status for _, status in watch.live} == {200}
        assert watch.first(watch.ready, 503, away_s) <= 2.0
        assert watch.slowest_s <= 2.0
        assert ready_s < 15
        assert drained_s <= 30, drained_s
        assert peak_mib - before_mib <= 100
        assert not watch.socket_lost
        assert watch.first(watch.told, "down", away_s) <= 5.0
        assert watch.told[-1][1] == "ok"


def test_an_outage_of_seconds(folder: Path) -> None:
    outage(folder, 8.0)


@pytest.mark.slow
def test_an_outage_of_a_minute(folder: Path) -> None:
    outage(folder, 60.0)


@pytest.mark.slow
def test_a_broker_killed_in_an_outage_has_what_it_took_seconds_before(folder: Path) -> None:
    """With the server killed too, which would else hold what it was given."""
    with (
        Installation(folder) as running,
        flowing(running, folder, http_rate=0.2, mqtt_rate=MQTT_PER_S) as (writers, journal, senders),
    ):
        with running.database_stopped():
            running.kill_server()
            time.sleep(2.0)
            told = stop(writers)
            time.sleep(EVERY_S + 1.0)
            assert running.broker.pid is not None
            os.kill(running.broker.pid, signal.SIGKILL)
            while running.broker.alive:
                time.sleep(0.01)
            running.broker.start()
        running.start_server()
        verdict, _ = settle(running.cluster.url, journal, senders)
    assert told["mqtt"]["acknowledged"] == told["mqtt"]["sent"] > MQTT_PER_S
    assert (verdict.lost, verdict.duplicated, verdict.refused) == (0, 0, 0), verdict
