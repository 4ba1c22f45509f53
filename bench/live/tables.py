"""Show the result of `bench live` as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.report import Table, show

_NAMES = {
    "gridtwin": "GridTwin",
    "mosquitto_all": "mosquitto, everything",
    "mosquitto_rooms": "mosquitto, topic a room",
    "node_ws": "Node ws broadcast",
}


def tables(result: Mapping[str, Any]) -> list[Table]:
    """Give the side-by-side table, the product's own account, and processor time and memory."""
    shown = [_side_by_side(result)]
    ours = result["contenders"].get("gridtwin")
    if ours:
        shown.append(_account(ours[-1]))
        shown.append(_aims(result))
    shown.append(_processes(result))
    return shown


def _tries(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [one for tries in result["contenders"].values() for one in tries]


def _label(one: Mapping[str, Any]) -> str:
    return f"{_NAMES[one['contender']]} @ {one['rate']:,.0f}/s"


def _side_by_side(result: Mapping[str, Any]) -> Table:
    ours = next(iter(reversed(result["contenders"].get("gridtwin", []))), None)
    rows = []
    for one in _tries(result):
        traffic, latency = one["viewers"]["traffic"], one["viewers"]["latency"]["all"]
        rows.append(
            (
                _label(one),
                show(one["held"]),
                show(latency["p50_ms"], 0),
                show(latency["p99_ms"], 0),
                show(latency["max_ms"], 0),
                show(_kilo(traffic["walls"]["bytes_per_s_mean"]), 1),
                show(_kilo(traffic["others"]["bytes_per_s_mean"]), 1),
                show(_kilo(traffic["all"]["bytes_per_s_mean"]), 1),
                "–" if ours is None else f"{show(_ratio(one, ours, 'all'))}×",
                show(_missing(one)),
                show(one["viewers"]["viewers_closed"]),
            )
        )
    header = (
        "contender",
        "held",
        "p50 ms",
        "p99 ms",
        "max ms",
        "kB/s wall",
        "kB/s other",
        "kB/s mean",
        "bytes vs ours",
        "missing %",
        "cut off",
    )
    notes = (
        "Latency: publish to message received whole. kB/s: mean per viewer.",
        "bytes vs ours: per viewer and published reading, all viewers.",
        "missing: of the readings a peer's viewer should have received; GridTwin: of the final states.",
    )
    return Table("Fan-out, side by side", header, rows, notes)


def _account(one: Mapping[str, Any]) -> Table:
    published, stored, viewers = one["published"], one["database"], one["viewers"]
    latency, traffic = viewers["latency"], viewers["traffic"]
    p99 = {name: show(latency[name]["p99_ms"], 0) for name in latency}
    frames = {name: show(traffic[name]["messages_per_s_mean"]) for name in traffic}
    rows = [
        ("readings published", show(published.get("readings"))),
        ("of them acknowledged by the broker", show(published.get("acknowledged"))),
        ("observations stored", show(stored.get("stored"))),
        ("observations lost", show(stored.get("lost"))),
        ("messages quarantined", show(stored.get("quarantined"))),
        ("devices a wall holds (least)", show(min(viewers["held_by_walls"], default=None))),
        ("states that differ from the last published, all viewers", show(viewers["stale_at_end"])),
        ("p99 ms walls / others", f"{p99['all_walls']} / {p99['all_others']}"),
        ("published -> received by the server, p50 / p99 ms", _pair(stored.get("until_received"))),
        ("published -> frame made, p50 / p99 ms", _pair(latency.get("until_frame_made"))),
        ("frame made -> received by the viewer, p50 / p99 ms", _pair(latency.get("from_frame_made"))),
        ("p99 ms before / after one viewer stalls", f"{p99['before_stall']} / {p99['after_stall']}"),
        ("messages/s per viewer, walls / others", f"{frames['walls']} / {frames['others']}"),
        ("publisher's worst lateness ms", show(published.get("worst_lateness_ms"))),
    ]
    alarms = viewers["alarms"]
    if alarms is not None:
        rows += [
            ("alarms raised", show(alarms["raised"])),
            ("of them told to each viewer (least)", show(alarms["told_to_each_viewer_least"])),
            ("published -> alarm told, p50 / p99 ms", _pair(alarms["latency"])),
        ]
    return Table("GridTwin: nothing lost, everything shown", ("figure", "value"), rows)


def _aims(result: Mapping[str, Any]) -> Table:
    rate = result["contenders"]["gridtwin"][0]["rate"]
    rows = [
        (name, show(row["value"]), show(row["aim"]), show(row["met"])) for name, row in result["aims"].items()
    ]
    return Table(f"GridTwin's aims, at {rate:,.0f} readings/s", ("aim", "measured", "aimed at", "met"), rows)


def _processes(result: Mapping[str, Any]) -> Table:
    rows = []
    for one in _tries(result):
        for name, figures in one["processes"].items():
            rows.append(
                (
                    f"{_label(one)}: {name}",
                    show(figures["cpu_percent"], 0),
                    show(figures["memory_start_mib"], 0),
                    show(figures["memory_end_mib"], 0),
                    show(figures.get("memory_growth_mib_per_min"), 1),
                )
            )
        else_percent = show(one["everything_else_cpu_percent"], 0)
        rows.append((f"{_label(one)}: everything else on the machine", else_percent, "", "", ""))
    header = ("process", "% of a core", "MiB start", "MiB end", "MiB/min, 2nd half")
    return Table("Processor time and memory over the window", header, rows)


def _pair(spread: Mapping[str, Any] | None) -> str:
    return "–" if spread is None else f"{show(spread['p50_ms'], 0)} / {show(spread['p99_ms'], 0)}"


def _kilo(value: float | None) -> float | None:
    return None if value is None else value / 1e3


def compare(contenders: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, dict[str, float | None]]:
    """Give, for each peer's last try, how many times our bytes per viewer and published reading it sends."""
    ours = contenders.get("gridtwin")
    if not ours:
        return {}
    return {
        name: {
            group: _ratio(tries[-1], ours[-1], group) if tries else None
            for group in ("walls", "others", "all")
        }
        for name, tries in contenders.items()
        if name != "gridtwin"
    }


def _ratio(one: Mapping[str, Any], ours: Mapping[str, Any], group: str) -> float | None:
    def per_reading(measured: Mapping[str, Any]) -> float:
        sent = measured["viewers"]["traffic"][group]["bytes_per_s_mean"]
        return float(sent or 0.0) / float(measured["rate"])

    base = per_reading(ours)
    return round(per_reading(one) / base, 2) if base else None


def _missing(one: Mapping[str, Any]) -> float | None:
    """Give percent of a peer's readings not received, or of GridTwin's final states not shown."""
    viewers = one["viewers"]
    if one["contender"] == "gridtwin":
        return round(100.0 * float(viewers["stale_at_end"]) / max(1, int(viewers["states_held"])), 3)
    expected = int(viewers["readings_expected"])
    return round(100.0 * (1 - int(viewers["readings_received"]) / expected), 3) if expected else None
