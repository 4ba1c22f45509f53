"""Keep the network of the installation in step with its roads, and a snapshot of it for each traveller."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy.ext.asyncio import AsyncEngine

from twin.dispatch.network.network import Network, build
from twin.dispatch.network.places import Places, put
from twin.dispatch.network.profiles import load_profiles
from twin.dispatch.network.reading import Frame, read_obstacles, read_roads
from twin.dispatch.network.snapshot import Snapshot, Structure
from twin.errors import InvalidError, UnavailableError
from twin.store.news import follow

_CHANNEL = "tiles"
"""Tells which table changed and where: what is drawn and what is walked change together."""

_MADE_OF = frozenset({"road", "building", "ground_cover"})
_GATHER_S = 1.0


@dataclass(frozen=True, slots=True)
class Traveller:
    """Who goes: how they get about."""

    profile: str = "foot"


@dataclass(frozen=True, slots=True)
class _Built:
    network: Network
    structure: Structure
    frame: Frame


class Streets:
    """The network people move on, made anew when roads change; those who ask keep the snapshot they hold.

    Parameters
    ----------
    engine
        Reads roads and hears that they changed.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._built: _Built | None = None
        self._snapshots: dict[Traveller, Snapshot] = {}
        self._read = asyncio.Event()
        self.version = 0
        """Counts up with everything that changes what a way takes."""

    async def refresh(self) -> None:
        """Read the roads and make the network anew; until it is made the former one answers."""
        async with self._engine.connect() as connection:
            roads, frame = await read_roads(connection)
            obstacles = await read_obstacles(connection, frame)
        network = await asyncio.to_thread(build, roads, obstacles=obstacles)
        structure = await asyncio.to_thread(Structure, network)
        self._built = _Built(network, structure, frame)
        self._snapshots = {}
        self.version += 1
        self._read.set()

    async def wait_read(self, timeout_s: float) -> None:
        """Wait until the roads were read once, which follows the start of a server; no longer than so."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._read.wait(), timeout_s)

    async def follow_changes(self) -> None:
        """Keep in step, from the first reading on, until cancelled."""
        await follow(self._engine, _CHANNEL, self.refresh, meant=_is_meant, gather_s=_GATHER_S)

    def snapshot(self, traveller: Traveller) -> Snapshot:
        """Return what a traveller finds now.

        Raises
        ------
        UnavailableError
            The network was not read yet.
        InvalidError
            There is no such profile.
        """
        built = self._ready()
        found = self._snapshots.get(traveller)
        if found is None:
            profile = load_profiles().get(traveller.profile)
            if profile is None:
                raise InvalidError(
                    f"nobody travels by “{traveller.profile[:40]}”",
                    where="profile",
                    hint=f"one of {', '.join(load_profiles())}",
                )
            found = self._snapshots[traveller] = Snapshot.open(built.network, built.structure, profile)
        return found

    def put(self, snapshot: Snapshot, lon_lat: Sequence[tuple[float, float]]) -> Places:
        """Return places in degrees on the network of a snapshot."""
        return put(snapshot, self.frame.metres(np.asarray(lon_lat, float).reshape(-1, 2)))

    @property
    def frame(self) -> Frame:
        """Metres of the network, and degrees."""
        return self._ready().frame

    def _ready(self) -> _Built:
        if self._built is None:
            raise UnavailableError("the streets are being read", hint="ask again in a moment")
        return self._built


def _is_meant(payload: str) -> bool:
    return json.loads(payload).get("table") in _MADE_OF
