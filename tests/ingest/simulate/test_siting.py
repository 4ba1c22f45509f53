from __future__ import annotations

import dataclasses
import itertools
import re

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from ingest.simulate.city import City
from ingest.simulate.departments import site_departments
from ingest.simulate.parameters import Parameters
from ingest.simulate.sites import Site
from ingest.simulate.siting import default_total, device_uid, plan_devices, share_out, site_devices
from twin.access.sealing import Sealer
from twin.cases.categories import load_categories
from twin.catalog import Catalog
from twin.errors import InvalidError, NotFoundError
from twin.store.engine import create_engine

Plan = dict[str, list[Site]]
SEALER = Sealer(b"k" * 32)


@pytest.fixture(scope="module")
def plan(city: City, parameters: Parameters, catalog: Catalog) -> Plan:
    return plan_devices(city, parameters, catalog, 1500, 7)


def test_the_plan_has_as_many_devices_as_asked_for(plan: Plan) -> None:
    assert sum(len(s) for s in plan.values()) == 1500


def test_the_same_seed_gives_the_same_plan_and_another_seed_another(
    city: City, parameters: Parameters, catalog: Catalog, plan: Plan
) -> None:
    assert plan_devices(city, parameters, catalog, 1500, 7) == plan
    assert plan_devices(city, parameters, catalog, 1500, 8) != plan


def test_no_two_devices_share_a_name_or_a_uid(plan: Plan) -> None:
    refs = [s.ref for sites in plan.values() for s in sites]
    assert len(set(refs)) == len(refs)
    assert len({device_uid("k", r) for r in refs}) == len(refs)


def test_a_larger_wish_keeps_the_order_of_places(
    city: City, parameters: Parameters, catalog: Catalog
) -> None:
    small = plan_devices(city, parameters, catalog, 400, 7)
    large = plan_devices(city, parameters, catalog, 1500, 7)
    for kind, sites in small.items():
        assert [s.ref for s in large[kind]][: len(sites)] == [s.ref for s in sites]


def test_every_device_is_in_the_city(city: City, plan: Plan) -> None:
    for sites in plan.values():
        points = [shapely.Point(s.x_m, s.y_m) for s in sites]
        assert shapely.distance(city.extent, points).max(initial=0.0) < 0.01, sites[0].ref


def test_lamps_stand_beside_the_kerb_off_buildings_and_apart(
    city: City, parameters: Parameters, plan: Plan
) -> None:
    rule = parameters.siting.kinds["lamp"]
    points = shapely.points([(s.x_m, s.y_m) for s in plan["lamp"]])
    roads = {r.ref: r for r in city.roads}
    for site, point in zip(plan["lamp"], points, strict=True):
        road = roads["/".join(site.ref.split("/")[1:3])]
        assert road.line.distance(point) == pytest.approx(road.width_m / 2 + rule.offset_m, abs=0.05)
    assert len(city.building_tree.query(points, predicate="intersects")[0]) == 0
    kerbs = shapely.union_all([r.line.buffer(r.width_m / 2) for r in city.surface_roads if r.car])
    assert shapely.distance(kerbs, points).min() > 0.0
    apart = shapely.STRtree(points).query_nearest(points, exclusive=True, return_distance=True)[1]
    assert apart.min() >= rule.spacing_m * 0.6 - 0.01


def test_a_street_cut_into_short_ways_still_gets_what_stands_far_apart(
    city: City, parameters: Parameters, catalog: Catalog
) -> None:
    pieces = []
    for road in city.roads:
        xy = list(road.line.segmentize(40.0).coords)
        pieces += [
            dataclasses.replace(road, ref=f"{road.ref}-{n}", line=shapely.LineString(pair))
            for n, pair in enumerate(itertools.pairwise(xy))
        ]
    cut = dataclasses.replace(city, roads=tuple(pieces))
    plan = plan_devices(cut, parameters, catalog, 3000, 7)
    for kind in ("air_quality", "noise", "traffic", "hydrant"):
        assert plan[kind], kind
        points = shapely.points([(s.x_m, s.y_m) for s in plan[kind]])
        if len(points) > 1:
            near = shapely.STRtree(points).query_nearest(points, exclusive=True, return_distance=True)[1]
            assert near.min() >= parameters.siting.kinds[kind].spacing_m * 0.6 - 0.01


