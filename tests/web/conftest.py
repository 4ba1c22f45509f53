"""Start the whole product for a city and open its wall in a real browser."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from bench.chromium import HEADLESS_ARGUMENTS
from twin.store.sockets import free_tcp_port

sys.path.insert(0, str(Path(__file__).parent))

from running import ROOT, SENSOR, RunningCity

CHENGDU = ROOT.parent / "shared" / "data" / "chengdu_tianfu" / "chengdu_tianfu_nometa.osm.pbf"


def _up(name: str, folder: Path, city: list[str]) -> Iterator[RunningCity]:
    port = free_tcp_port()
    log = folder.parent / f"up-{name}.log"
    begun = time.monotonic()
    with log.open("wb") as out:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "api.cli",
                "up",
                "--no-browser",
                "--data-dir",
                str(folder),
                "--port",
                str(port),
                *city,
            ],
            cwd=ROOT,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        while not (ready := re.search(r"^ready (\S+)", log.read_text(errors="replace"), re.MULTILINE)):
            if process.poll() is not None or time.monotonic() - begun > 240:
                pytest.fail(f"up did not become ready: {log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.2)
        yield RunningCity(name, ready.group(1), folder, time.monotonic() - begun)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        shutil.rmtree(folder, ignore_errors=True)
    assert process.returncode == 0, log.read_text(errors="replace")[-2000:]


@pytest.fixture(scope="session", params=["helsinki", pytest.param("chengdu", marks=pytest.mark.slow)])
def city(request: pytest.FixtureRequest, server_dir: Path) -> Iterator[RunningCity]:
    """The product, up with the default city or with Chengdu; one for all tests of a city."""
    name = request.param
    if name == "chengdu" and not CHENGDU.exists():
        pytest.skip("the Chengdu extract is not beside this checkout")
    if not (ROOT / "web" / "dist" / "wall.html").is_file():
        pytest.skip("the web pages are not built; ./gridtwin test builds them")
    yield from _up(name, server_dir / name, ["--city", str(CHENGDU)] if name == "chengdu" else [])


@pytest.fixture(scope="session")
def sensor(city: RunningCity, server_dir: Path) -> int:
    """Install a water level sensor in the middle of the city as an administrator would; its number."""
    west, south, east, north = city.get("/api/scene")["bounds"]
    lon, lat = city.get("/api/scene")["center"]
    assert west < lon < east
    assert south < lat < north
    csv = server_dir / f"devices-{city.name}.csv"
    csv.write_text(
        f"uid,kind,lon,lat,name\n{SENSOR},water_level,{lon},{lat},测试液位计 🌊\n", encoding="utf-8"
    )
    city.command("import", "devices", str(csv))
    found = city.get("/api/search", q=SENSOR)
    rows = found if isinstance(found, list) else found["results"]
    return next(int(row["id"]) for row in rows if row["type"] == "device")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium of the distribution."""
    path = next((p for n in ("chromium", "google-chrome") if (p := shutil.which(n))), None)
    if path is None:
        pytest.skip("no Chromium is installed; ./gridtwin test installs it")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=path, headless=True, args=list(HEADLESS_ARGUMENTS))


@pytest.fixture
def screenshots(tmp_path: Path) -> Path:
    """Where pictures go: docs/screenshots when GRIDTWIN_SCREENSHOTS is set, else a temporary folder."""
    if os.environ.get("GRIDTWIN_SCREENSHOTS"):
        folder = ROOT / "docs" / "screenshots"
        folder.mkdir(exist_ok=True)
        return folder
    return tmp_path
