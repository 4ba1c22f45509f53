"""Go on with assignments without an operator: no answer, the next; the next of a queue; arrival by the board.

Times are those of the clock of the database. What several servers do at once is done by one: who finds the
lock taken leaves it to the other, and rows at which somebody acts are left for the next time.
"""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from twin.access.roles import Act
from twin.cases.acting import READ, act_as, clocks_of, hold, state_of, store
from twin.cases.acting import Act as CaseAct
from twin.cases.deciding import decide_unanswered
from twin.cases.parties import Party, Told
from twin.cases.states import Stage
from twin.dispatch.assignments import Stand
from twin.dispatch.assignments_acts import Doing, do_as, is_there
from twin.dispatch.assignments_store import hold_one, send, take_step
from twin.dispatch.candidates import rank_for
from twin.dispatch.eligible import Seen
from twin.distance import distance_m
from twin.errors import ConflictError
from twin.live.board import Board
from twin.store.journal import append
from twin.store.locks import Lock
from twin.twin import Twin

_log = logging.getLogger("gridtwin.dispatch")
_SYSTEM: Final = Party(None, "system", frozenset({Act.DISPATCH_CASE}))
_PLAYER: Final = Party(None, "simulation", frozenset({Act.HANDLE_CASE, Act.DISPATCH_CASE}))

_ALONE: Final = text(f"SELECT pg_try_advisory_xact_lock({Lock.ASSIGNMENTS})")
_CASE: Final = text(f"{READ} WHERE id = :id")
_LATE: Final = text(
    """
    SELECT a.id, a.case_id FROM assignment AS a JOIN worker AS w ON w.id = a.worker_id
    WHERE a.state = 'asked' AND a.answer_by <= clock_timestamp() AND NOT w.simulated
    ORDER BY a.answer_by LIMIT 100 FOR UPDATE OF a SKIP LOCKED
    """
)
_LATE_SIMULATED: Final = text(
    """
    SELECT a.id, a.case_id FROM assignment AS a JOIN worker AS w ON w.id = a.worker_id
    WHERE a.state = 'asked' AND a.answer_by <= clock_timestamp() AND w.simulated
    ORDER BY a.answer_by LIMIT 100
    """
)
# The most urgent case first, of those the one that waits longest.
_NEXT: Final = text(
    """
    SELECT DISTINCT ON (a.worker_id) a.id, a.case_id
    FROM assignment AS a JOIN case_file AS c ON c.id = a.case_id
    WHERE a.state = 'queued' AND NOT EXISTS (
        SELECT FROM assignment AS o WHERE o.worker_id = a.worker_id
        AND o.state IN ('asked', 'accepted', 'departed', 'arrived'))
    ORDER BY a.worker_id, c.priority, a.queued_at, a.id LIMIT 100
    """
)
_GOING: Final = text(
    """
    SELECT a.id, a.case_id, w.device_id, ST_X(c.geom) AS lon, ST_Y(c.geom) AS lat
    FROM assignment AS a JOIN worker AS w ON w.id = a.worker_id JOIN case_file AS c ON c.id = a.case_id
    WHERE a.state IN ('accepted', 'departed') AND w.device_id IS NOT NULL
    """
)
_UNFOLLOWED: Final = text(
    """
    SELECT id, case_id FROM assignment
    WHERE state IN ('declined', 'lapsed') AND followed_at IS NULL ORDER BY ended_at LIMIT 100
    """
)
_FOLLOWED: Final = text(
    "UPDATE assignment SET followed_at = clock_timestamp() "
    "WHERE id = :id AND followed_at IS NULL RETURNING id"
)


async def go_on(engine: AsyncEngine, twin: Twin) -> int:
    """Do all that is to be done now; return how much was.

    Parameters
    ----------
    engine
        The server's own hand.
    """
    done = 0
    async with engine.begin() as connection:
        if await _alone(connection):
            done += await lapse(connection)
    async with engine.begin() as connection:
        if await _alone(connection):
            done += await ask_next(connection)
    async with engine.begin() as connection:
        if await _alone(connection):
            done += await see_arrivals(connection, twin.board)
    done += await _each(engine, _LATE_SIMULATED, _accept_simulated)

    async def follow(connection: AsyncConnection, assignment_id: int, case_id: int) -> bool:
        return await ask_another(connection, twin, assignment_id, case_id)

    return done + await _each(engine, _UNFOLLOWED, follow)


async def lapse(connection: AsyncConnection) -> int:
    """Let assignments that were not answered in time lapse; return how many. In the caller's transaction."""
    late = (await connection.execute(_LATE)).all()
    await _step(connection, [(row.id, row.case_id, {}) for row in late], "lapse")
    return len(late)


