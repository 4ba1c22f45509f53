"""The rules on a real city, imported as anyone would import it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from ingest.simulate.fleet import read_fleet
from ingest.simulate.parameters import Parameters
from ingest.simulate.siting import SitingSummary, site_devices
from ingest.vector.osm import import_osm
from twin.access.sealing import Sealer
from twin.catalog import Catalog
from twin.store.engine import create_engine

FILE = Path(__file__).parents[4] / "shared/data/chengdu_tianfu/chengdu_tianfu_nometa.osm.pbf"

SEALER = Sealer(b"k" * 32)

pytestmark = [
    pytest.mark.postgis,
    pytest.mark.skipif(not FILE.exists(), reason="shared/data/chengdu_tianfu is not on this machine"),
]


@pytest.fixture(scope="module")
def chengdu(database: object) -> Iterator[tuple[Engine, SitingSummary]]:
    engine = create_engine(database.fresh().url)  # type: ignore[attr-defined]
    import_osm(engine, FILE)
    with engine.begin() as connection:
        summary = site_devices(connection, SEALER)
    yield engine, summary
    engine.dispose()


def test_a_district_gets_three_thousand_devices_of_every_kind(chengdu: tuple[Engine, SitingSummary]) -> None:
    summary = chengdu[1]
    assert summary.asked == summary.sited == 3000
    assert all(summary.by_kind.values()), summary.by_kind
    assert summary.real_cameras == 0
    assert summary.by_kind["camera"] > 50
    assert summary.outside_every_grid == 0
    assert summary.cases == 9


def test_the_second_siting_writes_nothing(chengdu: tuple[Engine, SitingSummary]) -> None:
    engine, first = chengdu
    stamp = text("SELECT md5(string_agg(d::text, '|' ORDER BY id)) FROM device d")
    with engine.begin() as connection:
        before = connection.execute(stamp).scalar_one()
        again = site_devices(connection, SEALER)
        assert not again.changed
        assert again.unchanged == first.sited + first.workers + first.vehicles
        assert connection.execute(stamp).scalar_one() == before
        assert (
            connection.execute(
                text("SELECT count(*) FROM feature_history WHERE table_name = 'device'")
            ).scalar_one()
            == 0
        )


@pytest.mark.parametrize(
    ("rule", "query"),
    [
        (
            "lamps stand within twelve metres of a road's axis",
            "kind = 'lamp' AND NOT EXISTS (SELECT FROM road r"
            " WHERE ST_DWithin(r.geom::geography, d.geom::geography, 12))",
        ),
        (
            "lamps and bins do not stand in buildings",
            "kind IN ('lamp', 'bin', 'hydrant')"
            " AND EXISTS (SELECT FROM building b WHERE ST_Contains(b.geom, d.geom))",
        ),
        (
            "doors are on the outline of their building",
            "kind = 'door' AND NOT EXISTS (SELECT FROM building b WHERE b.id = d.building_id"
            " AND ST_DWithin(ST_Boundary(b.geom)::geography, d.geom::geography, 0.05))",
        ),
        (
            "detectors hang in their building, not above its roof",
            "kind IN ('smoke', 'electrical', 'lift') AND NOT EXISTS (SELECT FROM building b"
            " WHERE b.id = d.building_id AND ST_Contains(b.geom, d.geom)"
            " AND d.floor <= greatest(b.levels, 1) + 0.5)",
        ),
        (
            "every camera looks somewhere, by estimate, and sees some ground",
            "kind = 'camera' AND (bearing_deg IS NULL OR bearing_source <> 'estimated' OR sight IS NULL)",
        ),
        (
            "everything says that it is simulated",
            "NOT simulated OR name NOT LIKE '%（模拟）' OR uid NOT LIKE 'sim-%'",
        ),
        ("everything is in a grid of each kind", "unit_grid_id IS NULL OR responsibility_grid_id IS NULL"),
    ],
)
def test_no_device_breaks_a_rule(chengdu: tuple[Engine, SitingSummary], rule: str, query: str) -> None:
    with chengdu[0].connect() as connection:
        broken = connection.execute(
            text(f"SELECT uid, name FROM device d WHERE valid_to IS NULL AND ({query})")
        ).all()
    assert broken == [], rule


def test_what_we_name_ourselves_has_an_english_name(chengdu: tuple[Engine, SitingSummary]) -> None:
    ours = "旁楼栋|旁内部道路|路口|河岸|下穿(?!隧道)|小区$|院落|屋顶|餐饮店|本辖区|层|模拟"
    with chengdu[0].connect() as connection:
        for table, column, where in (
            ("device", "name_en", "simulated"),
            ("device", "address_en", "simulated AND kind NOT IN ('worker', 'vehicle')"),
            ("worker", "name_en", "simulated"),
            ("organisation", "name_en", "simulated"),
            ("case_file", "title_en", "simulated"),
            ("area", "name_en", "made_by IN ('polygonised', 'merged') AND valid_to IS NULL"),
        ):
            names = connection.execute(text(f"SELECT {column} FROM {table} WHERE {where}")).scalars().all()
            bad = [name for name in names if name is None or re.search(ours, name)]
            assert names
            assert bad == [], (table, column)


def test_the_simulator_speaks_for_real_cameras_only_where_that_is_marked(
    chengdu: tuple[Engine, SitingSummary], parameters: Parameters, catalog: Catalog
) -> None:
    with chengdu[0].connect() as connection:
        connection.execute(
            text(
                "INSERT INTO device (uid, kind, geom, simulated, dataset_id, source_ref, content_hash)"
                " SELECT 'osm-node-1', 'camera', geom, false, (SELECT id FROM dataset WHERE kind = 'osm'),"
                " 'node/1', '' FROM device LIMIT 1"
            )
        )

        def spoken_for() -> bool:
            return "osm-node-1" in read_fleet(connection, catalog, parameters.traffic, 7).uids

        marked = text("SELECT readings_simulated FROM device WHERE uid = 'osm-node-1'")
        assert not spoken_for()
        site_devices(connection, SEALER, total=50)
        assert connection.execute(marked).scalar_one()
        assert spoken_for()
        site_devices(connection, SEALER, total=0)
        assert not connection.execute(marked).scalar_one()
        assert not spoken_for()
        connection.rollback()
