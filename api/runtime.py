"""Hold the parts of a running server, so that routes can reach them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncEngine

from api.access.door import Door
from api.access.oidc import Provider
from api.access.publishers import PublisherDoor
from api.access.reading import RecentReads
from api.cameras.desk import CameraDesk
from api.exchange.sender import Exchange
from api.exports.desk import ExportDesk
from api.health import HealthReport
from api.ingest import Ingest
from api.live.hub import Hub
from api.photographs.darkroom import Darkroom
from api.photographs.receiving import Reception
from api.rule_trials import RuleTrials
from api.sampler import Sampler
from api.sensorthings.mqtt.followers import Followers
from api.settings import Settings
from api.tiles import TileStore
from ingest.trials import Trials
from twin.access.sealing import Sealer
from twin.access.sign_in import SignIn
from twin.twin import Twin


@dataclass(slots=True)
class Runtime:
    """What the lifespan opened.

    ``engine`` answers callers, under row-level security; ``own`` is the server's own hand (see
    `twin.store.roles`), ``accounts`` sees accounts and credentials only.
    """

    settings: Settings
    engine: AsyncEngine
    own: AsyncEngine
    accounts: AsyncEngine
    door: Door
    sign_in: SignIn
    provider: Provider | None
    sealer: Sealer
    reads: RecentReads
    twin: Twin
    hub: Hub
    tiles: TileStore
    exports: ExportDesk
    sampler: Sampler
    reception: Reception
    darkroom: Darkroom
    cameras: CameraDesk
    health: HealthReport
    ingest: Ingest
    trials: Trials
    rule_trials: RuleTrials
    publishers: PublisherDoor
    followers: Followers
    exchange: Exchange
    started_at: datetime


async def _runtime(request: Request) -> Runtime:  # a plain function would take a thread each time
    runtime: Runtime = request.app.state.runtime
    return runtime


Running = Annotated[Runtime, Depends(_runtime)]
"""Parameter of a route that needs the parts of the server."""
