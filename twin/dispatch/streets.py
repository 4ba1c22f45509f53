"""Keep the network in step with roads, gates and closures, and a snapshot of it for each traveller."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy.ext.asyncio import AsyncEngine

from twin.dispatch.barriers import Barriers
from twin.dispatch.network.closures import CutOff, RoadClosure, closed_edges, cut_off
from twin.dispatch.network.gates import NETWORKS, GateRules, GateStates, passed
from twin.dispatch.network.network import Network, build
from twin.dispatch.network.places import Places, put
from twin.dispatch.network.profiles import FOOT, Profile, load_profiles
from twin.dispatch.network.reading import (
    Frame,
    read_closures,
    read_gates,
    read_obstacles,
    read_roads,
)
from twin.dispatch.network.roads import Bools
from twin.dispatch.network.snapshot import Snapshot, Structure
from twin.dispatch.network.way import Way
from twin.dispatch.published import Published
from twin.errors import InvalidError, UnavailableError
from twin.live.board import Board
from twin.live.rooms import Rows
from twin.model.gate import PASSING
from twin.store.news import follow
from twin.zones import timezone_of

log = logging.getLogger(__name__)

_CHANNEL = "tiles"
"""Tells which table changed and where: what is drawn and what is walked change together."""

_CLOSURES = "streets"
"""Tells of closures, without waiting for more."""

_MADE_OF = frozenset({"road", "gate", "building", "ground_cover"})
_GATHER_S = 1.0
_LOOK_S = 1.0


@dataclass(frozen=True, slots=True)
class Traveller:
    """Who goes: how they get about, and what they have keys for: own role, kind of own organisation."""

    profile: str = FOOT
    passes: frozenset[str] = frozenset()

    @classmethod
    def of_worker(cls, travels_by: str, passes: frozenset[str]) -> Self:
        """Return a worker as they travel; on foot where the installation took that out of its file."""
        return cls(travels_by if travels_by in load_profiles() else FOOT, passes)


def keys_of(role: str | None, organisation: str | None) -> frozenset[str]:
    """Return what a worker of a role, and of a kind of organisation, has keys for."""
    return frozenset(key for key in (role, organisation) if key is not None)


@dataclass(frozen=True, slots=True)
class _Built:
    network: Network
    structure: Structure
    frame: Frame
    gates: GateRules
    zone: ZoneInfo
    opened: dict[str, Snapshot]
    """By profile: all closed for good, and nothing else."""


@dataclass(frozen=True, slots=True)
class _Now:
    """What can change from one moment to the next."""

    gates: GateStates
    closures: frozenset[int]


@dataclass(slots=True)
class _Held:
    version: int
    edges: Bools
    unsure: Bools
    snapshot: Snapshot


class Streets:
    """The network people move on, made anew when roads change; those who ask keep the snapshot they hold.

    Parameters
    ----------
    engine
        Reads roads, gates and closures, and hears that they changed.
    board
        Knows what the barriers of gates report; without one their hours and keys are believed.
    clock
        Gives Unix seconds.
    """

    def __init__(
        self, engine: AsyncEngine, board: Board | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._barriers = Barriers(board)
        self._published = Published(engine)
        self._built: _Built | None = None
        self._now: _Now | None = None
        self._closures: dict[int, tuple[RoadClosure, Bools]] = {}
        self._held: dict[Traveller, _Held] = {}
        self._closing = asyncio.Lock()
        self._read = asyncio.Event()
        self.version = 0
        """Counts up with everything that changes what a way takes."""

    # what is followed

    async def refresh(self) -> None:
        """Read the roads and make the network anew; until it is made the former one answers."""
        async with self._engine.connect() as connection:
            roads, frame = await connection.run_sync(read_roads)
            obstacles = await connection.run_sync(read_obstacles, frame)
            gates, rules = await connection.run_sync(read_gates, frame)
        network = await asyncio.to_thread(build, roads, gates, obstacles)
        structure = await asyncio.to_thread(Structure, network)
        zone = ZoneInfo(timezone_of(frame.lon, frame.lat))
        built = _Built(network, structure, frame, rules.of(network.gates.id), zone, {})
        async with self._closing:
            closures = await self._read_closures(frame)
            self._built, self._held, self._now = built, {}, None
            self._close(built, closures)
        self._read.set()
        profiles = {name: self._open(built, profile) for name, profile in load_profiles().items()}
        seconds = {name: (opened.there, opened.back) for name, opened in profiles.items()}
        try:
            await self._published.write(network, frame, seconds)
        except Exception:  # ways are answered all the same
            log.exception("the streets could not be written for SQL")

    async def wait_read(self, timeout_s: float) -> None:
        """Wait until the roads were read once, which follows the start of a server; no longer than so."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._read.wait(), timeout_s)

    async def refresh_closures(self) -> None:
        """Read the closures anew."""
        async with self._closing:  # not of a network that is replaced meanwhile
            if self._built is not None:
                self._close(self._built, await self._read_closures(self._built.frame))

    async def _read_closures(self, frame: Frame) -> list[RoadClosure]:
        async with self._engine.connect() as connection:
            return await connection.run_sync(read_closures, frame)

    async def follow_changes(self) -> None:
        """Keep in step, from the first reading on, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(
                follow(self._engine, _CHANNEL, self.refresh, meant=_is_meant, gather_s=_GATHER_S)
            )
            tasks.create_task(follow(self._engine, _CLOSURES, self.refresh_closures))
            tasks.create_task(self._watch_clock())

    async def _watch_clock(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            self._look_again()

    def hear(self, rows: Rows) -> None:
        """Look again where rows of the board that were just observed are barriers of gates."""
        if self._barriers.among(rows):
            self._look_again()

    def _look_again(self) -> None:
        try:
            self.look()
        except Exception:  # commits and clocks go on, and the next look may do
            log.exception("nobody could see how gates stand")

    def look(self) -> None:
        """See how gates stand and what is closed at this moment; count a version up where it changed."""
        if self._built is None:
            return
        seen = self._seen(self._built)
        before = self._now
        if before is None or before.closures != seen.closures or not before.gates.same_as(seen.gates):
            self._now = seen
            self.version += 1

    def _seen(self, built: _Built) -> _Now:
        now_s = self._clock()
        local = datetime.fromtimestamp(now_s, built.zone)
        by_hours = built.gates.stand_open(local.hour * 60 + local.minute)
        reported = self._barriers.reported(built.gates.device_id, now_s)
        holding = frozenset(number for number, (one, _) in self._closures.items() if one.holds(now_s))
        return _Now(GateStates(by_hours, reported), holding)

    def _close(self, built: _Built, closures: Iterable[RoadClosure]) -> None:
        self._closures = {one.id: (one, closed_edges(built.network, one)) for one in closures}
        self.look()

    # what is asked

    def snapshot(self, traveller: Traveller) -> Snapshot:
        """Return what a traveller finds now; the same one as long as nothing changed for them.

        Raises
        ------
        UnavailableError
            The network was not read yet.
        InvalidError
            There is no such profile.
        """
        built, now = self._ready(), self._now
        assert now is not None, "made together with the network"
        held = self._held.get(traveller)
        if held is not None and held.version == self.version:
            return held.snapshot
        profile = _profile(traveller.profile)
        edges, unsure = self._shut(built, now, profile, traveller.passes)
        if held is None or not (np.array_equal(held.edges, edges) and np.array_equal(held.unsure, unsure)):
            snapshot = self._open(built, profile).closed(edges, self.version, unsure)
            held = self._held[traveller] = _Held(self.version, edges, unsure, snapshot)
        held.version = self.version
        return held.snapshot

    def put(self, snapshot: Snapshot, lon_lat: Sequence[tuple[float, float]]) -> Places:
        """Return places in degrees on the network of a snapshot."""
        return put(snapshot, self.frame.metres(np.asarray(lon_lat, float).reshape(-1, 2)))

    def crosses_closed(self, way: Way, held: Snapshot, traveller: Traveller) -> bool:
        """Say whether something on a way was closed since it was found on a snapshot.

        Where the network was made anew meanwhile nobody can say: true, to find the way again.
        """
        now = self.snapshot(traveller)
        if now is held:
            return False
        if now.network is not held.network:
            return True
        seconds = np.where(way.ahead, now.there[way.edge], now.back[way.edge])
        return not bool(np.isfinite(seconds).all())

    async def cut_by(self, closure: RoadClosure, network: str) -> list[CutOff]:
        """Return what a closure would leave without a way, beside what is closed already, without keys."""
        profile = _goes_by(network)
        if profile is None or network not in closure.networks:
            return []
        before = self.snapshot(Traveller(profile.name))
        shut = closed_edges(before.network, closure)
        return await asyncio.to_thread(cut_off, before, before.closed(shut, self.version))

    async def cut_now(self, network: str) -> list[CutOff]:
        """Return what all closures that hold now leave without a way, for somebody without keys."""
        built, now, profile = self._ready(), self._now, _goes_by(network)
        if now is None or profile is None or not now.closures:
            return []
        shut, _ = self._shut(built, _Now(now.gates, frozenset()), profile, frozenset())
        before = self._open(built, profile).closed(shut, self.version)
        return await asyncio.to_thread(cut_off, before, self.snapshot(Traveller(profile.name)))

    @property
    def frame(self) -> Frame:
        """Metres of the network, and degrees."""
        return self._ready().frame

    def _shut(self, built: _Built, now: _Now, profile: Profile, keys: frozenset[str]) -> tuple[Bools, Bools]:
        passes, doubtful = passed(built.gates, now.gates, profile.network, keys)
        shut, unsure = _through(built.network, ~passes), _through(built.network, doubtful)
        for number in now.closures:
            closure, edges = self._closures[number]
            if profile.network in closure.networks:
                shut |= edges
        return shut, unsure

    def _open(self, built: _Built, profile: Profile) -> Snapshot:
        """Return the network with what never lets such a profile pass closed."""
        found = built.opened.get(profile.name)
        if found is None:
            never = built.gates.passing[:, NETWORKS.index(profile.network)] == PASSING.index("never")
            there, back = (
                np.where(_through(built.network, never), np.inf, seconds)
                for seconds in built.network.seconds(profile)
            )
            found = built.opened[profile.name] = Snapshot(
                built.network, built.structure, profile, there, back
            )
        return found

    def _ready(self) -> _Built:
        if self._built is None:
            raise UnavailableError("the streets are being read", hint="ask again in a moment")
        return self._built


def _goes_by(network: str) -> Profile | None:
    """Return the first profile that goes by a network."""
    return next((one for one in load_profiles().values() if one.network == network), None)


def _profile(name: str) -> Profile:
    profile = load_profiles().get(name)
    if profile is None:
        raise InvalidError(
            f"nobody travels by “{name[:40]}”", where="profile", hint=f"one of {', '.join(load_profiles())}"
        )
    return profile


def _through(network: Network, gates: Bools) -> Bools:
    """Return which edges run through some of the gates, shape (edges,)."""
    out = np.zeros(network.edges, np.bool_)
    at = network.cut.gate >= 0
    out[at] = gates[network.cut.gate[at]]
    return out


def _is_meant(payload: str) -> bool:
    return json.loads(payload).get("table") in _MADE_OF
