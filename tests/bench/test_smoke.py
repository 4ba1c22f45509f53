"""Run each benchmark at a tiny size, with everything real, and check that its result is complete."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psutil
import pytest

import bench
from bench.machine import ROOT
from bench.routing.district import write_district

pytestmark = pytest.mark.alone

CHENGDU = ROOT.parent / "shared" / "data" / "chengdu_tianfu" / "chengdu_tianfu_nometa.osm.pbf"


def _run(name: str, **options: Any) -> dict[str, Any]:
    """Run and show it, and give the result as it is after a round through JSON."""
    lines: list[str] = []
    result = json.loads(json.dumps(bench.run(name, options, lines.append), allow_nan=False))
    assert lines
    assert result["bench"] == name
    assert result["machine"]["cores"] >= 1
    assert result["machine"]["processor"]
    assert result["machine_after"]["load_average"]
    for table in bench.tables(result):
        assert table.rows
        assert table.render()
    return result


@pytest.fixture
def folder(server_dir: Path) -> Path:
    made = server_dir / "bench-smoke"
    made.mkdir(exist_ok=True)
    made.chmod(0o755)
    return made


def _check_contender(one: dict[str, Any], viewers: int, walls: int) -> None:
    assert one["stopped_early"] is None
    assert one["published"]["acknowledged"] == one["published"]["readings"] > 0
    traffic, latency = one["viewers"]["traffic"], one["viewers"]["latency"]
    assert (traffic["walls"]["viewers"], traffic["all"]["viewers"]) == (walls, viewers)
    assert traffic["walls"]["bytes_per_s_mean"] > 0
    for window in ("all", "before_stall", "after_stall", "all_walls"):
        assert (
            0 < latency[window]["p50_ms"] <= latency[window]["p99_ms"] <= latency[window]["max_ms"] < 30_000
        )
    assert one["viewers"]["viewers_closed"] == 0
    assert {"publisher", "viewers", "broker"} <= set(one["processes"])
    for figures in one["processes"].values():
        assert figures["memory_end_mib"] > 0
        assert figures["cpu_percent"] is not None


def _check_nothing_runs(folder: Path) -> None:
    left = [
        p.info["cmdline"] for p in psutil.process_iter(["cmdline"]) if str(folder) in str(p.info["cmdline"])
    ]
    assert left == []


@pytest.mark.postgis
@pytest.mark.broker
def test_live_loses_nothing_and_shows_the_last_state(folder: Path) -> None:
    result = _run(
        "live",
        devices=400,
        rate=400.0,
        seconds=5.0,
        peer_seconds=3.0,
        retry_seconds=1.0,
        warmup=1.5,
        viewers=8,
        walls=2,
        gateways=8,
        per_message=20,
        contenders="gridtwin,mosquitto_rooms",
        data_dir=str(folder),
    )
    assert result["city"]["devices"] == 400
    ours = result["contenders"]["gridtwin"][0]
    _check_contender(ours, 8, 2)
    assert ours["database"]["lost"] == 0
    assert ours["database"]["quarantined"] == 0
    assert ours["viewers"]["held_by_walls"] == [400, 400]
    assert ours["viewers"]["stale_at_end"] == 0
    alarms = ours["viewers"]["alarms"]
    assert alarms["raised"] == ours["published"]["alarms"] > 3
    assert alarms["told_to_each_viewer_least"] == alarms["raised"]
    assert alarms["told_twice"] == 0
    assert 0 < alarms["latency"]["p50_ms"] < 5_000
    assert {"server", "database"} <= set(ours["processes"])
    assert result["aims"]["observations lost"] == {"value": 0, "aim": 0, "met": True}
    assert result["aims"]["p99 ms"]["value"] == ours["viewers"]["latency"]["all"]["p99_ms"]
    assert all(row["value"] is not None for name, row in result["aims"].items() if "broadcast" not in name)
    peer = result["contenders"]["mosquitto_rooms"][0]
    _check_contender(peer, 8, 2)
    assert peer["viewers"]["readings_received"] == peer["viewers"]["readings_expected"] > 0
    _check_nothing_runs(folder)


@pytest.mark.slow
@pytest.mark.broker
@pytest.mark.parametrize("mode", ["batch", "single"])
def test_live_peers(folder: Path, mode: str) -> None:
    """Needs the npm registry once, for the peer's two packages."""
    result = _run(
        "live",
        devices=300,
        rate=300.0,
        peer_seconds=2.0,
        warmup=1.0,
        viewers=5,
        walls=1,
        gateways=6,
        per_message=10,
        mode=mode,
        contenders="mosquitto_all,node_ws",
        data_dir=str(folder),
    )
    for tries in result["contenders"].values():
        _check_contender(tries[0], 5, 1)
        seen = tries[0]["viewers"]
        assert seen["readings_received"] == seen["readings_expected"] > 0
    _check_nothing_runs(folder)


