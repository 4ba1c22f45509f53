"""Prove at the desk, in a real browser: a case goes its way by keys alone, and two operators lose nothing."""

from __future__ import annotations

import re
import uuid

import pytest
from looks import cut_names
from playwright.sync_api import Browser, Page, expect
from running import PATIENCE_MS, RunningCity, in_city

pytestmark = in_city("helsinki")

DESK = (1440, 900)
READY = "() => typeof window.__gridtwin === 'object' && window.__gridtwin.connection() === 'live'"
"""The page holds its map and hears what happens; that all of the map is drawn is not waited for."""

WAY_DRAWN = "() => window.__gridtwin.way().length > 2"

AT = """word => document.querySelector('[data-testid=stages] .now')?.textContent.includes(word)
    && !document.querySelector('[data-testid=move-form]')"""
"""The case stands there, and the page has its answer: it may hear of its own act before that."""


def _open(city: RunningCity, browser: Browser, name: str, query: str = "") -> Page:
    page = city.open_page(browser, *DESK, role=None, reduced_motion="reduce")
    city.sign_in(page.context, name)
    page.goto(f"{city.url}/desk?lang=zh{query}")
    page.wait_for_function(READY, timeout=PATIENCE_MS)
    return page


def _case(page: Page, lon: float, lat: float) -> int:
    """Report a case that repeats no other as whoever is signed in; its number in the database."""
    body = {
        "category_code": "03005",
        "description": "垃圾箱破损",
        "lon": lon,
        "lat": lat,
        "source": "hotline",
        "client_key": str(uuid.uuid4()),
    }
    answer = page.evaluate(
        """async (body) => {
            const answer = await fetch('/api/cases', {
                method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body),
            });
            return [answer.status, await answer.json()];
        }""",
        body,
    )
    assert answer[0] == 201, answer
    return int(answer[1]["id"])


def _act(page: Page, case: int, move: str, version: int) -> None:
    """Do something with a case beside the page."""
    status = page.evaluate(
        """async ([path, body]) => (await fetch(path, {
            method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body),
        })).status""",
        [f"/api/cases/{case}/acts", {"move": move, "version": version}],
    )
    assert status == 200


def _go_to(page: Page, case: int) -> None:
    """Move by key to a row."""
    ids = [int(str(row.get_attribute("data-row"))) for row in page.locator("[data-row]").all()]
    for _ in ids:
        _do(page, "k")
    for _ in ids[: ids.index(case)]:
        _do(page, "j")


