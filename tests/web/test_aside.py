"""Prove in a real browser, at desk and wall, that alarms are acknowledged, put aside and come back."""

from __future__ import annotations

from typing import Any

import pytest
from looks import Looks
from playwright.sync_api import Browser, Page, expect
from running import PATIENCE_MS, RunningCity, found, in_city

pytestmark = in_city("helsinki")

DESK, PHONE = (1000, 800), (390, 844)
STILL = {"reduced_motion": "reduce"}
ON_PHONE = {"has_touch": True, "is_mobile": True}
LIVE = "() => typeof window.__gridtwin === 'object' && window.__gridtwin.connection() === 'live'"


@pytest.fixture(scope="module")
def levels(city: RunningCity) -> None:
    """Two sensors beside each other, one elsewhere."""
    city.install_levels({"TEST-ASIDE-1": 0.004, "TEST-ASIDE-2": 0.0042, "TEST-ASIDE-3": -0.004})


def _open(city: RunningCity, browser: Browser, path: str, role: str, **context: Any) -> Page:
    size = PHONE if context else DESK
    page = city.open_page(browser, *size, role=role, **STILL, **context)
    page.goto(f"{city.url}{path}")
    page.wait_for_function(LIVE, timeout=PATIENCE_MS)
    return page


def _raised(city: RunningCity, uid: str) -> dict[str, Any]:
    """Flood a sensor; return its group once that has a case."""
    city.publish(uid, "level", 31.4)

    def look() -> dict[str, Any] | None:
        group = city.group_of(uid)
        return group if group and group["case"] else None

    return found(look)


def test_a_group_is_put_aside_at_the_desk_and_comes_back_at_its_end(
    city: RunningCity, browser: Browser, levels: None
) -> None:
    looks = Looks()
    city.publish("TEST-ASIDE-1", "level", 31.4)
    group = _raised(city, "TEST-ASIDE-2")
    case, number = group["case"]["id"], group["group_id"]
    page = _open(city, browser, f"/desk?lang=zh&queue=collect&case={case}", "operator")
    line = page.get_by_test_id("alarm-group")
    expect(line).to_contain_text("2 条未恢复")
    expect(line).to_contain_text("未确认 2")

    # One key acknowledges; who did is told.
    page.keyboard.press("y")
    expect(page.get_by_test_id("acknowledged")).to_have_text("已确认 2（演示）")
    assert city.run_sql(
        "SELECT count(acknowledged_at), min(acknowledged_by) FROM alarm WHERE group_id = :id",
        id=number,
    ) == [(2, "演示")]

    # Nobody puts anything aside without a reason, or by the key alone.
    page.keyboard.press("s")
    dialog = page.get_by_test_id("shelve-dialog")
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("alert")).to_contain_text("“原因”未填")
    looks.at(page, "shelving")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert city.get("/api/alarms/shelved") == []
    page.keyboard.press("s")
    page.keyboard.type("设备检修")
    page.check("[name=end][value=own]")
    page.fill("[name=own]", "2020-01-01T00:00")
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("alert")).to_contain_text("“搁置到”已过")
    page.check("[name=end][value='2h']")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("aside")).to_contain_text("演示：设备检修")
    looks.in_both_themes(page, "put aside")
    rows = city.run_sql(
        "SELECT reason, shelved_by, extract(epoch FROM until_at - begins_at) FROM shelving "
        "WHERE group_id = :id",
        id=number,
    )
    assert rows[0][:2] == ("设备检修", "演示")
    assert abs(float(rows[0][2]) - 7200) < 60

    # On a wall on which nobody may act it stands apart, counted, with who and why, and without buttons.
    wall = _open(city, browser, "/wall?lang=zh", "wall")
    expect(wall.get_by_test_id("shelved")).to_have_text("搁置 1")
    row = wall.locator(f"[data-testid=aside] ~ [data-row='group-{number}']")
    expect(row).to_contain_text("演示：设备检修")
    row.click()
    expect(wall.get_by_test_id("aside-detail")).to_contain_text("设备检修")
    wall.keyboard.press("s")
    assert wall.get_by_test_id("shelve-dialog").count() == 0
    assert wall.locator("[data-testid=shelve], [data-testid=acknowledge]").count() == 0
    looks.at(wall, "wall, put aside")

    # Its end comes by the clock of the server: both pages hear of it.
    city.run_sql("UPDATE shelving SET until_at = now() + interval '0.2 s' WHERE group_id = :id", id=number)
    expect(page.get_by_test_id("aside")).to_have_count(0)
    expect(wall.get_by_test_id("shelved")).to_have_text("搁置 0")
    expect(wall.locator(f"[data-row='group-{number}']")).to_be_visible()
    assert city.run_sql("SELECT ended_by FROM shelving WHERE group_id = :id", id=number) == [("system",)]
    assert page.said == []
    assert wall.said == []
    page.context.close()
    wall.context.close()
    city.publish("TEST-ASIDE-1", "level", 1.0)
    city.publish("TEST-ASIDE-2", "level", 1.0)
    assert looks.faults == []


def test_the_wall_puts_aside_and_brings_back_by_keys_and_by_finger(
    city: RunningCity, browser: Browser, levels: None
) -> None:
    looks = Looks()
    key = _raised(city, "TEST-ASIDE-3")["key"]
    page = _open(city, browser, "/wall?lang=en", "operator", **ON_PHONE)
    page.locator(".tabs button").nth(1).tap()
    row = page.locator(f"[data-row='{key}']")
    row.wait_for()
    rows = [
        each.get_attribute("data-row")
        for each in page.get_by_test_id("left-rail").locator("[data-row]").all()
    ]
    for _ in range(rows.index(key) + 1):
        page.keyboard.press("j")
    page.keyboard.press("a")
    found(lambda: (city.group_of("TEST-ASIDE-3") or {}).get("acknowledged") == 1)
    page.keyboard.press("s")
    page.keyboard.type("Sensor is cleaned")
    page.keyboard.press("Enter")
    aside = page.locator(f"[data-testid=aside] ~ [data-row='{key}']")
    expect(aside).to_contain_text("Sensor is cleaned")
    page.keyboard.press("s")
    expect(page.get_by_test_id("shelve-dialog")).to_contain_text("Sensor is cleaned")
    looks.at(page, "wall, who put it aside")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("shelved")).to_have_text("0 shelved")
    ended = "SELECT ended_by FROM shelving WHERE group_id = :id ORDER BY id DESC LIMIT 1"
    assert city.run_sql(ended, id=int(key.removeprefix("group-"))) == [("演示",)]

    row.tap()
    page.get_by_test_id("shelve").tap()
    page.get_by_role("button", name="False alarm").tap()
    looks.in_both_themes(page, "wall on a phone, shelving")
    page.locator("[data-testid=shelve-dialog] .main").tap()
    expect(page.get_by_test_id("aside-detail")).to_contain_text("False alarm")
    assert page.said == []
    page.context.close()
    city.publish("TEST-ASIDE-3", "level", 1.0)
    assert looks.faults == []
