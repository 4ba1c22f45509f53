"""Say why somebody may not do something with a case now, and so what they may do."""

from __future__ import annotations

from typing import Final

from twin.access.roles import Act
from twin.cases.moves import MOVE_BY_NAME, MOVES, Move, When
from twin.cases.parties import Party
from twin.cases.states import Ask, CaseState
from twin.errors import ConflictError, ForbiddenError

LEVELS_UP: Final = 4
"""Levels of the area tree above a grid: community, street, district, city."""

SECOND_EXTENSION_BY: Final = Act.APPROVE_CASE


def possible(state: CaseState, who: Party) -> tuple[Move, ...]:
    """Return what somebody may do with a case now."""
    return tuple(move for move in MOVES if refusal(state, move, who) is None)


def refusal(state: CaseState, move: Move, who: Party) -> ConflictError | ForbiddenError | None:
    """Say why somebody may not make a move now."""
    if move.name in ("grant", "refuse"):
        return _refusal_to_answer(state, who)
    if move.act not in who.acts:
        return ForbiddenError(f"you may not {move.en.lower()} here ({move.zh})", where="move")
    if move.own and not _has(state, who):
        return ForbiddenError(
            "only who has this case may do that", where="move", hint="or who dispatches in their stead"
        )
    if move.other and state.repaired_by is not None and state.repaired_by == who.account_id:
        return ForbiddenError(
            "what you reported as done somebody else checks", where="move", hint="send another to check"
        )
    if state.is_open is (move.when is When.ENDED) and move.when is not When.ALWAYS:
        return ConflictError(
            "this case has ended" if move.when is When.OPEN else "this case has not ended", where="move"
        )
    if state.stage not in move.stages:
        return ConflictError(
            f"a case that is {state.stage} cannot be {move.event.replace('_', ' ')}",
            where="move",
            hint="first: " + ", ".join(stage.value for stage in move.stages),
        )
    if state.parked_at is not None and not move.parked:
        return ConflictError("this case is parked", where="move", hint="resume it first")
    if state.linked_to is not None and state.is_open and move.name not in ("unlink", "note", "correct"):
        return ConflictError(
            f"this case repeats case {state.linked_to}", where="move", hint="act on that one, or unlink it"
        )
    if move.asks is not None and state.asked is not None:
        return ConflictError(
            f"“{state.asked.ask}” is asked for already", where="move", hint="it must be answered first"
        )
    return _refusal_of_detail(state, move)


def _refusal_of_detail(state: CaseState, move: Move) -> ConflictError | None:
    if move.name == "resume" and state.parked_at is None:
        return ConflictError("this case is not parked", where="move")
    if move.name == "supervise" and state.supervised_by is not None:
        return ConflictError(f"{state.supervised_by} supervises this case already", where="move")
    if move.name == "release" and state.supervised_by is None:
        return ConflictError("nobody supervises this case", where="move")
    if move.name == "unlink" and state.linked_to is None:
        return ConflictError("this case repeats no other", where="move")
    if move.name == "link" and state.repeats:
        return ConflictError(
            "other cases repeat this one", where="move", hint="link the other to this one, or unlink them"
        )
    if move.name == "rate" and state.rating is not None:
        return ConflictError("this case has been rated", where="move")
    if move.name == "review" and state.review_since is None:
        return ConflictError("no poor rating of this case waits to be reviewed", where="move")
    if move.name == "call_up" and state.called_up >= LEVELS_UP:
        return ConflictError("this case was called up to the top", where="move")
    return None


def _refusal_to_answer(state: CaseState, who: Party) -> ConflictError | ForbiddenError | None:
    if state.asked is None or not state.is_open:
        return ConflictError("nothing is asked for", where="move")
    needed = granted_by(state)
    if needed not in who.acts:
        return ForbiddenError(
            f"you may not grant “{state.asked.ask}”", where="move", hint=f"it needs {needed}"
        )
    if state.asked.by == str(who.account_id):
        return ForbiddenError("what you asked for somebody else grants", where="move")
    return None


def granted_by(state: CaseState) -> Act | None:
    """Return the act that whoever grants what is asked for must be allowed."""
    if state.asked is None:
        return None
    if state.asked.ask is Ask.EXTEND and state.extensions:
        return SECOND_EXTENSION_BY
    return MOVE_BY_NAME[state.asked.ask].granted_by


def _has(state: CaseState, who: Party) -> bool:
    if Act.DISPATCH_CASE in who.acts:
        return True
    return (state.worker_id is not None and state.worker_id == who.worker_id) or (
        state.organisation_id is not None and state.organisation_id == who.organisation_id
    )
