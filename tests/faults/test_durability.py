"""A commit means that it is on disk: a database set otherwise is refused, one whose disk fails says so."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import psycopg
import pytest

from api.child import wait_until
from bench.ingest.account import settle
from bench.ingest.installation import Installation
from bench.ingest.kills import WRITERS, flowing, stop
from twin.errors import SetupError
from twin.store import cluster as cluster_module
from twin.store.cluster import PrivateCluster
from twin.store.engine import create_async_engine
from twin.store.external import ExternalDatabase
from twin.store.migrations.runner import upgrade
from twin.store.roles import TWIN, role_url
from twin.store.server_settings import server_settings
from twin.twin import Twin

pytestmark = [pytest.mark.postgis, pytest.mark.timeout(200)]


async def refused(url: str) -> str:
    engine = create_async_engine(url)
    try:
        twin = await Twin.open(engine)
    except SetupError as error:
        return str(error)
    else:
        await twin.close()
        return ""
    finally:
        await engine.dispose()


async def test_a_server_whose_account_does_not_wait_for_the_disk_does_not_start(database) -> None:
    """The setting may be of one role in one database; the owner, who checks at the start, does not see it."""
    fresh = database.fresh()
    url = role_url(fresh.async_url, TWIN)
    assert await refused(url) == ""
    with psycopg.connect(fresh.url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f'ALTER ROLE {TWIN} IN DATABASE "{fresh.name}" SET synchronous_commit = off')
    assert "synchronous_commit = off" in await refused(url)


@pytest.mark.parametrize("name", ["fsync", "full_page_writes"])
async def test_a_database_that_may_tear_pages_is_refused(server_dir: Path, monkeypatch, name: str) -> None:
    def careless(*arguments, **named) -> dict[str, str]:
        return {**server_settings(*arguments, **named), name: "off"}

    monkeypatch.setattr(cluster_module, "server_settings", careless)
    with PrivateCluster(server_dir / "careless") as running:
        upgrade(running.url)
        assert f"{name} = off" in await refused(running.async_url)
        with pytest.raises(SetupError, match=f"{name} = off"):
            ExternalDatabase(running.url).start()


@pytest.mark.slow
@pytest.mark.broker
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_a_disk_that_cannot_sync_confirms_nothing(folder: Path) -> None:
    """Every fsync of PostgreSQL fails for a while: it stops, recovers, and nothing confirmed is missing."""
    with (
        Installation(folder) as running,
        flowing(running, folder, http_rate=40.0, mqtt_rate=50.0) as (writers, journal, senders),
    ):
        time.sleep(1.0)
        assert running.cluster.pid is not None
        command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync"]
        command += ["-e", "inject=fsync,fdatasync:error=EIO", "-p", str(running.cluster.pid)]
        command += [part for pid in children(running.cluster.pid) for part in ("-p", str(pid))]
        injector = subprocess.Popen(command)
        try:
            assert wait_until(lambda: running.status("/api/health/ready") == 503, 20), "it did not notice"
            before = len(journal.read_bytes())
            time.sleep(2.0)
            told = journal.read_text(encoding="ascii")[before:].splitlines()
            assert [line for line in told if int(line.split(" ")[0]) < WRITERS] == []
        finally:
            injector.terminate()
            injector.wait(10)
        assert wait_until(lambda: ready_again(running), 60, 0.5)
        time.sleep(1.0)
        stop(writers)
        verdict, _ = settle(running.cluster.url, journal, senders)
    assert (verdict.lost, verdict.duplicated) == (0, 0), verdict


def ready_again(running: Installation) -> bool:
    """Start a database that ended, as the supervisor does, and say whether the server can be sent to."""
    if not running.cluster.alive:
        running.start_database()
    return running.status("/api/health/ready") == 200


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [int(child) for child in found if Path(f"/proc/{child}").is_dir()]
