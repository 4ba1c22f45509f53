"""Prove in a real browser that the wall shows what devices say, and that nothing leaves the machine."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page
from running import PATIENCE_MS, SENSOR, RunningCity

pytestmark = [pytest.mark.browser, pytest.mark.alone, pytest.mark.postgis, pytest.mark.broker]

PAINT_S = 3.0


@pytest.fixture(scope="module")
def page(city: RunningCity, sensor: int, browser: Browser) -> Iterator[Page]:
    """The wall of this city at the size of a real one, live."""
    page = city.open_page(browser, 2560, 1440)
    page.goto(f"{city.url}/wall")
    page.wait_for_function(
        "() => typeof window.__gridtwin === 'object' && window.__gridtwin.size().devices > 100",
        timeout=PATIENCE_MS,
    )
    yield page
    page.context.close()


def _state(page: Page, device_id: int) -> str | None:
    row = page.evaluate("id => window.__gridtwin.row(id)", device_id)
    return None if row is None else row["state"]


def _wait_for_state(page: Page, device_id: int, state: str, within_s: float) -> float:
    begun = time.monotonic()
    page.wait_for_function(
        "([id, state]) => window.__gridtwin.row(id)?.state === state",
        arg=[device_id, state],
        timeout=within_s * 1000,
        polling=50,
    )
    return time.monotonic() - begun


def test_the_wall_shows_what_was_published(
    city: RunningCity, page: Page, sensor: int, screenshots: Path
) -> None:
    assert page.evaluate("() => window.__gridtwin.connection()") == "live"
    city.publish(SENSOR, "level", 2.0)
    _wait_for_state(page, sensor, "normal", 30)
    before = page.evaluate("() => window.__gridtwin.counts()")

    city.publish(SENSOR, "level", 31.4)
    _wait_for_state(page, sensor, "critical", 30)
    assert page.evaluate("id => window.__gridtwin.row(id).value", sensor) == pytest.approx(31.4, abs=1e-4)
    assert page.evaluate("() => window.__gridtwin.counts()")["critical"] >= before["critical"] + 1
    # What is held goes on to the screen while workers walk: their steps must not keep it waiting.
    for level, state in ((21.0, "alarm"), (31.4, "critical"), (21.0, "alarm"), (31.4, "critical")):
        uploads = page.evaluate("() => window.__gridtwin.uploads()")
        city.publish(SENSOR, "level", level)
        _wait_for_state(page, sensor, state, 30)
        page.wait_for_function("n => window.__gridtwin.uploads() > n", arg=uploads, timeout=PATIENCE_MS)

    # On the screen, not only in memory: the alarm in the rail, its mark on the map, its value when opened.
    groups = city.get("/api/alarms")["groups"]
    group = next(g for g in groups if any(m["device_id"] == sensor for m in g["members"]))
    page.locator(f'[data-testid="alarm"][data-row="{group["key"]}"]').click(timeout=PATIENCE_MS)
    page.get_by_text("测试液位计").first.wait_for(timeout=PATIENCE_MS)
    page.get_by_text(re.compile(r"31\.4")).first.wait_for(timeout=PATIENCE_MS)
    page.wait_for_function("() => window.__gridtwin.idle()", timeout=PATIENCE_MS)
    if os.environ.get("GRIDTWIN_SCREENSHOTS"):  # for the manual all of the details is there
        page.wait_for_timeout(8_000)
    picture = page.screenshot(path=screenshots / f"wall-{city.name}.png", timeout=PATIENCE_MS)
    assert len(picture) > 300_000, "the picture is nearly empty"

    city.publish(SENSOR, "level", 1.0)
    _wait_for_state(page, sensor, "normal", 30)


def test_an_alarm_is_as_old_on_the_map_as_in_the_list(city: RunningCity, page: Page, sensor: int) -> None:
    city.publish(SENSOR, "level", 31.4)
    _wait_for_state(page, sensor, "critical", 30)
    page.evaluate("id => window.__gridtwin.select('device', id)", sensor)
    read = """() => {
        const row = document.querySelector('[data-testid=alarm].sel .c > span')?.textContent;
        const mark = document.querySelector('.mk.call .words strong')?.textContent;
        return row && mark ? [row.trim(), mark] : null;
    }"""
    page.wait_for_function(f"() => ({read})()?.[0].startsWith('00:')", timeout=PATIENCE_MS)
    # Both are written in one task of the page each second: they may never differ when looked at.
    seen: set[str] = set()
    until_s = time.monotonic() + 20.0
    while len(seen) < 3:
        assert time.monotonic() < until_s, "the clock on the map stands still"
        row, mark = page.evaluate(read)
        assert row == mark
        seen.add(mark)
        page.wait_for_timeout(20)


def test_a_name_with_signs_beyond_letters_is_drawn_from_a_font_of_ours(page: Page) -> None:
    page.wait_for_function(
        "() => [...document.fonts].some(f => f.family.includes('Noto Emoji') && f.status === 'loaded')",
        timeout=PATIENCE_MS,
    )
    assert any("noto-emoji" in url for url in page.asked)


def test_what_j_chose_enter_opens(page: Page) -> None:
    page.keyboard.press("Escape")
    rows = page.locator("[data-testid=left-rail] [data-row]")
    assert rows.count() >= 2, "the simulated city has cases"
    rows.nth(0).click(timeout=PATIENCE_MS)
    page.keyboard.press("j")
    at = "() => document.activeElement?.dataset.row"
    second = rows.nth(1).get_attribute("data-row")
    page.wait_for_function(f"key => ({at})() === key", arg=second, timeout=PATIENCE_MS)
    page.keyboard.press("Enter")
    page.wait_for_function(
        "() => document.querySelector('[data-testid=left-rail] [data-row].sel')?.dataset.row"
        " === document.activeElement?.dataset.row",
        timeout=PATIENCE_MS,
    )
    assert page.evaluate(at) == second
    page.keyboard.press("Escape")
    page.get_by_test_id("details").wait_for(state="detached", timeout=PATIENCE_MS)


def test_a_dialog_keeps_the_keyboard_and_gives_it_back(page: Page) -> None:
    before = page.evaluate("() => document.activeElement?.dataset.row")
    assert before
    for key in ("?", "/"):
        page.keyboard.press(key)
        page.get_by_role("dialog").wait_for(timeout=PATIENCE_MS)
        for _ in range(4):
            page.keyboard.press("Tab")
            assert page.evaluate("() => !!document.activeElement?.closest('[role=dialog]')")
        page.keyboard.press("Escape")
        page.get_by_role("dialog").wait_for(state="detached", timeout=PATIENCE_MS)
        assert page.evaluate("() => document.activeElement?.dataset.row") == before


def test_the_wall_says_that_data_are_simulated_and_whose_the_map_is(page: Page) -> None:
    assert page.get_by_text("模拟数据").first.is_visible()
    assert page.get_by_text("OpenStreetMap").first.is_visible()


def test_a_changed_building_is_on_open_maps_within_two_seconds(city: RunningCity, page: Page) -> None:
    scene = city.get("/api/scene")
    before = scene["tile_layers"]["building"]["version"]
    asked = len(page.asked)
    lon, lat = scene["center"]
    file = city.data_dir.parent / f"building-{city.name}.geojson"
    d = 0.0002
    ring = [[lon, lat], [lon + d, lat], [lon + d, lat + d], [lon, lat + d], [lon, lat]]
    file.write_text(
        '{"type":"FeatureCollection","features":[{"type":"Feature","id":"b1","properties":{"height":40},'
        f'"geometry":{{"type":"Polygon","coordinates":[{ring}]}}}}]}}'
    )
    city.command("import", "vector", str(file), "--as", "building", "--dataset", "test-building")
    committed = time.monotonic()
    while not any("/tiles/" in url and "building" in url for url in page.asked[asked:]):
        page.wait_for_timeout(50)
        assert time.monotonic() - committed < 2.0, "the open map did not ask for the changed tile"
    assert city.get("/api/scene")["tile_layers"]["building"]["version"] > before


def test_the_wall_speaks_english_too(page: Page) -> None:
    page.keyboard.press("l")
    try:
        page.get_by_text("Alarms", exact=False).first.wait_for(timeout=PATIENCE_MS)
        # Its longer words fit: states in one row of the legend, things in another, the source beside it.
        rows = page.eval_on_selector_all(
            "[data-testid=legend] .set",
            "all => all.map(row => [...row.children].map(e => Math.round(e.getBoundingClientRect().top)))",
        )
        assert [len(row) > 5 for row in rows] == [True, True]
        assert all(max(row) - min(row) < 12 for row in rows)
        legend = page.get_by_test_id("legend").bounding_box()
        source = page.locator(".legend .attr").bounding_box()
        assert legend
        assert source
        assert legend["x"] + legend["width"] < source["x"]
        assert legend["y"] < source["y"]
    finally:  # the tests that follow read Chinese
        page.keyboard.press("l")
    page.get_by_text("告警").first.wait_for(timeout=PATIENCE_MS)


def test_a_lost_connection_is_said_and_mended(city: RunningCity, page: Page, sensor: int) -> None:
    # A slice of the font that is first needed without network would never come.
    there = "([weight, words]) => document.fonts.check(`${weight} 16px 'Noto Sans SC'`, words)"
    assert page.evaluate(there, ["700", "数据中断重连过期"])
    assert page.evaluate(there, ["400", "以下为前的数据未知无应答"])
    page.context.set_offline(True)
    try:
        page.evaluate("() => window.dispatchEvent(new Event('offline'))")
        page.wait_for_function("() => window.__gridtwin.connection() !== 'live'", timeout=60_000)
    finally:
        page.context.set_offline(False)
    page.wait_for_function("() => window.__gridtwin.connection() === 'live'", timeout=60_000)
    city.publish(SENSOR, "level", 21.0)
    _wait_for_state(page, sensor, "alarm", 30)


def test_nothing_left_the_machine_and_nothing_was_wrong(city: RunningCity, page: Page) -> None:
    own = urlsplit(city.url).netloc
    strangers = [url for url in page.asked if urlsplit(url).netloc not in {own, ""}]
    assert strangers == []
    # A browser without network says so on its console; that was our doing above.
    faults = [line for line in page.said if "ERR_INTERNET_DISCONNECTED" not in line]
    assert faults == []


def test_the_wall_says_that_the_database_is_away(city: RunningCity, page: Page) -> None:
    """The database hangs for some seconds: the wall keeps its socket, says so within five, then no more."""
    said = page.get_by_text("数据库中断", exact=True)
    with city.hanging_database():
        begun = time.monotonic()
        said.wait_for(timeout=PATIENCE_MS)
        told_s = time.monotonic() - begun
        assert page.evaluate("() => window.__gridtwin.connection()") == "live"
    said.wait_for(state="detached", timeout=PATIENCE_MS)
    assert told_s < 5.0 + PAINT_S, told_s
