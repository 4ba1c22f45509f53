"""Prove in a real browser that a department works, by phone and at a desk, on what is given to it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from looks import Looks
from playwright.sync_api import Browser, Page, expect
from running import PATIENCE_MS, RunningCity, in_city

from api.access.door import COOKIE

pytestmark = in_city("helsinki")

DESK, PHONE = (1440, 900), (390, 844)
ON_PHONE = {"has_touch": True, "is_mobile": True}
CATEGORY = "06010"
"""A kind of case whose work is shown by a photograph."""

LIVE = "() => document.querySelector('[data-testid=connection]')?.dataset.state === 'live'"


@contextmanager
def _client(city: RunningCity, role: str, organisation_id: int | None = None) -> Iterator[httpx.Client]:
    secret = city.session(city.make_person(role, organisation_id=organisation_id))
    with httpx.Client(base_url=city.url, cookies={COOKIE: secret}, timeout=60) as client:
        yield client


def _report(client: httpx.Client, place: tuple[float, float], number: int) -> dict[str, Any]:
    """Report and file a case far enough from others to repeat none."""
    body = {
        "category_code": CATEGORY,
        "description": f"路边堆放垃圾 {number}",
        "lon": place[0] + number * 0.004,
        "lat": place[1],
        "source": "patrol",
        "client_key": str(uuid.uuid4()),
    }
    answer = client.post("/api/cases", json=body)
    assert answer.status_code == 201, answer.text
    return _act(client, answer.json(), "file")


def _act(client: httpx.Client, stand: dict[str, Any], move: str, **told: Any) -> dict[str, Any]:
    body = {"version": stand["version"], "move": move, **told}
    answer = client.post(f"/api/cases/{stand['id']}/acts", json=body)
    assert answer.status_code == 200, answer.text
    done: dict[str, Any] = answer.json()
    return done


def _departments(city: RunningCity) -> list[int]:
    return [row["id"] for row in city.get("/api/organisations") if row["kind"] == "department"]


def _stage(city: RunningCity, case: int) -> str:
    return str(city.get(f"/api/cases/{case}")["stage"])


@pytest.mark.parametrize(("size", "lang"), [(PHONE, "zh"), (DESK, "en")], ids=["phone-zh", "desk-en"])
def test_what_is_given_to_a_department_comes_is_done_with_a_photograph_and_is_seen_by_the_operator(
    city: RunningCity, browser: Browser, screenshots: Any, size: tuple[int, int], lang: str
) -> None:
    looks = Looks()
    on_phone = size is PHONE
    lon, lat = city.get("/api/scene")["center"]
    at = lon - 0.006, lat + (0.002 if on_phone else -0.002)
    first, second = _departments(city)[:2]
    name = city.make_person("department", organisation_id=first)
    page = city.open_page(
        browser, *size, role=None, reduced_motion="reduce", **(ON_PHONE if on_phone else {})
    )
    city.sign_in(page.context, name)
    page.goto(f"{city.url}/tasks?lang={lang}")
    page.wait_for_function(LIVE, timeout=PATIENCE_MS)

    with _client(city, "dispatcher") as dispatcher:
        cases = [_report(dispatcher, at, n) for n in range(3)]
        theirs, mine, lent = cases
        _act(dispatcher, theirs, "dispatch", organisation_id=second)
        mine = _act(dispatcher, mine, "dispatch", organisation_id=first)
        lent = _act(dispatcher, lent, "dispatch", organisation_id=first)
        # Given, it is there; that of others is not, and what is taken away goes.
        row = page.locator(f'[data-row="{mine["id"]}"]')
        row.wait_for()
        page.locator(f'[data-row="{lent["id"]}"]').wait_for()
        looks.at(page, "list")
        page.screenshot(path=screenshots / f"tasks-{lang}-1-list.png")
        _act(dispatcher, lent, "transfer", organisation_id=second, reason="归口有误")
        expect(page.locator(f'[data-row="{lent["id"]}"]')).to_have_count(0)
        assert page.locator(f'[data-row="{theirs["id"]}"]').count() == 0

    row.click()
    page.locator('[data-move="take"]').wait_for()
    looks.at(page, "to be taken on")
    offered = {str(one.get_attribute("data-move")) for one in page.locator("[data-move]").all()}
    assert offered == {"take", "return", "extend", "park", "call_up"}
    page.screenshot(path=screenshots / f"tasks-{lang}-2-case.png")
    page.locator('[data-move="take"]').click()
    page.get_by_test_id("camera").wait_for(state="attached")
    assert _stage(city, mine["id"]) == "handling"
    page.screenshot(path=screenshots / f"tasks-{lang}-3-work.png")

    # From the list it is three taps: the case, the photograph, the report.
    if on_phone:
        page.locator(".which button").first.click()
    page.locator(f'[data-row="{mine["id"]}"]').click()
    photograph = {"name": "after.jpg", "mimeType": "image/jpeg", "buffer": page.screenshot(type="jpeg")}
    page.get_by_test_id("camera").set_input_files(photograph)
    form = page.get_by_test_id("done-form")
    form.locator("canvas").wait_for()
    looks.in_both_themes(page, "report with a photograph")
    page.screenshot(path=screenshots / f"tasks-{lang}-4-report.png")
    form.locator("[type=submit]").click()
    form.wait_for(state="detached")
    page.locator('[data-part="done"][aria-pressed="true"]').wait_for(state="attached")
    assert _stage(city, mine["id"]) == "feedback"
    looks.at(page, "reported")
    page.screenshot(path=screenshots / f"tasks-{lang}-5-reported.png")

    with _client(city, "operator") as operator:
        waits = operator.get("/api/cases", params={"queue": "check"}).json()["cases"]
        assert mine["id"] in {case["id"] for case in waits}
        photographs = operator.get(f"/api/cases/{mine['id']}/photographs").json()["photographs"]
        assert [one["moment"] for one in photographs] == ["after"]
        assert "before_dispatch" not in photographs[0]["flags"]
        if on_phone:
            stand = _act(operator, city.get(f"/api/cases/{mine['id']}"), "send_check")
            _act(operator, stand, "pass")
            page.locator('[data-testid="stages"] [aria-current="step"]', has_text="综合评价").wait_for()
            assert page.get_by_test_id("note").filter(has_text="新案件").count() == 0
    if not on_phone:
        _is_seen_at_the_desk(city, browser, mine["id"])

    assert page.said == []
    assert looks.faults == []
    _shows_only_the_cases_of(city, page, first)
    page.context.close()


def _is_seen_at_the_desk(city: RunningCity, browser: Browser, case: int) -> None:
    desk = city.open_page(browser, *DESK, role="operator", reduced_motion="reduce")
    desk.goto(f"{city.url}/desk?lang=zh&queue=check&case={case}")
    desk.locator(f'[data-row="{case}"]').wait_for(timeout=PATIENCE_MS)
    desk.locator('[data-testid="case"] img').first.wait_for(timeout=PATIENCE_MS)
    desk.context.close()


def _shows_only_the_cases_of(city: RunningCity, page: Page, organisation: int) -> None:
    """Check that all rows of all parts are of cases given to the organisation."""
    seen: set[int] = set()
    for part in ("take", "work", "done"):
        if page.locator(".which button").count():
            page.locator(".which button").first.click()
        page.locator(f'[data-part="{part}"]').click()
        seen |= {int(str(one.get_attribute("data-row"))) for one in page.locator("[data-row]").all()}
    for case in seen:
        assert city.get(f"/api/cases/{case}")["handler"]["organisation_id"] == organisation


def test_a_department_that_was_cut_off_is_told_so_and_keeps_what_it_took(
    city: RunningCity, browser: Browser
) -> None:
    """Without a network the page says so; photograph and words stay, and go once when sent again."""
    lon, lat = city.get("/api/scene")["center"]
    organisation = _departments(city)[0]
    with _client(city, "dispatcher") as dispatcher:
        case = _report(dispatcher, (lon + 0.006, lat + 0.004), 0)
        case = _act(dispatcher, case, "dispatch", organisation_id=organisation)
    with _client(city, "department", organisation) as staff:
        case = _act(staff, case, "take")
    page = city.open_page(browser, *PHONE, role=None, reduced_motion="reduce", **ON_PHONE)
    city.sign_in(page.context, city.make_person("department", organisation_id=organisation))
    page.goto(f"{city.url}/tasks?lang=zh&case={case['id']}")
    page.wait_for_function(LIVE, timeout=PATIENCE_MS)
    photograph = {"name": "after.jpg", "mimeType": "image/jpeg", "buffer": page.screenshot(type="jpeg")}
    page.get_by_test_id("camera").set_input_files(photograph)
    # The photograph arrives, its answer and the report do not.
    page.route("**/photographs?*", lambda route: (route.fetch(), route.abort()))
    form = page.get_by_test_id("done-form")
    form.locator("[name=note]").fill("已清走")
    form.locator("[type=submit]").click()
    form.get_by_test_id("refusal").wait_for()
    page.unroute("**/photographs?*")
    page.context.set_offline(True)
    page.get_by_test_id("outage").wait_for()
    expect(form.locator("[name=note]")).to_have_value("已清走")
    page.context.set_offline(False)
    page.wait_for_function(LIVE, timeout=PATIENCE_MS)
    # The report arrives, its answer does not: the page finds out by itself.
    page.route("**/acts", lambda route: (route.fetch(), route.abort()))
    form.locator("[type=submit]").click()
    form.wait_for(state="detached")
    stand = city.get(f"/api/cases/{case['id']}")
    assert stand["stage"] == "feedback"
    assert [event["event"] for event in stand["events"]].count("case.photographed") == 1
    page.context.close()
