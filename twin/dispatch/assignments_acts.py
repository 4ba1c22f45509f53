"""Let workers answer, set out and arrive, and those who dispatch do it for them or call them off."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.access.grants import Grants
from twin.access.masking import mask_text
from twin.access.roles import Act
from twin.cases.acting import READ, act_as, hold
from twin.cases.acting import Act as CaseAct
from twin.cases.parties import Party, Told
from twin.cases.states import Stage
from twin.dispatch.assignments import OF_WORKER, Assigned, Choice, Stand
from twin.dispatch.assignments_store import hold_one, send, take_step
from twin.dispatch.eligible import Seen
from twin.dispatch.needs import load_needs
from twin.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from twin.store.journal import append

ACTS: Final = (*OF_WORKER, "withdraw")

_FIND: Final = text("SELECT case_id, worker_id FROM assignment WHERE id = :id")
_CASE: Final = text(f"{READ} WHERE id = :id")
_REASON_NEEDED: Final = ("decline", "withdraw")


@dataclass(frozen=True, slots=True)
class Doing:
    """Something somebody does with an assignment.

    ``seen`` is where the worker's tracker was seen last, its ``straight_m`` to the case; only to arrive.
    """

    assignment_id: int
    act: str
    reason: str | None = None
    seen: Seen | None = None


async def do(
    connection: AsyncConnection, what: Doing, grants: Grants, *, account_id: UUID, name: str, now: datetime
) -> Assigned:
    """Do something with an assignment in the caller's transaction; commit soon.

    Parameters
    ----------
    grants, account_id, name
        Of whoever acts: the worker, or somebody who dispatches where the case lies.

    Raises
    ------
    NotFoundError
        There is no such assignment that the caller sees.
    ForbiddenError
        It is somebody else's, and the caller does not dispatch there.
    ConflictError
        It does not stand where this may be done; or the worker is not at the case, and gives no reason.
    InvalidError
        A reason is missing.
    """

    def party(case: Row[Any], worker_id: int) -> Party:
        acts = {act for act in grants.acts if case.scope_code in grants.where(act)}
        if grants.worker_id == worker_id:
            acts.add(Act.HANDLE_CASE)
        return Party(account_id, name, frozenset(acts), grants.worker_id, grants.organisation_id)

    found = (await connection.execute(_FIND, {"id": what.assignment_id})).first()
    if found is None:
        raise NotFoundError(f"there is no assignment {what.assignment_id} that you may see", where="id")
    case = await _hold_case(connection, found.case_id)
    who = party(case, found.worker_id)
    if found.worker_id != who.worker_id and Act.DISPATCH_CASE not in who.acts:
        raise ForbiddenError("this assignment is somebody else's", where="id")
    return await do_as(connection, what, case, who, now=now)


async def do_as(
    connection: AsyncConnection, what: Doing, case: Row[Any], who: Party, *, now: datetime
) -> Assigned:
    """Do what `do` does as a party that may, on a case that is held where the party may act on it."""
    reason = (mask_text(what.reason) or "").strip() or None
    if what.act not in ACTS:
        raise InvalidError(f"“{what.act[:40]}” is nothing one does with an assignment", where="act")
    if what.act in _REASON_NEEDED and reason is None:
        raise InvalidError(f"to {what.act} must be told: reason", where="reason")
    assigned = await connection.run_sync(hold_one, what.assignment_id)
    if assigned is None:
        raise ForbiddenError("you may do nothing with this assignment", where="id")
    if what.act == "withdraw" and Act.DISPATCH_CASE not in who.acts:
        raise ForbiddenError("only who dispatches there calls somebody off", where="act")
    if what.act == "withdraw" and case.worker_id == assigned.worker_id:
        raise ConflictError(
            "the case is given to this worker", where="act", hint="transfer the case to somebody else"
        )
    if what.act != "withdraw" and _is_handler(case, assigned) and what.act in ("accept", "depart", "arrive"):
        # Who goes has taken the case on: one act in both.
        taking = CaseAct(case.id, case.version, "take", Told())
        await act_as(connection, taking, lambda _: who, now=now)
        assigned = await connection.run_sync(hold_one, what.assignment_id) or assigned
        if what.act == "accept":
            return assigned
    proof: dict[str, Any] = {}
    if what.act == "arrive":
        proof = _proof(what.seen, reason)
    after, event = await connection.run_sync(
        take_step, case, assigned, what.act, who.name, reason=reason, **proof
    )
    await append(connection, [event])
    return after


async def send_further(
    connection: AsyncConnection, case_id: int, worker_id: int, choice: Choice, who: str
) -> Assigned:
    """Ask one more worker to go to a case that somebody has already; in the caller's transaction.

    Raises
    ------
    NotFoundError
        There is no such case on which the caller may act.
    ConflictError
        Nobody works on it: it is dispatched first.
    BusyError
        See `twin.dispatch.assignments_store.send`.
    """
    rows = await hold(connection, case_id)
    case = rows.get(case_id)
    if case is None:
        raise NotFoundError(f"there is no case {case_id} on which you may act", where="id")
    if case.stage not in (Stage.DISPATCHED, Stage.HANDLING):
        raise ConflictError("nobody works on this case", where="id", hint="dispatch it first")
    events = await connection.run_sync(send, case, worker_id, choice, who)
    await append(connection, events)
    made = await connection.run_sync(hold_one, events[0].data["assignment"]["id"])
    assert made is not None
    return made


async def _hold_case(connection: AsyncConnection, case_id: int) -> Row[Any]:
    """Hold a case where the caller may act on it, and read it where they only may go there."""
    held = await hold(connection, case_id)
    if case_id in held:
        return held[case_id]
    row = (await connection.execute(_CASE, {"id": case_id})).first()
    if row is None:
        raise NotFoundError("there is no case of this assignment that you may see", where="id")
    return row


def _is_handler(case: Row[Any], assigned: Assigned) -> bool:
    return bool(
        case.worker_id == assigned.worker_id
        and case.stage == Stage.DISPATCHED
        and case.outcome is None
        and assigned.state is Stand.ASKED
    )


def is_there(seen: Seen | None) -> bool:
    """Say whether a place proves that somebody is at a case: it is near, and new."""
    arrival = load_needs().arrival
    return seen is not None and seen.age_s <= arrival.fresh_s and seen.straight_m <= arrival.radius_m


def _proof(seen: Seen | None, reason: str | None) -> dict[str, Any]:
    """Return how an arrival is proved; what is not proved needs a reason."""
    arrival = load_needs().arrival
    fresh = seen is not None and seen.age_s <= arrival.fresh_s
    arrival_m = round(seen.straight_m, 1) if seen is not None and fresh else None
    if is_there(seen):
        return {"arrival": "geofence", "arrival_m": arrival_m}
    if reason is not None:
        return {"arrival": "unproved", "arrival_m": arrival_m}
    hint = "say why you are there nevertheless: it is marked as unproved"
    if seen is None:
        raise ConflictError("nobody knows where the tracker is", where="act", hint=hint)
    if not fresh:
        raise ConflictError(
            f"the tracker was last seen {seen.age_s / 60:.0f} min ago", where="act", hint=hint
        )
    raise ConflictError(
        f"the tracker is {seen.straight_m:.0f} m from the case, not within {arrival.radius_m:.0f} m",
        where="act",
        hint=hint,
    )