def test_doors_are_on_outlines_at_the_mapped_entrance_or_towards_a_street(city: City, plan: Plan) -> None:
    shapes = {b.id: b.shape for b in city.buildings}
    streets = shapely.union_all([r.line for r in city.roads if not r.tunnel])
    mapped = 0
    for site in plan["door"]:
        assert site.building_id is not None
        point = shapely.Point(site.x_m, site.y_m)
        outline = shapes[site.building_id].boundary
        assert outline.distance(point) < 0.01
        if "node/1" in site.ref:
            assert point.distance(city.entrances[0].point) < 0.01
            mapped += 1
        else:
            assert point.distance(streets) == pytest.approx(outline.distance(streets), abs=0.01)
    assert mapped >= 1


def test_detectors_hang_inside_their_building_at_the_height_of_their_floor(city: City, plan: Plan) -> None:
    facts = {b.id: b for b in city.buildings}
    for kind in ("smoke", "electrical", "lift", "water_meter"):
        for site in plan[kind]:
            assert site.building_id is not None
            assert site.floor is not None
            fact = facts[site.building_id]
            assert fact.shape.contains(shapely.Point(site.x_m, site.y_m))
            assert 1 <= site.floor <= fact.levels
            assert (site.floor - 1) * 3.0 < site.height_m < site.floor * 3.0
    assert all(facts[s.building_id or 0].levels >= 7 for s in plan["lift"])
    halls = {s.building_id for s in plan["smoke"] if s.floor == 1}
    assert halls == set(facts), "each building has one at its entrance before any has a second floor's"


def test_the_underpass_is_watched_first(city: City, parameters: Parameters, plan: Plan) -> None:
    first = plan["flood"][0]
    tunnel = next(r for r in city.roads if r.tunnel)
    assert tunnel.line.distance(shapely.Point(first.x_m, first.y_m)) < 0.01


def test_simulated_cameras_look_along_a_street_from_a_corner(city: City, plan: Plan) -> None:
    assert plan["camera"]
    streets = shapely.union_all([r.line for r in city.roads])
    for site in plan["camera"]:
        assert site.bearing_deg is not None
        assert 0.0 <= site.bearing_deg < 360.0
        angle = np.radians(site.bearing_deg)
        ahead = shapely.LineString(
            [(site.x_m + d * np.sin(angle), site.y_m + d * np.cos(angle)) for d in (5.0, 40.0)]
        )
        assert max(streets.distance(shapely.Point(p)) for p in ahead.coords) < 12.0


def test_a_city_with_real_cameras_gets_no_others(
    city: City, parameters: Parameters, catalog: Catalog
) -> None:
    real = dataclasses.replace(city, cameras=5)
    assert plan_devices(real, parameters, catalog, 800, 7)["camera"] == []


def test_fifty_thousand_find_room_even_in_a_town(
    city: City, parameters: Parameters, catalog: Catalog
) -> None:
    plan = plan_devices(city, parameters, catalog, 50_000, 7)
    refs = [s.ref for sites in plan.values() for s in sites]
    assert len(refs) == len(set(refs)) == 50_000
    for kind, rule in parameters.siting.kinds.items():
        assert rule.cap is None or len(plan[kind]) <= rule.cap


def test_the_default_follows_the_size_of_the_city(city: City, parameters: Parameters) -> None:
    road_km = sum(r.line.length for r in city.roads) / 1000
    assert default_total(city, parameters) == round(4 * len(city.buildings) + 20 * road_km)


@given(
    st.integers(0, 5000),
    st.dictionaries(
        st.sampled_from("abcdef"), st.tuples(st.floats(0.01, 5), st.integers(0, 2000)), min_size=1
    ),
    st.booleans(),
)
def test_sharing_out_adds_up_and_respects_room(
    total: int, kinds: dict[str, tuple[float, int]], bounded: bool
) -> None:
    shares = {k: share for k, (share, _) in kinds.items()}
    room = {k: r for k, (_, r) in list(kinds.items())[0 if bounded else 1 :]}
    counts = share_out(total, shares, room)
    assert all(0 <= counts[k] <= room.get(k, total) for k in shares)
    assert sum(counts.values()) == (min(total, sum(room.values())) if bounded else total)


