"""Hold the parts of a running server, so that routes can reach them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncEngine

from api.health import HealthReport
from api.live.hub import Hub
from api.sampler import Sampler
from api.settings import Settings
from api.tiles import TileStore
from twin.twin import Twin


@dataclass(slots=True)
class Runtime:
    """What the lifespan opened."""

    settings: Settings
    engine: AsyncEngine
    writing: AsyncEngine
    twin: Twin
    hub: Hub
    tiles: TileStore
    sampler: Sampler
    health: HealthReport
    started_at: datetime


def _runtime(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


Running = Annotated[Runtime, Depends(_runtime)]
"""Parameter of a route that needs the parts of the server."""
