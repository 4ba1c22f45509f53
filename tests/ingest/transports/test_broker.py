from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
import threading
import time
from pathlib import Path

import gmqtt
import pytest
from gmqtt.mqtt.constants import MQTTv311

from ingest.transports import broker as brokers
from ingest.transports import saving
from ingest.transports.broker import Broker, BrokerAddress, read_address, user_of_feed
from ingest.transports.topics import observations_of
from tests.ingest.transports.conftest import Sender, admit_all
from tests.waiting import until
from twin.errors import UnavailableError

pytestmark = pytest.mark.broker


def test_lets_us_in_and_nobody_else(broker):
    assert brokers.sign_in(broker.address) == 0
    wrong = BrokerAddress(broker.host, broker.port, broker.username, "wrong")
    assert brokers.sign_in(wrong) == 5
    nobody = BrokerAddress(broker.host, broker.port, "nobody", broker.password)
    assert brokers.sign_in(nobody) == 5
    anonymous = BrokerAddress(broker.host, broker.port, "", "")
    assert brokers.sign_in(anonymous) in (4, 5)


def test_credentials_are_private_and_readable_by_us(broker):
    path = broker.data_dir / "broker.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_address(broker.data_dir) == broker.address
    kept = (broker.folder / "passwords").read_text()
    assert broker.password not in kept
    assert stat.S_IMODE((broker.folder / "passwords").stat().st_mode) == 0o600


def test_password_survives_a_restart(server_dir):
    folder = server_dir / "restarted"
    with Broker(folder, port=0) as first:
        password = first.password
    with Broker(folder, port=0) as second:
        assert second.password == password
        assert json.loads((folder / "broker.json").read_text())["port"] == second.port


def test_taken_port_is_one_clear_line(server_dir):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UnavailableError, match=f"port {port} of the broker is taken"):
            Broker(server_dir / "taken", port=port).start()


async def test_starts_again_after_kill_with_what_it_had_for_a_server_that_was_away(server_dir, monkeypatch):
    monkeypatch.setattr(saving, "EVERY_S", 0.3)
    running = Broker(server_dir / "killed", port=0)
    running.start()
    admit_all(running)
    try:
        server = await session(running)
        await server.disconnect()
        sender = await Sender().connect(running)
        for n in range(100):
            sender.send("devices/level-00/observations", {"n": n})
        await sender.drained()
        await asyncio.sleep(1.0)
        os.kill(running.pid, signal.SIGKILL)
        await until(lambda: not running.alive)
        running.start()
        assert brokers.sign_in(running.address) == 0
        server = await session(running)
        await until(lambda: len(server.came) == 100)
        await server.disconnect()
        await sender.disconnect()
    finally:
        running.stop()


async def session(broker):
    """Sign in as the server does for a feed, whose session the broker keeps, and take what comes."""
    client = gmqtt.Client("", clean_session=False)
    client.came = []
    client.on_message = lambda _client, _topic, payload, _qos, _properties: client.came.append(payload) or 0
    client.set_auth_credentials(user_of_feed(broker.username, "device-mqtt"), broker.password)
    subscribed = asyncio.Event()
    client.on_subscribe = lambda *_said: subscribed.set()
    await client.connect(broker.host, broker.port, version=MQTTv311)
    client.subscribe(observations_of("devices", "+"), qos=1)
    await subscribed.wait()
    return client


async def test_saves_seldom_while_saving_takes_long(tmp_path, monkeypatch):
    """So that the broker, which takes nothing meanwhile, stands still a twentieth of the time at most."""
    monkeypatch.setattr(saving, "EVERY_S", 0.05)
    file = tmp_path / "mosquitto.db"

    class Slow:
        def __init__(self) -> None:
            self.asked: list[float] = []

        def poll(self):
            return None

        def send_signal(self, number):
            assert number == signal.SIGUSR1
            self.asked.append(time.monotonic())
            threading.Timer(0.05, lambda: file.write_text(str(len(self.asked)))).start()

    process = Slow()
    running = saving.Saving(process, file)
    try:
        await until(lambda: len(process.asked) == 2)
        assert process.asked[1] - process.asked[0] >= 0.05 / saving.STANDSTILL
    finally:
        running.stop()


def test_websockets_listener_answers(server_dir):
    with (
        Broker(server_dir / "sockets", port=0, websockets_port=0) as running,
        socket.create_connection(("127.0.0.1", running.websockets_port), timeout=5) as connection,
    ):
        connection.sendall(
            b"GET /mqtt HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Protocol: mqtt\r\n\r\n"
        )
        assert b"101" in connection.recv(200)


def test_unknown_data_folder(tmp_path):
    with pytest.raises(UnavailableError, match="no broker is known"):
        read_address(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root drops its rights")
def test_does_not_run_as_root(broker):
    with Path(f"/proc/{broker.pid}/status").open() as status:
        uids = next(line for line in status if line.startswith("Uid:")).split()[1:]
    assert "0" not in uids
