"""Prove in a real browser that a wall that is used keeps nothing of what was shown."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page
from running import PATIENCE_MS, RunningCity

from bench.heap import Held, read_held

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.postgis, pytest.mark.broker]

FIRST_ROUNDS, ROUNDS = 6, 18

COUNT_GPU = """
  window.onGpu = 0;
  for (const name of Object.getOwnPropertyNames(WebGL2RenderingContext.prototype)) {
    const step = /^create[A-Z]/.test(name) ? 1 : /^delete[A-Z]/.test(name) ? -1 : 0;
    const done = step && WebGL2RenderingContext.prototype[name];
    if (done) WebGL2RenderingContext.prototype[name] = function (...given) {
      if (step > 0 || given[0]) window.onGpu += step;
      return done.apply(this, given);
    };
  }
"""
"""Counts what was made on the GPU and not given back: buffers, textures, vertex arrays, programs, ..."""


def _use(page: Page, device_id: int) -> None:
    """Look elsewhere, open and close details, the next alarm, help and search, change the language."""
    page.evaluate(
        """(id) => {
          const twin = window.__gridtwin, { center, zoom } = twin.view();
          window.home ??= twin.view();
          twin.jump({ center: [center[0] + 0.003, center[1] + 0.002], zoom: zoom + 1 });
          twin.select('device', id);
        }""",
        device_id,
    )
    page.get_by_test_id("details").wait_for(timeout=PATIENCE_MS)
    _rest(page)
    for key in ("Escape", "l", "j", "Enter", "Escape", "Escape", "?", "Escape", "/", "Escape"):
        page.keyboard.press(key)
        page.wait_for_timeout(80)
    page.evaluate("() => window.__gridtwin.jump(window.home)")
    _rest(page)


def _rest(page: Page) -> None:
    """Wait until all is drawn, however slow the machine: what is never drawn leaves nothing behind."""
    page.wait_for_timeout(600)
    page.wait_for_function("() => window.__gridtwin.idle()", timeout=PATIENCE_MS)


@pytest.mark.parametrize("city", ["helsinki"], indirect=True)
def test_a_used_wall_keeps_nothing(city: RunningCity, browser: Browser) -> None:
    page = city.open_page(browser, 1280, 720, device_scale_factor=1)
    page.add_init_script(COUNT_GPU)
    page.goto(f"{city.url}/wall")
    page.wait_for_function(
        "() => typeof window.__gridtwin === 'object' && window.__gridtwin.size().devices > 100",
        timeout=PATIENCE_MS,
    )
    ids = page.evaluate("() => [...Array(5000).keys()].filter((id) => window.__gridtwin.row(id))")
    devtools = page.context.new_cdp_session(page)
    devtools.send("HeapProfiler.enable")
    devtools.send("Performance.enable")

    on_gpu: list[int] = []

    def used(rounds: int) -> Held:
        for turn in range(rounds):
            _use(page, ids[turn * 7 % len(ids)])
            on_gpu.append(page.evaluate("() => window.onGpu"))
        return read_held(devtools)

    before, after = used(FIRST_ROUNDS), used(ROUNDS)
    page.context.close()
    # A round opens a panel of more than a hundred nodes. What is left of alarms that came meanwhile is less.
    assert (after.nodes - before.nodes) / ROUNDS < 25
    assert (after.listeners - before.listeners) / ROUNDS < 1
    # The map keeps a tile more or less, which is sixty things at once: of many rounds the least is compared.
    half = ROUNDS // 2
    assert (min(on_gpu[-half:]) - min(on_gpu[FIRST_ROUNDS:-half])) / half < 0.5, on_gpu
    assert (after.object_count - before.object_count) / ROUNDS < 250
