"""Prove in a real browser that a map whose graphics context is lost comes back, or says that it does not."""

from __future__ import annotations

import io
import time

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page
from running import SENSOR, SHOWN, RunningCity, in_city

pytestmark = in_city("helsinki")

BACK_WITHIN_S = 10.0
CRITICAL = (0xFF, 0x4D, 0x6D)


def _red(page: Page, sensor: int) -> int:
    """Count the pixels of the colour of danger round a device on the canvas, without the marks over it."""
    at = page.evaluate(
        """id => {
            document.querySelector('.overlay').style.visibility = 'hidden';
            const row = window.__gridtwin.row(id);
            return row && window.__gridtwin.project(row.lon, row.lat);
        }""",
        sensor,
    )
    clip = {"x": at["x"] - 20, "y": at["y"] - 20, "width": 40, "height": 40}
    pixels = np.asarray(Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB"), dtype=np.int16)
    return int((np.abs(pixels - CRITICAL).max(axis=2) < 24).sum())


def _wait_for_red(page: Page, sensor: int, wanted: bool, within_s: float) -> None:
    until_s = time.monotonic() + within_s
    while (_red(page, sensor) > 10) != wanted:
        assert time.monotonic() < until_s, f"drawn as critical: {not wanted}"
        page.wait_for_timeout(200)


def test_a_lost_context_comes_back_with_live_states_or_a_person_is_asked(
    city: RunningCity, browser: Browser, sensor: int
) -> None:
    city.publish(SENSOR, "level", 1.0)
    page = city.open_page(browser, 1280, 720, device_scale_factor=1)
    page.goto(f"{city.url}/wall")
    page.wait_for_function(SHOWN, timeout=120_000)
    _wait_for_red(page, sensor, False, 30)

    page.evaluate("() => { window.old = window.__gridtwin; window.old.loseContext(); }")
    lost_s = time.monotonic()
    page.wait_for_function(
        "() => window.__gridtwin !== window.old && window.__gridtwin.idle()", timeout=BACK_WITHIN_S * 1000
    )
    page.get_by_test_id("context-lost").wait_for(state="detached", timeout=5_000)
    assert time.monotonic() - lost_s < BACK_WITHIN_S
    for level, is_critical in ((31.4, True), (1.0, False)):
        city.publish(SENSOR, "level", level)
        _wait_for_red(page, sensor, is_critical, 30)

    # Graphics that do not come back at all: said within the time, and a press brings the page back.
    page.evaluate(
        "() => { window.__gridtwin.loseContext(); HTMLCanvasElement.prototype.getContext = () => null; }"
    )
    notice = page.get_by_test_id("stuck")
    notice.wait_for(timeout=(BACK_WITHIN_S + 2.0) * 1000)
    notice.get_by_role("button").click()
    page.wait_for_function(f"() => !window.old && ({SHOWN})()", timeout=60_000)
    page.context.close()
