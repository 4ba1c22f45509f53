"""Give tests a small city in a database of its own, and a real server on it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psycopg
import pytest
import uvicorn
from fastapi import FastAPI

from api.access.door import COOKIE
from api.live.socket import LIVE_OPTIONS
from api.main import create_app
from api.runtime import Runtime
from api.settings import Settings
from ingest.transports import accounts as senders
from twin.access import accounts, credentials
from twin.access.credentials import CredentialKind
from twin.access.record import COMMAND_LINE
from twin.access.scope import WHOLE_CODE, Scope
from twin.store.engine import create_async_engine, create_engine
from twin.store.sockets import free_tcp_port

sys.path.insert(0, str(Path(__file__).parent))

LON, LAT = 104.0600, 30.6600
SignedIn = Callable[..., Awaitable[httpx.AsyncClient]]
T = TypeVar("T")
_accounts = itertools.count(1)

# ruff: noqa: E501
_CITY = """
INSERT INTO dataset (name, kind, declared_crs, attribution, simulated, data_date)
    VALUES ('test', 'osm', 'EPSG:4326', '© OpenStreetMap', false, '2026-01-02T00:00Z');
INSERT INTO area (dataset_id, source_ref, content_hash, code, level, name, name_en, parent_id, geom, label_point,
                  made_by, area_m2, households, households_source, code_source)
    SELECT 1, level || n, '\\x00', code, level, name, en, parent, ST_Multi(geom), ST_Centroid(geom), 'imported',
           ST_Area(geom::geography), houses, CASE WHEN houses IS NULL THEN NULL ELSE 'estimated' END, 'provisional'
    FROM (VALUES
        (1, '510100000000000', 'city', '测试市', 'Test City', NULL::bigint,
         ST_MakeEnvelope(104.03, 30.64, 104.09, 30.68, 4326), NULL::int),
        (2, '510105001001000', 'community', '陕西街社区', NULL, 1,
         ST_MakeEnvelope(104.05, 30.65, 104.07, 30.67, 4326), 4200),
        (3, '510105001001001', 'unit_grid', '单元网格 1', NULL, 2,
         ST_MakeEnvelope(104.059, 30.659, 104.061, 30.661, 4326), NULL),
        (4, '510105001001001', 'responsibility_grid', '第一网格', NULL, 2,
         ST_MakeEnvelope(104.055, 30.655, 104.065, 30.665, 4326), 400)
    ) AS a (n, code, level, name, en, parent, geom, houses) ORDER BY n;
INSERT INTO building (dataset_id, source_ref, content_hash, geom, name, kind, height_m, min_height_m, levels,
                      height_source, address, footprint_m2, body)
    SELECT 1, 'way/' || n, '\\x00', ST_Multi(geom), name, 'residential', 30, 0, 10, 'levels', address,
           ST_Area(geom::geography), 'whole'
    FROM (VALUES
        (1, ST_MakeEnvelope(104.0598, 30.6598, 104.0602, 30.6602, 4326), '城市之心', '人民南路一段 1 号'),
        (2, ST_MakeEnvelope(104.0610, 30.6610, 104.0612, 30.6612, 4326), NULL, NULL)
    ) AS b (n, geom, name, address);
INSERT INTO road (dataset_id, source_ref, content_hash, geom, road_class, name, foot, bike_forward, bike_backward,
                  car_forward, car_backward, width_m, layer, bridge, tunnel, stairs)
    VALUES (1, 'way/9', '\\x00', 'SRID=4326;LINESTRING(104.05 30.66, 104.07 30.66)', 'primary', '人民南路',
            true, true, true, true, true, 20, 0, false, false, false);
INSERT INTO ground_cover (dataset_id, source_ref, content_hash, geom, cover, name)
    VALUES (1, 'way/10', '\\x00', ST_Multi(ST_MakeEnvelope(104.0576, 30.6585, 104.0591, 30.6605, 4326)), 'green', '人民公园');
INSERT INTO device (dataset_id, source_ref, content_hash, uid, kind, name, geom, height_m, bearing_deg,
                    bearing_source, field_of_view_deg, range_m, sight, building_id, unit_grid_id,
                    responsibility_grid_id, simulated, position_source)
    SELECT 1, 'node/' || n, '\\x00', uid, kind, name, ST_SetSRID(ST_MakePoint(lon, lat), 4326), 3, bearing,
           CASE WHEN bearing IS NULL THEN NULL ELSE 'estimated' END, fov, reach,
           CASE WHEN bearing IS NULL THEN NULL
                ELSE ST_Buffer(ST_SetSRID(ST_MakePoint(lon, lat), 4326), 0.0004) END,
           building, 3, 4, true, 'measured'
    FROM (VALUES
        (1, 'water-0001', 'water_level', '液位计一号', 104.0600, 30.6600, NULL::float, NULL::float, NULL::float, 1::bigint),
        (2, 'water-0002', 'water_level', NULL, 104.0601, 30.6601, NULL, NULL, NULL, NULL),
        (3, 'water-0003', 'water_level', NULL, 104.0700, 30.6700, NULL, NULL, NULL, NULL),
        (4, 'camera-0001', 'camera', '天府广场 "东"', 104.0605, 30.6605, 45, 70, 60, NULL),
        (5, 'worker-0001', 'worker', NULL, 104.0602, 30.6602, NULL, NULL, NULL, NULL)
    ) AS d (n, uid, kind, name, lon, lat, bearing, fov, reach, building) ORDER BY n;
