from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import shapely
from sqlalchemy import Engine, text

from ingest.decoders.observations import decode_gateway
from ingest.simulate.city import City
from ingest.simulate.messages import Mailroom
from ingest.simulate.parameters import Parameters
from ingest.simulate.paths import build_paths
from ingest.simulate.rules import AUTHOR, no_parking, read_zones, site_rules
from ingest.simulate.simulation import Simulation
from ingest.simulate.siting import site_devices
from ingest.simulate.vehicles import Offences, nodes_within, site_vehicles
from tests.ingest.simulate.test_simulation import START_S, make_fleet
from twin.access.sealing import Sealer
from twin.catalog import Catalog
from twin.rules.fences import Fence, FenceTable, FenceWatch, When
from twin.rules.fixes import Fixes

SEALER = Sealer(b"k" * 32)


def metres(city: City, zone: shapely.Geometry) -> shapely.Geometry:
    return shapely.transform(zone, lambda xy: np.column_stack(city.to_metres(xy[:, 0], xy[:, 1])))


def test_vehicles_stand_apart_on_car_roads_and_their_kinds_take_turns(
    city: City, parameters: Parameters
) -> None:
    rows = site_vehicles(city, parameters, 7)
    assert len(rows) == parameters.siting.vehicles.minimum
    assert [r.uid.split("-")[2] for r in rows[:4]] == ["van", "patrol", "sanitation", "van"]
    assert len({(r.lon, r.lat) for r in rows}) == len({r.uid for r in rows}) == len(rows)
    at = shapely.points(np.column_stack(city.to_metres([r.lon for r in rows], [r.lat for r in rows])))
    roads = shapely.union_all([r.line for r in city.roads if r.car])
    assert shapely.distance(roads, at).max() < 0.1
    assert all("模拟" in r.name and "simulated" in r.name_en for r in rows)
    assert site_vehicles(city, parameters, 7) == rows
    none = dataclasses.replace(city, roads=tuple(dataclasses.replace(r, car=False) for r in city.roads))
    assert site_vehicles(none, parameters, 7) == []


def test_the_fence_lies_on_a_named_street_and_holds_a_place_to_stop_at(city: City) -> None:
    zone = no_parking(city)
    assert zone is not None
    street = next(r for r in city.roads if r.name == zone.zh)
    shape = metres(city, zone.polygon)
    assert shape.area == pytest.approx(80.0 * (street.width_m + 2.0), rel=0.02)
    streets = build_paths([r.line for r in city.roads], [False] * len(city.roads))
    assert len(nodes_within(streets, [shape])[0])
    assert no_parking(dataclasses.replace(city, roads=())) is None


def test_one_parks_where_it_must_not_once_an_hour_and_a_fence_sees_it(
    parameters: Parameters, catalog: Catalog, city: City
) -> None:
    """An hour and a half of vehicles through the fence of the demonstration, as the server judges it."""
    fleet = make_fleet(parameters, catalog, each=6)
    cars = [r for r in city.roads if r.car]
    streets = build_paths([r.line for r in cars], [r.tunnel for r in cars])
    zone = no_parking(city)
    assert zone is not None
    shape = metres(city, zone.polygon)
    simulation = Simulation(fleet, catalog, parameters, streets, streets, [shape], seed=1, start_s=START_S)
    rows = np.flatnonzero(fleet.is_vehicle)
    fence = Fence(
        fence=0, polygon=shape, when=When.DWELL, movers=fleet.is_vehicle,
        margin_m=10.0, worst_accuracy_m=50.0, fixes=2, seconds=0.0, dwell_s=180.0, radius_m=30.0, gap_s=900.0,
    )  # fmt: skip
    watch = FenceWatch(FenceTable([fence]))
    begun = []
    for n in range(0, 90 * 60, 5):
        report = simulation.step(START_S + n)
        moving = np.isin(report.rows, rows) & np.isfinite(report.lon)
        if moving.any():
            x, y = city.to_metres(report.lon[moving], report.lat[moving])
            time_us = np.full(int(moving.sum()), report.unix_ms * 1000, np.int64)
            crossings = watch.follow(Fixes(report.rows[moving], time_us, x, y, np.full(len(x), 3.0)))
            begun += [n for firing in crossings.firing.tolist() if firing]
    assert len(begun) == 2, "one at the beginning, one an hour later"
    assert begun[0] < 8 * 60
    assert begun[1] - begun[0] == pytest.approx(3600.0, abs=400.0)


