from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from twin.errors import SetupError, TwinError
from twin.store import account as accounts
from twin.store import cluster as clusters
from twin.store import server_settings
from twin.store.bounded_log import BoundedLog
from twin.store.cluster import PrivateCluster
from twin.store.engine import create_async_engine, create_engine

pytestmark = pytest.mark.postgis

ROOT = Path(__file__).parents[3]


def setting(cluster, name: str) -> str:
    engine = create_engine(cluster.url)
    try:
        with engine.connect() as connection:
            return connection.execute(text("SELECT current_setting(:n)"), {"n": name}).scalar_one()
    finally:
        engine.dispose()


def execute(url: str, statement: str):
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            result = connection.execute(text(statement))
            return result.scalar() if result.returns_rows else None
    finally:
        engine.dispose()


@pytest.fixture(scope="module")
def made(server_dir) -> Path:
    """A data folder in which a cluster was made and stopped."""
    folder = server_dir / "made"
    with PrivateCluster(folder) as cluster:
        execute(cluster.url, "CREATE TABLE kept (name text)")
        execute(cluster.url, "INSERT INTO kept VALUES ('社区 🏙️')")
    return folder


def test_second_start_keeps_data_and_takes_under_three_seconds(made):
    begun = time.monotonic()
    with PrivateCluster(made) as cluster:
        assert time.monotonic() - begun < 3
        assert execute(cluster.url, "SELECT name FROM kept") == "社区 🏙️"
    assert not (made / "pg" / "postmaster.pid").exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("server_encoding", "UTF8"),
        ("TimeZone", "UTC"),
        ("listen_addresses", ""),
        ("data_checksums", "on"),
    ],
)
def test_settings(database, name, value):
    assert setting(database, name) == value


def test_durability_cannot_be_switched_off(made):
    with PrivateCluster(made, settings={"fsync": "off", "synchronous_commit": "off"}) as cluster:
        assert setting(cluster, "fsync") == "on"
        assert setting(cluster, "synchronous_commit") == "on"


def test_extensions_work(database):
    assert execute(
        database.url, "SELECT ST_AsText(ST_Transform('SRID=4326;POINT(0 0)'::geometry, 3857))"
    ) == ("POINT(0 0)")
    assert execute(database.url, "SELECT pgr_version()").startswith("3.")


async def test_async_engine_is_utc_and_named(database):
    engine = create_async_engine(database.async_url, application_name="a test")
    try:
        async with engine.connect() as connection:
            row = (
                await connection.execute(
                    text("SELECT current_setting('TimeZone'), current_setting('application_name')")
                )
            ).one()
    finally:
        await engine.dispose()
    assert tuple(row) == ("UTC", "a test")


def test_fresh_databases_share_nothing(database):
    one, other = database.fresh(), database.fresh()
    execute(
        one.url, "INSERT INTO organisation (code, name, kind, simulated) VALUES ('a', 'b', 'patrol', true)"
    )
    assert execute(one.url, "SELECT count(*) FROM organisation") == 1
    assert execute(other.url, "SELECT count(*) FROM organisation") == 0


def test_socket_folder_is_closed_to_others(database):
    assert database.cluster.socket_dir.stat().st_mode & 0o077 == 0


def test_long_and_odd_paths_get_a_short_socket_folder(server_dir):
    folder = server_dir / ("深圳, 一个 'very' long name " * 4).strip()
    with PrivateCluster(folder) as cluster:
        assert len(os.fsencode(cluster.socket_dir)) < 80
        assert execute(cluster.url, "SELECT 1") == 1


def test_another_process_attaches_and_leaves_it_running(made):
    program = (
        "import sys\nfrom pathlib import Path\nfrom twin.store.cluster import PrivateCluster\n"
        "c = PrivateCluster(Path(sys.argv[1]), attach=sys.argv[2] == 'attach')\n"
        "c.start()\nprint(c.attached, c.url)\nc.stop()\n"
    )
    with PrivateCluster(made) as cluster:
        command = [sys.executable, "-c", program, str(made)]
        done = subprocess.run([*command, "attach"], capture_output=True, text=True, cwd=ROOT, check=True)
        assert done.stdout.split() == ["True", cluster.url]
        assert execute(cluster.url, "SELECT 1") == 1
        refused = subprocess.run([*command, "own"], capture_output=True, text=True, cwd=ROOT, check=False)
        assert refused.returncode != 0
        assert f"in use by process {os.getpid()}" in refused.stderr