INSERT INTO organisation (code, name, kind, simulated) VALUES ('org-1', '西御河街道办', 'street_office', true);
INSERT INTO worker (code, name, role, organisation_id, responsibility_grid_id, device_id, on_duty, simulated)
    VALUES ('w-1', '周小明', 'grid_worker', 1, 4, 5, true, true), ('w-2', '李华', 'grid_worker', 1, 4, NULL, false, true);
INSERT INTO duty (worker_id, starts_at, consent_at, simulated)
    SELECT id, now() - interval '1 day', now() - interval '1 day', true FROM worker WHERE code = 'w-1';
INSERT INTO service_point (dataset_id, source_ref, content_hash, geom, category, name)
    VALUES (1, 'node/77', '\\x00', ST_SetSRID(ST_MakePoint(104.0603, 30.6603), 4326), 'pharmacy', '同仁药房');
"""

_EQUIPMENT = """
INSERT INTO component (dataset_id, source_ref, content_hash, geom, code, class_code, name, unit_grid_id)
    VALUES (1, 'node/78', '\\x00', 'SRID=4326;POINT(104.0604 30.6604)', '51010501101000001', '01101', '上水井盖', 3);
INSERT INTO compound (dataset_id, source_ref, content_hash, geom, name, households)
    VALUES (1, 'way/11', '\\x00', ST_Multi(ST_MakeEnvelope(104.0595, 30.6595, 104.0608, 30.6608, 4326)), '锦江苑', 400);
INSERT INTO network_node (dataset_id, source_ref, content_hash, geom, utility, kind, name)
    VALUES (1, 'node/79', '\\x00', 'SRID=4326;POINT(104.0598 30.6604)', 'water', 'valve', '阀门一号'),
           (1, 'node/80', '\\x00', 'SRID=4326;POINT(104.0604 30.6604)', 'water', 'joint', NULL);
INSERT INTO network_line (dataset_id, source_ref, content_hash, geom, utility, name, length_m, from_node_id, to_node_id)
    SELECT 1, 'way/12', '\\x00', ST_MakeLine(a.geom, b.geom), 'water', '管线一号', ST_Distance(a.geom::geography, b.geom::geography),
           a.id, b.id
    FROM network_node AS a, network_node AS b WHERE a.kind = 'valve' AND b.kind = 'joint';
