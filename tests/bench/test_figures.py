"""Check the figures, tables and counts that results are made of."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import shapely

import bench
from bench import city
from bench.http_load import ask
from bench.mvt import feature_ids
from bench.processes import ProcessWatch
from bench.report import Table, show, slope_per_minute, spread_ms
from twin.errors import InvalidError


def test_spread_is_in_milliseconds() -> None:
    spread = spread_ms(np.arange(1, 1001) / 1e3)
    assert spread["count"] == 1000
    assert spread["p50_ms"] == pytest.approx(500.5)
    assert spread["p99_ms"] == pytest.approx(990.01, abs=0.01)
    assert spread["max_ms"] == 1000
    assert spread_ms([])["p99_ms"] is None


def test_slope_is_per_minute() -> None:
    assert slope_per_minute([0, 30, 60, 90], [10.0, 10.5, 11.0, 11.5]) == pytest.approx(1.0)
    assert slope_per_minute([0, 1], [1, 2]) is None


def test_tables_line_up_and_are_markdown() -> None:
    table = Table("Title", ("name", "value"), [("a", show(1234)), ("long name", show(None))])
    lines = table.render().splitlines()
    assert len({len(line) for line in lines[1:]}) == 1
    assert "| long name | – |" in table.markdown()


@pytest.mark.alone
def test_a_busy_process_and_its_child_are_counted() -> None:
    burn = (
        "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'while 1: 0']); time.sleep(9)"
    )
    process = subprocess.Popen([sys.executable, "-c", burn])
    idle = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(9)"])
    try:
        time.sleep(0.5)
        begin = time.time()
        with ProcessWatch({"busy": [process.pid], "idle": [idle.pid]}, every_s=0.2) as watch:
            time.sleep(1.5)
        figures = watch.figures(begin, time.time())
    finally:
        for child in ProcessWatch.children_of(process.pid):
            child.kill()
        for started in (process, idle):
            started.kill()
            started.wait()
    # The child burns what it gets of a core; its parent and the other sleep.
    assert figures["busy"]["cpu_percent"] > 15
    assert figures["idle"]["cpu_percent"] < 5
    assert figures["busy"]["memory_end_mib"] > 1


@pytest.mark.alone
def test_what_others_take_of_the_machine_is_seen() -> None:
    burner = subprocess.Popen([sys.executable, "-c", "while 1: 0"])
    try:
        begin = time.time()
        with ProcessWatch({"test": [os.getpid()]}, every_s=0.2) as ours:
            time.sleep(1.2)
        with ProcessWatch({"nothing": []}, every_s=0.2) as nothing:
            time.sleep(1.2)
    finally:
        burner.kill()
        burner.wait()
    # The burner is our child: counted as ours in the first, as everything else in the second.
    assert ours.figures(begin, time.time())["test"]["cpu_percent"] > 10
    assert nothing.other_cpu_percent(begin, time.time()) > 10


def test_features_of_a_tile_are_named() -> None:
    """A tile of two layers, written by hand: three features in one, one without id; none in the other."""

    def field(number: int, body: bytes) -> bytes:
        return bytes([number << 3 | 2, len(body)]) + body

    feature = bytes([8, 150, 1]) + field(4, b"\x09\x02\x02")
    nameless = field(4, b"\x09\x02\x02")
    features = field(2, feature) * 2 + field(2, nameless)
    full = field(1, b"building") + features + bytes([5 << 3, 128, 32, 15 << 3, 2])
    found = feature_ids(field(3, full) + field(3, field(1, b"road")))
    assert found == {"building": [150, 150, None], "road": []}
    assert feature_ids(b"") == {}


def test_the_city_is_the_same_each_time_and_inside_its_bounds() -> None:
    lon, lat = city.site_devices(2_000, 7)
    again = city.site_devices(2_000, 7)
    assert (lon == again[0]).all()
    west, south, east, north = city.bounds()
    assert ((lon > west) & (lon < east) & (lat > south) & (lat < north)).all()
    rings, height_m = city.site_buildings(1_500, 7)
    shapes = shapely.polygons(rings)
    assert shapely.is_valid(shapes).all()
    assert (height_m > 5).all()
    tree = shapely.STRtree(shapes)
    left, right = tree.query(shapes, predicate="overlaps")
    assert left.size == right.size == 0


class _Answers(BaseHTTPRequestHandler):
    """Answer /a with 70,000 bytes and everything else with 404, on kept connections."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = b"x" * 70_000 if self.path == "/a" else b"not here"
        self.send_response(200 if self.path == "/a" else 404)
        self.send_header("Content-Type", "text/plain")
        self.send_header("CONTENT-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def test_the_http_client_counts_answers() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        outcome = ask(server.server_address[1], ["/a", "/missing", "/a"], connections=2)
        timed = ask(server.server_address[1], ["/a"], connections=1, seconds=0.3)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert (outcome.answers, outcome.not_ok) == (3, 1)
    assert outcome.bytes > 140_000
    assert len(outcome.latency_s) == 3
    assert timed.answers > 3
    assert timed.wall_s >= 0.3


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("nothing", {}, "no benchmark"),
        ("live", {"devises": 3}, "no option devises"),
        ("live", {"walls": 7, "viewers": 3}, "--walls"),
        ("live", {"rate": float("nan")}, "--rate"),
        ("live", {"seconds": float("inf")}, "--seconds"),
        ("live", {"contenders": "gridtwin,redis"}, "redis"),
        ("tiles", {"zooms": "3"}, "between 13 and 16"),
        ("tiles", {"zooms": "a"}, "numbers"),
        ("front", {"seconds": 10.0, "heap_seconds": 5.0}, "--heap-seconds"),
        ("import", {"rounds": 0}, "--rounds"),
        ("import", {"file": "/nowhere.osm.pbf"}, "no such file"),
    ],
)
def test_wrong_options_are_said(name: str, options: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidError, match=words):
        bench.run(name, options)


def test_every_index_finds_the_same_fences() -> None:
    result = bench.run("fences", {"fences": 60, "points": 3_000, "rounds": 1})
    assert result["pairs"] > 0
    assert len(result["indexes"]) == 4
    assert bench.tables(result)[0].rows
