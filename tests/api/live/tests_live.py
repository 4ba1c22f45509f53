"""Run a hub on a board of its own behind a real websocket server."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

from api.access.permissions import IDENTITY_KEY
from api.live.client import LiveClient
from api.live.hub import Hub
from api.live.socket import LIVE_OPTIONS, serve_live
from twin.access.credentials import CredentialKind, Identity
from twin.access.grants import Grants
from twin.access.roles import DataClass
from twin.access.scope import EVERYWHERE
from twin.catalog import load_catalog
from twin.live.board import Board, Newest, Placement
from twin.store.sockets import free_tcp_port

LON, LAT = 104.06, 30.66
CATALOG = load_catalog()
SENSOR = CATALOG.by_name["water_level"].code
WORKER = CATALOG.by_name["worker"].code
HERE = (LON - 0.01, LAT - 0.01, LON + 0.01, LAT + 0.01)
WIDE = (LON - 0.2, LAT - 0.2, LON + 0.2, LAT + 0.2)
WHOLE = Grants(
    reads=dict.fromkeys((DataClass.PLACE, DataClass.ALARM, DataClass.CASE, DataClass.WORKER), EVERYWHERE),
    roles=("operator",),
)
_ACCOUNTS = UUID("00000000-0000-4000-8000-000000000001")


def identity_of(name: str, grants: Grants, parent_id: UUID | None = None) -> Identity:
    """Whom the edge would find, by an account of this name."""
    return Identity(
        credential_id=uuid5(_ACCOUNTS, f"credential of {name}"),
        kind=CredentialKind.SESSION,
        expires_at=datetime.now(UTC) + timedelta(hours=1),
        parent_id=parent_id,
        account_id=uuid5(_ACCOUNTS, name),
        name=name,
        display_name=name,
        account_kind="person",
        must_change_password=False,
        demo=False,
        grants=grants,
    )


@dataclass
class Stage:
    """A board, its hub and where it is served."""

    board: Board
    hub: Hub
    url: str
    identities: dict[str, Identity]

    def let_in(self, name: str, grants: Grants, parent_id: UUID | None = None) -> str:
        """Give an account grants, and return the address at which it looks."""
        self.identities[name] = identity_of(name, grants, parent_id)
        return f"{self.url}?as={name}"

    def place(
        self,
        ids: list[int],
        lon: np.ndarray,
        lat: np.ndarray,
        kind: int = SENSOR,
        codes: list[int] | None = None,
    ) -> None:
        layer = 1 if kind == WORKER else 0
        codes = codes or [0] * len(ids)
        self.board.place(
            [
                Placement(i, f"thing-{i:05d}", kind, layer, 1, float(x), float(y), 2.5, 30.0, code)
                for i, x, y, code in zip(ids, lon, lat, codes, strict=True)
            ]
        )

    def observe(
        self,
        rows: np.ndarray,
        value: np.ndarray,
        state: np.ndarray,
        lon: np.ndarray | None = None,
        lat: np.ndarray | None = None,
    ) -> None:
        n = len(rows)
        now_us = max(time.time_ns() // 1000, int(self.board.times_us.max(initial=0)) + 1)
        rows = np.asarray(rows, np.int32)
        going = np.zeros(n, np.bool_) if lon is None else np.ones(n, np.bool_)
        self.board.apply(
            Newest(
                row=rows,
                slot=np.zeros(n, np.int64),
                time_us=np.full(n, now_us),
                value=np.asarray(value, np.float64),
                state=np.asarray(state, np.uint8),
                beyond_us=np.zeros((n, 3), np.int64),
                lon=np.full(n, np.nan) if lon is None else lon,
                lat=np.full(n, np.nan) if lat is None else lat,
                received_us=np.full(n, now_us),
                heard_row=rows,
                heard_us=np.full(n, now_us),
                moved_row=rows[going],
                moved_us=np.full(int(going.sum()), now_us),
                moved_lon=np.empty(0) if lon is None else lon,
                moved_lat=np.empty(0) if lat is None else lat,
            )
        )
        assert (self.board.state[rows] == state).all()
        assert lon is None or (self.board.lon[rows] == lon).all(), (
            "a stage whose things stand still proves nothing"
        )

    def live_rows(self) -> np.ndarray:
        return np.flatnonzero(self.board.device_id[: self.board.count] != 0)


@contextlib.asynccontextmanager
async def staged(*, ticking: bool = True) -> AsyncIterator[Stage]:
    """Serve a hub to who sees everything; without `ticking` the test calls `hub.beat` itself.

    Other accounts are let in by the stage; a fake edge knows them by the name in their address.
    """
    board = Board(CATALOG)
    hub = Hub(board)
    identities = {"operator": identity_of("operator", WHOLE)}

    async def live(websocket):
        websocket.scope[IDENTITY_KEY] = identities[websocket.query_params.get("as", "operator")]
        await serve_live(websocket, hub, websocket.scope[IDENTITY_KEY])

    app = Starlette(routes=[WebSocketRoute("/live", live)])
    port = free_tcp_port()
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=port,
        log_config=None,
        lifespan="off",
        timeout_graceful_shutdown=1,
        **LIVE_OPTIONS,
    )
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # hypothesis runs examples outside the main test
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110
        await asyncio.sleep(0.002)
    beating = asyncio.create_task(hub.run()) if ticking else None
    try:
        yield Stage(board, hub, f"ws://127.0.0.1:{port}/live", identities)
    finally:
        if beating is not None:
            beating.cancel()
        server.force_exit = True
        server.should_exit = True
        await serving


async def looking(stage: Stage, bbox=HERE, zoom: float = 16.0, url: str = "", **options) -> LiveClient:
    """Connect and look, up to the first answer."""
    client = LiveClient(url or stage.url)
    await client.connect(**options)
    await client.look(bbox, zoom)
    await client.until(lambda: client.subscribed is not None)
    return client
