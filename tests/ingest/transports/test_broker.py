from __future__ import annotations

import json
import os
import signal
import socket
import stat
import time
from pathlib import Path

import pytest

from ingest.transports import broker as brokers
from ingest.transports.broker import Broker, BrokerAddress, read_address
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


def test_starts_again_after_kill(server_dir):
    running = Broker(server_dir / "killed", port=0)
    running.start()
    try:
        os.kill(running.pid, signal.SIGKILL)
        deadline = time.monotonic() + 5
        while running.alive and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not running.alive
        running.start()
        assert brokers.sign_in(running.address) == 0
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
