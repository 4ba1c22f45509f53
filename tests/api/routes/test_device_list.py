"""Who fell silent can be asked, the longest silent first, and only where the caller may see."""

from __future__ import annotations

import time

import numpy as np
import pytest

from twin.states import State

pytestmark = pytest.mark.postgis


async def test_silent_devices_are_listed_with_when_they_were_last_heard(served, client, signed_in):
    board = served.runtime.twin.board
    never = (await client.get("/api/devices?state=unknown")).json()
    assert {one["uid"] for one in never["devices"]} == {
        "water-0001",
        "water-0002",
        "water-0003",
        "camera-0001",
    }
    assert {one["last_seen"] for one in never["devices"]} == {None}
    now_us = time.time_ns() // 1000
    for uid, silent_s in (("water-0001", 90_000), ("water-0002", 200_000), ("camera-0001", 1)):
        row = np.array([board.row_of_uid[uid]])
        board.hear(row, np.array([now_us - silent_s * 1_000_000]))
        board.show(row)
    board.sweep(now_us)
    lost = (await client.get("/api/devices?state=offline")).json()
    assert [one["uid"] for one in lost["devices"]] == ["water-0002", "water-0001"]
    assert lost["total"] == 2
    assert {one["state"] for one in lost["devices"]} == {"offline"}
    seen = lost["devices"][0]["last_seen"]
    assert seen is not None
    assert lost["devices"][0]["expected_interval_s"] > 0
    one = (await client.get("/api/devices?state=offline&limit=1")).json()
    assert (one["total"], len(one["devices"])) == (2, 1)
    assert (await client.get("/api/devices?state=offline&kind=camera")).json()["total"] == 0
    assert (await client.get("/api/devices?state=lost")).status_code == 422
    administrator = await signed_in("system_admin")
    assert (await administrator.get("/api/devices?state=offline")).status_code == 403
    told = (await administrator.get("/api/health/detail")).json()["parts"]["board"]
    assert (told["silent"], told["never_heard"]) == (2, 1)
    assert board.state[board.row_of_uid["water-0001"]] == State.OFFLINE
