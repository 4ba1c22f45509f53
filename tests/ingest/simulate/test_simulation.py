from __future__ import annotations

import numpy as np
import pytest

from ingest.decoders.observations import MAX_BYTES, decode_device, decode_gateway
from ingest.decoders.status import decode_status
from ingest.simulate.city import City
from ingest.simulate.fleet import DIRECT, Fleet, _gateways
from ingest.simulate.messages import Mailroom, gateway_name, status_message
from ingest.simulate.parameters import Parameters
from ingest.simulate.paths import build_paths
from ingest.simulate.simulation import Report, Simulation
from twin.catalog import Catalog

START_S = 1_795_000_000.0
WORKERS = 6


def make_fleet(parameters: Parameters, catalog: Catalog, each: int = 60) -> Fleet:
    names = [k for k in catalog.by_name if k != "worker" for _ in range(each)] + ["worker"] * WORKERS
    kinds = [catalog.by_name[k] for k in names]
    random = np.random.default_rng(1)
    x, y = random.uniform(-250, 250, (2, len(names)))
    bounds = np.full((3, len(names), 4), np.nan)
    for row, kind in enumerate(kinds):
        for p in kind.properties:
            bounds[:, row, p.slot] = p.minimum, p.maximum, p.decimals
    uids = [f"sim-{k}-{n:05d}" for n, k in enumerate(names)]
    is_worker = np.array([k == "worker" for k in names])
    ways = list(parameters.drive)
    drives = [ways[n % len(ways)] if k == "vehicle" else "" for n, k in enumerate(names)]
    return Fleet(
        uids,
        names,
        np.array([k.expected_interval_s for k in kinds]),
        x,
        y,
        np.zeros(len(names), np.int64),
        _gateways(uids, x, y, is_worker, np.array([bool(d) for d in drives]), parameters.traffic, 1),
        is_worker,
        bounds[0],
        bounds[1],
        bounds[2],
        (104.0632, 30.6618),
        drives,
    )


@pytest.fixture(scope="module")
def fleet(parameters: Parameters, catalog: Catalog) -> Fleet:
    return make_fleet(parameters, catalog)


def simulate(
    fleet: Fleet,
    parameters: Parameters,
    catalog: Catalog,
    city: City,
    *,
    seed: int = 1,
    rate: float | None = None,
) -> Simulation:
    walkable = [r for r in city.roads if r.foot]
    paths = build_paths([r.line for r in walkable], [r.tunnel for r in walkable])
    cars = [r for r in city.roads if r.car]
    streets = build_paths([r.line for r in cars], [r.tunnel for r in cars])
    return Simulation(fleet, catalog, parameters, paths, streets, seed=seed, start_s=START_S, rate=rate)


def play(simulation: Simulation, seconds: float, tick_s: float = 0.25) -> list[Report]:
    return [simulation.step(START_S + i * tick_s) for i in range(int(seconds / tick_s) + 1)]


def test_every_device_speaks_soon_and_then_at_its_interval(
    fleet: Fleet, parameters: Parameters, catalog: Catalog, city: City
) -> None:
    simulation = simulate(fleet, parameters, catalog, city)
    reports = play(simulation, 900.0, 0.5)
    count = np.zeros(len(fleet))
    for report in reports:
        assert len(np.unique(report.rows)) == len(report.rows)
        count[report.rows] += 1
    early = np.zeros(len(fleet), bool)
    for report in reports[: int(parameters.traffic.first_report_s / 0.5) + 2]:
        early[report.rows] = True
    assert early[~fleet.is_worker].all()
    for kind in ("camera", "gas", "smoke"):
        mine = (np.array(fleet.kinds) == kind) & (simulation.faults.slot != 4)
        expected = 900.0 / catalog.by_name[kind].expected_interval_s
        assert np.median(count[mine]) == pytest.approx(expected, rel=0.15, abs=1.1)
    walking = count[fleet.is_worker]
    assert walking.min() >= 900.0 / parameters.walk.report_interval_s * 0.85


