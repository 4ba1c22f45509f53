from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from api import supervisor as module
from twin.store.cluster import PrivateCluster
from twin.store.sockets import free_tcp_port

pytestmark = [pytest.mark.postgis, pytest.mark.broker]
ROOT = Path(__file__).parents[2]


class Running:
    """A `gridtwin up` in a process of its own, with what it printed."""

    def __init__(self, data_dir: Path, *arguments: str) -> None:
        self.port = free_tcp_port()
        self.data_dir = data_dir
        self.begun_s = time.monotonic()
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "api.cli", "up", "--no-browser", "--port", str(self.port)),
                *("--data-dir", str(data_dir), *arguments),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            start_new_session=True,
        )
        self.said: list[str] = []
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        self.said.extend(iter(self.process.stderr.readline, ""))

    def wait_ready(self) -> str:
        line = self.process.stdout.readline()
        assert line.startswith("ready"), "".join(self.said)
        return line

    def health(self) -> dict:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        connection.request("GET", "/api/health")
        answer = connection.getresponse()
        assert answer.status == 200
        return json.loads(answer.read())

    def part(self, word: str) -> psutil.Process:
        """The child whose command line has this word and which is no child of another such."""
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):
                if any(word in part for part in child.cmdline()):
                    return child
        raise AssertionError(f"no {word} among the children")

    def wait_said(self, pattern: str, timeout_s: float = 20) -> str:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            for line in list(self.said):
                if re.search(pattern, line):
                    return line
            time.sleep(0.05)
        raise AssertionError(f"{pattern!r} was never said: {self.said}")

    def stop(self, number: int = signal.SIGINT) -> float:
        """Stop it and give the seconds it took."""
        begun = time.monotonic()
        os.killpg(self.process.pid, number)
        self.process.wait(60)
        self._listener.join(5)
        return time.monotonic() - begun


def wait_gone(processes: list[psutil.Process], timeout_s: float = 15) -> list[psutil.Process]:
    """Wait for processes to end and give those that did not (ended but not yet reaped counts as ended)."""

    def lives(process: psutil.Process) -> bool:
        with contextlib.suppress(psutil.NoSuchProcess):
            return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        return False

    deadline = time.monotonic() + timeout_s
    while (left := [one for one in processes if lives(one)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


@pytest.fixture
def start(server_dir) -> Iterator:
    running: list[Running] = []

    def make(*arguments: str, folder: str = "up") -> Running:
        running.append(Running(server_dir / folder, *arguments))
        return running[-1]

    yield make
    for one in running:
        if one.process.poll() is None:
            one.stop(signal.SIGTERM)


@pytest.mark.alone
def test_up_serves_and_stops_cleanly_and_starts_again_in_seconds(start):
    up = start("--no-demo")
    line = up.wait_ready()
    assert line.startswith(f"ready http://127.0.0.1:{up.port}  (")
    password = re.search(r"sign in as admin with the one-time password (\S+),", line).group(1)
    assert up.health()["parts"]["database"]["state"] == "ok"
    family = psutil.Process(up.process.pid).children(recursive=True)
    assert len(family) >= 3
    assert up.stop() < 15
    assert up.process.returncode == 0, "".join(up.said)
    assert up.process.stdout.read() == ""
    assert password not in "".join(up.said), "logs must not have it"
    secrets_dir = up.data_dir / "secrets"
    assert secrets_dir.stat().st_mode & 0o777 == 0o700
    assert not (secrets_dir / "demo-accounts.txt").exists()
    assert up.said[-1].startswith("stopped")
    assert wait_gone(family, 1) == []
    heads = secrets_dir / "record-heads"
    assert heads.read_text().count("\n") == 1, "what was on the record when it stopped"

    again = start("--no-demo")
    line = again.wait_ready()
    assert "sign in with your account" in line
    assert password not in line
    assert time.monotonic() - again.begun_s < 15
    again.stop(signal.SIGTERM)
    assert again.process.returncode == 0


def test_second_up_on_the_same_folder_says_who_has_it(start):
    up = start("--no-demo")
    up.wait_ready()
    other = start("--no-demo")
    other.process.wait(60)
    assert other.process.returncode == 1
    other._listener.join(5)
    assert f"process {up.process.pid}" in "".join(other.said)
    assert up.health()["status"] in ("ok", "degraded")


@pytest.mark.parametrize(
    ("word", "name"), [("mosquitto", "the broker"), ("--attach", "the server"), ("postgres", "the database")]
)
def test_a_part_that_dies_is_started_again_and_that_is_said_once(start, word, name):
    up = start("--no-demo")
    up.wait_ready()
    old = up.part(word)
    old.kill()
    up.wait_said(f"{name} ended unexpectedly")
    deadline = time.monotonic() + 30
    state = None
    while time.monotonic() < deadline and state != "ok":
        time.sleep(0.3)
        with contextlib.suppress(OSError, AssertionError, http.client.HTTPException):
            parts = up.health()["parts"]
            state = "ok" if {parts["database"]["state"], parts["broker"]["state"]} == {"ok"} else None
    assert state == "ok", "".join(up.said)
    assert up.part(word).pid != old.pid
    assert len([line for line in up.said if f"{name} ended" in line]) == 1


def test_nothing_is_left_when_it_is_killed(start):
    up = start("--no-demo")
    up.wait_ready()
    family = psutil.Process(up.process.pid).children(recursive=True)
    up.stop(signal.SIGKILL)
    assert len(family) >= 3
    assert wait_gone(family) == []


def test_ctrl_c_while_starting_leaves_nothing(start):
    up = start("--no-demo", folder="early")
    up.wait_said("starting the database")
    up.stop()
    assert up.process.returncode == 130, "it never was what was asked for"
    time.sleep(0.2)
    theirs = [one for one in psutil.process_iter(["cmdline"]) if str(up.data_dir) in str(one.info["cmdline"])]
    assert wait_gone(theirs, 5) == []
    assert "Traceback" not in "".join(up.said)


def test_other_hosts_are_warned_about(server_dir):
    said: list[str] = []
    from api.settings import read_settings

    settings = read_settings(data_dir=server_dir / "warned", host="0.0.0.0", port=free_tcp_port())
    plan = module.Plan(city=None, default_city=False, simulator=False, browser=False)
    module.Supervisor(settings, plan, said.append)._check_before_anything_heavy()
    assert "not encrypted" in said[0]


def test_a_database_of_somebody_else_is_used_and_left_running(start, database):
    fresh = database.fresh()
    up = start("--no-demo", "--database-url", fresh.url, folder="foreign")
    up.wait_ready()
    assert up.health()["parts"]["database"]["state"] == "ok"
    assert not (up.data_dir / "pg").exists()
    up.stop()
    assert up.process.returncode == 0
    assert database.cluster.alive


def test_a_database_of_somebody_else_that_asks_for_passwords_gets_roles_with_some(start, server_dir):
    cluster = PrivateCluster(server_dir / "asks", tcp=True)
    cluster.start()
    try:
        for _ in range(2):  # what the first start kept lets the second one in
            up = start("--no-demo", "--database-url", cluster.tcp_url, folder="strict")
            up.wait_ready()
            assert up.health()["parts"]["database"]["state"] == "ok"
            kept = up.data_dir / "secrets" / "database-roles.json"
            assert kept.stat().st_mode & 0o777 == 0o600
            up.stop()
            assert up.process.returncode == 0
            said = "".join([*up.said, *(log.read_text() for log in (up.data_dir / "log").glob("*.log"))])
            said += cluster.log.path.read_text()
            assert not any(password in said for password in json.loads(kept.read_text()).values())
    finally:
        cluster.stop()
