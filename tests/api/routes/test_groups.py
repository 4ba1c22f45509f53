"""Prove that the groups count what the board holds, and list the worst first."""

from __future__ import annotations

from twin.states import State


async def test_groups_count_devices_by_state_and_leave_people_out(client, served) -> None:
    board = served.runtime.twin.board
    by_uid = {board.uid[row]: row for row in range(board.count)}
    board.state[by_uid["water-0001"]] = State.ALARM
    board.state[by_uid["water-0002"]] = State.NORMAL
    board.state[by_uid["water-0003"]] = State.OFFLINE
    board.state[by_uid["camera-0001"]] = State.UNKNOWN
    groups = {group["name"]: group for group in (await client.get("/api/groups")).json()}
    assert set(groups) == {"flood", "video"}  # people are no devices; groups without devices are left out
    flood = groups["flood"]
    assert (flood["devices"], flood["online"], flood["abnormal"]) == (3, 2, 1)
    assert (flood["offline"], flood["unknown"]) == (1, 0)
    assert (flood["worst"], groups["video"]["worst"]) == ("alarm", None)
    assert (groups["video"]["online"], groups["video"]["unknown"]) == (0, 1)

    listed = (await client.get(flood["list"])).json()
    assert [row["uid"] for row in listed["rows"]] == ["water-0001", "water-0003", "water-0002"]
    assert listed["total"] == 3
    short = (await client.get(flood["list"], params={"limit": 1})).json()
    assert [row["uid"] for row in short["rows"]] == ["water-0001"]
    assert short["total"] == 3


async def test_an_unknown_group_is_named_as_such(reader) -> None:
    answer = await reader.get("/api/groups/nothing/list")
    assert answer.status_code == 404
    assert "flood" in answer.json()["hint"]
