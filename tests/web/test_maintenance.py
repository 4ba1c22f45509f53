"""Prove in a real browser that maintenance is planned, keeps alarms from raising cases, and is ended."""

from __future__ import annotations

from typing import Any

from looks import Looks
from playwright.sync_api import Browser, Page, expect
from running import PATIENCE_MS, RunningCity, found, in_city

pytestmark = in_city("helsinki")

DESK, PHONE = (1000, 800), (390, 844)
INSIDE, OUTSIDE = "TEST-WINDOW-1", "TEST-WINDOW-2"
LIVE = "() => typeof window.__gridtwin === 'object' && window.__gridtwin.connection() === 'live'"


def _open(city: RunningCity, browser: Browser, lang: str, role: str, **context: Any) -> Page:
    page = city.open_page(
        browser, *(PHONE if context else DESK), role=role, reduced_motion="reduce", **context
    )
    page.goto(f"{city.url}/maintenance?lang={lang}")
    page.wait_for_function(LIVE, timeout=PATIENCE_MS)
    return page


def _grid_of(city: RunningCity, uid: str) -> str:
    [(code,)] = city.run_sql(
        "SELECT area.code FROM device JOIN area ON area.id = device.responsibility_grid_id "
        "WHERE device.uid = :uid AND device.valid_to IS NULL",
        uid=uid,
    )
    return str(code)


def test_maintenance_keeps_an_alarm_from_raising_a_case_and_counts_it_until_it_is_ended(
    city: RunningCity, browser: Browser
) -> None:
    looks = Looks()
    city.install_levels({INSIDE: 0.007, OUTSIDE: -0.007})
    grid = _grid_of(city, INSIDE)
    assert grid != _grid_of(city, OUTSIDE)
    page = _open(city, browser, "zh", "manager")
    page.get_by_text("现在没有维护").wait_for()

    # What is missing is said, with what to do, and the keyboard goes there.
    page.keyboard.press("n")
    form = page.get_by_test_id("window-form")
    page.keyboard.press("Control+s")
    expect(form.get_by_role("alert")).to_contain_text("“区域”未选")
    assert page.evaluate("() => document.activeElement.dataset.testid") == "pick-area"
    page.keyboard.press("Enter")
    page.keyboard.type(grid)
    page.wait_for_function(
        "code => document.querySelector('[role=treeitem]')?.dataset.code === code", arg=grid
    )
    page.keyboard.press("Enter")
    form.locator("[name=kind]").select_option("water_level")
    form.locator("[name=ends]").fill("2020-01-01T00:00")
    page.keyboard.press("Control+s")
    expect(form.get_by_role("alert")).to_contain_text("“结束”")
    form.get_by_role("button", name="8 时").press("Enter")
    form.locator("[name=reason]").focus()
    page.keyboard.type("泵站检修")
    looks.in_both_themes(page, "new window")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("window")).to_contain_text("泵站检修")
    kept = city.run_sql(
        "SELECT area_code, kind, reason, made_by, ended_at, ends_at - begins_at FROM maintenance_window"
    )
    assert [row[:5] for row in kept] == [(grid, "water_level", "泵站检修", "演示", None)]
    assert kept[0][5].total_seconds() == 8 * 3600

    # Its alarm is counted and marked, and has no case when one outside that came later has.
    city.publish(INSIDE, "level", 31.4)
    row = page.locator("[data-standing=running]")
    expect(row).to_contain_text("告警 1 条")
    city.publish(OUTSIDE, "level", 31.4)
    found(lambda: (city.group_of(OUTSIDE) or {}).get("case"))
    group = city.group_of(INSIDE)
    assert group is not None
    assert (group["maintenance"], group["case"], group["no_case"]) == (True, None, None)
    assert city.get("/api/alarms")["maintenance"] == 1
    looks.in_both_themes(page, "a window that runs")

    # Whoever may not plan reads it, on a phone too, and has nothing to change it with.
    reader = _open(city, browser, "en", "operator", has_touch=True, is_mobile=True)
    reader.locator("[data-standing=running]").tap()
    expect(reader.get_by_test_id("came")).to_contain_text("1, 1 open")
    for key in ("n", "e"):
        reader.keyboard.press(key)
    assert reader.locator("[data-testid=new-window], [data-testid=end], form").count() == 0
    looks.in_both_themes(reader, "to read on a phone")
    assert reader.said == []
    reader.context.close()

    # Nothing ends by one key; ended, what is still open raises its case.
    page.keyboard.press("Escape")
    row.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("e")
    page.get_by_test_id("end-now").wait_for()
    assert city.run_sql("SELECT ended_at FROM maintenance_window") == [(None,)]
    page.keyboard.press("Enter")
    expect(row).to_have_count(0)
    assert city.run_sql("SELECT ended_by FROM maintenance_window") == [("演示",)]
    found(lambda: (city.group_of(INSIDE) or {}).get("case"))
    assert page.said == []
    page.context.close()
    for uid in (INSIDE, OUTSIDE):
        city.publish(uid, "level", 1.0)
    assert looks.faults == []
