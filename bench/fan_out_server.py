"""Serve a stage of the live stream to websockets, and tick when told to.

Reads a JSON specification from the file named by its first argument, prints its port, then follows lines
on standard input: ``go TICKS`` changes and sends that many ticks, ten a second, the messages of each second
with them, and answers with the seconds of processor time that this took, the changing left out.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from api.live.hub import TICK_S
from api.live.socket import LIVE_OPTIONS, serve_live
from bench.fan_out import WHOLE, Stage, scoped
from bench.live.plan import Plan, make_plan, place_viewers
from twin.access.credentials import CredentialKind, Identity
from twin.access.grants import Grants
from twin.store.sockets import free_tcp_port

_TICKS_A_SECOND = round(1 / TICK_S)


def _identity(number: int, grants: Grants) -> Identity:
    return Identity(
        credential_id=UUID(int=number + 1),
        kind=CredentialKind.TOKEN,
        expires_at=datetime.now(UTC) + timedelta(hours=1),
        parent_id=None,
        account_id=UUID(int=number + 1),
        name=f"bench-{number}",
        display_name=f"bench-{number}",
        account_kind="program",
        must_change_password=False,
        demo=False,
        grants=grants,
    )


async def serve(specification: dict[str, Any]) -> None:
    """Serve until standard input ends; a viewer's bearer token is its number in the plan."""
    plan = make_plan(specification["devices"], 1, 1)
    viewers = place_viewers(plan, specification["viewers"], specification["walls"])
    level = specification["level"]
    grants = scoped(viewers, level) if level else [WHOLE] * len(viewers)
    stage = Stage(plan)

    async def live(websocket: WebSocket) -> None:
        number = int(websocket.headers["authorization"].removeprefix("Bearer "))
        await serve_live(websocket, stage.hub, _identity(number, grants[number]))

    app = Starlette(routes=[WebSocketRoute("/live", live)])
    port = free_tcp_port()
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, log_level="warning", lifespan="off", **LIVE_OPTIONS
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    print(port, flush=True)
    await _follow(stage, plan, min(specification["changes"], plan.count))
    server.should_exit = server.force_exit = True
    await serving


async def _follow(stage: Stage, plan: Plan, changes: int) -> None:
    random = np.random.default_rng(5)
    answering = asyncio.create_task(_answer(stage))
    while order := await asyncio.to_thread(sys.stdin.readline):
        answering.cancel()
        changing_s = 0.0
        began_s, next_tick = time.process_time(), time.monotonic()
        for tick in range(int(order.split()[1])):
            before_s = time.process_time()
            rows = np.sort(random.choice(plan.count, changes, replace=False)).astype(np.int32)
            stage.change(rows)
            changing_s += time.process_time() - before_s
            stage.hub.beat()
            if tick % _TICKS_A_SECOND == 0:
                stage.hub.second()
            next_tick += TICK_S
            await asyncio.sleep(max(0.0, next_tick - time.monotonic()))
        print(time.process_time() - began_s - changing_s, flush=True)
        answering = asyncio.create_task(_answer(stage))
    answering.cancel()


async def _answer(stage: Stage) -> None:
    """Bring who just came to the present, between the turns that are measured."""
    while True:
        stage.hub.beat()
        await asyncio.sleep(TICK_S)


if __name__ == "__main__":
    uvloop.run(serve(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
