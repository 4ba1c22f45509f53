"""Say what each move makes of a case."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from twin.calendar import Unit
from twin.cases.clocks import Clocks
from twin.cases.moves import Move
from twin.cases.parties import Party, Told
from twin.cases.states import Ask, Asked, CaseState, Outcome, Stage
from twin.errors import ConflictError, InvalidError

LONGEST_WAIT: Final = timedelta(days=366)
"""Farthest that a case is extended at once, or parked until somebody looks again."""

POOR_RATING: Final = 2
"""Up to this, a rating says that it was not done well: somebody looks at the case again."""


@dataclass(frozen=True, slots=True)
class Acting:
    """A move that may be made: of which case, by whom, and what was told with it."""

    state: CaseState
    move: Move
    who: Party
    told: Told
    clocks: Clocks
    now: datetime


def advance(a: Acting) -> CaseState:
    """Go to the stage of the move, with a clock of its own, and end where the move ends a case."""
    after = a.state
    if a.move.outcome is not None:
        after = end(after, a.move.outcome, a.now)
    return after if a.move.to is None else _enter(a, after, a.move.to)


def end(state: CaseState, outcome: Outcome, now: datetime) -> CaseState:
    """Return a case that has ended; clocks that stood still end with it."""
    pauses = state.pauses if state.parked_at is None else (*state.pauses, (state.parked_at, now))
    return dataclasses.replace(
        state, outcome=outcome, closed_at=now, asked=None, parked_at=None, pauses=pauses
    )


def _enter(a: Acting, state: CaseState, stage: Stage) -> CaseState:
    entered = dataclasses.replace(state, stage=stage, stage_since=a.now, clock_events=0)
    if stage is Stage.FILED and state.filed_at is None:
        entered = dataclasses.replace(entered, filed_at=a.now)
        entered = dataclasses.replace(entered, due_at=a.clocks.case_due(entered))
    return dataclasses.replace(entered, stage_due_at=a.clocks.stage_due(entered))


def _send(a: Acting) -> CaseState:
    return dataclasses.replace(advance(a), organisation_id=a.told.organisation_id, worker_id=a.told.worker_id)


def _report_done(a: Acting) -> CaseState:
    return dataclasses.replace(advance(a), repaired_by=a.who.account_id)


def _fail(a: Acting) -> CaseState:
    return dataclasses.replace(advance(a), reworks=a.state.reworks + 1, repaired_by=None)


def _rate(a: Acting) -> CaseState:
    """Keep a rating; the case stays closed, and a poor one brings it before whoever may have it redone."""
    poor = a.told.rating is not None and a.told.rating <= POOR_RATING
    return dataclasses.replace(a.state, rating=a.told.rating, review_since=a.now if poor else None)


def _review(a: Acting) -> CaseState:
    return dataclasses.replace(a.state, review_since=None)


def _reopen(a: Acting) -> CaseState:
    fresh = dataclasses.replace(
        a.state,
        outcome=None,
        closed_at=None,
        filed_at=None,
        rating=None,
        review_since=None,
        repaired_by=None,
        linked_to=None,
        organisation_id=None,
        worker_id=None,
        reworks=a.state.reworks + 1,
    )
    return _enter(a, fresh, Stage.FILED)


def _ask(a: Acting) -> CaseState:
    assert a.move.asks is not None
    until, due = a.told.until, a.state.stage_due_at
    if until is not None and until <= a.now:
        raise InvalidError(f"{until.isoformat()} is over", where="until")
    if until is not None and until - a.now > LONGEST_WAIT:
        raise InvalidError(f"{until.isoformat()} is too far away", where="until", hint="at most a year")
    if a.move.asks is Ask.EXTEND and until is not None and due is not None and until <= due:
        raise InvalidError(f"it may take until {due.isoformat()} already", where="until")
    if a.move.asks is Ask.EXTEND and until is not None:
        _require_worked(a, until)
    return dataclasses.replace(
        a.state,
        asked=Asked(
            a.move.asks, str(a.who.account_id), a.told.reason or "", until.isoformat() if until else None
        ),
    )


def _require_worked(a: Acting, until: datetime) -> None:
    """Refuse that a clock of working time ends on a day off, when nobody would look."""
    calendar = a.clocks.calendar
    limit = a.clocks.limit(a.state.category_code, a.state.priority, a.state.stage)
    day = until.astimezone(calendar.zone).date()
    if limit is None or limit.unit is Unit.HOURS or calendar.is_working_day(day):
        return
    _, opens = calendar.turn(until)
    begins = "" if opens is None else f"{opens.astimezone(calendar.zone):%Y-%m-%d %H:%M}"
    hint = begins and f"the next working time begins {begins}"
    raise InvalidError(f"{day} is a day off", where="until", hint=hint)


def _grant(a: Acting) -> CaseState:
    asked = a.state.asked
    assert asked is not None
    state = dataclasses.replace(a.state, asked=None)
    if asked.ask is Ask.VOID:
        return end(state, Outcome.VOID, a.now)
    if asked.ask is Ask.PARK:
        return dataclasses.replace(state, parked_at=a.now)
    if asked.ask is Ask.RETURN:
        back = dataclasses.replace(state, organisation_id=None, worker_id=None)
        return _enter(a, back, Stage.FILED)
    assert asked.until is not None
    until = datetime.fromisoformat(asked.until)
    if until <= a.now:
        raise ConflictError(f"{until.isoformat()} is over", where="until", hint="refuse it, and ask again")
    later = until if state.due_at is None else max(until, state.due_at)
    return dataclasses.replace(
        state, stage_due_at=until, due_at=later, extensions=state.extensions + 1, clock_events=0
    )


def _refuse(a: Acting) -> CaseState:
    return dataclasses.replace(a.state, asked=None)


def _resume(a: Acting) -> CaseState:
    """Let the clocks go on with what was left when they were stopped."""
    state = a.state
    assert state.parked_at is not None
    pause = state.parked_at, a.now

    def later(due: datetime | None, stage: Stage | None) -> datetime | None:
        limit = a.clocks.limit(state.category_code, state.priority, stage)
        return None if due is None or limit is None else a.clocks.shifted(due, limit, *pause)

    return dataclasses.replace(
        state,
        parked_at=None,
        pauses=(*state.pauses, pause),
        stage_due_at=later(state.stage_due_at, state.stage),
        due_at=later(state.due_at, None),
    )


def _supervise(a: Acting) -> CaseState:
    return dataclasses.replace(a.state, supervised_by=a.who.name)


def _release(a: Acting) -> CaseState:
    return dataclasses.replace(a.state, supervised_by=None)


def _call_up(a: Acting) -> CaseState:
    return dataclasses.replace(a.state, called_up=a.state.called_up + 1)


def _correct(a: Acting) -> CaseState:
    """Change what kind of case it is; its clocks begin again where they began, by the limits of that kind."""
    corrected = dataclasses.replace(
        a.state,
        category_code=a.told.category_code or a.state.category_code,
        priority=a.told.priority or a.state.priority,
        clock_events=0,
    )
    return dataclasses.replace(
        corrected, stage_due_at=a.clocks.stage_due(corrected), due_at=a.clocks.case_due(corrected)
    )


def _link(a: Acting) -> CaseState:
    return dataclasses.replace(a.state, linked_to=a.told.linked_to)


def _unlink(a: Acting) -> CaseState:
    return dataclasses.replace(a.state, linked_to=None)


EFFECTS: Final[dict[str, Callable[[Acting], CaseState]]] = {
    "dispatch": _send,
    "transfer": _send,
    "report_done": _report_done,
    "fail": _fail,
    "rate": _rate,
    "review": _review,
    "reopen": _reopen,
    "return": _ask,
    "extend": _ask,
    "park": _ask,
    "void": _ask,
    "grant": _grant,
    "refuse": _refuse,
    "resume": _resume,
    "supervise": _supervise,
    "release": _release,
    "call_up": _call_up,
    "correct": _correct,
    "link": _link,
    "unlink": _unlink,
}
"""What a move makes of a case, where it does more than go to its stage."""
