"""Kill the server or the database in full flow, again and again, and count what was lost."""

from __future__ import annotations

import contextlib
import json
import random
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from bench.ingest.account import settle
from bench.ingest.installation import Account, Installation
from bench.live.child import Child

WRITERS: Final = 4
_DEVICES_EACH: Final = 200  # a device may send five readings a second for long
_FLOW_S: Final = (0.3, 1.5)
_ANSWER_S: Final = 60.0


@contextlib.contextmanager
def flowing(
    running: Installation, folder: Path, *, http_rate: float, mqtt_rate: float
) -> Iterator[tuple[Child, Path, list[Account]]]:
    """Send with four writers over HTTP and one gateway over MQTT; give process, journal and senders."""
    names = [f"flow-{i}" for i in range(WRITERS + 1)]
    devices = {name: [f"{name}-{i:03d}" for i in range(_DEVICES_EACH)] for name in names}
    running.install([(uid, "water_level") for uids in devices.values() for uid in uids])
    senders = running.admit(devices, "gateway")
    running.start_server()
    journal = folder / "acknowledged.txt"
    said = [asdict(sender) for sender in senders]
    specification = {
        "port": running.port,
        "http": said[:WRITERS],
        "mqtt": said[WRITERS:],
        "broker": {"host": running.broker.host, "port": running.broker.port},
        "http_rate": http_rate,
        "mqtt_rate": mqtt_rate,
        "journal": str(journal),
    }
    with Child.python("writers", "bench.ingest.writers", specification, folder) as writers:
        writers.answer(_ANSWER_S)
        yield writers, journal, senders


def stop(writers: Child) -> dict[str, Any]:
    """Let the writers end, and give what they tell."""
    writers.order("stop")
    told: dict[str, Any] = json.loads(writers.answer(_ANSWER_S))
    return told


def kill_in_rounds(
    folder: Path,
    what: str,
    rounds: int,
    progress: Callable[[str], None],
    *,
    module: str = "api.cli",
    rates: tuple[float, float] = (80.0, 100.0),
) -> dict[str, Any]:
    """Kill ``server`` or ``database`` so many times at random moments of the flow; give what was lost.

    Parameters
    ----------
    module
        What is run as the server.
    rates
        Messages a second of each writer over HTTP, and of the gateway over MQTT; ten readings each.
    """
    random_ = random.Random(f"{what} {module}")
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    ready_s: list[float] = []
    with (
        Installation(folder, module) as running,
        flowing(running, folder, http_rate=rates[0], mqtt_rate=rates[1]) as (writers, journal, senders),
    ):
        for number in range(rounds):
            time.sleep(random_.uniform(*_FLOW_S))
            begun = time.monotonic()
            if what == "server":
                running.kill_server()
                running.start_server()
            else:
                running.kill_database()
                running.start_database()
                running.wait_ready()
            ready_s.append(time.monotonic() - begun)
            progress(f"{what} killed {number + 1} of {rounds}: ready again after {ready_s[-1]:.1f} s")
        time.sleep(_FLOW_S[1])
        told = stop(writers)
        verdict, waited_s = settle(running.cluster.url, journal, senders)
    return {
        **asdict(verdict),
        "rounds": rounds,
        "ready_again_s": [round(s, 2) for s in ready_s],
        "ready_again_s_median": round(statistics.median(ready_s), 2),
        "drained_s": round(waited_s, 2),
        "messages": told,
    }
