"""Measure ingest: what is lost when the server or the database is killed, and the rate of each protocol."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.ingest.kills import kill_in_rounds
from bench.ingest.poison import measure_poison
from bench.ingest.rates import PROTOCOLS, compare
from bench.report import Table, show
from bench.workplace import CommonOptions, option, workplace
from twin.errors import InvalidError

__all__ = ["Options", "run", "tables"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(CommonOptions):
    """How often is killed, and for how long each protocol is measured."""

    kills: int = option(10, "times each is killed: the server, the database, and the database of the control")
    rounds: int = option(3, "times each protocol is measured; the figures are medians")
    seconds: float = option(3.0, "seconds of each measurement")
    protocols: str = option(",".join(PROTOCOLS), "protocols that are measured")
    peers: bool = option(True, "measure Node-RED too")
    poison: int = option(20_000, "messages of which one in a hundred is broken; 0: none")

    def __post_init__(self) -> None:
        if self.kills < 0 or self.rounds < 0 or self.poison < 0:
            raise InvalidError("--kills, --rounds and --poison must not be negative")
        if not 0 < self.seconds < 600:
            raise InvalidError("--seconds must be more than 0 and less than 600")
        unknown = set(self.protocols.split(",")) - set(PROTOCOLS)
        if unknown:
            raise InvalidError(
                f"unknown protocol {', '.join(sorted(unknown))}", hint=f"there are {', '.join(PROTOCOLS)}"
            )


def run(options: Options, progress: Callable[[str], None]) -> dict[str, Any]:
    """Kill in rounds and compare with what was acknowledged; then measure rates beside the peer."""
    result: dict[str, Any] = {"kills": {}, "poison": {}, "rates": {}}
    with workplace(options) as folder:
        own = folder / "ingest"
        shutil.rmtree(own, ignore_errors=True)
        for name, what, module in (
            ("server", "server", "api.cli"),
            ("database", "database", "api.cli"),
            ("control", "database", "bench.ingest.careless"),
        ):
            if options.kills:
                progress(f"ingest: {name}, killed {options.kills} times")
                found = kill_in_rounds(own / name, what, options.kills, progress, module=module)
                result["kills"][name] = found
        if options.poison:
            result["poison"] = measure_poison(own / "poison", options.poison, progress)
        if options.rounds:
            protocols = options.protocols.split(",")
            result["rates"] = compare(
                own, protocols, options.rounds, options.seconds, options.peers, progress
            )
    return result


_TITLES = {
    "server": "kill -9 of the server",
    "database": "kill -9 of PostgreSQL",
    "control": "control: commits not waited for",
}


def tables(result: Mapping[str, Any]) -> list[Table]:
    """Give what was lost, what poison costs, and the rates with their ratio to the peer."""
    made = []
    if result["kills"]:
        made.append(
            Table(
                "Killed in full flow: readings acknowledged and lost",
                ("", "times", "acknowledged", "lost", "duplicated", "ready again, s"),
                [
                    (
                        _TITLES[name],
                        str(one["rounds"]),
                        f"{one['acknowledged']:,}",
                        f"{one['lost']:,}",
                        f"{one['duplicated']:,}",
                        f"{one['ready_again_s_median']:.1f}",
                    )
                    for name, one in result["kills"].items()
                ],
                (
                    "Four writers over HTTP and a gateway over MQTT (QoS 1). The control must lose: "
                    "if it does not, the other rows prove nothing.",
                    "The kernel lives on, so that a page it holds is not lost: a power cut is not tried.",
                ),
            )
        )
    if result["poison"]:
        one = result["poison"]
        made.append(
            Table(
                f"{one['messages']:,} messages over MQTT, one in a hundred broken",
                ("", "clean", "with broken ones"),
                [
                    ("messages a second, stored", show(one["clean_per_s"]), show(one["poisoned_per_s"])),
                    ("stored", f"{one['clean_stored']:,}", f"{one['stored']:,}"),
                    ("in quarantine", "0", f"{one['quarantined']:,}"),
                    ("share of the clean rate", "", f"{100 * one['share']:.0f} %"),
                ],
            )
        )
    if result["rates"]:
        made.append(_rates(result["rates"]))
    return made


def _rates(rates: Mapping[str, Any]) -> Table:
    contenders = rates["contenders"]
    peer = contenders.get("node_red", {})
    rows = []
    for name, own in contenders["gridtwin"].items():
        other = peer.get(name)
        rows.append(
            (
                PROTOCOLS[name].title,
                f"{own['stored_per_s']:,.0f}",
                show(own.get("p50_ms")),
                show(own.get("p99_ms")),
                f"{other['stored_per_s']:,.0f}" if other else "–",
                show(other.get("p50_ms")) if other else "–",
                show(other.get("p99_ms")) if other else "–",
                f"{own['stored_per_s'] / other['stored_per_s']:.2f}×"
                if other and other["stored_per_s"]
                else "–",
            )
        )
    notes = [
        "Medians. Same machine, broker, PostgreSQL and payload; both commit to disk. Over MQTT the broker "
        "acknowledges to the sender, so the latency is its own.",
        "Node-RED's MQTT node acknowledges before the database has it, and asks nobody who they are; "
        "GridTwin checks sender, device, unit and range of every reading and keeps the present state too.",
    ]
    lost = sum(one["not_stored"] for one in peer.values())
    if lost:
        notes.append(f"Node-RED did not store {lost:,} readings that the broker or it had acknowledged.")
    notes += [f"{name} is left out: {why}" for name, why in rates["left_out"].items()]
    return Table(
        "Readings stored a second, and acknowledgement",
        ("protocol", "GridTwin /s", "p50 ms", "p99 ms", "Node-RED /s", "p50 ms", "p99 ms", "ratio"),
        rows,
        tuple(notes),
    )