async def ask_next(connection: AsyncConnection) -> int:
    """Ask each worker who is free for what waits behind; return how many. In the caller's transaction."""
    asked = 0
    for row in (await connection.execute(_NEXT)).all():
        try:
            async with connection.begin_nested():
                asked += await _step(connection, [(row.id, row.case_id, {})], "ask")
        except (IntegrityError, ConflictError):  # somebody sent them elsewhere just now
            continue
    return asked


async def see_arrivals(connection: AsyncConnection, board: Board) -> int:
    """Note who of those on the way is seen at their case; return how many. In the caller's transaction."""
    there = []
    for row in (await connection.execute(_GOING)).all():
        seen = seen_by(board, row.device_id, (row.lon, row.lat))
        if seen is not None and is_there(seen):
            proof = {"arrival": "geofence", "arrival_m": round(seen.straight_m, 1)}
            there.append((row.id, row.case_id, proof))
    return await _step(connection, there, "arrive")


async def ask_another(connection: AsyncConnection, twin: Twin, assignment_id: int, case_id: int) -> bool:
    """Ask the next worker for a case after one declined or did not answer; False where it was done already.

    In the caller's transaction. The case of which the worker was the handler goes to the next; where nobody
    else may be sent it goes back to where it waits for somebody to be sent.
    """
    case = (await hold(connection, case_id)).get(case_id)
    if case is None or (await connection.execute(_FOLLOWED, {"id": assignment_id})).first() is None:
        return False
    left = await connection.run_sync(hold_one, assignment_id)
    state, now = state_of(case), datetime.now(UTC)
    if left is None or state.outcome is not None or state.stage not in (Stage.DISPATCHED, Stage.HANDLING):
        return True
    handler = state.worker_id == left.worker_id
    if not handler and state.stage_since and left.ended_at and state.stage_since > left.ended_at:
        return True  # somebody sent another meanwhile
    ranking = await rank_for(connection, twin, case_id)
    first = None if ranking is None else ranking.first
    if ranking is None or first is None:
        if handler:
            decision = decide_unanswered(state, clocks=clocks_of(case), now=now)
            await connection.run_sync(store, [(case, state, decision)], Told(), _SYSTEM.name)
        return True
    worker_id = first.candidate.worker_id
    choice = ranking.choice_of(worker_id, follows=assignment_id)
    if handler:
        reason = "未按时应答 · no answer in time" if left.state is Stand.LAPSED else "已拒绝 · declined"
        told = Told(reason=reason, worker_id=worker_id)
        sending = CaseAct(case_id, state.version, "transfer", told, choice)
        await act_as(connection, sending, lambda _: _SYSTEM, now=now)
    else:
        await append(connection, await connection.run_sync(send, case, worker_id, choice, _SYSTEM.name))
    return True


def seen_by(board: Board, device_id: int | None, place: tuple[float, float]) -> Seen | None:
    """Return where a tracker is on the board, and how far from a place (lon, lat); None where nowhere."""
    row = None if device_id is None else board.row_of_id.get(device_id)
    if row is None or board.room[row] == 0:  # who is not on duty stands in no room
        return None
    lon, lat = float(board.lon[row]), float(board.lat[row])
    age_s = max(0.0, time.time() - int(board.position_us[row]) / 1e6)
    return Seen(lon, lat, age_s, distance_m((lon, lat), place))


async def _accept_simulated(connection: AsyncConnection, assignment_id: int, case_id: int) -> bool:
    """Let a worker of the demonstration, who answers nothing, go where they were asked to."""
    case = (await hold(connection, case_id)).get(case_id)
    if case is None:
        return False
    await do_as(connection, Doing(assignment_id, "accept"), case, _PLAYER, now=datetime.now(UTC))
    return True


async def _step(connection: AsyncConnection, which: list[tuple[int, int, dict[str, Any]]], name: str) -> int:
    """Let a step happen to assignments, each with its case and what is told; those that moved on are left."""
    events = []
    for assignment_id, case_id, told in which:
        case: Row[Any] = (await connection.execute(_CASE, {"id": case_id})).one()
        assigned = await connection.run_sync(hold_one, assignment_id)
        if assigned is None:
            continue
        try:
            _, event = await connection.run_sync(take_step, case, assigned, name, _SYSTEM.name, **told)
        except ConflictError:
            continue
        events.append(event)
    await append(connection, events)
    return len(events)


async def _each(engine: AsyncEngine, which: Any, work: Any) -> int:
    """Do something with each of some assignments, each in a transaction of its own."""
    async with engine.connect() as connection:
        rows = (await connection.execute(which)).all()
    done = 0
    for row in rows:
        try:
            async with engine.begin() as connection:
                done += await _alone(connection) and await work(connection, row.id, row.case_id)
        except ConflictError as error:  # somebody acted on the case at this moment
            _log.info("assignment %d is left for the next time: %s", row.id, error)
    return done


async def _alone(connection: AsyncConnection) -> bool:
    return bool((await connection.execute(_ALONE)).scalar_one())
