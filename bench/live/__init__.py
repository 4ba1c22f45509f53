"""Measure the live path beside its peers: devices publish over MQTT, viewers receive over websockets."""

from __future__ import annotations

import contextlib
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.live.aims import judge
from bench.live.brokers import peer_broker, product_broker
from bench.live.contenders import CONTENDERS, Ground
from bench.live.database import insert_devices
from bench.live.phase import RUN_ON_S, Load, measure, readings_needed
from bench.live.plan import Plan, Viewer, make_plan, place_viewers
from bench.live.tables import compare, tables
from bench.workplace import CommonOptions, option, workplace
from twin.errors import InvalidError
from twin.store.cluster import PrivateCluster
from twin.store.migrations.runner import upgrade

__all__ = ["Options", "run", "tables"]

_TRIES = (1.0, 0.5, 0.25)
"""Shares of the rate that are tried until one is held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(CommonOptions):
    """What load, for how long, and who takes part."""

    devices: int = option(50_000, "devices sited over the synthetic city")
    rate: float = option(20_000.0, "readings a second")
    seconds: float = option(60.0, "measured window of the product")
    peer_seconds: float = option(60.0, "measured window of each peer")
    retry_seconds: float = option(20.0, "measured window of a try at a lower rate")
    warmup: float = option(10.0, "seconds of load before the window")
    viewers: int = option(100, "websocket viewers")
    walls: int = option(10, "of them, walls that show the whole city")
    gateways: int = option(200, "MQTT connections that publish")
    per_message: int = option(80, "readings a gateway puts in one message")
    mode: str = option("batch", "batch (gateways) or single (a message a reading)")
    alarms: float = option(60.0, "alarms a minute that devices raise meanwhile (the product only)")
    stall: bool = option(True, "from the middle on, one more viewer never reads")
    contenders: str = option(",".join(CONTENDERS), "who takes part, in this order")

    def __post_init__(self) -> None:
        for name in (
            "devices",
            "rate",
            "seconds",
            "peer_seconds",
            "retry_seconds",
            "viewers",
            "gateways",
            "per_message",
        ):
            if not 0 < getattr(self, name) < math.inf:
                raise InvalidError(f"--{name.replace('_', '-')} must be a number more than 0")
        if not 0 <= self.alarms < math.inf:
            raise InvalidError("--alarms must be a number, 0 or more")
        if not 0 <= self.warmup < math.inf:
            raise InvalidError("--warmup must be a number, 0 or more")
        if not 0 <= self.walls <= self.viewers:
            raise InvalidError("--walls must be between 0 and --viewers")
        if self.gateways > self.devices:
            raise InvalidError("--gateways must not be more than --devices")
        if self.mode not in {"batch", "single"}:
            raise InvalidError("--mode must be batch or single")
        unknown = set(self.contenders.split(",")) - set(CONTENDERS)
        if unknown:
            raise InvalidError(
                f"unknown contender {', '.join(sorted(unknown))}", hint=f"there are {', '.join(CONTENDERS)}"
            )


def run(options: Options, progress: Callable[[str], None]) -> dict[str, Any]:
    """Measure each contender under the same plan; lower the rate for one that does not hold it."""
    longest_s = options.warmup + max(options.seconds, options.peer_seconds) + RUN_ON_S
    per_try = readings_needed(options.rate, longest_s, options.devices)
    plan = make_plan(options.devices, options.gateways, per_try * len(_TRIES))
    viewers = place_viewers(plan, options.viewers, options.walls)
    results: dict[str, list[dict[str, Any]]] = {}
    with workplace(options) as folder:
        for name in options.contenders.split(","):
            results[name] = list(_measure_until_held(name, folder, plan, viewers, options, per_try, progress))
    ratios = compare(results)
    return {
        "city": _describe(plan, viewers),
        "contenders": results,
        "bytes_vs_ours": ratios,
        "aims": judge(results["gridtwin"][0], ratios) if "gridtwin" in results else {},
    }


def _measure_until_held(
    name: str,
    folder: Path,
    plan: Plan,
    viewers: list[Viewer],
    options: Options,
    per_try: int,
    progress: Callable[[str], None],
) -> Iterator[dict[str, Any]]:
    ours = name == "gridtwin"
    window_s = options.seconds if ours else options.peer_seconds
    for number, share in enumerate(_TRIES):
        load = Load(
            rate=options.rate * share,
            warmup_s=options.warmup,
            seconds=window_s if number == 0 else min(window_s, options.retry_seconds),
            per_message=options.per_message,
            stall=options.stall,
            first_number=number * per_try,
        )
        alarms = round(options.alarms / 60.0 * (load.warmup_s + load.seconds)) if ours else 0
        alarm_uids = [f"bench-alarm-{number:05d}" for number in range(alarms)]
        with (
            _ground(name, folder, plan, options.mode, alarm_uids, progress) as (ground, url, ids),
            CONTENDERS[name](ground) as running,
        ):
            result = measure(name, running, ground, plan, viewers, load, url, ids, alarm_uids, progress)
        yield result
        if result["held"]:
            return
        progress(f"{name}: did not hold {load.rate:,.0f} readings/s")


@contextlib.contextmanager
def _ground(
    name: str,
    folder: Path,
    plan: Plan,
    mode: str,
    alarm_uids: Sequence[str],
    progress: Callable[[str], None],
) -> Iterator[tuple[Ground, str | None, Path | None]]:
    """Give a fresh broker, and to the product a fresh database with the plan's devices."""
    own = folder / name
    for old in ("pg", "broker"):
        shutil.rmtree(own / old, ignore_errors=True)
    own.mkdir(exist_ok=True)
    with contextlib.ExitStack() as stack:
        url = ids = None
        cluster_pid = None
        if name == "gridtwin":
            progress(f"gridtwin: {plan.count:,} devices into a database of its own")
            cluster = stack.enter_context(PrivateCluster(own, attach=False))
            upgrade(cluster.url)
            url, cluster_pid = cluster.url, cluster.pid
            ids = own / "ids.npy"
            np.save(ids, insert_devices(url, plan, alarm_uids))
            broker, sign_ins = stack.enter_context(product_broker(own, url, plan.gateways))
        else:
            broker, sign_ins = stack.enter_context(peer_broker(own, plan.gateways))
        yield Ground(own, broker, cluster_pid, mode, sign_ins), url, ids


def _describe(plan: Plan, viewers: list[Viewer]) -> dict[str, Any]:
    others = [viewer for viewer in viewers if not viewer.wall]
    rooms = np.unique(plan.room, return_counts=True)[1]
    widths = [(v.bbox[2] - v.bbox[0]) * 95_800.0 for v in others] or [0.0]
    seen = [
        int(
            np.count_nonzero(
                (plan.lon >= v.bbox[0])
                & (plan.lon <= v.bbox[2])
                & (plan.lat >= v.bbox[1])
                & (plan.lat <= v.bbox[3])
            )
        )
        for v in others
    ] or [0]
    return {
        "devices": plan.count,
        "rooms": int(rooms.size),
        "devices_per_room_median": float(np.median(rooms)),
        "devices_per_room_max": int(rooms.max()),
        "kinds": sorted(set(plan.kind.tolist())),
        "other_viewers_width_m": [round(float(w)) for w in np.percentile(widths, (0, 50, 100))],
        "other_viewers_devices": [int(n) for n in np.percentile(seen, (0, 50, 100))],
    }
