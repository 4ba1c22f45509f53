"""Compose the server: twin, live hub, tiles, transports, routes and pages."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.telemetry import TelemetryConfig
from starlette.websockets import WebSocket

from api import document, errors, pages
from api.access.door import Door
from api.access.heads import HeadKeeper
from api.access.oidc import Provider
from api.access.permissions import IDENTITY_KEY, reading_permissions, require_declared
from api.access.publishers import PublisherDoor
from api.access.reading import RecentReads
from api.access.retention import expire_persons
from api.access.watch import watch_sessions
from api.alarm_cases import raise_alarm_cases
from api.assignment_clock import go_on_with_assignments
from api.cameras.desk import CameraDesk
from api.cameras.streams import Streams
from api.cameras.watch import StreamWatch
from api.case_clocks import tell_case_clocks
from api.case_repeats import link_repeated_cases
from api.disk import Disk
from api.edge import Edge
from api.exchange.sender import Exchange
from api.exports.desk import ExportDesk
from api.health import HealthReport
from api.ingest import Ingest
from api.live.hub import Hub
from api.live.socket import serve_live
from api.notices import NoticeListener
from api.open311.refusals import Refusals
from api.photographs.darkroom import Darkroom
from api.photographs.receiving import Reception
from api.routes import ROUTERS
from api.rows import TIMEOUT_S
from api.rule_trials import RuleTrials
from api.runtime import Runtime
from api.sampler import Sampler
from api.sensorthings.again import Again
from api.sensorthings.mqtt.followers import Followers
from api.sensorthings.mqtt.session import serve_mqtt
from api.sensorthings.mqtt.terms import PATH as MQTT_PATH
from api.settings import Settings
from api.tiles import TileStore
from api.turned_away import TurnedAway
from api.version import version
from ingest.transports.accounts import CHANNEL as PUBLISHERS_CHANNEL
from ingest.trials import Trials
from twin.access.passwords import Passwords
from twin.access.sealing import Sealer, open_sealer
from twin.access.sign_in import SignIn
from twin.address_ranges import read_ranges
from twin.catalog import load_catalog
from twin.store.engine import asyncpg_dsn, create_async_engine
from twin.store.news import follow
from twin.store.retention import Retention
from twin.store.retention_terms import load_terms
from twin.store.roles import APP, AUTH, PASSWORDS_FILE, TWIN, read_passwords, role_url
from twin.twin import Twin

_log = logging.getLogger("gridtwin.server")

_OWN_POOL: Final = 6
_ACCOUNT_POOL: Final = 3
_READ_POOL: Final = 4
_RESTART_CODE: Final = 1012
_NO_TELEMETRY: Final[TelemetryConfig] = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}
"""Else each request is held against the environment, which alone could send traces elsewhere."""


def create_app(settings: Settings) -> FastAPI:
    """Compose the application; its lifespan opens the parts and closes them in the reverse order.

    Parameters
    ----------
    settings
        Where everything is. The database must be migrated.

    Raises
    ------
    UnavailableError
        A private database is asked for and none runs.
    """
    owner_url = settings.database_url_text
    passwords = read_passwords(settings.secrets_dir / PASSWORDS_FILE)
    dsn = asyncpg_dsn(role_url(owner_url, APP, passwords.get(APP)))
    own_dsn = asyncpg_dsn(role_url(owner_url, TWIN, passwords.get(TWIN)))
    tiles = TileStore(dsn)
    accounts = create_async_engine(
        role_url(owner_url, AUTH, passwords.get(AUTH)),
        application_name="gridtwin accounts",
        pool_size=_ACCOUNT_POOL,
        statement_timeout_s=TIMEOUT_S,
    )
    door = Door(accounts, timedelta(minutes=settings.session_idle_min))
    publishers = PublisherDoor(accounts)
    camera_ranges = read_ranges(settings.camera_ranges, "camera_ranges")
    partner_ranges = read_ranges(settings.partner_ranges, "partner_ranges")
    sealer = open_sealer(settings.secrets_dir)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as parts:
            parts.push_async_callback(accounts.dispose)
            own = create_async_engine(own_dsn, application_name="gridtwin twin", pool_size=_OWN_POOL)
            parts.push_async_callback(own.dispose)
            reading = create_async_engine(
                dsn,
                application_name="gridtwin views",
                pool_size=_READ_POOL,
                statement_timeout_s=TIMEOUT_S,
            )
            parts.push_async_callback(reading.dispose)
            parts.push_async_callback(tiles.close)
            exports = ExportDesk(dsn, settings.export_rows)
            parts.push_async_callback(exports.close)
            catalog = load_catalog()
            terms = load_terms(catalog).with_tracks(settings.tracks_days)
            twin = await Twin.open(own, catalog=catalog, terms=terms)
            parts.push_async_callback(twin.close)
            rule_trials = RuleTrials(dsn, twin.board)
            parts.push_async_callback(rule_trials.close)
            ingest = Ingest(settings, own, twin, {"sensorthings": Again(twin, own, accounts)})
            await ingest.pauses.refresh()
            health = HealthReport(settings, own, twin, ingest.state)
            hub = Hub(twin.board, health.brief)
            parts.callback(hub.close_all, _RESTART_CODE, "the server restarts")
            sampler = Sampler(twin, own)
            darkroom = Darkroom()
            parts.push_async_callback(darkroom.close)
            streams = Streams(camera_ranges)
            watch = StreamWatch(own, twin, sealer, streams, settings.camera_probe_s)
            cameras = CameraDesk(streams, sealer.picture_key, watch)
            parts.push_async_callback(cameras.close)
            listener = NoticeListener(own_dsn, own, hub, tiles, door)
            await listener.start_journal()
            followers = Followers(reading, door, twin)
            exchange = Exchange(own_dsn, own, sealer, partner_ranges)
            parts.callback(exchange.close)
            app.state.runtime = Runtime(
                settings=settings,
                engine=reading,
                own=own,
                accounts=accounts,
                door=door,
                sign_in=SignIn(accounts, Passwords(), sealer),
                provider=_provider(settings, sealer),
                sealer=sealer,
                reads=RecentReads(),
                twin=twin,
                hub=hub,
                tiles=tiles,
                exports=exports,
                sampler=sampler,
                reception=Reception(Disk(settings.data_dir)),
                darkroom=darkroom,
                cameras=cameras,
                health=health,
                ingest=ingest,
                trials=Trials(twin),
                rule_trials=rule_trials,
                publishers=publishers,
                followers=followers,
                exchange=exchange,
                started_at=datetime.now(UTC),
            )
            for name, work in (
                ("hub", hub.run()),
                ("notices", listener.run()),
                ("sampler", sampler.run()),
                ("ingest", ingest.run()),
                ("followers", followers.run()),
                ("publishers", follow(accounts, PUBLISHERS_CHANNEL, publishers.forget)),
                ("cameras", watch.run()),
                ("sessions", watch_sessions(door, hub)),
                ("case clocks", tell_case_clocks(own)),
                ("assignments", go_on_with_assignments(own, twin)),
                ("alarm cases", raise_alarm_cases(own, catalog, sealer)),
                ("case repeats", link_repeated_cases(own)),
                ("exchange", exchange.run()),
                ("persons", expire_persons(own, settings.persons_days)),
                ("retention", Retention(own, catalog, terms).run_daily()),
                ("record", HeadKeeper(reading, settings.secrets_dir, sealer).run()),
            ):
                parts.push_async_callback(_stop, asyncio.create_task(_watched(name, work), name=name))
            yield

    app = FastAPI(
        title="GridTwin",
        version=version(),
        description="The command centre of street-level government: a live GIS digital twin.",
        lifespan=lifespan,
        openapi_url="/api/openapi.json",
        docs_url=None,  # they would fetch scripts from a foreign host
        redoc_url=None,
        generate_unique_id_function=_operation_id,
        telemetry=_NO_TELEMETRY,
    )
    routes = [route for router in ROUTERS for route in router.routes]
    require_declared(routes)
    app.state.reading = reading_permissions(routes)
    errors.install(app, routes)
    document.install(app, routes)
    app.add_middleware(
        Edge, tiles=tiles, door=door, publishers=publishers, hosts=settings.host_names, routes=routes
    )
    app.add_middleware(Refusals)  # outside the edge, which refuses too
    app.add_middleware(TurnedAway)
    for router in ROUTERS:
        app.include_router(router)

    @app.websocket("/live")
    async def live(websocket: WebSocket) -> None:
        # The edge lets nobody through whom it does not know.
        await serve_live(websocket, websocket.app.state.runtime.hub, websocket.scope[IDENTITY_KEY])

    @app.websocket(MQTT_PATH)
    async def sensorthings_by_mqtt(websocket: WebSocket) -> None:
        # Whoever comes is asked by MQTT itself who they are.
        await serve_mqtt(websocket)

    pages.install(app, settings.web_dir)
    return app


def _provider(settings: Settings, sealer: Sealer) -> Provider | None:
    if not settings.oidc_issuer:
        return None
    return Provider(
        settings.oidc_issuer, settings.oidc_client_id, settings.oidc_client_secret.get_secret_value(), sealer
    )


def _operation_id(route: APIRoute) -> str:
    return route.name


async def _watched(name: str, work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except asyncio.CancelledError:
        raise
    except Exception:
        _log.exception("the part “%s” ended; restart the server", name)
        raise


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await task
