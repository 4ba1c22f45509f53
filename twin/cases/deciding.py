"""Decide an act on a case: refuse it with a reason, or say what it changes; nothing is stored here."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from twin.cases.clocks import Clocks
from twin.cases.effects import EFFECTS, Acting, advance, end
from twin.cases.moves import MOVE_BY_NAME, Move
from twin.cases.parties import Party, Told, require_told
from twin.cases.refusals import LEVELS_UP, refusal
from twin.cases.states import CaseState, Outcome, Stage
from twin.errors import InvalidError

ESCALATED: Final = 3
"""What the clock tells when the area above is called, see `CaseState.clock_events`."""

_CLOCK_EVENTS: Final = ("warned", "overdue", "escalated")


@dataclass(frozen=True, slots=True)
class Decision:
    """What happened, for the journal: ``event`` and the state after it."""

    event: str
    state: CaseState


def decide(
    state: CaseState, move_name: str, who: Party, told: Told, *, clocks: Clocks, now: datetime
) -> Decision:
    """Return what an act on a case makes of it.

    Parameters
    ----------
    state
        Of the case now. That it still is so, whoever stores the decision makes sure of (``version``).
    move_name
        Of `twin.cases.moves.MOVES`.
    now
        Aware; becomes the time of what happened.

    Raises
    ------
    InvalidError
        There is no such move, or something that must be told with it is missing or cannot be.
    ForbiddenError
        Whoever acts may not do this.
    ConflictError
        The case does not stand where this may be done; the hint says what may.
    """
    move = MOVE_BY_NAME.get(move_name)
    if move is None:
        raise InvalidError(f"“{move_name}” is nothing one does with a case", where="move")
    if refused := refusal(state, move, who):
        raise refused
    require_told(move, told)
    after = EFFECTS.get(move.name, advance)(Acting(state, move, who, told, clocks, now))
    if after.stage is not state.stage or not after.is_open:
        # What was asked for in a stage that is over is moot.
        after = dataclasses.replace(after, asked=None)
    return _decided(f"case.{_event(state, move)}", state, after, clocks)


def _decided(event: str, before: CaseState, after: CaseState, clocks: Clocks) -> Decision:
    numbered = dataclasses.replace(after, version=before.version + 1)
    return Decision(event, dataclasses.replace(numbered, clock_at=clocks.next_tell(numbered)))


def _event(state: CaseState, move: Move) -> str:
    if move.asks is not None:
        return f"{move.name}_asked"
    if move.name == "grant":
        assert state.asked is not None
        return MOVE_BY_NAME[state.asked.ask].event
    return move.event


def decide_clock(state: CaseState, *, clocks: Clocks, now: datetime) -> Decision | None:
    """Return what the clock of a case has to tell now and has not told yet.

    That little is left, that it is over, and, once it is over by as much again as was given, that the case
    is called up to the area above. None where there is nothing to tell.
    """
    told = clocks.told_by(state, now)
    if told <= state.clock_events:
        return None
    after = dataclasses.replace(state, clock_events=told)
    if told == ESCALATED and state.called_up < LEVELS_UP:
        after = dataclasses.replace(after, called_up=state.called_up + 1)
    return _decided(f"case.{_CLOCK_EVENTS[told - 1]}", state, after, clocks)


def decide_unanswered(state: CaseState, *, clocks: Clocks, now: datetime) -> Decision:
    """Return what becomes of a case to which nobody goes who was asked: it waits for somebody to be sent."""
    back = dataclasses.replace(
        state,
        organisation_id=None,
        worker_id=None,
        asked=None,
        stage=Stage.FILED,
        stage_since=now,
        clock_events=0,
    )
    back = dataclasses.replace(back, stage_due_at=clocks.stage_due(back))
    return _decided("case.unanswered", state, back, clocks)


def decide_repeat(state: CaseState, change: Literal[1, -1], *, clocks: Clocks) -> Decision:
    """Return what it does to a case that one more, or one less, repeats it; many make it more urgent."""
    repeats = state.repeats + change
    priority = clocks.raised(state.priority, repeats) if change > 0 else state.priority
    after = dataclasses.replace(state, repeats=repeats, priority=priority)
    if priority != state.priority:
        after = dataclasses.replace(
            after, stage_due_at=clocks.stage_due(after), due_at=clocks.case_due(after), clock_events=0
        )
    return _decided("case.repeated" if change > 0 else "case.repeat_ended", state, after, clocks)


def decide_end_of_repeat(state: CaseState, outcome: Outcome, *, clocks: Clocks, now: datetime) -> Decision:
    """Return what becomes of a case when the one that it repeats ends: it ends with it."""
    stage = Stage.RATED if outcome is Outcome.CLOSED else state.stage
    after = end(dataclasses.replace(state, stage=stage), outcome, now)
    return _decided("case.ended_with_other", state, after, clocks)
