"""Prove in a real browser what the page of sources shows and does, with messages that really come."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from looks import Looks
from playwright.sync_api import Browser, Page
from running import SENSOR, RunningCity, in_city

pytestmark = in_city("helsinki")

WALL, PHONE = (2560, 1440), (390, 844)
STILL = {"reduced_motion": "reduce"}
ON_PHONE = {"has_touch": True, "is_mobile": True}
PLATFORM = "test-platform"


_POST = """async ([path, body]) => {
    const headers = {'content-type': 'application/json'};
    const answer = await fetch(path, {method: 'POST', headers, body: JSON.stringify(body)});
    return [answer.status, await answer.text()];
}"""


def _told(city: RunningCity, sensor: int, value: float) -> Any:
    """What the product shows of the sensor, once it shows a value or 10 s have passed."""
    until = time.monotonic() + 10
    while True:
        shown = city.get(f"/api/devices/{sensor}")
        level = next(one for one in shown["properties"] if one["name"] == "level")
        if level["value"] == pytest.approx(value) or time.monotonic() > until:
            return level["value"]
        time.sleep(0.2)


def _source(page: Page, name: str) -> Any:
    """How a way in does, as the server tells the page."""
    listed = page.evaluate("async () => (await fetch('/api/sources')).json()")
    return next(one for one in listed["sources"] if one["id"] == name)


def test_a_refused_message_is_seen_its_mapping_mended_and_the_message_stored(
    city: RunningCity, sensor: int, browser: Browser, screenshots: Path
) -> None:
    looks, level = Looks(), 31.5
    secret = json.loads(city.command("gateway", "add", PLATFORM, "--json"))["password"]
    page = city.open_page(browser, *WALL, role="system_admin", **STILL)
    page.goto(f"{city.url}/admin/sources")
    page.wait_for_selector("[data-source=mapped-http]")
    looks.at(page, "ways in")

    # Somebody wrote down where the platform writes what; meanwhile the platform moved its level below "v".
    wrong = {
        "items": "data.list",
        "device": "devId",
        "time": "ts",
        "time_form": "seconds",
        "devices": {"0417": SENSOR},
        "values": [{"property": "level", "path": "lvl", "unit": "cm"}],
    }
    made = page.evaluate(
        _POST,
        ["/api/sources/mappings", {"name": PLATFORM, "zh": "水务平台", "en": "Waterworks", "mapping": wrong}],
    )
    assert made[0] == 201, made
    message = {"code": 0, "data": {"list": [{"devId": "0417", "ts": int(time.time()), "v": {"lvl": level}}]}}
    sent = httpx.post(
        f"{city.url}/ingest/v1/mapped/{PLATFORM}",
        json=message,
        headers={"Authorization": f"Bearer {secret}"},
    )
    assert sent.status_code == 422, sent.text

    # It is seen without loading the page anew, with its reason in words.
    page.click("[data-source=mapped-http]")
    page.get_by_test_id("source").wait_for()
    row = page.locator("[data-refused]").first
    row.wait_for(timeout=15_000)
    assert "缺少字段" in row.inner_text()
    looks.at(page, "a way in")
    if os.environ.get("GRIDTWIN_SCREENSHOTS"):  # for the manual some minutes are counted
        page.wait_for_timeout(130_000)
    page.screenshot(path=screenshots / "sources.png")
    row.click()
    assert f'"lvl": {level}' in page.get_by_test_id("payload").inner_text()
    assert "lvl 处都没有值" in page.get_by_test_id("wrong").inner_text()
    looks.at(page, "a refused message")

    # The mapping is tried on that message; what is wrong stands at its field, then it is mended and saved.
    page.get_by_test_id("mend").click()
    page.locator("[data-wrong=missing_field]").wait_for()
    assert page.locator('[data-field="values.0.path"].wrong').count() == 1
    looks.at(page, "a mapping that does not fit")
    path = page.locator('[data-field="values.0.path"] input')
    offered = page.locator('[data-field="values.0.path"] option').evaluate_all("all => all.map(o => o.value)")
    assert "v.lvl" in offered
    path.fill("v.lvl")
    trial = page.get_by_test_id("trial")
    trial.get_by_text(SENSOR).wait_for()
    assert str(level) in trial.inner_text()
    assert page.locator(".wrong").count() == 0
    looks.at(page, "a mapping that fits")
    page.get_by_test_id("save").click()
    page.get_by_test_id("mended").get_by_role("button").click()

    # The message that was refused is taken after all.
    page.locator("[data-refused]").first.click()
    page.get_by_test_id("replay-one").click()
    page.get_by_role("status").filter(has_text="1").first.wait_for()
    page.locator("[data-refused]").first.wait_for(state="detached")
    assert _told(city, sensor, level) == pytest.approx(level)

    # An old version is put back.
    page.click("[data-part=mappings]")
    page.locator(".v .btn").first.click()
    page.wait_for_function(
        "() => document.querySelector('[data-field=\"values.0.path\"] input').value === 'lvl'"
    )
    page.locator(".save .btn.main").click()
    looks.at(page, "whether an old version is put back")
    page.locator("[role=dialog] .btn.main").click()
    page.locator(".v").nth(2).wait_for()
    assert [
        one["restored"]
        for one in page.evaluate(
            "async name => (await (await fetch('/api/sources/mappings/' + name)).json()).versions", PLATFORM
        )
    ] == [1, None, None]

    # Retired it is used no more, and says so; then it is used again.
    assert "1" in page.get_by_test_id("flow").inner_text()  # the message that came
    page.get_by_test_id("retire").click()
    looks.at(page, "whether it is retired")
    page.locator("[role=dialog] .btn.main").click()
    page.get_by_test_id("retired").wait_for()
    page.wait_for_selector(f"[data-mapping={PLATFORM}][data-retired=true]")
    looks.at(page, "a retired mapping")
    page.get_by_test_id("use-again").click()
    page.wait_for_selector(f"[data-mapping={PLATFORM}][data-retired=false]")
    assert page.said == []
    page.context.close()
    assert looks.faults == []
    assert looks.seen == 8


@pytest.mark.parametrize(("size", "lang"), [(WALL, "zh"), (PHONE, "en")], ids=["wall-zh", "phone-en"])
def test_every_part_can_be_read_and_reached(
    city: RunningCity, browser: Browser, size: tuple[int, int], lang: str
) -> None:
    looks = Looks()
    page = city.open_page(browser, *size, role="system_admin", **STILL, **(ON_PHONE if size is PHONE else {}))
    page.goto(f"{city.url}/admin/sources?lang={lang}")
    page.click("[data-source=gateway-mqtt]")
    page.get_by_test_id("source").wait_for()
    looks.in_both_themes(page, "a way in")
    page.get_by_test_id("pause").click()
    looks.in_both_themes(page, "pause")
    page.keyboard.press("Escape")
    page.locator("[role=dialog]").wait_for(state="detached")
    page.click("[data-part=mappings]")
    page.get_by_test_id("new-mapping").click()
    page.get_by_test_id("mapping").locator("[type=checkbox]").check()
    looks.in_both_themes(page, "a new mapping")
    page.fill("[name=zh]", "水务")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.locator("[role=dialog]").wait_for()  # what is not saved is not lost by a key
    looks.at(page, "whether it is dropped")
    assert page.said == []
    page.context.close()
    assert looks.faults == []
    assert looks.seen == 7


def test_a_paused_way_in_takes_nothing_until_it_is_resumed(
    city: RunningCity, sensor: int, browser: Browser
) -> None:
    looks = Looks()
    page = city.open_page(browser, *WALL, role="system_admin", **STILL)
    city.publish(SENSOR, "level", 41.0)
    assert _told(city, sensor, 41.0) == 41.0
    page.goto(f"{city.url}/admin/sources")
    page.click("[data-source=device-mqtt]")
    page.keyboard.press("p")
    page.locator("[name=reason]").wait_for()
    assert page.locator("[role=dialog] .btn.main").is_disabled()  # nobody pauses without a reason
    page.fill("[name=reason]", "平台割接")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-source=device-mqtt][data-state=paused]")
    assert "平台割接" in page.get_by_test_id("paused").inner_text()
    looks.at(page, "a paused way in")

    before = _source(page, "device-mqtt")["messages"]
    city.publish(SENSOR, "level", 42.0)
    page.wait_for_timeout(1_500)
    assert _source(page, "device-mqtt")["messages"] == before
    assert _told(city, sensor, 41.0) == 41.0

    page.get_by_test_id("resume").click()
    page.wait_for_selector("[data-source=device-mqtt][data-state=running]")
    assert _told(city, sensor, 42.0) == 42.0  # the broker kept it
    assert page.said == []
    page.context.close()
    assert looks.faults == []


def test_the_page_says_that_the_server_is_away_and_what_it_shows_is_old(
    city: RunningCity, browser: Browser
) -> None:
    looks = Looks()
    page = city.open_page(browser, *WALL, role="system_admin", **STILL)
    page.clock.install()
    page.goto(f"{city.url}/admin/sources")
    page.wait_for_selector("[data-source]")
    page.clock.fast_forward(10_000)  # asked for anew meanwhile
    page.wait_for_load_state("networkidle")
    assert page.get_by_test_id("away").count() == 0
    page.context.set_offline(True)
    page.clock.fast_forward(15_000)
    page.get_by_test_id("away").wait_for()
    assert page.locator(".rows.stale").count() == 1
    assert page.locator("[data-source]").first.is_visible()  # the old content stays
    looks.at(page, "away")
    page.context.set_offline(False)
    page.clock.fast_forward(5_000)
    page.get_by_test_id("away").wait_for(state="detached", timeout=10_000)
    page.context.close()
    assert looks.faults == []


def test_an_integrator_sees_the_messages_of_a_device_as_they_came(
    city: RunningCity, sensor: int, browser: Browser
) -> None:
    looks = Looks()
    page = city.open_page(browser, *WALL, role="integrator", **STILL)
    city.publish(SENSOR, "level", 43.0)
    page.goto(f"{city.url}/admin/sources")
    page.fill("[name=device]", SENSOR)
    page.keyboard.press("Enter")
    page.locator("[data-outcome=stored]").first.wait_for()
    shown = page.get_by_test_id("payload").all_inner_texts()
    assert any('"v": 43.0' in one for one in shown), shown
    looks.at(page, "messages of a device")
    assert page.locator("[data-part]").count() == 0  # of the ways in an integrator sees nothing
    page.fill("[name=device]", "no-such-device-9")
    page.keyboard.press("Enter")
    page.get_by_role("alert").wait_for()
    assert page.said == []
    page.context.close()
    assert looks.faults == []
