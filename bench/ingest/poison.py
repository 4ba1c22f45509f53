"""Send messages of which one in a hundred is broken, and measure what that costs the good ones."""

from __future__ import annotations

import asyncio
import functools
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
            made.append(broken(i // _EVERY, first_ms + i))
        else:
            said = {"d": f"poison-{i % _DEVICES:02d}", "t": first_ms + i, "p": "level", "v": 5.0}
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
    """Send n clean messages, n of which one in a hundred is broken, and n clean ones again."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    with Installation(folder) as running:
        sender = _prepare(running)
        first_ms = time.time_ns() // 1_000_000 - 86_400_000
        _timed(running, sender, make_messages(n // 10, first_ms - n, poisoned=False))  # warm
        taken = {}
        for turn, poisoned in enumerate((False, True, False)):
            before = _counts(running.cluster.url)
            seconds = _timed(running, sender, make_messages(n, first_ms + turn * n, poisoned=poisoned))
            after = _counts(running.cluster.url)
            taken[turn] = n / seconds, after[0] - before[0], after[1] - before[1]
            progress(f"{n:,} messages, {taken[turn][2]} of them refused: {n / seconds:,.0f} a second")
    clean = (taken[0][0] + taken[2][0]) / 2
    return {
        "messages": n,
        "clean_per_s": round(clean, 1),
        "poisoned_per_s": round(taken[1][0], 1),
        "share": round(taken[1][0] / clean, 3),
        "clean_stored": taken[0][1],
        "stored": taken[1][1],
        "quarantined": taken[1][2],
    }
