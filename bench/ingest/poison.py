"""Send messages of which one in a hundred is broken, and measure what that costs the good ones."""

from __future__ import annotations

import asyncio
import functools
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import orjson

from bench.ingest.installation import Account, Installation
from bench.live import mqtt
from bench.live.database import connect
from bench.live.publisher import Gateway
from ingest.transports.topics import observations_of

_EVERY: Final = 100
_DEVICES: Final = 20
_WINDOW: Final = 2_000
_TIMEOUT_S: Final = 120.0
_PAIRS: Final = 5
STEP_MS: Final = 25
"""Between two times: of one device half a second, which is no flood however fast it comes."""


def broken(number: int, t_ms: int) -> bytes:
    """Give a message that cannot be taken, of eight kinds in turn.

    One of more than 256 KiB does not come so far: the broker closes the connection of who sends it.
    """
    kinds: Sequence[bytes] = (
        b'{"d":"poison-00","t":',
        b'{"d":"poison-00","t":%d,"p":"level","v":NaN}' % t_ms,
        b'{"d":"poison-00","t":%d,"p":"level","v":1e999}' % t_ms,
        b"[" * 100_000,
        b'{"d":"poison-00","p":"' + b"x" * 200_000 + b'"}',
        b"\xff\xfe" + b'{"d":"poison-00"}',
        b'{"d":"nobody-knows","t":%d,"p":"level","v":1}' % t_ms,
        b'{"d":"poison-00","t":%d,"p":"level","v":"high"}' % t_ms,
    )
    return kinds[number % len(kinds)]


async def _send(port: int, sender: Account, messages: Sequence[bytes]) -> None:
    make = functools.partial(Gateway, sender.name, sender.name, sender.secret)
    _, gateway = await asyncio.get_running_loop().create_connection(make, "127.0.0.1", port)
    await gateway.accepted
    topic = mqtt.text(observations_of("gateways", sender.name))
    for number, body in enumerate(messages):
        gateway.publish(topic, body, 1)
        while len(gateway.in_flight) > _WINDOW or (number + 1 == len(messages) and gateway.in_flight):
            if gateway.lost:
                raise ConnectionError(gateway.lost)
            await asyncio.sleep(0.002)
    gateway.close()


def _counts(url: str) -> tuple[int, int]:
    with connect(url) as connection:
        row = connection.execute(
            "SELECT (SELECT count(*) FROM observation), (SELECT count(*) FROM quarantine)"
        ).fetchone()
    assert row is not None
    return int(str(row[0])), int(str(row[1]))


def _timed(running: Installation, sender: Account, messages: Sequence[bytes]) -> float:
    """Send and wait until every message is stored or in quarantine; give the seconds that took."""
    before, begun = sum(_counts(running.cluster.url)), time.perf_counter()
    asyncio.run(_send(running.broker.port, sender, messages))
    while sum(_counts(running.cluster.url)) - before < len(messages):
        if time.perf_counter() - begun > _TIMEOUT_S:
            break
        time.sleep(0.02)
    return time.perf_counter() - begun


def make_messages(n: int, first_ms: int, *, poisoned: bool) -> list[bytes]:
    """Make n messages of one reading each; of the poisoned every hundredth is broken."""
    made = []
    for i in range(n):
        if poisoned and i % _EVERY == _EVERY // 2:
            made.append(broken(i // _EVERY, first_ms + i * STEP_MS))
        else:
            said = {"d": f"poison-{i % _DEVICES:02d}", "t": first_ms + i * STEP_MS, "p": "level", "v": 5.0}
            made.append(orjson.dumps(said))
    return made


def _prepare(running: Installation) -> Account:
    uids = [f"poison-{i:02d}" for i in range(_DEVICES)]
    running.install([(uid, "water_level") for uid in uids])
    (sender,) = running.admit({"gw-poison": uids}, "gateway")
    running.start_server()
    return sender


def send_poisoned(running: Installation, n: int) -> None:
    """Start the server, send n messages of which one in a hundred is broken, and wait for all of them."""
    sender = _prepare(running)
    _timed(running, sender, make_messages(n, time.time_ns() // 1_000_000 - 3_600_000, poisoned=True))


def measure_poison(folder: Path, n: int, progress: Callable[[str], None]) -> dict[str, Any]:
    """Send n clean messages and n of which one in a hundred is broken, in turns, and compare the medians."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    with Installation(folder) as running:
        sender = _prepare(running)
        first_ms = time.time_ns() // 1_000_000 - (2 * _PAIRS + 2) * n * STEP_MS
        _timed(running, sender, make_messages(n, first_ms, poisoned=False))  # warm
        per_s: dict[bool, list[float]] = {False: [], True: []}
        taken: dict[bool, list[int]] = {False: [0, 0], True: [0, 0]}
        for turn in range(2 * _PAIRS):
            poisoned, before = bool(turn % 2), _counts(running.cluster.url)
            first_ms += n * STEP_MS
            seconds = _timed(running, sender, make_messages(n, first_ms, poisoned=poisoned))
            for place, (now, then) in enumerate(zip(_counts(running.cluster.url), before, strict=True)):
                taken[poisoned][place] += now - then
            per_s[poisoned].append(n / seconds)
            what = "one in a hundred" if poisoned else "none"
            progress(f"{n:,} messages, {what} broken: {n / seconds:,.0f} a second")
    pairs = zip(per_s[True], per_s[False], strict=True)
    return {
        "messages": n * _PAIRS,
        "clean_per_s": round(statistics.median(per_s[False]), 1),
        "poisoned_per_s": round(statistics.median(per_s[True]), 1),
        "share": round(statistics.median(bad / clean for bad, clean in pairs), 3),
        "clean_stored": taken[False][0],
        "stored": taken[True][0],
        "quarantined": taken[True][1],
    }
