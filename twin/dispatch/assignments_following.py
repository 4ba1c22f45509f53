"""Let the assignments of a case follow what people do with the case."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, Row

from twin.cases.states import CaseState
from twin.dispatch.assignments import Choice, Stand
from twin.dispatch.assignments_store import finish_all, hold_open, send, take_step
from twin.store.journal import Event

_SENT: Final = frozenset({"case.dispatched", "case.transferred", "case.sent_back"})
_OVER: Final = frozenset({"case.reported_done"})


def follow_case(
    connection: Connection,
    case: Row[Any],
    before: CaseState,
    after: CaseState,
    event: str,
    actor: str,
    choice: Choice,
) -> list[Event]:
    """Store what an act on a case that is held makes of its assignments; returns what to tell the journal.

    Who is sent by name is asked to go; who was sent before them is called off. Who takes the case on has
    accepted. When it is reported as done, ends, or goes back to where nobody has it, nobody goes any more.
    A case that is to be redone is given to who had it, behind what they do now.

    Parameters
    ----------
    case
        A row of `twin.cases.acting.READ`, as it was before the act.
    choice
        How the worker was chosen, where the act sends one.

    Raises
    ------
    BusyError
        See `twin.dispatch.assignments_store.send`.
    """
    ended = after.outcome is not None and before.outcome is None
    moved = after.worker_id != before.worker_id
    if not (ended or moved or event in _SENT or event in _OVER or event == "case.taken"):
        return []
    open_ones = hold_open(connection, case.id)
    if ended or event in _OVER:
        return finish_all(connection, case, open_ones, actor, before.worker_id)
    if event == "case.taken":
        asked = [one for one in open_ones if one.state is Stand.ASKED and one.worker_id == after.worker_id]
        return [take_step(connection, case, one, "accept", actor)[1] for one in asked]
    gone = [one for one in open_ones if moved and one.worker_id == before.worker_id]
    events = finish_all(connection, case, gone, actor)
    has = any(one.worker_id == after.worker_id for one in open_ones if one not in gone)
    if event in _SENT and after.worker_id is not None and not has:
        again = Choice(behind=True) if event == "case.sent_back" else choice
        events += send(connection, case, after.worker_id, again, actor)
    return events
