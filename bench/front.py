"""Measure the wall in headless Chromium: main-thread cost of a batch of changes, heap over minutes."""

from __future__ import annotations

import contextlib
import json
import math
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench import city
from bench.accounts import make_cookie
from bench.heap import Held, growth, held_table, metrics, read_held
from bench.live.brokers import product_broker
from bench.live.child import Child
from bench.live.contenders import Ground, gridtwin
from bench.live.database import ALARM_PROPERTY, ALARM_VALUE, insert_devices
from bench.live.phase import readings_needed
from bench.live.plan import Plan, make_plan
from bench.machine import ROOT
from bench.report import Table, show, spread_ms
from bench.wall import ZOOM, open_wall, use
from bench.workplace import CommonOptions, option, workplace
from twin.errors import InvalidError, SetupError, UnavailableError
from twin.store.cluster import PrivateCluster
from twin.store.migrations.runner import upgrade

_METRES_PER_PIXEL_Z0 = 40_075_016.686 / 512
_TICKS_PER_S = 10
# What the page holds is read so often after the window: each reading stops the page for seconds.
_LEAST_READINGS, _MOST_READINGS, _READING_EVERY_S = 3, 12, 20.0
# With --use: an alarm comes each so many seconds and lasts so long.
_ALARM_EVERY_S, _ALARM_LASTS_S = 10.0, 35.0

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
    heap_seconds: float = option(300.0, "time to the last reading of the heap, the window included")
    heap_batch: int = option(1_000, "changes a batch after the window")
    use: bool = option(
        False, "use the wall after the window: look elsewhere, details, language; alarms come and go"
    )
    js_flags: str = option("", "switches for the browser's V8, to tell apart what is V8's own")
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
    alarms = int(after_s / _ALARM_EVERY_S) if options.use else 0
    alarm_uids = [f"bench-alarm-{number:05d}" for number in range(alarms)]
    with workplace(options) as base, contextlib.ExitStack() as stack:
        folder = base / f"front-{options.devices}-{options.width}x{options.height}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        cluster = stack.enter_context(PrivateCluster(folder, attach=False))
        upgrade(cluster.url)
        ids = insert_devices(cluster.url, plan, alarm_uids)
        broker, sign_ins = stack.enter_context(product_broker(folder, cluster.url, plan.gateways))
        ground = Ground(folder, broker, cluster.pid, "batch", sign_ins)
        running = stack.enter_context(gridtwin(ground))
        progress("front: opening the wall")
        url, size = f"http://127.0.0.1:{running.port}/wall", (options.width, options.height)
        wall = open_wall(url, plan, size, make_cookie(cluster.url, url), options.js_flags, options.chromium)
        page, devtools = stack.enter_context(wall)
        return _measure(options, ground, plan, ids, alarm_uids, page, devtools, progress)


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
    ]
    how = "used throughout" if result["rounds_of_use"] else "left alone"
    return [
        Table("The wall in headless Chromium (software GL)", ("figure", "value"), rows),
        held_table(f"What the wall holds over {heap['watched_s']:,.0f} s, {how}", heap),
    ]


