"""A flood over a real broker: who floods is refused, and nobody else notices."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time

import numpy as np
import pytest

from ingest import flood
from ingest.flood import LEAST_RATE
from tests.ingest.transports.conftest import now_ms, until
from tests.reading import rows

pytestmark = [pytest.mark.postgis, pytest.mark.broker]


@pytest.fixture
def small(monkeypatch):
    """Buckets that hold only a hundred."""
    monkeypatch.setattr(flood, "_LEAST_BURST", 100.0)
    monkeypatch.setattr(flood, "_BURST_S", 0.0)


FLOODER = """
import asyncio, json, sys, time, gmqtt
host, port, name, topic = sys.argv[1], int(sys.argv[2]), *sys.argv[3:5]
seconds, per_s = map(float, sys.argv[5:])
async def main():
    client = gmqtt.Client(name)
    client.set_auth_credentials(name, name)
    await client.connect(host, port)
    print("ready", flush=True)
    begun, n = time.time(), 0
    while time.time() - begun < seconds:
        while n < (time.time() - begun) * per_s:
            body = json.dumps({"t": time.time_ns() // 1_000_000, "p": "level", "v": n % 9})
            client.publish(topic, body.encode(), qos=0)
            n += 1
        await asyncio.sleep(0.002)
    print(n, flush=True)
    await client.disconnect()
asyncio.run(main())
"""


async def delays(twin, sender, seconds: float) -> list[float]:
    """Let ten devices send twenty times a second; return how long each took to the board, in seconds."""
    took: list[float] = []
    board, waiting = twin.board, {}
    begun, step = time.time(), itertools.count()
    while time.time() - begun < seconds or (waiting and time.time() - begun < seconds + 5):
        n = next(step)
        if n % 10 == 0 and time.time() - begun < seconds:
            for i in range(1, 11):
                row = board.row_of_uid[f"level-{i:02d}"]
                waiting.setdefault(row, []).append((now_ms(), time.perf_counter()))
                at = waiting[row][-1][0]
                sender.send(f"devices/level-{i:02d}/observations", {"t": at, "p": "level", "v": 3})
        await asyncio.sleep(0.005)
        for row, sent in list(waiting.items()):
            shown = int(board.times_us[row].max()) // 1000
            took += [time.perf_counter() - at for ms, at in sent if ms <= shown]
            waiting[row] = [one for one in sent if one[0] > shown]
            if not waiting[row]:
                del waiting[row]
    assert not waiting
    return took


async def test_device_that_floods_is_refused_and_delays_nobody(feed, sender, broker, small) -> None:
    twin, transport, database = feed
    calm = await delays(twin, sender, 2.0)
    seconds, per_s = 4.0, 4_000
    await sender.clients["level-00"].disconnect()  # one connection a name
    topic = "gt/v1/devices/level-00/observations"
    given = [broker.host, str(broker.port), "level-00", topic, str(seconds), str(per_s)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FLOODER, *given, stdout=asyncio.subprocess.PIPE
    )
    await until(lambda: transport.counters.messages > 2_000)
    under = await delays(twin, sender, 2.0)
    [notice] = transport.delivery.flood.notices()
    said, _ = await asyncio.wait_for(process.communicate(), 20)
    sent = int(said.split()[-1])
    all_sent = sent + len(calm) + len(under)

    def settled() -> bool:
        """A reading is counted when it is read, and what became of it when its window is settled."""
        counters = transport.counters
        became = counters.refused.total() + counters.stored + counters.duplicate
        return transport.waiting == 0 and became == counters.readings == all_sent

    await until(settled)
    counters = transport.counters
    assert notice.sender == "device level-00"
    refused = counters.refused["too_fast"]
    assert counters.refused.total() == refused
    assert sent - refused < 100 + LEAST_RATE * 30, "the burst, and what flows in meanwhile"
    kept = rows(database, "SELECT reason, source, detail, payload FROM quarantine")
    assert 1 <= len(kept) <= 3, "few of them are kept"
    reason, source, detail, payload = kept[0]
    assert (reason, source) == ("too_fast", topic)
    assert "device level-00 sends more than 5 readings a second" in detail
    assert json.loads(bytes(payload))["p"] == "level"
    assert twin.quarantine.reasons["too_fast"] == refused
    calm_s, under_s = (float(np.quantile(took, 0.99)) for took in (calm, under))
    assert under_s < calm_s + 0.25, (
        f"p99 of the others: {calm_s:.3f} s, under {sent} messages {under_s:.3f} s"
    )


async def test_device_behind_a_gateway_that_floods_is_refused_alone(feed, sender, small) -> None:
    _, transport, database = feed
    begun = now_ms() - 1_000
    for step in range(50):
        wild = {"t": [begun + step * 10 + i for i in range(10)], "p": "level", "d": "level-00", "v": [1] * 10}
        sender.send("gateways/gw-1/observations", wild)
        good = {"t": begun + step, "p": "level", "d": ["level-01", "wg-0001"], "v": [2, 2]}
        sender.send("gateways/gw-1/observations", good | {"d": "level-01", "v": 2})
    await until(lambda: transport.counters.acknowledged == 100)
    counters = transport.counters
    stored = dict(
        rows(
            database, "SELECT uid, count(*) FROM observation JOIN device ON device.id = device_id GROUP BY 1"
        )
    )
    assert stored["level-01"] == 50
    assert 100 <= stored["level-00"] <= 130
    assert counters.refused["too_fast"] == 500 - stored["level-00"]
    assert [notice.sender for notice in transport.delivery.flood.notices()] == ["device level-00"]
    kept = rows(database, "SELECT payload FROM quarantine")
    assert [json.loads(bytes(payload))["d"] for (payload,) in kept] == ["level-00"]


async def test_gateway_that_floods_is_held_back_unread(feed, sender, small) -> None:
    _, transport, database = feed
    transport.delivery.flood._publisher_rate = 1.0
    for _ in range(60):
        for name in ("gw-1", "sim-gw-001"):
            sender.send(f"gateways/{name}/observations", b"rubbish")
        sender.send("devices/level-05/observations", {"t": now_ms(), "p": "level", "v": 1})
        await asyncio.sleep(0.01)
    for _ in range(200):
        sender.send("gateways/gw-1/observations", b"rubbish")
    await until(lambda: transport.counters.acknowledged == 380)
    refused = transport.gateways.counters.refused
    sender.send("gateways/gw-1/observations", b"rubbish")
    await until(lambda: refused["too_fast"] + refused["malformed"] == 321)
    assert refused["too_fast"] >= 1
    assert transport.counters.stored == 60
    assert [notice.sender for notice in transport.delivery.flood.notices()] == ["gateway gw-1"]
    await until(lambda: transport.counters.acknowledged == 381)
    assert rows(database, "SELECT count(*) FROM quarantine WHERE reason = 'too_fast'") == [(1,)]


async def test_what_a_tracker_sends_too_fast_is_kept_nowhere(feed, sender, small) -> None:
    _, transport, database = feed
    begun = now_ms() - 2_000
    times = [begun + i for i in range(160)]
    fixes = {"t": times, "p": "speed", "v": [1] * 160, "lon": [104.07] * 160, "lat": [30.66] * 160}
    sender.send("gateways/gw-1/observations", fixes | {"d": "wg-0001"})
    await until(lambda: transport.counters.acknowledged == 1)
    assert transport.counters.refused["too_fast"] >= 50
    assert rows(database, "SELECT count(*) FROM quarantine") == [(0,)]
