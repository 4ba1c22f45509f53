"""Who is asked to go to a case: one of two wins, every step is told, and nobody is in two places."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from types import SimpleNamespace
from uuid import UUID

import psycopg
import pytest

from tests.access.world import MOMENT
from tests.twin.cases import test_acting as acting
from tests.twin.cases.test_acting import ALL, EVERYTHING, grants, new_case, owner
from twin.access.grants import grants_of
from twin.cases.acting import Act, act
from twin.cases.moves import MOVES
from twin.cases.parties import Told
from twin.cases.refusals import possible
from twin.catalog import load_catalog
from twin.dispatch.assignments import COLUMNS, CURRENT, STEPS, Assigned, Choice, Stand, apply, read
from twin.dispatch.assignments_acts import ACTS, Doing, send_further
from twin.dispatch.assignments_acts import do as step
from twin.dispatch.assignments_clock import go_on
from twin.dispatch.assignments_store import BusyError
from twin.dispatch.streets import Streets
from twin.errors import TwinError
from twin.live.board import Board
from twin.store.scoped import scoped

pytestmark = pytest.mark.postgis


@pytest.fixture(scope="module")
def workers(world_database) -> list[int]:
    with owner(world_database) as connection:
        return [row[0] for row in connection.execute("SELECT id FROM worker ORDER BY id LIMIT 4")]


async def do(engine, case: int, version: int, move: str, *, by=1, behind=False, **told):
    held = grants(*ALL)
    async with scoped(engine, held) as connection:
        choice = Choice(account_id=UUID(int=by), behind=behind)
        what = Act(case, version, move, Told(**told), choice)
        return (
            await act(connection, what, held, account_id=UUID(int=by), name=f"party {by}", now=MOMENT)
        ).state


async def filed(engine) -> int:
    case = await new_case(engine)
    await do(engine, case, 1, "file")
    return case


def stored(database, case: int) -> dict[int, Assigned]:
    with owner(database) as connection, connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        cursor.execute(f"SELECT {', '.join(COLUMNS)} FROM assignment WHERE case_id = %s".encode(), [case])
        return {row["id"]: read(row) for row in cursor}


def told_by_journal(database, case: int) -> dict[int, Assigned]:
    """Make the assignments of a case again from the journal alone."""
    made: dict[int, Assigned] = {}
    with owner(database) as connection:
        rows = connection.execute(
            "SELECT data -> 'assignment' FROM journal "
            "WHERE subject = %s AND data ? 'assignment' ORDER BY seq",
            [f"case/{case}"],
        )
        for (told,) in rows:
            made[told["id"]] = apply(made.get(told["id"]), told["changes"])
    return made


def told_states(database, cases: list[int]) -> set[str]:
    """Return every state that the journal tells of."""
    with owner(database) as connection:
        rows = connection.execute(
            "SELECT DISTINCT data #>> '{assignment,changes,state}' FROM journal WHERE subject = ANY(%s)",
            [[f"case/{case}" for case in cases]],
        )
        return {row[0] for row in rows if row[0]}


def states(database, case: int) -> list[str]:
    return [one.state.value for one in stored(database, case).values()]


async def test_of_two_who_send_the_same_worker_one_wins_and_the_other_is_told(
    engine, world_database, workers
):
    cases = [await filed(engine) for _ in range(2)]
    both = await asyncio.gather(
        *(do(engine, case, 2, "dispatch", by=n, worker_id=workers[0]) for n, case in enumerate(cases)),
        return_exceptions=True,
    )
    (lost,) = [n for n, one in enumerate(both) if isinstance(one, BaseException)]
    assert isinstance(both[lost], BusyError)
    assert f"party {1 - lost} at " in str(both[lost])
    assert states(world_database, cases[lost]) == []
    assert states(world_database, cases[1 - lost]) == ["asked"]
    # Nothing is lost: the same act, said to wait, goes through on the version that was seen.
    await do(engine, cases[lost], 2, "dispatch", by=lost, worker_id=workers[0], behind=True)
    assert states(world_database, cases[lost]) == ["queued"]


async def test_an_assignment_goes_with_its_case(engine, world_database, workers):
    case = await filed(engine)
    await do(engine, case, 2, "dispatch", worker_id=workers[1])
    await do(engine, case, 3, "transfer", worker_id=workers[2], reason="nearer")
    assert states(world_database, case) == ["withdrawn", "asked"]
    await do(engine, case, 4, "take")
    assert states(world_database, case) == ["withdrawn", "accepted"]
    await do(engine, case, 5, "report_done", note="done")
    assert states(world_database, case) == ["withdrawn", "done"]
    await do(engine, case, 6, "send_check")
    await do(engine, case, 7, "fail", by=2, reason="still there")
    assert states(world_database, case) == ["withdrawn", "done", "asked"]
    assert stored(world_database, case) == told_by_journal(world_database, case)


async def test_whatever_is_tried_nobody_is_sent_to_two_places(engine, server, world_database, workers):
    """Random acts of operators, workers and the clock, several at once; the journal makes the table."""
    chance = random.Random(20261122)
    cases = [await filed(engine) for _ in range(6)]
    every = [move.name for move in MOVES if move.to is not None or move.name == "grant"]
    twin = SimpleNamespace(board=Board(load_catalog()), streets=Streets(server))
    asked_late = "UPDATE assignment SET answer_by = now() - interval '1 s' WHERE id = %s AND state = 'asked'"

    def operator(case: int):
        state = acting.stored(world_database, case)
        may = [move.name for move in possible(state, EVERYTHING) if move.name in every]
        move = chance.choice(may if may and chance.random() < 0.75 else every)
        told = {"reason": "x", "note": "x", "worker_id": chance.choice(workers)}
        by, behind = chance.choice([1, 2]), chance.random() < 0.4
        return do(engine, case, state.version, move, by=by, behind=behind, **told)

    async def further(case: int):
        async with scoped(engine, grants(*ALL)) as connection:
            behind = Choice(behind=chance.random() < 0.5)
            await send_further(connection, case, chance.choice(workers), behind, "party 3")

    async def worker(case: int):
        made = list(stored(world_database, case).values()) or [None]
        one = chance.choice(made)
        if one is None:
            return
        held = grants_of([("worker", acting.STREET)], worker_id=one.worker_id)
        may = [name for name in ACTS if one.state in STEPS[name].before]
        name = chance.choice(may if may and chance.random() < 0.75 else ACTS)
        what = Doing(one.id, name, reason="x")
        async with scoped(engine, held) as connection:
            await step(connection, what, held, account_id=UUID(int=9), name="worker", now=MOMENT)

    async def clock(case: int):
        with owner(world_database) as connection:
            for one in stored(world_database, case):
                if chance.random() < 0.3:
                    connection.execute(asked_late, [one])
        await go_on(server, twin)

    done = 0
    for _ in range(70):
        kinds = [chance.choice([operator, operator, further, worker, worker, clock]) for _ in range(3)]
        tried = [kind(case) for kind, case in zip(kinds, chance.sample(cases, 3), strict=True)]
        for one in await asyncio.gather(*tried, return_exceptions=True):
            if isinstance(one, BaseException) and not isinstance(one, TwinError):
                raise one
            done += not isinstance(one, BaseException)
        held = [one for case in cases for one in stored(world_database, case).values()]
        current = [one.worker_id for one in held if one.state in CURRENT]
        assert len(current) == len(set(current))
    assert done > 70
    # Which of them come about is up to who is first; far the most do.
    assert len(told_states(world_database, cases)) >= len(Stand) - 2

    def but_for_the_hand(made: dict[int, Assigned]) -> dict[int, Assigned]:
        """Leave out the one moment that the test itself moved."""
        return {key: dataclasses.replace(one, answer_by=None) for key, one in made.items()}

    for case in cases:
        told = told_by_journal(world_database, case)
        assert but_for_the_hand(stored(world_database, case)) == but_for_the_hand(told)
