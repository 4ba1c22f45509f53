"""Acts on cases in the database: all or nothing, one after the other, told, and only where one may."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy import text

from tests.access.world import KEY, LAT, LON, STEP, grids
from twin.access import roles as access
from twin.access.grants import NO_GRANTS, Grants, grants_of
from twin.access.scope import EVERYWHERE, Scope
from twin.access.sealing import Sealer
from twin.cases import acting
from twin.cases.acting import Act, act, tell_clocks
from twin.cases.moves import MOVES
from twin.cases.parties import Party, Told
from twin.cases.refusals import possible
from twin.cases.reporting import Report, report_case
from twin.cases.states import COLUMNS, CaseState, Outcome, Stage, apply, from_row
from twin.dispatch.assignments import Choice
from twin.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError, TwinError
from twin.store.scoped import scoped

pytestmark = pytest.mark.postgis

STREET = Scope.of_area(grids()[0][0][:9] + "000000", "street")
REPORT = Report("积水", "Flooding", "06012", "patrol", LON + STEP / 2, LAT + STEP / 2)
MONDAY = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
EVERYTHING = Party(None, "", frozenset(access.Act))
ALL = ("dispatcher", "manager", "worker")


@pytest.fixture(scope="module")
def worker(world_database) -> int:
    with owner(world_database) as connection:
        return int(connection.execute("SELECT min(id) FROM worker").fetchone()[0])


def owner(database) -> psycopg.Connection:
    return psycopg.connect(database.url.replace("postgresql+psycopg://", "postgresql://"), autocommit=True)


def grants(*roles: str, scope: Scope = STREET) -> Grants:
    return grants_of([(role, scope) for role in roles])


def person(number: int) -> dict[str, Any]:
    return {"account_id": UUID(int=number), "name": f"party {number}"}


async def new_case(engine, **changes: object) -> int:
    async with scoped(engine, grants("dispatcher")) as connection:
        report = dataclasses.replace(REPORT, title=str(uuid4()), **changes)
        made = await report_case(
            connection, Sealer(KEY), report, account_id=uuid4(), client_key=None, now=MONDAY
        )
        found = await connection.execute(
            text("SELECT id FROM case_file WHERE number = :number"), {"number": made.number}
        )
        return int(found.scalar_one())


async def do(
    engine, case: int, version: int, move: str, *, roles=ALL, by=1, scope=STREET, **told
) -> CaseState:
    held = grants(*roles, scope=scope)
    async with scoped(engine, held) as connection:
        what = Act(case, version, move, Told(**told), Choice(behind=True))
        return (await act(connection, what, held, **person(by), now=MONDAY)).state


def stored(database, case: int) -> CaseState:
    with owner(database) as connection:
        cursor = connection.execute(
            f"SELECT {', '.join(COLUMNS)} FROM case_file WHERE id = %s".encode(), [case]
        )
        return from_row(dict(zip(COLUMNS, cursor.fetchone(), strict=True)))


def told_by_journal(database, case: int) -> CaseState:
    """Make a case again from the journal alone."""
    state = CaseState()
    with owner(database) as connection:
        rows = connection.execute(
            "SELECT data -> 'changes' FROM journal WHERE subject = %s AND data ? 'changes' ORDER BY seq",
            [f"case/{case}"],
        )
        for (changes,) in rows:
            state = apply(state, changes)
    return state


async def test_a_case_goes_its_way_and_the_journal_tells_the_same(engine, world_database, worker):
    case = await new_case(engine)
    await do(engine, case, 1, "file", roles=["operator"])
    await do(engine, case, 2, "dispatch", roles=["dispatcher"], worker_id=worker)
    await do(engine, case, 3, "take")
    await do(engine, case, 4, "report_done", note="来电 13812341234，已清")
    await do(engine, case, 5, "send_check")
    with pytest.raises(ForbiddenError, match="somebody else checks"):
        await do(engine, case, 6, "pass")
    closed = await do(engine, case, 6, "pass", by=2)
    assert (closed.stage, closed.outcome, closed.version) == (Stage.RATED, Outcome.CLOSED, 7)
    assert stored(world_database, case) == told_by_journal(world_database, case) == closed
    with owner(world_database) as connection:
        rows = connection.execute(
            "SELECT kind, actor, data -> 'told' ->> 'note' FROM journal WHERE subject = %s ORDER BY seq",
            [f"case/{case}"],
        ).fetchall()
    assert [row[0] for row in rows] == [
        "case.reported",
        "case.filed",
        "case.worker_asked",
        "case.dispatched",
        "case.worker_accepted",
        "case.taken",
        "case.worker_done",
        "case.reported_done",
        "case.sent_to_check",
        "case.closed",
    ]
    assert rows[-1][1] == "party 2"
    assert "138****1234" in rows[7][2]


async def test_whatever_is_tried_the_journal_makes_the_table(engine, server, world_database, worker):
    """Random acts of random people on five cases that are linked, ended and opened again."""
    chance = random.Random(20261122)
    cases = [await new_case(engine) for _ in range(5)]
    names = [move.name for move in MOVES]
    done = 0
    now = MONDAY
    for _ in range(250):
        now += timedelta(minutes=chance.choice([1, 30, 400]))
        case = chance.choice(cases)
        told = Told(
            "因为", "看过", None, worker, now + timedelta(days=chance.choice([1, 9])), 4,
            chance.choice([None, "08001"]), chance.choice([1, 3]), chance.choice(cases),
        )  # fmt: skip
        held = grants(*ALL)
        try:
            async with scoped(engine, held) as connection:
                state = stored(world_database, case)
                # Most of what is tried at random is refused: three of four are what one may.
                may = [move.name for move in possible(state, EVERYTHING)] if chance.random() < 0.75 else names
                what = Act(case, state.version, chance.choice(may), told)
                await act(connection, what, held, **person(chance.choice([1, 2])), now=now)
            done += 1
        except TwinError:
            pass
        if chance.random() < 0.2:
            async with server.begin() as connection:
                while await tell_clocks(connection, now=now):
                    pass
    assert done > 120
    for case in cases:
        assert stored(world_database, case) == told_by_journal(world_database, case)


async def test_of_two_who_act_at_once_one_is_told_and_changes_nothing(engine, world_database):
    case = await new_case(engine)
    both = await asyncio.gather(
        *(do(engine, case, 1, "correct", by=number, priority=number) for number in (1, 2)),
        return_exceptions=True,
    )
    errors = [one for one in both if isinstance(one, BaseException)]
    assert len(errors) == 1
    assert isinstance(errors[0], ConflictError)
    assert errors[0].where == "version"
    (won,) = [one for one in both if isinstance(one, CaseState)]
    assert stored(world_database, case) == won
    assert won.version == 2


async def test_nobody_acts_beside_their_own_area(engine, world_database):
    case = await new_case(engine)
    elsewhere = Scope.of_area(grids()[-1][0][:9] + "000000", "street")
    for scope in (elsewhere, Scope()):
        with pytest.raises(NotFoundError):
            await do(engine, case, 1, "file", scope=scope)
    with pytest.raises(NotFoundError):
        await do(engine, case, 1, "file", roles=["planner"], scope=EVERYWHERE)
    with pytest.raises(ForbiddenError):
        await do(engine, case, 1, "file", roles=["worker"])
    assert stored(world_database, case).version == 1


async def test_a_case_that_repeats_another_makes_it_more_urgent_and_ends_with_it(engine, world_database):
    parent, *children = [await new_case(engine) for _ in range(3)]
    for child in children:
        await do(engine, child, 1, "link", linked_to=parent)
    held = stored(world_database, parent)
    assert (held.repeats, held.priority, held.version) == (2, 2, 3)
    with pytest.raises(ConflictError, match="repeats another"):
        await do(engine, await new_case(engine), 1, "link", linked_to=children[0])
    alone = await new_case(engine)
    for other in (alone, 2**40):
        with pytest.raises(InvalidError):
            await do(engine, alone, 1, "link", linked_to=other)
    await do(engine, children[0], 2, "unlink", reason="elsewhere")
    assert stored(world_database, parent).repeats == 1
    await do(engine, parent, 4, "reject", reason="no case")
    assert [stored(world_database, child).outcome for child in children] == [None, Outcome.REJECTED]
    for case in (parent, *children):
        assert stored(world_database, case) == told_by_journal(world_database, case)


async def test_the_clock_of_a_case_is_told_once(engine, server, world_database):
    case = await new_case(engine)
    due = stored(world_database, case).stage_due_at
    assert due is not None
    for now, found in ((due - timedelta(minutes=1), 1), (due, 2), (due + timedelta(days=4), 3)):
        async with server.begin() as connection:
            assert await tell_clocks(connection, now=now) > 0
            assert await tell_clocks(connection, now=now) == 0
        assert stored(world_database, case).clock_events == found
    assert stored(world_database, case) == told_by_journal(world_database, case)


async def test_what_is_not_there_is_named(engine):
    case = await new_case(engine)
    for move, told, where in (
        ("correct", {"category_code": "99999"}, "category_code"),
        ("link", {"linked_to": 2**40}, "linked_to"),
    ):
        with pytest.raises(InvalidError) as error:
            await do(engine, case, 1, move, **told)
        assert error.value.where == where
    await do(engine, case, 1, "file")
    for where in ("worker_id", "organisation_id"):
        with pytest.raises(InvalidError) as error:
            await do(engine, case, 2, "dispatch", **{where: 2**40})
        assert error.value.where == where


async def test_a_worker_handles_the_own_case_wherever_it_lies(engine, world_database, worker):
    case = await new_case(engine)
    await do(engine, case, 1, "file")
    await do(engine, case, 2, "dispatch", worker_id=worker)
    held = dataclasses.replace(NO_GRANTS, worker_id=worker, roles=("worker",))
    for move, version in (("take", 3), ("report_done", 4)):
        async with scoped(engine, held) as connection:
            what = Act(case, version, move, Told(note="done"))
            await act(connection, what, held, **person(5), now=MONDAY)
    assert stored(world_database, case) == told_by_journal(world_database, case)
    async with scoped(engine, held) as connection:
        with pytest.raises(ForbiddenError):
            await act(connection, Act(case, 5, "send_check", Told()), held, **person(5), now=MONDAY)


FORBIDDEN = {
    "an act that is not numbered": "UPDATE case_file SET stage = 'filed' WHERE id = %s",
    "an act that skips a number": "UPDATE case_file SET stage = 'filed', version = 3 WHERE id = %s",
    "an act that is not told": "UPDATE case_file SET stage = 'filed', version = 2 WHERE id = %s",
}


@pytest.mark.parametrize("what", FORBIDDEN)
async def test_the_database_keeps_no_act_that_is_not_in_the_journal(engine, world_database, what):
    case = await new_case(engine)
    with owner(world_database) as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(FORBIDDEN[what].encode(), [case])
    assert stored(world_database, case).version == 1


async def test_what_was_reported_is_not_changed(engine, world_database):
    case = await new_case(engine)
    held = grants(*ALL)
    for column, value in (("number", "'1'"), ("geom", "geom"), ("title", "'x'"), ("reporter_id", "NULL")):
        with pytest.raises(Exception, match="permission denied"):
            async with scoped(engine, held) as connection:
                await connection.execute(
                    text(f"UPDATE case_file SET {column} = {value} WHERE id = :id"), {"id": case}
                )


async def test_clocks_with_nothing_to_tell_yet_are_in_the_way_of_no_other(engine, server, world_database):
    early, other, late = [await new_case(engine) for _ in range(3)]
    with psycopg.connect(world_database.url.replace("+psycopg", "")) as owner:
        # As where the calendar says now that there is more time than it said when these were reported.
        owner.execute("SET session_replication_role = replica")
        owner.execute("UPDATE case_file SET clock_at = NULL WHERE id <> ALL (%s)", [[early, other, late]])
        owner.execute(
            "UPDATE case_file SET stage_since = %s, stage_due_at = %s, clock_at = %s WHERE id IN (%s, %s)",
            [MONDAY + timedelta(days=90), MONDAY + timedelta(days=99), MONDAY, early, other],
        )
    async with server.begin() as connection:
        assert await tell_clocks(connection, now=MONDAY + timedelta(days=30), most=2) == 1
    assert stored(world_database, late).clock_events > 0
    assert stored(world_database, early).clock_events == 0


async def test_clock_that_cannot_be_told_holds_up_no_other(engine, server, world_database, monkeypatch):
    broken, sound = [await new_case(engine) for _ in range(2)]
    whole = acting.state_of

    def state_of(row):
        if row.id == broken:
            raise ZeroDivisionError
        return whole(row)

    monkeypatch.setattr(acting, "state_of", state_of)
    async with server.begin() as connection:
        while await tell_clocks(connection, now=MONDAY + timedelta(days=30)):
            pass
    assert stored(world_database, sound).clock_events > 0
    assert stored(world_database, broken).clock_events == 0