"""


@dataclass
class Served:
    """A running server and its database."""

    app: FastAPI
    host: str
    port: int
    url: str
    database: object

    @property
    def runtime(self) -> Runtime:
        runtime: Runtime = self.app.state.runtime
        return runtime

    @property
    def live(self) -> str:
        return f"ws://{self.host}:{self.port}/live"

    async def secret(
        self,
        *held: tuple[str, str],
        kind: CredentialKind = CredentialKind.SESSION,
        worker_id: int | None = None,
        organisation_id: int | None = None,
    ) -> str:
        """Make an account that holds roles, each at the code of an area, and return its secret."""
        owner = create_async_engine(self.database.url)
        account = {CredentialKind.TOKEN: "program", CredentialKind.KIOSK: "kiosk"}.get(kind, "person")
        try:
            async with owner.begin() as connection:
                name = f"test-{next(_accounts)}"
                made = await accounts.create(
                    connection,
                    COMMAND_LINE,
                    name,
                    name,
                    kind=account,
                    worker_id=worker_id,
                    organisation_id=organisation_id,
                )
                for role, code in held:
                    await accounts.grant(connection, COMMAND_LINE, made, role, code)
                secret, _ = await credentials.issue(connection, made, kind)
        finally:
            await owner.dispose()
        return secret

    async def signed_in(
        self,
        role: str,
        area_code: str = WHOLE_CODE,
        worker_id: int | None = None,
        organisation_id: int | None = None,
    ) -> httpx.AsyncClient:
        """Return a client with the session of a role at an area; the caller closes it."""
        secret = await self.secret((role, area_code), worker_id=worker_id, organisation_id=organisation_id)
        # There is no TLS here, and loading the authorities takes 18 ms of the processor for each client.
        return httpx.AsyncClient(base_url=self.url, timeout=20.0, cookies={COOKIE: secret}, verify=False)

    def sql(self, statement: str, *parameters: object) -> list[tuple[object, ...]]:
        with psycopg.connect(self.database.url.replace("+psycopg", ""), autocommit=True) as connection:
            cursor = connection.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def past_triggers(self, statement: str, *parameters: object) -> None:
        """Change rows that only acts change, as if they had been so all along."""
        with psycopg.connect(self.database.url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute("SET session_replication_role = replica")
            connection.execute(statement, parameters or None)

    async def run_sql(self, statement: str, *parameters: object) -> list[tuple[object, ...]]:
        return await asyncio.to_thread(self.sql, statement, *parameters)


@contextlib.asynccontextmanager
async def serving(database: object, folder: Path) -> AsyncIterator[Served]:
    """Run the application as the product does, on a free port, in this loop."""
    settings = Settings(database_url=database.url, data_dir=folder, web_dir=folder / "dist", host="127.0.0.1")
    app = create_app(settings)
    port = free_tcp_port()
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host="127.0.0.1",
            port=port,
            http="api.connections:BoundedHttp",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=2,
            **LIVE_OPTIONS,
        )
    )
    task = asyncio.create_task(server.serve())
    while not server.started:
        if task.done():
            task.result()
            raise RuntimeError("the server did not start")
        await asyncio.sleep(0.01)
    try:
        yield Served(app, "127.0.0.1", port, f"http://127.0.0.1:{port}", database)
    finally:
        server.should_exit = True
        await task


@pytest.fixture(scope="session")
def city(filled_city: object) -> object:
    """A database with a small city; tests that change it take a `fresh_city`.

    It has something of every map layer. A fresh one has no component, compound or network: tests of these
    bring their own, and say what they find among them.
    """
    copied = filled_city.copy()
    with psycopg.connect(copied.url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(_EQUIPMENT)
    return copied


@pytest.fixture(scope="session")
def filled_city(database: object) -> object:
    """What every fresh city is copied from; nobody else touches it."""
    fresh = database.fresh()
    fill_city(fresh)
    return fresh


@pytest.fixture
def fresh_city(filled_city: object) -> object:
    return filled_city.copy()


def fill_city(database: object) -> None:
    with psycopg.connect(database.url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(_CITY)


@pytest.fixture
async def served(fresh_city: object, tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(fresh_city, tmp_path) as running:
        yield running


@pytest.fixture
async def client(served: Served) -> AsyncIterator[httpx.AsyncClient]:
    """The manager of the whole installation: reads and does everything that is business."""
    async with await served.signed_in("manager") as http:
        yield http


@pytest.fixture
async def signed_in(served: Served) -> AsyncIterator[SignedIn]:
    """A function that signs in as a role at an area; its clients are closed at the end."""
    async with contextlib.AsyncExitStack() as clients:

        async def sign_in(
            role: str,
            area_code: str | None = None,
            worker_id: int | None = None,
            organisation_id: int | None = None,
        ) -> httpx.AsyncClient:
            made = await served.signed_in(role, area_code or WHOLE_CODE, worker_id, organisation_id)
            return await clients.enter_async_context(made)

        yield sign_in


@pytest.fixture
def tokens(served: Served) -> dict[str, senders.Token]:
    """What devices and gateways of the small city sign in with; one gateway is of another street."""
    other_street = Scope(((510105009000000, 510105009999999),))
    engine = create_engine(served.database.url)
    with engine.begin() as connection:
        add = functools.partial(senders.add_publisher, connection)
        made = {
            "device": add("water-0001", "device"),
            "other": add("water-0002", "device"),
            "worker": add("worker-0001", "device"),
            "gateway": add("gate-0001", "gateway"),
            "elsewhere": add("gate-0002", "gateway", other_street),
        }
    engine.dispose()
    return made


@pytest.fixture
async def http(served: Served) -> AsyncIterator[httpx.AsyncClient]:
    """Ask the server as nobody."""
    async with httpx.AsyncClient(base_url=served.url, timeout=20.0) as asker:
        yield asker


@pytest.fixture(scope="module")
def shared_server(city: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server on the city that all tests share, in a thread: each test has a loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    running = contextlib.AsyncExitStack()

    def there(work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    try:
        yield there(running.enter_async_context(serving(city, tmp_path_factory.mktemp("shared"))))
    finally:
        there(running.aclose())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
async def reader(shared_server: Served) -> AsyncIterator[httpx.AsyncClient]:
    """Ask a server on the city that all tests share: for tests that change nothing."""
    async with await shared_server.signed_in("manager") as http:
        yield http


@pytest.fixture
def serve():
    """Give the context manager that serves a database, for tests that start a server twice."""
    return serving
