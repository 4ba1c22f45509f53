"""The disk of the database fills up and is freed again, under the real supervisor."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import orjson
import pytest

from api.child import wait_until
from bench.ingest.account import settle
from bench.ingest.installation import Account
from bench.ingest.kills import WRITERS, stop
from bench.live.child import Child
from bench.live.database import connect
from bench.machine import ROOT
from ingest.transports.accounts import ensure_publishers
from ingest.transports.broker import read_address
from twin.access import accounts, credentials
from twin.access.credentials import CredentialKind
from twin.access.record import COMMAND_LINE
from twin.store.cluster import PrivateCluster
from twin.store.engine import create_async_engine, create_engine
from twin.store.sockets import free_tcp_port

pytestmark = [pytest.mark.slow, pytest.mark.postgis, pytest.mark.broker, pytest.mark.timeout(400)]

SIZE_MIB = 1_400
DEVICES = 200


@pytest.fixture
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of its own; skipped where this account may not mount one."""
    place = folder / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m,mode=0755", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this account may mount no file system of limited size")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@contextlib.contextmanager
def up(data_dir: Path, port: int) -> Iterator[None]:
    """Run the product as an operator does."""
    command = [sys.executable, "-P", "-m", "api.cli", "serve", "--no-demo", "--no-browser"]
    command += ["--data-dir", str(data_dir), "--port", str(port)]
    log = (data_dir.parent.parent / "up.log").open("wb")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        assert wait_until(lambda: status(port, "/api/health/ready") == 200, 90), "it does not become ready"
        yield
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        log.close()


def status(port: int, path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def disk_state(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/health", timeout=5) as answer:
        return str(orjson.loads(answer.read())["parts"]["disk"]["state"])


class Filler:
    """A neighbour that takes the room of a disk."""

    def __init__(self, disk: Path) -> None:
        self._disk = disk
        self._file = disk / "neighbour"

    def fill(self, share: float) -> None:
        """Take room until this share of the disk is used."""
        found = shutil.disk_usage(self._disk)
        wanted = round(share * (found.used + found.free)) - found.used
        with self._file.open("ab") as file:
            os.posix_fallocate(file.fileno(), self._file.stat().st_size, max(1, wanted))

    def fill_up(self) -> None:
        """Take all that is left, to the last page, again as soon as some is freed."""
        with self._file.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(1 << 16))

    def leave(self) -> None:
        """Give it all back."""
        self._file.unlink()


def senders_of(url: str) -> list[Account]:
    names = [f"flow-{i}" for i in range(WRITERS + 1)]
    devices = {name: tuple(f"{name}-{i:02d}" for i in range(DEVICES)) for name in names}
    with connect(url) as connection:
        connection.execute(
            "INSERT INTO dataset (name, kind, declared_crs, simulated) "
            "VALUES ('b', 'devices', 'EPSG:4326', true)"
        )
        connection.execute(
            "INSERT INTO device (dataset_id, source_ref, content_hash, uid, kind, geom, simulated, "
            "position_source) SELECT (SELECT max(id) FROM dataset), u, '', u, 'water_level', "
            "ST_SetSRID(ST_MakePoint(104.06, 30.66), 4326), true, 'estimated' FROM unnest(%s::text[]) AS u",
            [[uid for uids in devices.values() for uid in uids]],
        )
    engine = create_engine(url)
    with engine.begin() as connection:
        secrets = ensure_publishers(connection, names, "gateway")
    engine.dispose()
    return [Account(name, secrets[name], devices[name]) for name in names]


async def token_of_manager(url: str) -> str:
    engine = create_async_engine(url, pool_size=1)
    async with engine.begin() as connection:
        made = await accounts.create(connection, COMMAND_LINE, "manager", "manager", kind="program")
        await accounts.grant(connection, COMMAND_LINE, made, "manager")
        secret, _ = await credentials.issue(connection, made, CredentialKind.TOKEN)
    await engine.dispose()
    return secret


def photograph_status(port: int, token: str) -> int:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/cases/1/photographs?moment=before&client_id="
        "0e9e6bd7-0000-4000-8000-000000000001",
        data=b"\xff\xd8",
        headers={"Content-Type": "image/jpeg", "Authorization": f"Bearer {token}"},
        method="POST",
    )
    try:
        return int(urllib.request.urlopen(request, timeout=5).status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_full_disk_loses_nothing_and_passes_by_itself(
    small_disk: Path, folder: Path, record_property: Callable[[str, object], None]
) -> None:
    data_dir, port, filler = small_disk / "data", free_tcp_port(), Filler(small_disk)
    journal = folder / "acknowledged.txt"
    with up(data_dir, port):
        url = PrivateCluster.running_url(data_dir)
        senders = senders_of(url)
        token = asyncio.run(token_of_manager(url))
        broker = read_address(data_dir)
        said = [asdict(sender) for sender in senders]
        specification = {
            "port": port, "http": said[:WRITERS], "mqtt": said[WRITERS:],
            "http_rate": 20.0, "mqtt_rate": 50.0,
            "broker": {"host": broker.host, "port": broker.port}, "journal": str(journal),
        }  # fmt: skip
        with Child.python("writers", "bench.ingest.writers", specification, folder) as writers:
            writers.answer(60)
            time.sleep(2)
            assert photograph_status(port, token) != 507
            filler.fill(0.82)
            assert disk_state(port) in ("filling", "low")  # small: less than 512 MiB is free as well
            filler.fill(0.92)
            assert disk_state(port) == "low"
            assert photograph_status(port, token) == 507
            assert status(port, "/api/health/ready") == 200  # observations still come in
            answered = journal.stat().st_size
            time.sleep(1)
            assert journal.stat().st_size > answered

            began = time.monotonic()
            still = journal.stat().st_size
            while time.monotonic() - began < 60:
                filler.fill_up()
                time.sleep(1.0)
                if (now := http_lines(journal)) == still:
                    break  # nothing has been acknowledged over HTTP for a second
                still = now
            else:
                raise AssertionError("the disk is full and observations are still acknowledged")
            until_s = time.monotonic() + 5
            while time.monotonic() < until_s:
                filler.fill_up()
                time.sleep(0.1)
            filler.leave()
            freed_s = time.monotonic()
            still = http_lines(journal)
            assert wait_until(lambda: http_lines(journal) > still, 60), "it did not recover by itself"
            recovered_s = time.monotonic() - freed_s
            time.sleep(2)
            told = stop(writers)
        verdict, _ = settle(PrivateCluster.running_url(data_dir), journal, senders)
    assert (verdict.lost, verdict.duplicated) == (0, 0), verdict
    assert {"200", "503"} <= set(told["statuses"]) <= {"200", "503", "507", "0"}, told
    record_property("recovered_s", round(recovered_s, 1))
    assert recovered_s <= 60


def http_lines(journal: Path) -> int:
    return sum(int(line.split(" ")[0]) < WRITERS for line in journal.read_text(encoding="ascii").splitlines())