@pytest.mark.slow
@pytest.mark.postgis
@pytest.mark.broker
def test_ingest(folder: Path) -> None:
    result = _run(
        "ingest",
        kills=1,
        rounds=1,
        seconds=0.5,
        protocols="mqtt_columns,http_1,owntracks",
        peers=False,
        poison=800,
        data_dir=str(folder),
    )
    for name in ("server", "database"):
        assert (result["kills"][name]["lost"], result["kills"][name]["duplicated"]) == (0, 0)
    poison = result["poison"]
    assert poison["messages"] >= 800
    assert poison["clean_stored"] == poison["messages"]
    assert (poison["stored"], poison["quarantined"]) == (
        poison["messages"] * 99 // 100,
        poison["messages"] // 100,
    )
    for one in result["rates"]["contenders"]["gridtwin"].values():
        assert one["stored_per_s"] > 0
        assert (one["refused"], one["not_stored"]) == (0, 0)
    _check_nothing_runs(folder)


@pytest.mark.slow
@pytest.mark.postgis
@pytest.mark.broker
def test_tiles(folder: Path) -> None:
    """Needs the Python package index once, for the peer."""
    result = _run(
        "tiles", buildings=800, zooms="15", rounds=2, kept_seconds=0.3, most_tiles=20, data_dir=str(folder)
    )
    row = result["zooms"]["15"]
    for name in ("tipg", "cold", "kept"):
        assert row[name]["per_s_median"] > 0
        assert row[name]["not_ok"] == 0
        assert row[name]["server_ms"] > 0
    assert row["processor_ratio"] > 0
    assert (row["cold"]["passes"], row["kept"]["passes"]) == (12, 2)
    assert row["same_features"]["ours_complete"] == row["same_features"]["tiles"] == 20
    assert (row["same_features"]["ours_missing"], row["same_features"]["ours_extra"]) == (0, 0)
    assert row["same_features"]["tipg_complete"] == 20


@pytest.mark.slow
@pytest.mark.postgis
@pytest.mark.broker
@pytest.mark.browser
def test_front(folder: Path) -> None:
    if not (ROOT / "web" / "dist" / "wall.html").is_file():
        pytest.skip("the web pages are not built")
    sizes = {"devices": 500, "batch": 100, "seconds": 4.0, "heap_seconds": 26.0, "heap_batch": 50}
    result = _run("front", **sizes, use=True, data_dir=str(folder))
    assert result["alarms"] == 2
    assert result["rounds_of_use"] >= 1
    assert result["devices_on_the_wall"] == 502
    assert result["gaps"] == 0
    assert result["batch"]["commits"] > 1
    assert result["batch"]["timer_ms"] < 0.05
    assert 0 < result["batch"]["per_batch_ms"]["p50_ms"] < 1_000
    held = result["heap"]["held"]
    assert len(held) == 4
    for one in held:
        assert 0.8 < one["used"] / (one["objects"] + one["code"]) < 1.25
        assert min(one[name] for name in ("buffers", "browser", "nodes", "listeners", "gpu")) > 0


@pytest.mark.postgis
def test_access(folder: Path) -> None:
    result = _run(
        "access", buildings=400, rounds=1, devices=300, changes=50, ticks=3, viewers=6, walls=2, workers=4,
        turns=1,
        data_dir=str(folder),
    )  # fmt: skip
    for by_caller in result["queries"].values():
        assert {"whole", "city", "street", "grid"} <= set(by_caller)
        assert by_caller["whole"]["rows"] >= by_caller["street"]["rows"] >= by_caller["grid"]["rows"]
    sizes = {name: found["kilobytes"] for name, found in result["fan_out"].items()}
    assert sizes["all see everything"] >= sizes["desks see their street"] > 0
    assert sizes["4 workers see everything"] > sizes["each the own grid"]
    assert len(result["sockets"]) == 3
    for found in result["sockets"].values():
        assert found["cpu_ms"] > 0
        assert found["delay"]["count"] > 20
    _check_nothing_runs(folder)


