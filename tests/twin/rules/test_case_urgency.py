"""Groups of alarms that get worse make their cases more urgent, once, and never less."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime
from uuid import UUID

import pytest

from tests.access.world import LAT, LON, STEP
from tests.twin.rules.alarmed import CODES
from twin.access.roles import Act as Allowed
from twin.cases.acting import Act, act_as
from twin.cases.clocks import raise_after_devices
from twin.cases.parties import Party, Told
from twin.cases.states import COLUMNS, CaseState, apply, from_row
from twin.live.fold import Transition
from twin.rules import case_urgency
from twin.rules.alarms import record
from twin.rules.case_urgency import raise_urgency

pytestmark = pytest.mark.postgis

PERSON = Party(UUID(int=7), "值班员", frozenset(Allowed))


async def look(world) -> int:
    return await raise_urgency(world.engine, world.catalog, now=datetime.now(UTC))


def together(world, count: int) -> list[int]:
    """Put detectors at one place, and return where they stand on the board."""
    rows = [world.board.row_of_uid[f"water_level-{code}"] for code in CODES[:count]]
    world.board.lon[rows], world.board.lat[rows] = LON + STEP / 2, LAT + STEP / 2
    return rows


async def go(world, row: int, old: int, new: int, rule=None) -> None:
    at_us = int(datetime.now(UTC).timestamp() * 1e6)
    async with world.engine.begin() as connection:
        change = Transition(row, 0, old, new, 30.0, at_us, rule)
        await record(connection, world.board, [[change]])


async def by_hand(world, case: int, move: str, **told) -> None:
    [(version,)] = world.rows("SELECT version FROM case_file WHERE id = %s", case)
    async with world.engine.begin() as connection:
        what = Act(case, version, move, Told(**told))
        await act_as(connection, what, lambda _row: PERSON, now=datetime.now(UTC))


def sensed(world) -> list[tuple]:
    return world.rows("SELECT id, priority FROM case_file WHERE source = 'sensor' ORDER BY id")


def stands_as_told(world, case: int) -> bool:
    """Say whether the journal alone makes the case."""
    state = CaseState()
    for (changes,) in world.rows(
        "SELECT data -> 'changes' FROM journal WHERE subject = %s ORDER BY seq", f"case/{case}"
    ):
        state = apply(state, changes)
    [row] = world.rows(f"SELECT {', '.join(COLUMNS)} FROM case_file WHERE id = %s", case)
    return state == from_row(dict(zip(COLUMNS, row, strict=True)))


@pytest.mark.parametrize("seed", [1, 2])
async def test_it_is_as_urgent_as_somebody_who_counts_by_hand_would_make_it(world, seed) -> None:
    """Alarms come, get worse and go, people correct, servers look alone or together, or are killed."""
    chance = random.Random(seed)
    rows = together(world, 24)
    rule = world.rule("09009")
    now, bad = dict.fromkeys(rows, 0), dict.fromkeys(rows, 0)
    first = rows[0]
    await go(world, first, 0, 3, rule)
    now[first] = bad[first] = 3
    assert (await world.look()).raised == 1
    [(case, priority)] = sensed(world)
    assert priority == 3
    noted, raised = 3, 0
    worse = chance.choices([3, 4, 5], [95, 4, 1], k=200)
    for _ in range(70):
        what = chance.random()
        if what < 0.7:
            row = chance.choice(rows)
            new = 0 if now[row] and chance.random() < 0.4 else worse.pop()
            if new != now[row]:
                await go(world, row, now[row], new, rule)
                now[row], bad[row] = new, max(bad[row], new)
        elif what < 0.8:
            priority = chance.randint(1, 4)
            await by_hand(world, case, "correct", priority=priority)
        else:
            devices = sum(state > 0 for state in bad.values())
            urgent = max(1, 6 - max(bad.values()) - sum(devices >= n for n in raise_after_devices()))
            looks = await asyncio.gather(*(look(world) for _ in range(chance.choice([1, 2]))))
            assert sum(looks) == (urgent < noted)
            raised += urgent < noted <= 4 and urgent < priority
            priority, noted = (min(priority, urgent), urgent) if urgent < noted else (priority, noted)
        assert sensed(world) == [(case, priority)]
    assert world.rows("SELECT count(*) FROM journal WHERE kind = 'case.corrected' AND actor = 'system'") == [
        (raised,)
    ]
    assert stands_as_told(world, case)


async def test_what_is_done_says_who_and_why(world) -> None:
    rows = together(world, 6)
    for row in rows[:1]:
        await go(world, row, 0, 4)
    await world.look()
    for row in rows[1:]:
        await go(world, row, 0, 4)
    assert await look(world) == 1
    assert await look(world) == 0
    [(case, priority)] = sensed(world)
    assert priority == 1
    [(actor, told)] = world.rows(
        "SELECT actor, data -> 'told' FROM journal WHERE kind = 'case.corrected' AND subject = %s",
        f"case/{case}",
    )
    assert (actor, told["priority"]) == ("system", 1)
    assert told["reason"] == "告警加重：6 台设备，最高为报警 · alarms got worse: 6 devices, the worst alarm"
    assert stands_as_told(world, case)


async def test_one_detector_that_comes_and_goes_is_one(world) -> None:
    [row] = together(world, 1)
    await go(world, row, 0, 4)
    await world.look()
    for _ in range(6):
        await go(world, row, 4, 0)
        await go(world, row, 0, 4)
    assert await look(world) == 0
    await go(world, row, 4, 5)
    assert await look(world) == 1
    assert [priority for _, priority in sensed(world)] == [1]


async def test_what_a_person_decided_stays_until_it_gets_worse_than_it_was(world) -> None:
    [row] = together(world, 1)
    await go(world, row, 0, 4)
    await world.look()
    [(case, _)] = sensed(world)
    await by_hand(world, case, "correct", priority=4)
    assert await look(world) == 0
    await go(world, row, 4, 3)
    await go(world, row, 3, 4)
    assert await look(world) == 0
    assert sensed(world) == [(case, 4)]
    await go(world, row, 4, 5)
    assert await look(world) == 1
    assert sensed(world) == [(case, 1)]


async def test_what_a_person_made_more_urgent_is_not_made_less(world) -> None:
    [row] = together(world, 1)
    rule = world.rule("09009")
    await go(world, row, 0, 3, rule)
    await world.look()
    [(case, _)] = sensed(world)
    await by_hand(world, case, "correct", priority=1)
    await go(world, row, 3, 4, rule)
    assert await look(world) == 1
    assert sensed(world) == [(case, 1)]
    await by_hand(world, case, "correct", priority=4)
    assert await look(world) == 0
    assert sensed(world) == [(case, 4)]


async def test_killed_within_the_act_nothing_is_noted_and_it_is_done_once_afterwards(
    world,
    monkeypatch,
) -> None:
    [row] = together(world, 1)
    await go(world, row, 0, 4)
    await world.look()
    await go(world, row, 4, 5)

    async def killed(*_arguments, **_named):
        raise asyncio.CancelledError

    with monkeypatch.context() as patched:
        patched.setattr(case_urgency, "act_as", killed)
        with pytest.raises(asyncio.CancelledError):
            await look(world)
    assert [priority for _, priority in sensed(world)] == [2]
    assert await look(world) == 1
    assert [priority for _, priority in sensed(world)] == [1]


async def test_reported_before_the_group_knew_it_what_came_meanwhile_counts(world) -> None:
    [row] = together(world, 1)
    await go(world, row, 0, 4)
    await world.look()
    world.rows("UPDATE alarm_group SET case_id = NULL, case_priority = NULL WHERE case_id IS NOT NULL")
    await go(world, row, 4, 5)
    assert (await world.look()).raised == 1
    assert await look(world) == 1
    assert [priority for _, priority in sensed(world)] == [1]


async def test_the_case_that_it_repeats_gets_more_urgent_with_it(world) -> None:
    [row] = together(world, 1)
    await go(world, row, 0, 4)
    await world.look()
    [(case, _)] = sensed(world)
    [(other,)] = world.rows(
        "SELECT id FROM case_file WHERE source <> 'sensor' AND closed_at IS NULL ORDER BY id LIMIT 1"
    )
    await by_hand(world, case, "link", linked_to=other)
    await go(world, row, 4, 5)
    assert await look(world) == 1
    assert world.rows("SELECT priority FROM case_file WHERE id IN (%s, %s)", case, other) == [(1,), (1,)]
    assert stands_as_told(world, case)


async def test_what_is_put_aside_or_over_stays_as_it_is(world) -> None:
    first, second = together(world, 2)
    await go(world, first, 0, 4)
    await world.look()
    [(case, _)] = sensed(world)
    device = int(world.board.device_id[second])
    world.rows(
        "INSERT INTO shelving (device_id, reason, shelved_by, until_at) "
        "VALUES (%s, '误报', 'x', now() + interval '1 hour')",
        device,
    )
    await go(world, second, 0, 5)
    assert await look(world) == 0
    world.rows("UPDATE shelving SET ended_at = now(), ended_by = 'x' WHERE ended_at IS NULL")
    await by_hand(world, case, "reject", reason="误报")
    assert await look(world) == 0
    assert sensed(world) == [(case, 2)]
