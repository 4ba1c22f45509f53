from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.postgis
ROOT = Path(__file__).parents[3]

OSM = """<?xml version="1.0" encoding="UTF-8"?>
<osm version="0.6">
 <bounds minlat="30.6600" minlon="104.0600" maxlat="30.6640" maxlon="104.0640"/>
 <node id="1" lat="30.6605" lon="104.0605" version="1"/>
 <node id="2" lat="30.6605" lon="104.0635" version="1"/>
 <node id="3" lat="30.6635" lon="104.0635" version="1"/>
 <node id="4" lat="30.6635" lon="104.0605" version="1"/>
 <node id="11" lat="30.6610" lon="104.0610" version="1"/>
 <node id="12" lat="30.6610" lon="104.0615" version="1"/>
 <node id="13" lat="30.6614" lon="104.0615" version="1"/>
 <node id="14" lat="30.6614" lon="104.0610" version="1"/>
 <node id="20" lat="30.6606" lon="104.0607" version="1"><tag k="man_made" v="surveillance"/></node>
 <way id="1" version="1"><nd ref="1"/><nd ref="2"/><nd ref="3"/><nd ref="4"/><nd ref="1"/>
  <tag k="highway" v="residential"/><tag k="name" v="测试路 “一”"/></way>
 <way id="2" version="1"><nd ref="11"/><nd ref="12"/><nd ref="13"/><nd ref="14"/><nd ref="11"/>
  <tag k="building" v="apartments"/><tag k="building:levels" v="6"/></way>
</osm>
"""


@pytest.fixture
def city(tmp_path) -> Path:
    path = tmp_path / "city.osm"
    path.write_text(OSM, encoding="utf-8")
    return path


@pytest.fixture
def run(run_here):
    def run(database, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run_here(*arguments, "--database-url", database.url)

    return run


def test_a_city_is_read_checked_and_peopled_from_the_command_line(run, database, city):
    fresh = database.fresh()
    first = run(fresh, "import", "osm", str(city), "--json")
    assert first.returncode == 0, first.stderr
    summary = json.loads(first.stdout)
    assert summary["changed"]
    assert summary["targets"]["building"]["inserted"] == 1
    assert summary["targets"]["device"]["inserted"] == 1
    for counts in summary["targets"].values():
        outcomes = ("inserted", "updated", "unchanged", "refused", "skipped")
        assert counts["read"] == sum(counts[name] for name in outcomes)

    second = json.loads(run(fresh, "import", "osm", str(city), "--json").stdout)
    assert not second["changed"]

    checked = run(fresh, "check", "--json")
    answer = json.loads(checked.stdout)
    assert checked.returncode == (1 if answer["errors"] else 0), checked.stderr
    assert not [f for f in answer["findings"] if f["check"] in ("unit_grid_gap", "unit_grid_overlap")]
    totals = answer["coverage"]
    assert (totals["gaps"], totals["overlaps"]) == (0, 0)
    plain = run(fresh, "check").stdout
    counts = [totals[name] for name in ("unit_grids", "responsibility_grids", "communities")]
    line = "coverage: {} unit grids, {} responsibility grids, {} communities · 0 gaps, 0 overlaps\n"
    assert line.format(*counts) in plain

    sited = run(fresh, "simulate", "--site-only", "--devices", "20", "--json")
    assert sited.returncode == 0, sited.stderr
    assert json.loads(sited.stdout)["sited"] <= 20


def test_plain_words_name_the_file_and_each_target(run, database, city):
    done = run(database.fresh(), "import", "osm", str(city))
    assert done.stdout.startswith("city.osm -> osm: changed")
    assert "building: 1 read = 1 new" in done.stdout


def test_devices_and_vector_files_are_read(run, database, city, tmp_path):
    fresh = database.fresh()
    assert run(fresh, "import", "osm", str(city)).returncode == 0
    table = tmp_path / "devices.csv"
    table.write_text("uid,kind,lon,lat\nwater-01,water_level,104.0612,30.6612\n", encoding="utf-8")
    done = run(fresh, "import", "devices", str(table), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["targets"]["device"]["inserted"] == 1

    feature = {
        "type": "Feature",
        "properties": {"ID": "b1", "MC": "新楼"},
        "geometry": {
            "type": "Polygon",
            "coordinates": [[[104.062, 30.662], [104.0625, 30.662], [104.0625, 30.6625], [104.062, 30.662]]],
        },
    }
    layer = tmp_path / "new.geojson"
    layer.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}), encoding="utf-8")
    done = run(fresh, "import", "vector", str(layer), "--as", "building", "--field", "name=MC", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["targets"]["building"]["inserted"] == 1


@pytest.mark.parametrize("arguments", [("--field", "name"), ("--field", "=x")])
def test_a_field_that_is_no_pair_is_explained(run, database, tmp_path, arguments):
    done = run(database, "import", "vector", str(tmp_path / "x.gpkg"), "--as", "building", *arguments)
    assert done.returncode == 2
    assert "OURS=THEIRS" in done.stderr


def test_a_wrong_file_leaves_nothing_and_says_what_it_is(run, database, tmp_path):
    fresh = database.fresh()
    picture = tmp_path / "city.osm.pbf"
    picture.write_bytes(b"\x89PNG\r\n" + b"\0" * 100)
    done = run(fresh, "import", "osm", str(picture), "--json")
    assert done.returncode == 1
    error = json.loads(done.stdout)["error"]
    assert "PNG" in error["what"]
    assert "Traceback" not in done.stderr


def test_refused_rows_are_named_with_their_line_and_what_is_wrong(run, database, city, tmp_path):
    fresh = database.fresh()
    assert run(fresh, "import", "osm", str(city)).returncode == 0
    table = tmp_path / "devices.csv"
    rows = ["uid,kind,lon,lat", "water-01,water_level,104.0612,30.6612"]
    rows += [f"water-1{i},water_level,1e999,30.6612" for i in range(5)] + ["x,toaster,104.0612,30.6612"]
    table.write_text("\n".join(rows), encoding="utf-8")
    plain = run(fresh, "import", "devices", str(table)).stdout
    assert "5 refused: bad_lon" in plain
    assert "water-10: line 3: “lon” is “1e999”, not a finite number" in plain
    assert "… and 2 more" in plain
    told = json.loads(run(fresh, "import", "devices", str(table), "--json").stdout)
    reasons = {r["reason"]: r["examples"] for r in told["targets"]["device"]["reasons"]}
    assert len(reasons["bad_lon"]) == 3
    assert any("line 8" in line for lines in reasons.values() for line in lines)


def test_a_check_of_an_empty_database_says_that_it_is_empty(database):
    command = [sys.executable, "-m", "api.cli", "check", "--database-url", database.fresh().url]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120, check=False)
    assert done.returncode == 0
    assert "there is no city in this database" in done.stderr