def test_an_offence_without_a_place_or_anybody_to_commit_it_does_not_happen(
    parameters: Parameters, city: City
) -> None:
    streets = build_paths([r.line for r in city.roads], [False] * len(city.roads))
    nobody = Offences([], streets, [np.array([1])], parameters.offences, seed=1, first_s=0.0)
    nowhere = Offences([], streets, [np.empty(0, np.int64)], parameters.offences, seed=1, first_s=0.0)
    assert nobody.update(1.0) is nowhere.update(1.0) is None


def test_a_platform_tells_where_its_vehicles_are_in_the_public_schema(
    parameters: Parameters, catalog: Catalog, city: City
) -> None:
    fleet = make_fleet(parameters, catalog, each=6)
    cars = [r for r in city.roads if r.car]
    streets = build_paths([r.line for r in cars], [r.tunnel for r in cars])
    simulation = Simulation(fleet, catalog, parameters, streets, streets, seed=1, start_s=START_S)
    room = Mailroom(fleet, catalog, flush_s=1.0)
    heard: dict[str, int] = {}
    for n in range(120):
        room.take(simulation.step(START_S + n))
        for gateway, message in room.flush(START_S + n):
            found = decode_gateway(message.payload)
            assert not found.refused
            for uid, lon in zip(found.uid, found.lon, strict=True):
                vehicle = uid.startswith("sim-vehicle")
                assert np.isfinite(lon) == vehicle
                assert vehicle == (gateway == fleet.gateways - 1)
                heard[uid] = heard.get(uid, 0) + 1
    speaks = [count for uid, count in heard.items() if uid.startswith("sim-vehicle")]
    assert len(speaks) == 6
    assert min(speaks) >= 120 / 5 * 2 * 0.8, "speed and accuracy every five seconds"


@pytest.mark.postgis
def test_the_rule_of_the_demonstration_is_made_once_and_whoever_changes_it_has_the_last_word(
    town: Engine, city: City, catalog: Catalog
) -> None:
    def rules() -> list[tuple[int, bool, str]]:
        """Those of fences."""
        with town.begin() as connection:
            found = connection.execute(
                text(
                    "SELECT version, enabled, changed_by FROM alarm_rule "
                    "WHERE valid_to IS NULL AND kinds = '{vehicle}'"
                )
            )
            return [(r.version, r.enabled, r.changed_by) for r in found]

    def site(total: int) -> int:
        with town.begin() as connection:
            return site_devices(connection, SEALER, total=total, seed=7).rules

    assert site(300) == 3
    assert rules() == [(1, True, AUTHOR)]
    with town.begin() as connection:
        zones = read_zones(connection)
        words = connection.execute(text("SELECT zh, en FROM alarm_rule WHERE kinds = '{vehicle}'")).one()
        marked = "SELECT bool_and(enabled AND zh LIKE '%（模拟）' AND en LIKE '%(simulated)') FROM alarm_rule"
        assert connection.execute(text(marked)).scalar_one()
    zone = no_parking(city)
    assert zone is not None
    assert shapely.hausdorff_distance(zones[0], zone.polygon) < 1e-6
    assert zone.zh in words.zh
    assert "模拟" in words.zh
    assert "simulated" in words.en
    assert site(300) == 0
    assert site(0) == 0
    assert rules() == [(2, False, AUTHOR)], "nothing simulated: real vehicles are not judged by it"
    assert site(300) == 0
    assert rules() == [(3, True, AUTHOR)]
    with town.begin() as connection:
        close = text("UPDATE alarm_rule SET valid_to = now() WHERE valid_to IS NULL AND kinds = '{vehicle}'")
        connection.execute(close)
        connection.execute(
            text(
                "INSERT INTO alarm_rule (id, version, zh, en, state, kinds, property, condition, enabled, "
                "changed_by) SELECT id, 4, zh, en, state, kinds, property, condition, false, '张三' "
                "FROM alarm_rule WHERE version = 3 AND kinds = '{vehicle}'"
            )
        )
    assert site(300) == 0
    assert rules() == [(4, False, "张三")], "it does not come back"
    with town.begin() as connection:
        connection.execute(close)
        assert site_rules(connection, city, catalog, wanted=True) == 0
        assert len(read_zones(connection)) == 1, "vehicles go on parking there"
