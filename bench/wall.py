"""Open the wall in headless Chromium over devices that all are in view, and use it as people do."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

from bench.chromium import HEADLESS_ARGUMENTS
from bench.live.plan import Plan
from twin.errors import SetupError, UnavailableError

CHROMIUM_ARGUMENTS = (
    *HEADLESS_ARGUMENTS,
    # Headless pages are never in front: without these their timers and frames are slowed down.
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
    # An answer that was given more headers on its way counts as coming from nowhere, and may then not
    # reach the loopback address.
    "--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets",
)
ZOOM = 14.1
"""Zoom at which the whole city is in view: points are drawn from 14 on."""
_READY_TIMEOUT_MS = 120_000


@contextlib.contextmanager
def open_wall(
    url: str,
    plan: Plan,
    size: tuple[int, int],
    cookie: Mapping[str, str],
    js_flags: str = "",
    chromium: str = "",
) -> Iterator[tuple[Any, Any]]:
    """Open the wall over the whole small city, wait until it holds every device.

    Parameters
    ----------
    size
        Width and height of the page, px.
    cookie
        Of a signed-in screen, as playwright takes it.
    js_flags
        Switches for V8.
    chromium
        Path of the browser; the one of the path when empty.

    Returns
    -------
    The page, and a session of the DevTools protocol with it.

    Raises
    ------
    SetupError
        There is no browser, or nothing to drive it with.
    UnavailableError
        Not all devices came.
    """
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        raise SetupError(
            "playwright is not installed", hint="install the test dependencies: ./gridtwin test does"
        ) from None
    program = chromium or shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        raise SetupError("chromium is not installed", hint="apt-get install chromium, or give --chromium")
    flags = [f"--js-flags={js_flags}"] if js_flags else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, headless=True, args=[*CHROMIUM_ARGUMENTS, *flags]
        )
        try:
            context = browser.new_context(viewport={"width": size[0], "height": size[1]})
            context.add_cookies([{"name": cookie["name"], "value": cookie["value"], "url": cookie["url"]}])
            page = context.new_page()
            # A page that is isolated from others gets a timer of 5 µs instead of 100 µs.
            page.route("**/*", _isolate)
            page.goto(url, timeout=_READY_TIMEOUT_MS)
            page.wait_for_function("() => typeof window.__gridtwin === 'object'", timeout=_READY_TIMEOUT_MS)
            view = json.dumps(home(plan))
            try:
                page.wait_for_function(
                    f"""() => {{
                        const twin = window.__gridtwin;
                        if (twin.view().zoom !== {ZOOM}) twin.jump({view});
                        return twin.size().devices >= {plan.count};
                    }}""",
                    timeout=_READY_TIMEOUT_MS,
                    polling=500,
                )
            except Error as error:
                held = page.evaluate("() => window.__gridtwin.size()")
                raise UnavailableError(
                    f"the wall does not hold all devices: {held}", hint=str(error).splitlines()[0]
                ) from error
            # What the page asks for from here on goes its own way, not through this process.
            page.unroute_all()
            devtools = page.context.new_cdp_session(page)
            devtools.send("Performance.enable")
            devtools.send("HeapProfiler.enable")
            yield page, devtools
        finally:
            browser.close()


def use(page: Any, plan: Plan, device: int, turn: int) -> None:
    """Do for some seconds what people do at a wall, and leave it as it was."""
    near = {"center": [float(plan.lon[turn % 2]), float(plan.lat[turn % 2])], "zoom": ZOOM + 2.0}
    page.evaluate("(view) => window.__gridtwin.jump(view)", near)
    page.wait_for_timeout(1_200)
    page.evaluate("(id) => window.__gridtwin.select('device', id)", device)
    page.wait_for_timeout(1_200)
    # Close; the other language; the next alarm and its details; close both; help; search; all with keys.
    for key in ("Escape", "l", "j", "Enter", "Escape", "Escape", "?", "Escape", "/", "Escape"):
        page.keyboard.press(key)
        page.wait_for_timeout(200)
    page.evaluate("(view) => window.__gridtwin.jump(view)", home(plan))
    page.wait_for_timeout(1_200)


def home(plan: Plan) -> dict[str, Any]:
    """Give the view that has all devices in sight."""
    lon = (float(plan.lon.min()) + float(plan.lon.max())) / 2
    lat = (float(plan.lat.min()) + float(plan.lat.max())) / 2
    return {"center": [lon, lat], "zoom": ZOOM, "pitch": 0, "bearing": 0}


def _isolate(route: Any) -> None:
    """Add the headers of cross-origin isolation to pages and scripts."""
    if route.request.resource_type not in {"document", "script", "other"}:
        route.continue_()
        return
    answer = route.fetch()
    headers = {
        **answer.headers,
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-embedder-policy": "require-corp",
        "cross-origin-resource-policy": "same-origin",
    }
    route.fulfill(response=answer, headers=headers)
