"""Registers of pipes and cables become networks that hang together, and what is wrong in them is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from ingest.vector.network_file import NetworkOptions, import_network
from ingest.vector.record import Rules
from ingest.vector.vector_file import VectorOptions, import_vector
from twin.errors import FileFormatError, InvalidError

pytestmark = pytest.mark.postgis

LON, LAT, STEP = 104.06, 30.66, 0.001
RULES = Rules(make_grids=False, see=False)
Write = Callable[..., Path]


def at(x: float, y: float = 0.0) -> list[float]:
    return [LON + x * STEP, LAT + y * STEP]


def node(x: float, y: float = 0.0, **fields: Any) -> dict[str, Any]:
    return {"type": "Feature", "properties": fields, "geometry": {"type": "Point", "coordinates": at(x, y)}}


def line(*points: list[float], **fields: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "properties": fields,
        "geometry": {"type": "LineString", "coordinates": [*points]},
    }


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(*features: dict[str, Any], name: str = "net.geojson") -> Path:
        path = tmp_path / name
        path.write_text(
            json.dumps({"type": "FeatureCollection", "features": [*features]}, ensure_ascii=False)
        )
        return path

    return write


def take(engine: Engine, path: Path, utility: str = "water", **more: Any) -> Any:
    return import_network(engine, path, options=NetworkOptions(utility, rules=RULES, **more))


def ask(engine: Engine, sql: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


JOINED = """SELECT l.source_ref, a.source_ref, b.source_ref FROM network_line l
    LEFT JOIN network_node a ON a.id = l.from_node_id LEFT JOIN network_node b ON b.id = l.to_node_id
    WHERE l.valid_to IS NULL ORDER BY 1"""


def test_lines_and_nodes_of_one_file_are_joined(engine: Engine, write: Write) -> None:
    path = write(
        node(0, id="w", 类型="水厂", name="一水厂"),
        node(1, id="v", 类型="阀门", 开闭状态="关", 权属单位="自来水公司", 敷设年代="1998年"),
        line(at(0), at(1), id="a", 管径="DN200", 管材="球墨铸铁", 压力="低压", 敷设年代="19980501"),
        line([at(1)[0] + 4e-6, LAT], at(1, 1), id="b", 管径="100"),
    )
    summary = take(engine, path)
    assert (summary.dataset, summary.targets["network_line"].inserted) == ("water-net", 2)
    assert summary.targets["joint"].inserted == 1
    joint = f"joint/{LON + STEP:.7f},{LAT + STEP:.7f}"
    assert ask(engine, JOINED) == [("a", "w", "v"), ("b", "v", joint)]
    columns = "diameter_mm, material, grade, laid_year, round(length_m)"
    assert ask(engine, f"SELECT {columns} FROM network_line ORDER BY source_ref LIMIT 1") == [
        (200.0, "球墨铸铁", "低压", 1998, 96.0)
    ]
    assert ask(
        engine, "SELECT kind, passes, owner_name, laid_year FROM network_node WHERE source_ref = 'v'"
    ) == [("valve", False, "自来水公司", 1998)]
    again = take(engine, path)
    assert not again.changed
    assert ask(engine, "SELECT count(*) FROM feature_history") == [(0,)]


def test_valves_of_a_second_file_take_over_what_joints_held(engine: Engine, write: Write) -> None:
    lines = write(line(at(0), at(1), id="a"), line(at(1), at(2), id="b"))
    take(engine, lines)
    assert ask(engine, "SELECT count(*) FROM network_node WHERE kind = 'joint'") == [(3,)]
    take(engine, write(node(1, id="v", kind="valve"), name="valves.geojson"), dataset="valves")
    take(engine, lines)
    assert ask(engine, JOINED)[0][2] == "v"
    assert ask(engine, JOINED)[1][1] == "v"
    assert ask(engine, "SELECT count(*) FROM network_node WHERE valid_to IS NULL") == [(3,)]


def test_other_utilities_at_the_same_place_are_not_joined(engine: Engine, write: Write) -> None:
    path = write(line(at(0), at(1), id="a"))
    take(engine, path)
    take(engine, path, "gas")
    assert ask(engine, "SELECT utility, count(*) FROM network_node GROUP BY 1 ORDER BY 1") == [
        ("gas", 2),
        ("water", 2),
    ]
    across = """SELECT count(*) FROM network_line l
        JOIN network_node n ON n.id IN (l.from_node_id, l.to_node_id) WHERE n.utility <> l.utility"""
    assert ask(engine, across) == [(0,)]


def test_buildings_hang_on_nodes_that_say_so_and_on_meters_beside_them(engine: Engine, write: Write) -> None:
    def house(x: float, ref: str, name: str) -> dict[str, Any]:
        ring = [at(x, 0.2), at(x + 0.2, 0.2), at(x + 0.2, 0.4), at(x, 0.4), at(x, 0.2)]
        shape = {"type": "Polygon", "coordinates": [ring]}
        return {"type": "Feature", "properties": {"id": ref, "name": name}, "geometry": shape}

    houses = write(
        house(0, "h0", "1号楼"), house(1, "h1", "2号楼"), house(5, "h5", "1号楼"), name="h.geojson"
    )
    import_vector(engine, houses, options=VectorOptions("building", rules=RULES))
    take(
        engine,
        write(
            node(0, id="t", kind="joint", serves="1号楼; h1;三号楼"),
            node(5.1, 0.17, id="m", kind="水表"),
            node(3, id="far", kind="meter"),
        ),
    )
    connected = """SELECT n.source_ref, b.source_ref, s.source FROM service_connection s
        JOIN network_node n ON n.id = node_id JOIN building b ON b.id = building_id ORDER BY 1, 2"""
    wanted = [("m", "h5", "meter"), ("t", "h0", "declared"), ("t", "h1", "declared")]
    assert ask(engine, connected) == wanted
    import_vector(engine, write(house(0, "h0", "1号楼"), house(5, "h5", "1号楼"), name="h.geojson"),
                  options=VectorOptions("building", rules=RULES))  # fmt: skip
    assert ask(engine, connected) == wanted[:2]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (node(0), "missing_kind"),
        (node(0, kind="castle"), "bad_kind"),
        (node(0, kind="valve", state="ajar"), "bad_passes"),
        (line(at(0), at(1), diameter="300x500"), "bad_diameter"),
        (line(at(0), at(1), diameter=0), "bad_diameter"),
        (line(at(0), at(1), diameter="1e999"), "bad_diameter"),
        (line(at(0), at(1), year="old"), "bad_year"),
        (line(at(0), at(1), year=98), "bad_year"),
        (line(at(0), at(0)), "too_few_points"),
    ],
)
def test_wrong_feature_is_refused_with_its_reason(
    engine: Engine, write: Write, wrong: dict[str, Any], reason: str
) -> None:
    summary = take(engine, write(line(at(3), at(4), id="good"), wrong))
    assert [why for target in summary.targets.values() for _, why in target.reasons] == [reason]
    assert ask(engine, "SELECT reason FROM import_reject") == [(reason,)]


def test_wrong_options_and_files_say_what_there_is(engine: Engine, write: Write) -> None:
    with pytest.raises(InvalidError, match="wine"):
        take(engine, write(line(at(0), at(1))), "wine")
    with pytest.raises(FileFormatError, match="nothing"):
        take(engine, write(node(0, kind="castle")))


def test_layers_of_one_file_are_read_together(engine: Engine, write: Write, tmp_path: Path) -> None:
    import geopandas

    package = tmp_path / "net.gpkg"
    geopandas.read_file(write(node(0, kind="valve"))).to_file(package, layer="valves")
    geopandas.read_file(write(line(at(0), at(1), dn=100))).to_file(package, layer="pipes")
    take(engine, package, layers=("pipes", "valves"))
    assert ask(engine, JOINED) == [
        ("pipes/feature/1", "valves/feature/1", f"joint/{LON + STEP:.7f},{LAT:.7f}")
    ]