def _measure(
    options: Options,
    ground: Ground,
    plan: Plan,
    ids: NDArray[np.int64],
    alarm_uids: list[str],
    page: Any,
    devtools: Any,
    progress: Callable[[str], None],
) -> dict[str, Any]:
    warmup_s = 5.0
    with _publishing(ground, plan, options.batch, warmup_s + options.seconds, 0, 1):
        page.wait_for_timeout(1e3 * warmup_s)
        page.evaluate("() => window.__gridtwin.perf.reset()")
        script_s = metrics(devtools)["ScriptDuration"]
        progress(f"front: {options.batch:,} changes a batch for {options.seconds:.0f} s")
        begun = time.time()
        page.wait_for_timeout(1e3 * options.seconds)
        samples = page.evaluate(_SAMPLES)
        window_s = time.time() - begun
        script_s = metrics(devtools)["ScriptDuration"] - script_s
    held = [read_held(devtools)]
    after_s = options.heap_seconds - options.seconds
    number = readings_needed(options.batch * _TICKS_PER_S, warmup_s + options.seconds + 2.0, plan.count)
    rounds = 0
    if after_s >= 1:
        progress(f"front: {options.heap_batch:,} changes a batch for {after_s:.0f} s, watching the heap")
        with _publishing(ground, plan, options.heap_batch, after_s, number, 2, alarm_uids):
            rounds = _watch(options, plan, ids, page, devtools, after_s, held)
    return {
        "batch_size": options.batch,
        "devices_on_the_wall": int(page.evaluate("() => window.__gridtwin.size().devices")),
        "gaps": int(page.evaluate("() => window.__gridtwin.gaps()")),
        "browser": devtools.send("Browser.getVersion")["product"],
        "alarms": len(alarm_uids),
        "rounds_of_use": rounds,
        "batch": {
            **_cost(samples, options.batch),
            "timer_ms": page.evaluate(_TIMER),
            "script_ms_per_s": round(1e3 * script_s / window_s, 2),
        },
        "heap": {
            "watched_s": round(held[-1].at_s - held[0].at_s, 1),
            "growth_per_min": growth(held),
            "held": [one.as_json() for one in held],
        },
    }


def _watch(
    options: Options,
    plan: Plan,
    ids: NDArray[np.int64],
    page: Any,
    devtools: Any,
    seconds: float,
    held: list[Held],
) -> int:
    """Read again and again what the page holds, using the wall in between; give the rounds of use."""
    readings = max(_LEAST_READINGS, min(_MOST_READINGS, round(seconds / _READING_EVERY_S)))
    begun, rounds = time.time(), 0
    for reading in range(1, readings + 1):
        until = begun + seconds * reading / readings
        while (left_s := until - time.time()) > 0:
            if options.use:
                use(page, plan, int(ids[rounds * 7919 % plan.count]), rounds)
                rounds += 1
            else:
                page.wait_for_timeout(1e3 * min(5.0, left_s))
        held.append(read_held(devtools))
    return rounds


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


@contextlib.contextmanager
def _publishing(
    ground: Ground,
    plan: Plan,
    batch: int,
    seconds: float,
    first_number: int,
    turn: int,
    alarm_uids: Sequence[str] = (),
) -> Iterator[None]:
    """Publish ten batches a second while the body runs, and alarms that end again."""
    plan_file, log_file = ground.folder / "plan.npz", ground.folder / "published.f64"
    plan.save(plan_file)
    np.memmap(log_file, dtype=np.float64, mode="w+", shape=(plan.count, plan.readings)).flush()
    specification = {
        "plan": str(plan_file),
        "log": str(log_file),
        "host": ground.broker.host,
        "port": ground.broker.port,
        "sign_ins": ground.sign_ins,
        "mode": "batch",
        "rate": batch * _TICKS_PER_S,
        "per_message": 250,
        "first_number": first_number,
        "alarm_uids": list(alarm_uids),
        "alarm": {"p": ALARM_PROPERTY, "v": ALARM_VALUE},
        "alarm_log": str(ground.folder / "alarms.json"),
        "calm_after_s": _ALARM_LASTS_S,
    }
    with Child.python(f"publisher-{turn}", "bench.live.publisher", specification, ground.folder) as publisher:
        publisher.answer(60.0)
        publisher.order(f"go {time.time() + 0.5} {seconds + 2.0}")
        yield
        json.loads(publisher.answer(60.0))


def _scale(options: Options) -> float:
    """Shrink the city so that all of it is in view at the zoom from which points are drawn."""
    metres_per_pixel = _METRES_PER_PIXEL_Z0 / 2**ZOOM * math.cos(math.radians(city.CENTRE_LAT))
    return 0.8 * min(
        options.width * metres_per_pixel / city.WIDTH_M, options.height * metres_per_pixel / city.HEIGHT_M
    )