@pytest.mark.postgis
def test_siting_twice_changes_nothing_and_links_everything(town: Engine, parameters: Parameters) -> None:
    with town.begin() as connection:
        first = site_devices(connection, SEALER, total=600, seed=7)
    assert first.sited == 600
    assert first.inserted == first.sited + first.workers + first.vehicles
    assert first.workers == 8
    rule = parameters.siting.cases
    near = [rule.templates[n % len(rule.templates)].near for n in range(rule.count)]
    assert first.cases == sum(first.by_kind[kind] > 0 for kind in near) >= 7
    assert first.outside_every_grid == 0
    with town.begin() as connection:
        before = connection.execute(text("SELECT max(id), count(*) FROM feature_history")).one()
        second = site_devices(connection, SEALER, total=600, seed=7)
        after = connection.execute(text("SELECT max(id), count(*) FROM feature_history")).one()
    assert not second.changed
    assert second.unchanged == 614
    assert before == after, "nothing was rewritten"
    with town.begin() as connection:
        rows = connection.execute(
            text(
                "SELECT count(*) FILTER (WHERE NOT d.simulated OR NOT s.simulated"
                " OR s.name <> 'simulation') AS real,"
                " count(*) FILTER (WHERE d.name NOT LIKE '%（模拟）'"
                " OR d.name_en NOT LIKE '%(simulated)') AS unmarked,"
                " count(*) FILTER (WHERE d.uid NOT LIKE 'sim-%') AS unnamed,"
                " count(*) FILTER (WHERE NOT ST_Covers(a.geom, d.geom)"
                " OR a.level <> 'responsibility_grid') AS astray,"
                " count(*) FILTER (WHERE u.level <> 'unit_grid') AS wrong_unit, count(*) AS n"
                " FROM device d JOIN dataset s ON s.id = d.dataset_id"
                " JOIN area a ON a.id = d.responsibility_grid_id JOIN area u ON u.id = d.unit_grid_id"
            )
        ).one()
        assert tuple(rows) == (0, 0, 0, 0, 0, 614)
        workers = connection.execute(
            text(
                "SELECT w.name, w.simulated, d.kind, w.responsibility_grid_id, o.simulated AS office"
                " FROM worker w JOIN device d ON d.id = w.device_id"
                " JOIN organisation o ON o.id = w.organisation_id"
                " WHERE w.on_duty"
            )
        ).all()
        assert len({w.name for w in workers}) == len(workers) == 8
        assert all(
            w.simulated and w.office and w.kind == "worker" and w.name.endswith("（模拟）") for w in workers
        )
        assert len({w.responsibility_grid_id for w in workers}) == 4, "every grid has someone"
        rules = connection.execute(
            text(
                "SELECT r.about, o.simulated, o.name FROM responsibility r JOIN organisation o"
                " ON o.id = r.organisation_id WHERE r.valid_to IS NULL"
            )
        ).all()
        assert sorted(row.about for row in rules) == sorted(load_categories().responsible)
        assert all(row.simulated and row.name.endswith("（模拟）") for row in rules)
        cases = connection.execute(
            text(
                "SELECT simulated, title, coalesce(due_at, stage_due_at) > opened_at AS ok, version,"
                " category_code, stage FROM case_file"
            )
        ).all()
        assert len(cases) == first.cases
        assert all(c.simulated and c.ok and c.title.endswith("（模拟）") for c in cases)
        assert {c.stage for c in cases} >= {"collected", "filed", "dispatched", "handling", "feedback"}
        given = connection.execute(
            text(
                "SELECT c.stage FROM case_file AS c JOIN organisation AS o ON o.id = c.organisation_id"
                " WHERE o.code = 'SIM-D-city_management' AND c.worker_id IS NULL"
            )
        ).scalars()
        assert set(given) >= {"dispatched", "handling"}, "what the department of the demonstration has"
        told = connection.execute(text("SELECT count(*) FROM journal WHERE data ? 'version'")).scalar()
        assert told == sum(c.version for c in cases)
        # The second siting sealed them anew, in the same rows.
        persons = connection.execute(
            text(
                "SELECT p.*, c.source, w.code FROM person p LEFT JOIN case_file c ON c.reporter_id = p.id"
                " LEFT JOIN worker w ON w.person_id = p.id"
            )
        ).all()
        reported = [p for p in persons if p.source]
        assert {p.source for p in reported} == {"resident", "hotline"}
        assert all(p.name_sealed and p.phone_sealed and p.address_sealed for p in reported)
        assert any(p.identity_number_sealed for p in reported)
        assert len(persons) == len(reported) + 8
        assert all(p.simulated and p.phone_masked.startswith("154****") for p in persons)
        assert len({p.phone_index for p in persons}) == len(persons)
        open_phones = [SEALER.open(p.phone_sealed, f"person.phone/{p.id}") for p in persons]
        assert all(re.fullmatch("1540000[0-9]{4}", phone) for phone in open_phones)