def test_recovers_after_kill(made):
    cluster = PrivateCluster(made)
    cluster.start()
    execute(cluster.url, "INSERT INTO kept VALUES ('before the crash')")
    os.kill(cluster.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while cluster.alive and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not cluster.alive
    cluster.stop()
    assert (made / "pg" / "postmaster.pid").exists()
    with PrivateCluster(made) as again:
        assert execute(again.url, "SELECT count(*) FROM kept WHERE name = 'before the crash'") == 1


def test_stale_pid_of_a_stranger_does_not_stop_the_start(made):
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        (made / "pg" / "postmaster.pid").write_text(f"{stranger.pid}\n{made}/pg\n0\n5432\n\n\n\nready\n")
        with PrivateCluster(made) as cluster:
            assert execute(cluster.url, "SELECT 1") == 1
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_dies_with_its_parent(server_dir, made):
    program = (
        "import sys, time\nfrom pathlib import Path\nfrom twin.store.cluster import PrivateCluster\n"
        "c = PrivateCluster(Path(sys.argv[1]))\nc.start()\nprint(c.pid, flush=True)\ntime.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(made)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    server_pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{server_pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{server_pid}").exists()


def test_refuses_to_start_from_another_thread(made):
    caught: list[BaseException] = []

    def run() -> None:
        try:
            PrivateCluster(made).start()
        except TwinError as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert "main thread" in str(caught[0])


def test_interrupted_initdb_is_made_again(server_dir):
    folder = server_dir / "interrupted"
    (folder / "pg.new" / "base").mkdir(parents=True)
    with PrivateCluster(folder) as cluster:
        assert execute(cluster.url, "SELECT 1") == 1
    assert not (folder / "pg.new").exists()


def test_small_shared_memory(made, monkeypatch):
    monkeypatch.setattr(server_settings, "_SMALL_SHM_BYTES", 1 << 60)
    with PrivateCluster(made) as cluster:
        assert setting(cluster, "dynamic_shared_memory_type") == "mmap"


def test_disk_full_is_said_before_anything_is_made(server_dir, monkeypatch):
    monkeypatch.setattr(clusters, "_NEW_CLUSTER_MIB", 1 << 40)
    folder = server_dir / "full"
    with pytest.raises(SetupError, match="MB are needed"):
        PrivateCluster(folder).start()
    assert not (folder / "pg").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_folder_closed_to_the_database_account():
    with tempfile.TemporaryDirectory(dir="/root") as folder, pytest.raises(SetupError, match="cannot enter"):
        PrivateCluster(Path(folder) / "data").start()


def test_uid_without_account(made, monkeypatch):
    monkeypatch.setattr(accounts.os, "geteuid", lambda: 54321)
    with pytest.raises(SetupError, match="54321 has no account"):
        PrivateCluster(made).start()


def test_tcp_needs_the_password(made):
    with PrivateCluster(made, tcp=True) as cluster:
        assert execute(cluster.tcp_url, "SELECT 1") == 1
        wrong = cluster.tcp_url.replace(cluster._tcp_password, "wrong")
        with pytest.raises(Exception, match="password authentication failed"):
            execute(wrong, "SELECT 1")


def test_damaged_control_file_says_why(server_dir):
    folder = server_dir / "damaged"
    with PrivateCluster(folder):
        pass
    (folder / "pg" / "global" / "pg_control").write_bytes(b"\0" * 8192)
    with pytest.raises(TwinError, match="did not start") as caught:
        PrivateCluster(folder).start()
    assert str(folder / "log" / "database.log") in caught.value.hint
    assert "did not start: it said nothing" not in caught.value.what


def test_the_log_stays_within_two_files(server_dir):
    cluster = PrivateCluster(server_dir / "talkative", settings={"log_statement": "all"})
    cluster.log = BoundedLog(cluster.log.path, most_bytes=100_000)
    with cluster:
        engine = create_engine(cluster.url)
        with engine.connect() as connection:
            for i in range(200):
                connection.execute(text(f"SELECT '{i:05d} {'x' * 3000}'"))
        engine.dispose()
    assert "00199" in cluster.log.path.read_text()
    files = [path for path in cluster.data_dir.rglob("*.log*") if path.is_file()]
    assert sorted(path.name for path in files) == ["database.log", "database.log.1"]
    assert all(path.stat().st_size <= 100_000 for path in files)