def test_import_and_partition(folder: Path) -> None:
    if not CHENGDU.is_file():
        pytest.skip("the real data beside the project are not here")
    result = _run("import", file=str(CHENGDU), rounds=1, data_dir=str(folder))
    assert result["first"]["median_s"] > 0
    assert result["changed_again"] is False
    counts = result["targets"]["building"]
    taken = ("inserted", "updated", "unchanged", "refused", "skipped")
    assert counts["read"] == sum(counts[name] for name in taken) > 1_000
    divided = _run("partition", file=str(CHENGDU), rounds=1, data_dir=str(folder))
    assert divided["cover"]["unit_grids"] > 100
    assert divided["cover"]["overlap_m2"] < 1


@pytest.mark.slow
@pytest.mark.postgis
@pytest.mark.broker
def test_partners_lose_nothing_by_a_kill(folder: Path) -> None:
    result = _run("exchange", cases=20, rounds=1, acts=10, kills=1, data_dir=str(folder))
    assert [found["count"] for found in result["acts"].values()] == [10] * 4
    assert result["acts"]["three that are well"]["delivered"] > 0
    killed = result["killed"]
    assert killed["events"] > 0
    assert (killed["lost"], killed["changed"], killed["out_of_order"]) == (0, 0, 0)
    assert killed["came"] == killed["owed"] + killed["came_twice"]
    _check_nothing_runs(folder)


@pytest.mark.postgis
def test_storm(folder: Path) -> None:
    result = _run(
        "storm", alarms=60, causes=3, seconds=2.0, quiet_seconds=1.0, each_s=0.5, data_dir=str(folder)
    )
    assert result["counts"]["groups"] == result["counts"]["cases"] == 3
    assert (result["told"], result["counts"]["refused"]) == (60, 0)
    assert [one["alarm"]["count"] for one in result["delays"].values()] == [2, 4]
    _check_nothing_runs(folder)


@pytest.mark.postgis
def test_routing(folder: Path, tmp_path: Path) -> None:
    city = tmp_path / "city.osm.pbf"
    write_district(city, 250, 1)
    sizes = {"pairs": 20, "rounds": 2, "workers": 20, "rows": 4, "columns": 6}
    result = _run("routing", file=str(city), nodes=0, contenders="pgrouting", data_dir=str(folder), **sizes)
    assert result["missing"] == {}
    found = result["cities"]["file"]
    assert 150 < found["built"]["gridtwin"]["nodes"] < 600
    for question, by_name in found["speed"].items():
        for name in ("gridtwin", "pgrouting"):
            assert by_name[name]["times"] == 2, (question, name)
            assert by_name[name]["median_ms"] > 0
    matrix = found["speed"]["matrix"]
    assert matrix["gridtwin"]["within"] == matrix["pgrouting"]["within"] == [24, 24]
    for question in ("route", "closure"):
        ours, theirs = (found["speed"][question][name]["takes_s"] for name in ("gridtwin", "pgrouting"))
        # pgRouting goes from node to node: up to half an edge less or more at each end.
        assert ours == pytest.approx(theirs, abs=120)


@pytest.mark.slow
@pytest.mark.postgis
def test_routing_peers(folder: Path) -> None:
    """Needs the Python package index once, and a Python of at least 3.12."""
    if not CHENGDU.is_file():
        pytest.skip("the real data beside the project are not here")
    sizes = {"pairs": 200, "rounds": 1, "workers": 20, "rows": 4, "columns": 6}
    result = _run("routing", file=str(CHENGDU), nodes=250, data_dir=str(folder), **sizes)
    if result["missing"]:
        pytest.skip(f"without peers: {result['missing']}")
    assert all(row["met"] for row in result["aims"].values()), result["aims"]
    speed = result["cities"]["file"]["speed"]
    assert all("error" not in one for name, one in speed["matrix"].items() if name != "osrm")
    assert speed["isochrone"]["osrm"] == {"error": "NotImplementedError: OSRM has no isochrones"}
