"""Prove in a real browser that a map whose graphics context is lost comes back, or says that it does not."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import Browser
from running import SHOWN, RunningCity

pytestmark = [
    pytest.mark.browser,
    pytest.mark.postgis,
    pytest.mark.broker,
    pytest.mark.parametrize("city", ["helsinki"], indirect=True),
]

BACK_WITHIN_S = 10.0


def test_a_lost_context_comes_back_with_live_states_or_a_person_is_asked(
    city: RunningCity, browser: Browser
) -> None:
    page = city.open_page(browser, 1280, 720)
    page.goto(f"{city.url}/wall")
    page.wait_for_function(SHOWN, timeout=120_000)
    middle = {"x": 420, "y": 120, "width": 420, "height": 320}
    before = page.screenshot(clip=middle)

    page.evaluate("() => { window.old = window.__gridtwin; window.old.loseContext(); }")
    lost_s = time.monotonic()
    page.wait_for_function(
        "() => window.__gridtwin !== window.old && window.__gridtwin.idle()", timeout=BACK_WITHIN_S * 1000
    )
    page.get_by_test_id("context-lost").wait_for(state="detached", timeout=5_000)
    assert time.monotonic() - lost_s < BACK_WITHIN_S
    uploads = page.evaluate("() => window.__gridtwin.uploads()")
    page.wait_for_function("n => window.__gridtwin.uploads() > n", arg=uploads, timeout=30_000)
    assert page.evaluate("() => window.__gridtwin.connection()") == "live"
    # A map that is not drawn is one colour, a few kilobytes with the names over it.
    assert len(page.screenshot(clip=middle)) > 0.6 * len(before)

    # Graphics that do not come back at all: said within the time, and a press brings the page back.
    page.evaluate(
        "() => { window.__gridtwin.loseContext(); HTMLCanvasElement.prototype.getContext = () => null; }"
    )
    notice = page.get_by_test_id("stuck")
    notice.wait_for(timeout=(BACK_WITHIN_S + 2.0) * 1000)
    notice.get_by_role("button").click()
    page.wait_for_function(f"() => !window.old && ({SHOWN})()", timeout=60_000)
    page.context.close()