def _do(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def test_a_case_is_reported_and_goes_its_way_by_keys_alone(city: RunningCity, browser: Browser) -> None:
    page = _open(city, browser, city.make_person("manager"))

    # A case by telephone: what was typed is there again after the page was loaded anew, who reported is not.
    _do(page, "c")
    form = page.get_by_test_id("report")
    page.keyboard.type("01013")
    page.keyboard.press("Tab")
    page.keyboard.type("消火栓被遮挡")
    page.fill("[name=reporter-phone]", "13800000000")
    page.reload()
    page.wait_for_function(READY, timeout=PATIENCE_MS)
    _do(page, "c")
    expect(form.locator("[name=description]")).to_have_value("消火栓被遮挡")
    expect(form.locator("[name=reporter-phone]")).to_have_value("")
    form.get_by_role("button", name="上报案件").press("Enter")
    expect(form.get_by_role("alert")).to_contain_text("地点")
    form.get_by_role("button", name="取地图中心").press("Enter")
    form.get_by_role("button", name="上报案件").press("Enter")
    page.get_by_test_id("reporter-link").wait_for()
    _do(page, "Escape")
    expect(page.get_by_test_id("case-head")).to_contain_text("消火栓被遮挡")
    expect(page.locator("[data-queue=collect]")).to_have_attribute("aria-pressed", "true")
    page.wait_for_function(AT, arg="信息收集")

    # Nothing is done by the key alone: Esc takes it back, Enter does it.
    _do(page, "a")
    expect(page.get_by_test_id("move-form")).to_contain_text("立案")
    _do(page, "Escape")
    expect(page.get_by_test_id("move-form")).to_have_count(0)
    assert page.evaluate(AT, "信息收集")
    _do(page, "a", "Enter")
    page.wait_for_function(AT, arg="案卷建立")

    number = page.evaluate("() => new URLSearchParams(location.search).get('case')")
    _do(page, "2")
    row = page.locator(f"[data-row='{number}']")
    row.wait_for()
    page.locator("[data-candidate]").first.wait_for()
    _do(page, "Tab")  # another one than who was proposed first
    expect(page.locator("[data-candidate='1']")).to_have_attribute("aria-pressed", "true")
    _do(page, "d", "Enter")
    page.wait_for_function(AT, arg="任务派遣")
    _do(page, "a", "Enter")
    page.wait_for_function(AT, arg="任务处理")

    # What must be told is asked for, and nothing is sent without it.
    _do(page, "a", "Enter")
    expect(page.get_by_test_id("refusal")).to_contain_text("说明")
    page.keyboard.type("已清理遮挡物")
    _do(page, "Enter")
    page.wait_for_function(AT, arg="处理反馈")
    _do(page, "4")
    page.locator(f"[data-row='{number}']").wait_for()
    _do(page, "a", "Enter")
    page.wait_for_function(AT, arg="核查结案")

    # The check is somebody else's: it is not offered to who reported it as done.
    assert page.locator("[data-move=pass]").count() == 0
    _do(page, "n")
    page.keyboard.type("请核查员到场")
    _do(page, "Control+Enter")
    expect(page.get_by_test_id("course")).to_contain_text("请核查员到场")

    # Three marked cases are made one; what somebody did with one of them meanwhile is told, and it stays.
    lon, lat = city.get("/api/scene")["center"]
    cases = [_case(page, lon + 0.003 * i, lat + 0.002) for i in (-1, 0, 1)]
    _do(page, "Escape", "1")
    page.locator(f"[data-row='{cases[2]}']").wait_for()
    for case in cases:
        _go_to(page, case)
        _do(page, "x")
    expect(page.locator("input[type=checkbox]:checked")).to_have_count(3)
    _do(page, "b")
    form = page.get_by_test_id("merge-form")
    expect(form.locator(":focus")).to_have_value(str(cases[0]))
    _act(page, cases[2], "file", 1)
    _do(page, "Enter")
    expect(form.get_by_role("alert")).to_contain_text("立案")
    assert [city.get(f"/api/cases/{case}")["linked_to"] for case in cases] == [None, cases[0], None]
    _do(page, "Enter")
    expect(form).to_have_count(0)
    assert city.get(f"/api/cases/{cases[2]}")["linked_to"] == cases[0]
    # the browser itself tells of the one refusal
    assert [said for said in page.said if "409" not in said] == []
    page.context.close()


def test_of_two_on_one_case_one_wins_and_the_other_loses_nothing(city: RunningCity, browser: Browser) -> None:
    lon, lat = city.get("/api/scene")["center"]
    first = _open(city, browser, city.make_person("manager"))
    case = _case(first, lon, lat)
    second = _open(city, browser, city.make_person("manager"), f"&queue=collect&case={case}")
    first.goto(f"{city.url}/desk?lang=zh&queue=collect&case={case}")
    for page in (first, second):
        page.wait_for_selector("[data-testid=stages] .now")

    # Both begin; the second hears nothing of the first while it types.
    second.context.set_offline(True)
    _do(second, "r")
    second.keyboard.type("不属于本辖区")
    second.evaluate("() => { const box = document.querySelector('[name=case-note]'); box.focus(); }")
    second.keyboard.type("已电话告知")
    _do(first, "a", "Enter")
    first.wait_for_function(AT, arg="案卷建立")
    second.context.set_offline(False)
    second.locator("[data-testid=move-form] [name=reason]").press("Enter")

    told = second.get_by_test_id("conflict")
    told.wait_for()
    expect(told).to_contain_text("演示将“阶段”改为案卷建立")
    expect(told).to_contain_text("与之相抵触")
    assert second.locator("[name=reason]").input_value() == "不属于本辖区"
    assert second.locator("[name=case-note]").input_value() == "已电话告知"
    stands = city.get(f"/api/cases/{case}")
    assert (stands["stage"], stands["outcome"], stands["version"]) == ("filed", None, 2)
    second.evaluate("() => document.activeElement.blur()")
    _do(second, "v")
    expect(second.get_by_test_id("differences")).to_contain_text("不属于本辖区")
    _do(second, "Escape", "Escape")

    # Where the two touch different things, M sends mine again on the new version.
    second.wait_for_selector("[data-move=supervise]")
    _do(second, "u")
    second.keyboard.type("市民多次来电")
    _do(first, "o")
    first.locator("[data-move=correct]").press("Enter")
    first.locator("[name=priority]").select_option("2")
    first.locator("[data-testid=move-form] [type=submit]").press("Enter")
    told.wait_for()
    expect(told).to_contain_text("级别")
    expect(told).to_contain_text("与之不相抵触")
    assert second.locator("[name=reason]").input_value() == "市民多次来电"
    second.evaluate("() => document.activeElement.blur()")
    _do(second, "m")
    expect(second.get_by_test_id("move-form")).to_have_count(0)
    expect(second.get_by_test_id("case-head").locator("xpath=..")).to_contain_text("督办")
    stands = city.get(f"/api/cases/{case}")
    assert stands["priority"] == 2
    assert stands["supervised_by"]
    assert second.locator("[name=case-note]").input_value() == "已电话告知"
    for page in (first, second):
        page.context.close()


NARROW = (390, 844)
SMALL = """() => [...document.querySelectorAll('button, a[href], input, select, summary')].filter((one) => {
    const { width, height } = one.getBoundingClientRect();
    const visible = one.checkVisibility({ opacityProperty: true, visibilityProperty: true });
    const seen = width > 1 && height > 1 && visible;
    return seen && !one.closest('.marks') && (width < 43.5 || height < 43.5);
}).map((one) => one.outerHTML.slice(0, 120))"""


def test_menus_stay_in_their_panel_keys_lead_out_and_thumbs_find_what_they_press(
    city: RunningCity, browser: Browser
) -> None:
    page = _open(city, browser, city.make_person("manager"))
    lon, lat = city.get("/api/scene")["center"]
    case = _case(page, lon + 0.004, lat + 0.003)
    page.goto(f"{city.url}/desk?lang=en&queue=collect&case={case}")
    page.locator("[data-candidate]").first.wait_for()

    # The menu has the arrows while it is open, and all of it is seen.
    _do(page, "o")
    menu = page.get_by_role("menu")
    first, panel = menu.bounding_box(), page.get_by_test_id("case").bounding_box()
    assert first is not None
    assert panel is not None
    assert panel["x"] <= first["x"]
    assert first["x"] + first["width"] <= panel["x"] + panel["width"]
    expect(menu.get_by_role("menuitem").first).to_be_focused()
    _do(page, "ArrowDown")
    expect(menu.get_by_role("menuitem").nth(1)).to_be_focused()
    _do(page, "Escape")

    # The arrows look back at what happened; Esc is now again.
    at = page.get_by_test_id("strip-at")
    expect(at).to_have_text("now")
    _do(page, "ArrowLeft")
    expect(at).to_contain_text(":")
    _do(page, "Escape")
    expect(at).to_have_text("now")

    # Behind the last of those who could go, Tab leaves.
    row = page.locator(f"[data-row='{case}']")
    row.focus()
    last = page.locator("[data-candidate]").count()
    for _ in range(40):
        if not row.evaluate("(one) => one === document.activeElement"):
            break
        _do(page, "Tab")
    else:
        pytest.fail("Tab never leaves the row")
    assert last >= 1

    page.set_viewport_size({"width": NARROW[0], "height": NARROW[1]})
    for part in (1, 2, 3):
        page.locator("nav.which button").nth(part - 1).click()
        assert page.evaluate(SMALL) == []
        assert page.evaluate("() => document.documentElement.scrollWidth") <= NARROW[0]
    assert cut_names(page) == []
    page.context.close()


def test_who_could_go_is_told_in_minutes_on_the_streets_and_their_way_is_drawn(
    city: RunningCity, browser: Browser
) -> None:
    page = _open(city, browser, city.make_person("manager"))
    lon, lat = city.get("/api/scene")["center"]
    case = _case(page, lon + 0.001, lat + 0.001)
    page.goto(f"{city.url}/desk?lang=zh&case={case}")
    page.wait_for_function(READY, timeout=PATIENCE_MS)
    rows = page.locator("[data-candidate]").filter(has_text=re.compile(r"(步行|电动自行车) \d+ 分"))
    rows.first.wait_for()
    ranked = city.get(f"/api/cases/{case}/ranking")["workers"]
    minutes = int(re.search(r"(\d+) 分", rows.first.inner_text())[1])
    assert minutes == pytest.approx(ranked[0]["way_s"] / 60, abs=2), "they walk on meanwhile"
    rows.first.click()  # first of all stands the organisation that a rule says is responsible

    # The line begins where the chosen one is and ends at the case, on streets in between.
    page.wait_for_function(WAY_DRAWN)
    drawn = page.evaluate("() => window.__gridtwin.way()")
    place = city.get(f"/api/cases/{case}")
    assert drawn[-1] == [pytest.approx(place["lon"], abs=1e-6), pytest.approx(place["lat"], abs=1e-6)]
    if rows.count() > 1:
        rows.nth(1).hover()
        page.wait_for_function(
            "a => window.__gridtwin.way()[0] && window.__gridtwin.way()[0][0] !== a", arg=drawn[0][0]
        )
        page.mouse.move(5, 5)
    expect(page.locator(".mk", has_text=re.compile(r"\* \d+ 分")).first).to_be_attached()
    page.keyboard.press("Escape")
    page.wait_for_function("() => window.__gridtwin.way().length === 0")
