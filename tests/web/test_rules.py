"""Prove in a real browser that rules are written, tried on history, and switched on or refused."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

from looks import Looks, cut_names
from playwright.sync_api import Browser, Page
from running import SENSOR, SHOWN, RunningCity, in_city

pytestmark = in_city("helsinki")

DESK, PHONE = (1920, 1080), (390, 844)
STILL = {"reduced_motion": "reduce"}
ON_PHONE = {"has_touch": True, "is_mobile": True}

_SEND = """async ([method, path, body]) => {
    const headers = {'content-type': 'application/json'};
    const answer = await fetch(path, {method, headers, body: body && JSON.stringify(body)});
    return [answer.status, await answer.json()];
}"""


def _ask(page: Page, method: str, path: str, body: Any = None, expected: int = 200) -> Any:
    """What the server answers to whoever is signed in at a page."""
    status, answer = page.evaluate(_SEND, [method, path, body])
    assert status == expected, answer
    return answer


def _write_limit(page: Page, zh: str, en: str, above: str) -> None:
    """Type a rule on the level of water as a manager would."""
    page.keyboard.press("n")
    page.fill("[name=zh]", zh)
    page.fill("[name=en]", en)
    page.check("[name=kind][value=water_level]")
    page.select_option("[name=property]", "level")
    page.fill("[name=reach]", above)
    page.fill("[name=hold_s]", "0")


def _open(city: RunningCity, browser: Browser, size: tuple[int, int], path: str, **context: Any) -> Page:
    page = city.open_page(browser, *size, **STILL, **context)
    page.goto(f"{city.url}{path}")
    page.wait_for_function(SHOWN)
    return page


def test_a_rule_is_written_tried_and_switched_on_and_one_for_everything_is_refused(
    city: RunningCity, sensor: int, browser: Browser, screenshots: Path
) -> None:
    looks = Looks()
    city.publish(SENSOR, "level", 940.0)
    city.publish(SENSOR, "level", 3.0)
    page = _open(city, browser, DESK, "/rules", role="manager")
    looks.at(page, "rules")

    # What is typed is read out as the sentence that the server will say.
    _write_limit(page, "液位极高", "Level extreme", "900")
    reads = page.get_by_test_id("reads")
    assert "液位 ≥ 900 cm" in reads.inner_text()
    page.fill("[name=reach]", "90O")
    assert page.get_by_test_id("save").is_disabled()
    assert page.get_by_test_id("try").is_disabled()
    assert "不是数字" in page.locator("[data-field=reach]").inner_text()
    page.fill("[name=reach]", "900")

    # Tried on history it fires on the one sensor: in the list, on the map, and a click goes there.
    until = time.monotonic() + 20
    while True:
        page.keyboard.press("Control+Enter")
        page.get_by_test_id("verdict").wait_for()
        page.get_by_test_id("try").wait_for()
        if page.locator("[data-episode]").count() or time.monotonic() > until:
            break
        page.wait_for_timeout(1_000)  # what was sent is stored within seconds
    assert page.get_by_test_id("verdict").get_attribute("data-verdict") in {"good", "busy"}
    row = page.locator("[data-episode]").first
    assert "测试液位计" in row.inner_text()
    assert "940 cm" in row.inner_text()
    row.click()
    page.locator(".mk.call .words", has_text="测试液位计").wait_for()
    looks.at(page, "a trial")
    page.screenshot(path=screenshots / "rules.png")

    # Saved it is off; its sentence is the server's; then it is switched on, and off again with a reason.
    page.get_by_test_id("save").click()
    page.get_by_test_id("turn").wait_for()
    made = next(one for one in _ask(page, "GET", "/api/rules")["rules"] if one["en"] == "Level extreme")
    assert not made["enabled"]
    assert made["words"]["zh"] in reads.inner_text()
    assert made["words"]["en"] in reads.inner_text()
    page.get_by_test_id("turn").click()
    listed = page.locator(f"[data-row='{made['id']}']")
    page.wait_for_selector(f"[data-row='{made['id']}'][data-enabled=true]")
    assert "启用" in listed.inner_text()
    page.get_by_test_id("turn").click()
    assert page.get_by_test_id("turn-off-now").is_disabled()  # nobody switches off without a reason
    page.fill("[name=reason-off]", "传感器检修")
    page.get_by_test_id("turn-off-now").click()
    page.wait_for_selector(f"[data-row='{made['id']}'][data-enabled=false]")
    assert "传感器检修" in page.get_by_test_id("rule").inner_text()
    looks.at(page, "versions")

    # Somebody else is first: what was typed stays, and both are brought together.
    page.fill("[name=zh]", "液位极高（夜间）")
    theirs = {name: made[name] for name in ("zh", "state", "kinds", "property", "condition")}
    theirs |= {"en": "Level far too high", "area": None}
    path = f"/api/rules/{made['id']}"
    _ask(page, "PUT", path, {"version": 3, "rule": theirs, "reason": None})
    page.keyboard.press("Control+s")
    conflict = page.get_by_test_id("conflict")
    conflict.wait_for()
    assert "Level far too high" in conflict.inner_text()
    assert page.input_value("[name=zh]") == "液位极高（夜间）"
    looks.at(page, "a conflict")
    page.get_by_test_id("merge").click()
    page.get_by_test_id("save").click()
    page.get_by_test_id("rule").get_by_text("v5 现行").wait_for()
    kept = _ask(page, "GET", path)
    assert (kept["zh"], kept["en"]) == ("液位极高（夜间）", "Level far too high")

    # A rule that holds for everything is refused, with its figures and what they look like on the map.
    _write_limit(page, "一律报警", "Always", "0")
    page.get_by_test_id("save").click()
    page.get_by_test_id("turn").click()
    refused = page.get_by_test_id("refused")
    refused.wait_for()
    assert re.search(r"\d+ 台设备中的 \d+ 台|\d+ % 的时间|\d+(\.\d)? 条告警", refused.inner_text())
    page.locator("[data-testid=verdict][data-verdict=refused]").wait_for()
    assert page.locator("[data-row][data-enabled=true]", has_text="一律报警").count() == 0
    looks.at(page, "a refused rule")
    # the two answers that refuse are said by the browser as well
    assert [said for said in page.said if not re.search(r"status of (409|422)", said)] == []
    page.context.close()
    assert looks.faults == []
    assert looks.seen == 5


def test_a_fence_is_drawn_by_clicks_and_others_may_read(city: RunningCity, browser: Browser) -> None:
    looks = Looks()
    page = _open(city, browser, DESK, "/rules?lang=en", role="manager")
    page.keyboard.press("n")
    page.fill("[name=zh]", "消防通道违停")
    page.fill("[name=en]", "Fire lane")
    page.check("[name=type][value=fence]")
    page.get_by_test_id("draw").click()
    box = page.get_by_test_id("map").bounding_box()
    assert box is not None
    for x, y in ((0.4, 0.4), (0.6, 0.4), (0.6, 0.6), (0.4, 0.6)):
        page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
        page.wait_for_timeout(350)  # two clicks in one moment would be one double click
    looks.at(page, "drawing")
    page.get_by_test_id("draw-done").click()
    drawn = page.get_by_test_id("fence-is")
    assert "4 corners" in drawn.inner_text()
    before = page.locator("[name=geojson]").input_value()
    corner = page.locator(".corner:not(.between)")
    corner.first.focus()
    page.keyboard.press("Shift+ArrowRight")
    assert page.locator("[name=geojson]").input_value() != before
    page.keyboard.press("Delete")
    assert "3 corners" in drawn.inner_text()
    page.get_by_test_id("save").click()
    page.get_by_test_id("turn").wait_for()
    looks.at(page, "a fence")
    number = _ask(page, "GET", "/api/rules")["rules"][-1]["id"]
    assert page.said == []
    page.context.close()

    # Whoever may only read sees the rule, and nothing to change it with; on a phone one part at a time.
    page = _open(city, browser, PHONE, f"/rules?lang=en&rule={number}", role="operator", **ON_PHONE)
    page.locator("[data-part=rule]").tap()
    page.get_by_test_id("rule").get_by_text("managers change them").wait_for()
    assert page.locator("[data-testid=save], [data-testid=turn], [data-testid=try]").count() == 0
    assert page.locator("[name=en]").get_attribute("readonly") is not None
    looks.in_both_themes(page, "to read")
    assert cut_names(page) == []
    assert page.said == []
    page.context.close()
    assert looks.faults == []
