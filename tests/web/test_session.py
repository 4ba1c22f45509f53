"""Prove in a real browser what becomes of a page whose person is gone, and that a signed-out one is still."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page
from running import PATIENCE_MS, SHOWN, RunningCity, in_city

pytestmark = in_city("helsinki")

PASSWORD = "Regen-Schirm-27"
IDLE_S = 30 * 60
DOORS = ("/api/session", "/api/sign-in", "/api/kiosk/", "/api/health")


def _asked_inside(page: Page, since: int = 0) -> list[str]:
    """What a page asked for that only somebody who is signed in gets."""
    paths = [urlsplit(url).path for url in page.asked[since:]]
    return [
        path
        for path in paths
        if path.startswith(("/api/", "/tiles/", "/live")) and not path.startswith(DOORS)
    ]


@pytest.mark.parametrize("size", [(390, 844), (2560, 1440)], ids=["phone", "wall"])
def test_without_a_session_nothing_is_asked_for_and_nothing_goes_wrong(
    city: RunningCity, browser: Browser, size: tuple[int, int]
) -> None:
    page = city.open_page(browser, *size, role=None)
    admin = ("/admin/accounts", "/admin/record", "/admin/sources")
    for path in ("/sign-in", "/kiosk", "/", "/wall", "/desk", "/tasks", "/rules", *admin):
        page.goto(city.url + path)
        page.wait_for_selector("form")
        page.wait_for_load_state("networkidle")
        assert page.said == [], path
        assert _asked_inside(page) == [], path
    page.context.close()


def test_a_wall_without_a_person_gives_notice_stands_still_and_opens_again(
    city: RunningCity, browser: Browser
) -> None:
    name = city.make_person("operator", PASSWORD)
    page = city.open_page(browser, 1280, 720, role=None)
    city.sign_in(page.context, name)
    city.age_sessions(name, IDLE_S - 60)
    page.goto(f"{city.url}/wall")
    page.wait_for_function(SHOWN, timeout=PATIENCE_MS)

    # Near its end the page says so, whatever it asked for meanwhile; one key keeps the session.
    notice = page.get_by_test_id("staying")
    notice.wait_for(timeout=PATIENCE_MS)
    assert _left_s(page) < 60
    page.keyboard.press("Space")
    notice.wait_for(state="detached", timeout=5_000)
    assert _left_s(page) > IDLE_S - 10

    # Over, by the server's clock: the socket is closed, the door stands over a map that stands still.
    city.age_sessions(name, IDLE_S + 1)
    ended_s = time.monotonic()
    door = page.get_by_test_id("signed-out")
    door.wait_for(timeout=5_000)
    assert time.monotonic() - ended_s < 5.0
    asked, clock = len(page.asked), page.locator("header .clock").inner_text()
    page.wait_for_timeout(6_000)
    assert _asked_inside(page, asked) == []
    assert page.locator("header .clock").inner_text() == clock
    assert page.evaluate("() => window.__gridtwin.lost()")
    page.keyboard.press("?")
    assert page.get_by_role("dialog").count() == 1, "behind the door nothing is done by key"

    # The door is the one to sign in by; the page goes on from there.
    page.locator("input[type=password]").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_function(
        f"() => ({SHOWN})() && window.__gridtwin.connection() === 'live'", timeout=PATIENCE_MS
    )
    assert door.count() == 0
    page.context.close()


def test_an_act_at_one_page_keeps_the_session_of_another(city: RunningCity, browser: Browser) -> None:
    name = city.make_person("operator")
    page = city.open_page(browser, 1280, 720, role=None)
    city.sign_in(page.context, name)
    city.age_sessions(name, IDLE_S - 40)
    page.goto(city.url)
    other = page.context.new_page()
    other.goto(city.url)
    other.locator("h1").wait_for()
    page.get_by_test_id("staying").wait_for(timeout=45_000)
    other.mouse.move(100, 100)
    other.mouse.move(140, 130)
    page.get_by_test_id("staying").wait_for(state="detached", timeout=10_000)
    assert _left_s(page) > IDLE_S - 20
    page.context.close()


def _left_s(page: Page) -> float:
    """How long the session lasts without a person; to ask does not keep it."""
    return float(page.evaluate("async () => (await (await fetch('/api/session')).json()).remaining.idle_s"))
