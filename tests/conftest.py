"""Give tests a real private PostGIS and a real MQTT broker, started once a session."""

from __future__ import annotations

import itertools
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings

from ingest.transports.broker import Broker
from tests.access.making import make
from tests.access.world import World
from twin.store.cluster import PrivateCluster
from twin.store.cluster_folder import ROLE
from twin.store.migrations.runner import upgrade

TEMPLATE = "template_gridtwin"
_numbers = itertools.count(1)

# Other tests run on the same cores: how long an example took says nothing.
settings.register_profile("beside others", deadline=None)
settings.load_profile("beside others")


class Database:
    """A migrated database of the private test cluster."""

    def __init__(self, cluster: PrivateCluster, name: str) -> None:
        self.cluster = cluster
        self.name = name

    @property
    def url(self) -> str:
        return self.cluster.database_url(self.name)

    @property
    def async_url(self) -> str:
        return self.cluster.database_url(self.name, driver="asyncpg")

    def fresh(self) -> Database:
        """Clone the empty, migrated template; no rows are shared with any other test."""
        return self._clone(TEMPLATE)

    def copy(self) -> Database:
        """Clone this database with its rows; nobody may be connected to it."""
        return self._clone(self.name)

    def _clone(self, template: str) -> Database:
        name = f"fresh_{next(_numbers)}"
        with psycopg.connect(
            host=str(self.cluster.socket_dir),
            port=self.cluster.port,
            user=ROLE,
            dbname="postgres",
            autocommit=True,
        ) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return Database(self.cluster, name)


@pytest.fixture(scope="session")
def server_dir() -> Iterator[Path]:
    """A folder that the accounts of PostgreSQL and mosquitto can enter (pytest's own are closed to them)."""
    folder = Path(tempfile.mkdtemp(prefix="gridtwin-test-"))
    folder.chmod(0o755)
    yield folder
    # Each database is a thousand files, and there are hundreds: nobody waits until they are gone.
    os.spawnlp(os.P_NOWAIT, "rm", "rm", "-rf", str(folder))


@pytest.fixture(scope="session")
def database(server_dir: Path) -> Iterator[Database]:
    """A real private PostGIS, migrated."""
    # Hundreds of databases that live for seconds: its own housekeeping would look into one after the other.
    cluster = PrivateCluster(server_dir / "database", settings={"autovacuum_naptime": "1d"})
    cluster.start()
    try:
        upgrade(cluster.url)
        with psycopg.connect(
            host=str(cluster.socket_dir), port=cluster.port, user=ROLE, dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(f'ALTER DATABASE gridtwin RENAME TO "{TEMPLATE}"')
        yield Database(cluster, TEMPLATE).fresh()
    finally:
        if cluster.pid is not None:  # hundreds of databases that nobody will read need not go to disk
            os.kill(cluster.pid, signal.SIGQUIT)
        cluster.stop()


@pytest.fixture(scope="session")
def new_world(database: Database) -> Callable[[], tuple[Database, World]]:
    """A function that gives a city of siblings in a database of its own, and what it holds."""
    first = database.fresh()
    world = make(first.url)
    return lambda: (first.copy(), deepcopy(world))


@pytest.fixture(scope="session")
def broker(server_dir: Path) -> Iterator[Broker]:
    """A real mosquitto on a free port; has host, port, username and password."""
    with Broker(server_dir / "broker", port=0) as running:
        yield running


InstallDevices = Callable[..., dict[str, int]]


@pytest.fixture(scope="session")
def install_devices() -> InstallDevices:
    """A function that puts devices ``{uid: kind}`` into a database, a few metres apart; returns their ids.

    Each tracker gets a worker who has been on duty for forty days and still is.
    """

    def install(
        database: Database, devices: dict[str, str], lon: float = 104.066, lat: float = 30.657
    ) -> dict[str, int]:
        conninfo = database.url.replace("postgresql+psycopg://", "postgresql://")
        with psycopg.connect(conninfo) as connection:
            found = connection.execute(
                "INSERT INTO dataset (name, kind, declared_crs, simulated) "
                "VALUES ('test-devices', 'devices', 'EPSG:4326', true) "
                "ON CONFLICT (name) DO UPDATE SET kind = excluded.kind RETURNING id"
            ).fetchone()
            assert found is not None
            rows = connection.execute(
                "INSERT INTO device (dataset_id, source_ref, content_hash, uid, kind, geom, height_m, "
                "    position_source, simulated) "
                "SELECT %s, u, '', u, k, "
                "    ST_SetSRID(ST_MakePoint(%s + 0.0001 * (n %% 300), %s + 0.0001 * (n / 300)), 4326), 1, "
                "    'measured', true "
                "FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY AS t (u, k, n) RETURNING uid, id",
                [found[0], lon, lat, list(devices), list(devices.values())],
            ).fetchall()
            connection.execute(
                "WITH carried AS (INSERT INTO worker (code, name, device_id, simulated) "
                "    SELECT uid, uid, id, true FROM device WHERE kind = 'worker' AND uid = ANY(%s) "
                "    RETURNING id) "
                "INSERT INTO duty (worker_id, starts_at, consent_at, simulated) "
                "SELECT id, now() - interval '40 days', now() - interval '40 days', true FROM carried",
                [list(devices)],
            )
        return dict(rows)

    return install
