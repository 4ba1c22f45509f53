"""What health says of a part that hangs: no error comes from it, and no answer either."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest

from api import health
from ingest.flood import Flood
from twin.twin import ObservationBatch

pytestmark = pytest.mark.postgis


async def test_a_database_that_hangs_is_told_as_down(served, signed_in, monkeypatch) -> None:
    monkeypatch.setattr(health, "_DATABASE_S", 0.2)
    engine = served.runtime.health._engine

    class Slow:
        async def __aenter__(self) -> None:
            await asyncio.sleep(60)

        async def __aexit__(self, *_: object) -> None: ...

    class Hanging:
        def connect(self) -> Slow:
            return Slow()

    served.runtime.health._engine = Hanging()
    administrator = await signed_in("system_admin")
    try:
        answer = await administrator.get("/api/health/detail")
        brief = await administrator.get("/api/health")
        ready = await administrator.get("/api/health/ready")
    finally:
        served.runtime.health._engine = engine
    assert answer.status_code == 200
    assert (ready.status_code, "retry-after" in ready.headers) == (503, True)
    assert (await administrator.get("/api/health/ready")).json() == {"status": "ready"}
    assert answer.json()["parts"]["database"] == {"state": "down", "detail": "no answer within 0.2 s"}
    assert answer.json()["status"] == brief.json()["status"] == "degraded"
    assert brief.json()["parts"]["database"] == {"state": "down"}
    assert (await administrator.get("/api/health")).json()["parts"]["database"]["state"] == "ok"


async def test_a_commit_that_hangs_is_told_on_the_wall(served, client, monkeypatch) -> None:
    runtime = served.runtime
    assert runtime.health.brief()["database"] == "ok"
    runtime.twin.totals.commit_begun = time.perf_counter() - health._COMMIT_S - 1
    assert runtime.health.brief()["database"] == "down"
    assert (await client.get("/api/health")).json()["parts"]["ingest"]["state"] == "down"


async def test_who_sends_too_much_is_named_to_who_runs_the_installation(
    served, signed_in, monkeypatch
) -> None:
    guard, report = Flood(served.runtime.twin.board), served.runtime.health
    monkeypatch.setattr(report, "_ingest", lambda: health.IngestState(True, "", {}, floods=guard.notices()))
    administrator = await signed_in("system_admin")
    assert (await administrator.get("/api/health")).json()["parts"]["sources"] == {"state": "ok"}
    for sender, n in (("device level-1", 7), ("gateway gw-1", 90), ("device level-1", 1)):
        guard.note(sender, n, lambda: 5.0)
    part = (await administrator.get("/api/health/detail")).json()["parts"]["sources"]
    assert "2 send more than they may, most of all gateway gw-1: 90 readings refused" in part["detail"]
    told = [(one["sender"], one["limit_per_s"], one["refused"]) for one in part["floods"]]
    assert told == [("gateway gw-1", 5.0, 90), ("device level-1", 5.0, 8)]
    public = (await administrator.get("/api/health")).json()
    assert (public["parts"]["sources"], public["status"]) == ({"state": "flood"}, "degraded")
    monkeypatch.setattr(served.runtime.twin.quarantine, "most_bytes", 0)
    full = (await administrator.get("/api/health/detail")).json()["parts"]["sources"]
    assert full["state"] == "full"
    assert "gridtwin quarantine drop" in full["detail"]
    assert (await administrator.get("/api/quarantine")).json()["room"]["is_full"]


@pytest.mark.parametrize(
    ("asked_for", "silent_s", "listening", "state"),
    [
        (True, 1.9, True, "ok"),
        (False, 1.9, True, "ok"),  # started by hand
        (True, 8.5, True, "down"),
        (False, 8.5, True, "down"),
        (False, 301.0, True, "off"),
        (True, 301.0, True, "down"),
        (False, None, True, "off"),
        (False, None, False, "off"),
        (True, None, True, "unknown"),
        (True, 20.0, False, "unknown"),  # the broker hangs: who is behind it cannot be told
    ],
)
async def test_a_simulator_is_told_as_it_is_heard(
    served, monkeypatch, asked_for, silent_s, listening, state
) -> None:
    report = served.runtime.health
    monkeypatch.setattr(report._settings, "simulator", asked_for)
    heard = health.IngestState(listening, "a reason", {}, listening, silent_s)
    monkeypatch.setattr(report, "_ingest", lambda: heard)
    assert report.brief()["simulator"] == state
    part = (await report.parts())["simulator"]
    assert part["state"] == state
    assert part["detail"]
    if state == "unknown" and silent_s is not None:
        assert "a reason" in part["detail"]


async def test_a_simulator_that_never_came_is_down_after_its_start(served, monkeypatch) -> None:
    report = served.runtime.health
    monkeypatch.setattr(report._settings, "simulator", True)
    monkeypatch.setattr(report, "_ingest", lambda: health.IngestState(True, "", {}, True, None))
    report._started_s -= health._SIMULATOR_STARTS_S
    assert report.brief()["simulator"] == "down"


async def test_the_time_of_a_commit_is_kept_only_while_it_runs(served) -> None:
    twin = served.runtime.twin
    seen: list[float | None] = []
    real = twin._writer.write

    async def watched(*arguments: object) -> object:
        seen.append(twin.totals.commit_begun)
        return await real(*arguments)

    twin._writer.write = watched
    now_us = np.array([time.time_ns() // 1000])
    nowhere = np.array([np.nan])
    row = np.array([twin.board.row_of_uid["water-0001"]], np.int32)
    value = np.array([2.0])
    await twin.observe(
        ObservationBatch(row, np.zeros(1, np.uint8), now_us, value, nowhere, nowhere, received_us=now_us)
    )
    assert len(seen) == 1
    assert seen[0] is not None
    assert twin.totals.commit_begun is None
    assert await served.run_sql("SELECT count(*) FROM observation") == [(1,)]
