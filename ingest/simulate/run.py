"""Run simulated devices: connect as gateways and devices do, and publish until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import shapely
from sqlalchemy import Connection, text

from ingest.simulate.fleet import Fleet, direct_uids, read_fleet
from ingest.simulate.link import Link, LinkCounts
from ingest.simulate.messages import Mailroom, gateway_name, heartbeat, status_message
from ingest.simulate.parameters import DEFAULT_PATH, Parameters, load_parameters
from ingest.simulate.paths import Paths, build_paths
from ingest.simulate.publishing import ensure_secrets
from ingest.simulate.replay import read_uci_pm25
from ingest.simulate.rules import read_zones
from ingest.simulate.simulation import Simulation
from ingest.simulate.siting import DEFAULT_SEED
from ingest.transports.broker import BrokerAddress
from twin.catalog import Catalog, load_catalog
from twin.crs import to_local_metres
from twin.errors import InvalidError
from twin.store.engine import create_engine

_LOG = logging.getLogger(__name__)
_REPORT_S = 10.0
_HEARTBEAT_S = 2.0  # beside the reports of devices, of which some cities have one a minute
_MOST_RATE = 200_000.0

_ROADS = text(
    """
    SELECT ST_AsBinary(geom) AS geom, tunnel, foot, car_forward, car_backward FROM road
    WHERE valid_to IS NULL AND (foot OR car_forward OR car_backward) ORDER BY source_ref, id
    """
)


@dataclass(frozen=True, slots=True)
class SimulateOptions:
    """What to simulate and where to send it.

    Parameters
    ----------
    database_url
        Read once at the start, for what stands where; only accounts of what is simulated are written.
    broker
        Where the broker is; nobody signs in there with the account it names.
    accounts_file
        Keeps the secrets of what is simulated, one account each, made where they are missing; only its
        owner can read it.
    rate
        Aimed readings per second of all devices; None keeps each kind's own interval.
    incident
        ``auto``: now and then; ``now``: one at once, then as auto; ``none``.
    pm25_file
        UCI data set 394 (``ChengduPM20100101_20151231.csv``, plain or gzipped): its real PM2.5 is replayed.
    duration_s
        Stop by itself after this time; None: run until stopped.
    on_report
        Called every ten seconds with the counts.
    """

    database_url: str
    broker: BrokerAddress
    accounts_file: Path
    seed: int = DEFAULT_SEED
    rate: float | None = None
    incident: Literal["auto", "now", "none"] = "auto"
    pm25_file: Path | None = None
    parameters_file: Path = DEFAULT_PATH
    duration_s: float | None = None
    on_report: Callable[[SimulateReport], None] | None = None


@dataclass(frozen=True, slots=True)
class SimulateReport:
    """How the simulation goes; ``counts`` since the start, all connections together."""

    devices: int
    connections: int
    connected: int
    counts: LinkCounts
    backlog: int
    silent: int
    abnormal: int
    incidents: tuple[str, ...]


async def run(options: SimulateOptions, stop: asyncio.Event | None = None) -> None:
    """Simulate until SIGINT, SIGTERM, `stop`, or the end of ``duration_s``; then say farewell and leave.

    Raises
    ------
    NotFoundError
        No device is simulated.
    InvalidError
        An option or the parameters are wrong.
    UnavailableError
        The broker refuses our name or password.
    """
    if options.rate is not None and not 0.0 < options.rate <= _MOST_RATE:
        raise InvalidError(
            f"a rate of {options.rate:g} readings/s cannot be simulated",
            where="--rate",
            hint=f"choose one up to {_MOST_RATE:g}",
        )
    # gmqtt tells of each connection made and lost; the links say the same in one line for all.
    logging.getLogger("gmqtt").setLevel(logging.ERROR)
    parameters = load_parameters(options.parameters_file)
    catalog = load_catalog()
    series = {("air_quality", "pm25"): read_uci_pm25(options.pm25_file)} if options.pm25_file else None
    fleet, ways, secrets = await asyncio.to_thread(_read, options, catalog, parameters)
    now = time.time()
    first = {"none": None, "now": now, "auto": now + 60.0 * parameters.incidents.first_after_min}
    simulation = Simulation(
        fleet,
        catalog,
        parameters,
        ways.paths,
        ways.streets,
        ways.zones,
        seed=options.seed,
        start_s=now,
        rate=options.rate,
        first_incident_s=first[options.incident],
        series=series,
    )
    stop = stop or asyncio.Event()
    with _signals(stop):
        await _Session(options, fleet, catalog, parameters, simulation, secrets).run(stop)


@dataclass(frozen=True, slots=True)
class _Ways:
    """What is walked and driven on, and where nobody may park, in the local frame."""

    paths: Paths
    streets: Paths
    zones: list[shapely.Geometry]


def _read(
    options: SimulateOptions, catalog: Catalog, parameters: Parameters
) -> tuple[Fleet, _Ways, dict[str, str]]:
    engine = create_engine(options.database_url, application_name="gridtwin-simulate", pool_size=1)
    try:
        with engine.begin() as connection:
            fleet = read_fleet(connection, catalog, parameters.traffic, options.seed)
            ways = _read_ways(connection, fleet.center)
            names = [gateway_name(n) for n in range(fleet.gateways)]
            secrets = ensure_secrets(connection, options.accounts_file, names, direct_uids(fleet))
            return fleet, ways, secrets
    finally:
        engine.dispose()


def _read_ways(connection: Connection, center: tuple[float, float]) -> _Ways:
    forward = to_local_metres(*center)[0]

    def metres(shape: Any) -> Any:
        return shapely.transform(shape, lambda xy: np.column_stack(forward(xy[:, 0], xy[:, 1])))

    rows = connection.execute(_ROADS).all()
    lines = metres(shapely.from_wkb([bytes(r.geom) for r in rows]))
    on_foot = [n for n, r in enumerate(rows) if r.foot]
    by_car = [n for n, r in enumerate(rows) if r.car_forward or r.car_backward]
    return _Ways(
        build_paths([lines[n] for n in on_foot], [rows[n].tunnel for n in on_foot]),
        build_paths(
            [lines[n] for n in by_car],
            [rows[n].tunnel for n in by_car],
            [rows[n].car_forward for n in by_car],
            [rows[n].car_backward for n in by_car],
        ),
        [metres(zone) for zone in read_zones(connection)],
    )


class _Session:
    def __init__(
        self,
        options: SimulateOptions,
        fleet: Fleet,
        catalog: Catalog,
        parameters: Parameters,
        simulation: Simulation,
        secrets: Mapping[str, str],
    ) -> None:
        self._options = options
        self._simulation = simulation
        self._devices = len(fleet)
        self._tick_s = parameters.traffic.tick_s
        self._mailroom = Mailroom(fleet, catalog, flush_s=parameters.traffic.flush_s)
        window, outbox = parameters.traffic.window, parameters.traffic.outbox
        self._gateways = [
            Link(
                replace(options.broker, username=gateway_name(n), password=secrets[gateway_name(n)]),
                gateway_name(n),
                will=heartbeat(online=False) if n == 0 else None,
                farewell=heartbeat(online=False) if n == 0 else None,
                window=window,
                outbox=outbox,
            )
            for n in range(fleet.gateways)
        ]
        self._singles = {
            uid: Link(
                replace(options.broker, username=uid, password=secrets[uid]),
                uid,
                will=status_message(uid, online=False),
                greeting=status_message(uid, online=True),
                farewell=status_message(uid, online=False),
                window=window,
                outbox=outbox,
            )
            for uid in direct_uids(fleet)
        }
        self._links = [*self._gateways, *self._singles.values()]

    async def run(self, stop: asyncio.Event) -> None:
        keepers = [asyncio.create_task(link.run()) for link in self._links]
        publisher = asyncio.create_task(self._publish())
        stopped = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait(
                [publisher, stopped, *keepers],
                timeout=self._options.duration_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in done - {stopped}:
                task.result()
        finally:
            publisher.cancel()
            stopped.cancel()
            for gateway, message in self._mailroom.flush(time.time(), everything=True):
                self._gateways[gateway].send(message)
            await asyncio.gather(*(link.close() for link in self._links), return_exceptions=True)
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(publisher, stopped, *keepers, return_exceptions=True)
            self._report()

    async def _publish(self) -> None:
        loop = asyncio.get_running_loop()
        next_tick, next_report, next_beat = loop.time(), loop.time() + _REPORT_S, loop.time()
        while True:
            now = time.time()
            for uid, message in self._mailroom.take(self._simulation.step(now)):
                self._singles[uid].send(message)
            for gateway, message in self._mailroom.flush(now):
                self._gateways[gateway].send(message)
            if self._simulation.started is not None:
                incident, self._simulation.started = self._simulation.started, None
                _LOG.info("incident %s: %d devices", incident.name, len(incident.rows))
            if loop.time() >= next_beat:
                next_beat = loop.time() + _HEARTBEAT_S
                self._beat()
            if loop.time() >= next_report:
                next_report = loop.time() + _REPORT_S
                self._report()
            # A tick that was missed is not made up for: devices do not report twice because we were slow.
            next_tick = max(next_tick + self._tick_s, loop.time())
            await asyncio.sleep(next_tick - loop.time())

    def _beat(self) -> None:
        """Say that the simulator runs; not into a queue, where it would be old news and in the way."""
        link = self._links[0]
        if link.connected and not link.congested:
            link.send(heartbeat(online=True))

    def _report(self) -> None:
        if self._options.on_report is None:
            return
        total = LinkCounts()
        for link in self._links:
            for name in LinkCounts.__slots__:
                setattr(total, name, getattr(total, name) + getattr(link.counts, name))
        silent, abnormal = self._simulation.faults.counts()
        self._options.on_report(
            SimulateReport(
                devices=self._devices,
                connections=len(self._links),
                connected=sum(link.connected for link in self._links),
                counts=total,
                backlog=sum(link.backlog for link in self._links),
                silent=silent,
                abnormal=abnormal,
                incidents=tuple(
                    i.name for i in (*self._simulation.incidents.active, *self._simulation.gatherings.active)
                ),
            )
        )


@contextlib.contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    """Let SIGINT and SIGTERM ask for a clean end, where the loop can take signals (main thread, Unix)."""
    loop = asyncio.get_running_loop()
    taken = []
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, stop.set)
            taken.append(number)
    try:
        yield
    finally:
        for number in taken:
            loop.remove_signal_handler(number)