@pytest.mark.postgis
def test_fewer_devices_close_the_others_and_more_open_them_again(town: Engine) -> None:
    count = text("SELECT count(*) FROM device WHERE valid_to IS NULL AND kind NOT IN ('worker', 'vehicle')")
    with town.begin() as connection:
        site_devices(connection, SEALER, total=400, seed=7)
        uids = set(connection.execute(text("SELECT uid FROM device")).scalars())
    with town.begin() as connection:
        less = site_devices(connection, SEALER, total=150, seed=7)
        assert less.closed == 400 - 150
        assert connection.execute(count).scalar_one() == 150
    with town.begin() as connection:
        site_devices(connection, SEALER, total=400, seed=7)
        assert connection.execute(count).scalar_one() == 400
        assert set(connection.execute(text("SELECT uid FROM device")).scalars()) == uids, (
            "none was made twice"
        )


@pytest.mark.postgis
def test_an_empty_database_is_told_to_import_first(database: object) -> None:
    engine = create_engine(database.fresh().url)  # type: ignore[attr-defined]
    with engine.begin() as connection, pytest.raises(NotFoundError, match="no city"):
        site_devices(connection, SEALER)
    engine.dispose()


@pytest.mark.postgis
@pytest.mark.parametrize("total", [-1, 10_000_000])
def test_a_silly_number_is_refused_and_nothing_is_written(town: Engine, total: int) -> None:
    with town.begin() as connection:
        with pytest.raises(InvalidError):
            site_devices(connection, SEALER, total=total)
        assert connection.execute(text("SELECT count(*) FROM device")).scalar_one() == 0


def test_things_of_two_datasets_may_have_the_same_number(town: Engine) -> None:
    with town.begin() as connection:
        before = site_devices(connection, SEALER, total=300).sited
        other = connection.execute(
            text(
                "INSERT INTO dataset (name, kind, declared_crs) "
                "VALUES ('other', 'vector', 'EPSG:4326') RETURNING id"
            )
        ).scalar_one()
        for table in ("building", "road"):
            columns = connection.execute(
                text(
                    "SELECT string_agg(quote_ident(column_name), ', ') FROM information_schema.columns "
                    "WHERE table_name = :table AND is_generated = 'NEVER' AND is_identity = 'NO' "
                    "AND column_name NOT IN ('id', 'dataset_id') AND column_default IS NULL"
                ),
                {"table": table},
            ).scalar_one()
            connection.execute(
                text(f"INSERT INTO {table} (dataset_id, {columns}) SELECT {other}, {columns} FROM {table}")
            )
        again = site_devices(connection, SEALER, total=300)
        assert again.sited == before
        assert not site_devices(connection, SEALER, total=300).changed


def test_nobody_invented_answers_for_cases_where_nothing_is_simulated(town: Engine) -> None:
    with town.begin() as connection:
        assert site_departments(connection, wanted=True) == len(load_categories().responsible)
        assert site_departments(connection, wanted=False) == 0
        rows = connection.execute(text("SELECT valid_to, withdrawn_by FROM responsibility")).all()
    assert rows
    assert all(row.valid_to and row.withdrawn_by for row in rows)
