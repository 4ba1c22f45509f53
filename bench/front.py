"""Measure the wall in headless Chromium: main-thread cost of a batch of changes, heap over minutes."""

from __future__ import annotations

import contextlib
import json
import math
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench import city
from bench.chromium import HEADLESS_ARGUMENTS
from bench.live.child import Child
from bench.live.contenders import Ground, Running, gridtwin
from bench.live.database import insert_devices
from bench.live.phase import readings_needed
from bench.live.plan import Plan, make_plan
from bench.machine import ROOT
from bench.report import Table, show, slope_per_minute, spread_ms
from bench.workplace import CommonOptions, option, workplace
from ingest.transports.broker import Broker
from twin.errors import InvalidError, SetupError, UnavailableError
from twin.store.cluster import PrivateCluster
from twin.store.migrations.runner import upgrade

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
_ZOOM = 14.1
_METRES_PER_PIXEL_Z0 = 40_075_016.686 / 512
_READY_TIMEOUT_MS = 120_000
_TICKS_PER_S = 10

# The page's own record of its newest 4,096 commits, as columns.
_SAMPLES = """() => {
  const perf = window.__gridtwin.perf, n = perf.filled;
  const column = (name) => Array.from(perf[name].subarray(0, n));
  return { apply: column('apply'), commit: column('commit'), sizes: column('sizes') };
}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(CommonOptions):
    """How many devices, how large the batches, how long."""

    devices: int = option(50_000, "devices on the wall, all in view")
    batch: int = option(5_000, "changes a batch; ten batches a second")
    seconds: float = option(60.0, "measured window of batches")
    heap_seconds: float = option(300.0, "time over which the heap is watched, the window included")
    heap_batch: int = option(1_000, "changes a batch after the window")
    width: int = option(960, "width of the page in pixels")
    height: int = option(540, "height of the page in pixels")
    chromium: str = option("", "path of the browser (chromium from PATH when not given)")

    def __post_init__(self) -> None:
        for name in ("devices", "batch", "heap_batch", "width", "height"):
            if getattr(self, name) < 1:
                raise InvalidError(f"--{name.replace('_', '-')} must be at least 1")
        if not 0 < self.seconds <= self.heap_seconds < math.inf:
            raise InvalidError("--seconds must be more than 0 and not more than --heap-seconds")


def run(options: Options, progress: Callable[[str], None]) -> dict[str, Any]:
    """Serve the built wall with devices that all are in view, publish, and ask the page what it cost."""
    if not (ROOT / "web" / "dist" / "wall.html").is_file():
        raise SetupError(
            "the web pages are not built", hint="run ./gridtwin up once, or npm run build in web/"
        )
    after_s = options.heap_seconds - options.seconds
    changes = options.batch * options.seconds + options.heap_batch * after_s
    gateways = min(100, options.devices)
    needed = readings_needed(_TICKS_PER_S * changes / 60.0, 60.0, options.devices) + 40
    plan = make_plan(options.devices, gateways, needed, scale=_scale(options))
    with workplace(options) as base, contextlib.ExitStack() as stack:
        folder = base / f"front-{options.devices}-{options.width}x{options.height}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        cluster = stack.enter_context(PrivateCluster(folder, attach=False))
        upgrade(cluster.url)
        insert_devices(cluster.url, plan)
        broker = stack.enter_context(Broker(folder, 0))
        ground = Ground(folder, broker, cluster.pid, "batch")
        running = stack.enter_context(gridtwin(ground))
        page, devtools = stack.enter_context(_wall(options, running, plan, progress))
        return _measure(options, ground, plan, page, devtools, progress)


def tables(result: Mapping[str, Any]) -> list[Table]:
    """Give the cost of a batch and the heap."""
    cost, heap = result["batch"], result["heap"]
    rows = [
        ("devices on the wall", show(result["devices_on_the_wall"])),
        ("commits measured", show(cost["commits"])),
        ("changes per commit, mean", show(cost["changes_per_commit_mean"], 0)),
        ("ms per commit, median", show(cost["commit_ms"]["p50_ms"], 3)),
        ("ms per commit, p95", show(cost["commit_ms"]["p95_ms"], 3)),
        (f"ms per {result['batch_size']:,} changes, mean", show(cost["ms_per_batch_mean"], 3)),
        (f"ms per {result['batch_size']:,} changes, median", show(cost["per_batch_ms"]["p50_ms"], 3)),
        (f"ms per {result['batch_size']:,} changes, p95", show(cost["per_batch_ms"]["p95_ms"], 3)),
        ("timer resolution ms", show(cost["timer_ms"], 3)),
        ("script ms per second, window", show(cost["script_ms_per_s"])),
        ("heap MiB at the start of the watch", show(heap["start_mib"], 2)),
        (f"heap MiB after {heap['watched_s']:.0f} s", show(heap["end_mib"], 2)),
        ("heap growth MiB per minute, second half", show(heap["growth_mib_per_min"], 3)),
    ]
    return [Table("The wall in headless Chromium (software GL)", ("figure", "value"), rows)]


def _measure(
    options: Options, ground: Ground, plan: Plan, page: Any, devtools: Any, progress: Callable[[str], None]
) -> dict[str, Any]:
    number = 0
    heap: list[tuple[float, float]] = []
    warmup_s = 5.0
    with _publishing(ground, plan, options.batch, warmup_s + options.seconds, number, 1):
        time.sleep(warmup_s)
        page.evaluate("() => window.__gridtwin.perf.reset()")
        heap.append(_heap(devtools))
        script_s = _script_s(devtools)
        progress(f"front: {options.batch:,} changes a batch for {options.seconds:.0f} s")
        begun = time.time()
        time.sleep(options.seconds)
        samples = page.evaluate(_SAMPLES)
        window_s = time.time() - begun
        script_s = _script_s(devtools) - script_s
    heap.append(_heap(devtools))
    after_s = options.heap_seconds - options.seconds
    number = readings_needed(options.batch * _TICKS_PER_S, warmup_s + options.seconds + 2.0, plan.count)
    if after_s >= 1:
        progress(f"front: {options.heap_batch:,} changes a batch for {after_s:.0f} s, watching the heap")
        with _publishing(ground, plan, options.heap_batch, after_s, number, 2):
            for _ in range(max(1, round(after_s / 20.0))):
                time.sleep(max(1.0, after_s / max(1, round(after_s / 20.0)) - 0.5))
                heap.append(_heap(devtools))
    times, sizes = zip(*heap, strict=True)
    late = len(heap) // 2
    return {
        "batch_size": options.batch,
        "devices_on_the_wall": int(page.evaluate("() => window.__gridtwin.size().devices")),
        "gaps": int(page.evaluate("() => window.__gridtwin.gaps()")),
        "browser": devtools.send("Browser.getVersion")["product"],
        "batch": {
            **_cost(samples, options.batch),
            "timer_ms": page.evaluate(_TIMER),
            "script_ms_per_s": round(1e3 * script_s / window_s, 2),
        },
        "heap": {
            "start_mib": round(sizes[0], 2),
            "end_mib": round(sizes[-1], 2),
            "watched_s": round(times[-1] - times[0], 1),
            "growth_mib_per_min": slope_per_minute(times[late:], sizes[late:]),
            "samples_mib": [round(size, 2) for size in sizes],
        },
    }


_TIMER = """() => {
  let least = Infinity;
  for (let i = 0; i < 200; i++) {
    const a = performance.now(); let b = a;
    while (b === a) b = performance.now();
    least = Math.min(least, b - a);
  }
  return least;
}"""


def _cost(samples: Mapping[str, list[float]], batch: int) -> dict[str, Any]:
    """Give the cost per commit, and per batch: a slow screen commits several batches at once."""
    sizes = np.array(samples["sizes"])
    total_ms = np.array(samples["apply"]) + np.array(samples["commit"])
    full = sizes >= batch / 2
    if not full.any():
        raise UnavailableError("no batch of changes arrived on the page")
    sizes, total_ms = sizes[full], total_ms[full]
    return {
        "commits": int(full.sum()),
        "changes_per_commit_mean": round(float(sizes.mean()), 1),
        "commit_ms": spread_ms(total_ms / 1e3),
        "per_batch_ms": spread_ms(total_ms / sizes * batch / 1e3),
        "ms_per_batch_mean": round(float(total_ms.sum() / sizes.sum() * batch), 4),
        "apply_ms": spread_ms(np.array(samples["apply"])[full] / 1e3),
        "upload_ms": spread_ms(np.array(samples["commit"])[full] / 1e3),
    }


def _heap(devtools: Any) -> tuple[float, float]:
    """Collect garbage and give time and used heap in MiB."""
    devtools.send("HeapProfiler.collectGarbage")
    return time.time(), float(devtools.send("Runtime.getHeapUsage")["usedSize"]) / 2**20


def _script_s(devtools: Any) -> float:
    metrics = {m["name"]: m["value"] for m in devtools.send("Performance.getMetrics")["metrics"]}
    return float(metrics["ScriptDuration"])


@contextlib.contextmanager
def _publishing(
    ground: Ground, plan: Plan, batch: int, seconds: float, first_number: int, turn: int
) -> Iterator[None]:
    """Publish ten batches a second while the body runs."""
    plan_file, log_file = ground.folder / "plan.npz", ground.folder / "published.f64"
    plan.save(plan_file)
    np.memmap(log_file, dtype=np.float64, mode="w+", shape=(plan.count, plan.readings)).flush()
    specification = {
        "plan": str(plan_file),
        "log": str(log_file),
        "host": ground.broker.host,
        "port": ground.broker.port,
        "username": ground.broker.username,
        "password": ground.broker.password,
        "mode": "batch",
        "rate": batch * _TICKS_PER_S,
        "per_message": 250,
        "first_number": first_number,
    }
    with Child.python(f"publisher-{turn}", "bench.live.publisher", specification, ground.folder) as publisher:
        publisher.answer(60.0)
        publisher.order(f"go {time.time() + 0.5} {seconds + 2.0}")
        yield
        json.loads(publisher.answer(60.0))


@contextlib.contextmanager
def _wall(
    options: Options, running: Running, plan: Plan, progress: Callable[[str], None]
) -> Iterator[tuple[Any, Any]]:
    """Open the wall over the whole small city, wait until it holds every device."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        raise SetupError(
            "playwright is not installed", hint="install the test dependencies: ./gridtwin test does"
        ) from None
    program = options.chromium or shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        raise SetupError("chromium is not installed", hint="apt-get install chromium, or give --chromium")
    lon = (float(plan.lon.min()) + float(plan.lon.max())) / 2
    lat = (float(plan.lat.min()) + float(plan.lat.max())) / 2
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, headless=True, args=list(CHROMIUM_ARGUMENTS)
        )
        try:
            page = browser.new_page(viewport={"width": options.width, "height": options.height})
            # A page that is isolated from others gets a timer of 5 µs instead of 100 µs.
            page.route("**/*", _isolate)
            progress("front: opening the wall")
            page.goto(f"http://127.0.0.1:{running.port}/wall", timeout=_READY_TIMEOUT_MS)
            page.wait_for_function("() => typeof window.__gridtwin === 'object'", timeout=_READY_TIMEOUT_MS)
            view = json.dumps({"center": [lon, lat], "zoom": _ZOOM, "pitch": 0, "bearing": 0})
            try:
                page.wait_for_function(
                    f"""() => {{
                        const twin = window.__gridtwin;
                        if (twin.view().zoom !== {_ZOOM}) twin.jump({view});
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
            devtools = page.context.new_cdp_session(page)
            devtools.send("Performance.enable")
            devtools.send("HeapProfiler.enable")
            yield page, devtools
        finally:
            browser.close()


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


def _scale(options: Options) -> float:
    """Shrink the city so that all of it is in view at the zoom from which points are drawn."""
    metres_per_pixel = _METRES_PER_PIXEL_Z0 / 2**_ZOOM * math.cos(math.radians(city.CENTRE_LAT))
    return 0.8 * min(
        options.width * metres_per_pixel / city.WIDTH_M, options.height * metres_per_pixel / city.HEIGHT_M
    )