def test_the_load_is_even_after_the_start(
    fleet: Fleet, parameters: Parameters, catalog: Catalog, city: City
) -> None:
    simulation = simulate(fleet, parameters, catalog, city, rate=600.0)
    sizes = np.array([np.isfinite(r.values).sum() for r in play(simulation, 90.0)][80:])
    seconds = sizes[: len(sizes) // 4 * 4].reshape(-1, 4).sum(axis=1)
    assert seconds.mean() == pytest.approx(600.0, rel=0.1)
    assert seconds.max() < 1.5 * seconds.mean()


def test_the_wall_is_calm(fleet: Fleet, parameters: Parameters, catalog: Catalog, city: City) -> None:
    """The latest values, minute by minute over three hours: about one in a hundred is beyond a limit."""
    simulation = simulate(fleet, parameters, catalog, city)
    latest = np.full((len(fleet), 4), np.nan)
    shares = []
    for i in range(3 * 60 * 6):
        report = simulation.step(START_S + i * 10.0)
        fresh = np.isfinite(report.values)
        latest[report.rows] = np.where(fresh, report.values, latest[report.rows])
        if i and i % 60 == 0:
            shares.append(_abnormal(fleet, catalog, latest).mean())
    # An open door is beyond its limit only when it stays so; here it counts at once.
    assert 0.001 < np.mean(shares) < 0.02


def _abnormal(fleet: Fleet, catalog: Catalog, values: np.ndarray) -> np.ndarray:
    out = np.zeros(len(fleet), bool)
    for row, kind in enumerate(fleet.kinds):
        for p in catalog.by_name[kind].properties:
            v = values[row, p.slot]
            out[row] |= any(
                (r.above is not None and v >= r.above) or (r.below is not None and v <= r.below)
                for r in p.limits
            )
    return out


def test_values_keep_to_range_and_decimals_and_only_workers_and_vehicles_move(
    fleet: Fleet, parameters: Parameters, catalog: Catalog, city: City
) -> None:
    for report in play(simulate(fleet, parameters, catalog, city), 40.0):
        given = np.isfinite(report.values)
        scaled = report.values * 10.0 ** fleet.decimals[report.rows]
        assert np.allclose(scaled[given], np.round(scaled[given]), atol=1e-6)
        assert (report.values[given] >= fleet.lower[report.rows][given]).all()
        assert (report.values[given] <= fleet.upper[report.rows][given]).all()
        moving = np.isfinite(report.lon)
        assert (moving == np.isfinite(report.lat)).all()
        assert not (moving & ~(fleet.is_worker | fleet.is_vehicle)[report.rows]).any()
        assert (given[fleet.is_worker[report.rows]].any(axis=1) == moving[fleet.is_worker[report.rows]]).all()


def test_the_same_seed_and_clock_give_the_same_reports(
    fleet: Fleet, parameters: Parameters, catalog: Catalog, city: City
) -> None:
    def said(seed: int) -> list[tuple[list[int], bytes]]:
        simulation = simulate(fleet, parameters, catalog, city, seed=seed)
        return [(r.rows.tolist(), r.values.tobytes() + r.lon.tobytes()) for r in play(simulation, 30.0)]

    assert said(1) == said(1)
    assert said(1) != said(2)


def test_a_sleeping_machine_does_not_make_devices_catch_up(
    fleet: Fleet, parameters: Parameters, catalog: Catalog, city: City
) -> None:
    simulation = simulate(fleet, parameters, catalog, city, rate=2000.0)
    play(simulation, 20.0)
    asleep_s = 3600.0
    after = [simulation.step(START_S + 20.0 + asleep_s + i * 0.25) for i in range(4)]
    sent = np.concatenate([r.rows for r in after])
    assert np.bincount(sent).max() <= 3


def test_gateways_are_small_and_close_together(fleet: Fleet, parameters: Parameters) -> None:
    carried = fleet.gateway[fleet.gateway != DIRECT]
    assert np.bincount(carried).max() <= parameters.traffic.devices_per_gateway
    assert (fleet.gateway[fleet.is_worker] == DIRECT).all()
    fixed = (~fleet.is_worker).sum()
    single = (fleet.gateway[~fleet.is_worker] == DIRECT).sum()
    assert single == min(round(parameters.traffic.single_share * fixed), parameters.traffic.single_most)


def test_messages_say_exactly_what_was_reported(
    fleet: Fleet, parameters: Parameters, catalog: Catalog, city: City
) -> None:
    mailroom = Mailroom(fleet, catalog, flush_s=1.0)
    expected: dict[tuple[str, int, str], float] = {}
    found: dict[tuple[str, int, str], float] = {}
    batches = 0
    for i, report in enumerate(play(simulate(fleet, parameters, catalog, city), 20.0)):
        for n, row in enumerate(report.rows.tolist()):
            for p in catalog.by_name[fleet.kinds[row]].properties:
                if np.isfinite(report.values[n, p.slot]):
                    expected[fleet.uids[row], report.unix_ms, p.name] = report.values[n, p.slot]
        messages = [("single", m) for _, m in mailroom.take(report)]
        now = START_S + i * 0.25
        messages += [(gateway_name(g), m) for g, m in mailroom.flush(now, everything=i == 80)]
        for sender, message in messages:
            assert len(message.payload) <= MAX_BYTES
            parts = message.topic.split("/")
            assert sender in ("single", parts[3])
            single = parts[2] == "devices"
            read = decode_device(parts[3], message.payload) if single else decode_gateway(message.payload)
            assert not read.refused
            assert message.readings == len(read)
            batches += not single
            for uid, t, name, value in zip(read.uid, read.time_us, read.name, read.value, strict=True):
                assert (uid, t // 1000, name) not in found, "nothing is said twice"
                found[uid, t // 1000, name] = value
    assert found == expected
    assert batches <= fleet.gateways * 22, "gateways collect for a second"


def test_status_messages_are_those_of_the_schema() -> None:
    on, off = status_message("sim-door-1", online=True), status_message("sim-door-1", online=False)
    assert (decode_status(on.payload), decode_status(off.payload)) == (True, False)
    assert on.retain
    assert off.retain
    assert on.topic == "gt/v1/devices/sim-door-1/status"
