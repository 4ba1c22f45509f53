"""Hold the product's figures against its aims, so that a run says by itself whether they are met."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

P99_MS = 250.0
TIMES_FEWER_BYTES = 5.0
STALL_SHARE = 1.25
STALL_MARGIN_MS = 20.0
GROWTH_MIB_PER_MIN = 3.0
"""A tenth of what one lost reference to each frame of one wall would cost."""

BROADCASTERS = ("mosquitto_all", "node_ws")


def judge(ours: Mapping[str, Any], bytes_vs_ours: Mapping[str, Mapping[str, float | None]]) -> dict[str, Any]:
    """Give, for each aim, the figure, the aim and whether it is met (None where it was not measured)."""
    viewers = ours["viewers"]
    before = viewers["latency"]["before_stall"]["p99_ms"]
    after = viewers["latency"]["after_stall"]["p99_ms"]
    p99 = viewers["latency"]["all"]["p99_ms"]
    ratios = [bytes_vs_ours[name]["all"] for name in BROADCASTERS if name in bytes_vs_ours]
    ratio = min((value for value in ratios if value is not None), default=None)
    growth = ours["processes"].get("server", {}).get("memory_growth_mib_per_min")
    stall_most = None if before is None else round(max(before * STALL_SHARE, before + STALL_MARGIN_MS), 1)
    return {
        "observations lost": _row(ours["database"].get("lost"), 0, lambda value: value == 0),
        "final states wrong": _row(viewers["stale_at_end"], 0, lambda value: value == 0),
        "p99 ms": _row(p99, f"< {P99_MS:.0f}", lambda value: value < P99_MS),
        "times fewer bytes per viewer than broadcasting": _row(
            ratio, f">= {TIMES_FEWER_BYTES:.0f}", lambda value: value >= TIMES_FEWER_BYTES
        ),
        "p99 ms beside a stalled viewer": _row(
            after, f"<= {stall_most}", lambda value: stall_most is not None and value <= stall_most
        ),
        "server's memory growth MiB/min": _row(
            growth, f"< {GROWTH_MIB_PER_MIN:.0f}", lambda value: value < GROWTH_MIB_PER_MIN
        ),
    }


def _row(value: Any, aim: Any, test: Any) -> dict[str, Any]:
    return {"value": value, "aim": aim, "met": None if value is None else bool(test(value))}
