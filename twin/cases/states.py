"""Say where a case stands: its stage, how it ended, who has it, and what is asked for."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID


class Stage(StrEnum):
    """The seven stages, in order."""

    COLLECTED = "collected"
    """信息收集: somebody or something reported it; nobody has decided yet whether it is a case."""
    FILED = "filed"
    """案卷建立: it is a case, and waits for somebody to be sent."""
    DISPATCHED = "dispatched"
    """任务派遣: somebody was told, and has not taken it on yet."""
    HANDLING = "handling"
    """任务处理: somebody works on it."""
    FEEDBACK = "feedback"
    """处理反馈: who worked on it says it is done."""
    CHECKING = "checking"
    """核查结案: somebody else looks whether it is done."""
    RATED = "rated"
    """综合评价: it is closed; whoever reported it says how it went."""


STAGE_WORDS: Final[dict[Stage, tuple[str, str]]] = {
    Stage.COLLECTED: ("信息收集", "Collected"),
    Stage.FILED: ("案卷建立", "Filed"),
    Stage.DISPATCHED: ("任务派遣", "Dispatched"),
    Stage.HANDLING: ("任务处理", "Handling"),
    Stage.FEEDBACK: ("处理反馈", "Feedback"),
    Stage.CHECKING: ("核查结案", "Checking"),
    Stage.RATED: ("综合评价", "Rated"),
}
"""What the stages are called in Chinese and English."""


class Outcome(StrEnum):
    """How a case ended; a case without one is open."""

    CLOSED = "closed"
    REJECTED = "rejected"
    """不予立案."""
    VOID = "void"
    """作废."""


class Ask(StrEnum):
    """What is asked for and somebody else must grant."""

    RETURN = "return"
    """回退: it was sent to the wrong body."""
    EXTEND = "extend"
    """延期: it needs longer."""
    PARK = "park"
    """挂账: nothing can be done for now; the clocks stand still."""
    VOID = "void"
    """作废."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One thing that is asked for; ``until`` is the new end, or when to look at a parked case again."""

    ask: Ask
    by: str
    reason: str
    until: str | None = None


@dataclass(frozen=True, slots=True)
class CaseState:
    """What the acts on a case decide; a row of the case table holds just this beside what was reported.

    Ids are of our tables. ``repaired_by`` is the account that said it is done: somebody else checks.
    ``version`` is the number of acts so far. Times are aware UTC, kept to the microsecond.
    """

    stage: Stage = Stage.COLLECTED
    outcome: Outcome | None = None
    category_code: str = ""
    priority: int = 3
    organisation_id: int | None = None
    worker_id: int | None = None
    asked: Asked | None = None
    parked_at: datetime | None = None
    supervised_by: str | None = None
    called_up: int = 0
    """How many levels of the area tree above its own it was called up to (一线呼叫)."""
    linked_to: int | None = None
    """The case that this one repeats."""
    repeats: int = 0
    """How many cases repeat this one."""
    repaired_by: UUID | None = None
    extensions: int = 0
    reworks: int = 0
    rating: int | None = None
    review_since: datetime | None = None
    """Since when it waits to be looked at again, because whoever rated it was dissatisfied."""
    filed_at: datetime | None = None
    stage_since: datetime | None = None
    stage_due_at: datetime | None = None
    due_at: datetime | None = None
    pauses: tuple[tuple[datetime, datetime], ...] = ()
    """When the clocks stood still; while they do, ``parked_at`` says since when."""
    clock_events: int = 0
    """What the clock of this stage has told: 0 nothing, 1 little is left, 2 over, 3 over by as much again."""
    clock_at: datetime | None = None
    """When the clock of this stage has something to tell next."""
    closed_at: datetime | None = None
    version: int = 1

    @property
    def is_open(self) -> bool:
        """Return whether something is still to be done."""
        return self.outcome is None


Changes = Mapping[str, Any]
"""Fields of a `CaseState` by name, as JSON: what an event of the journal says has changed."""

COLUMNS: Final = (
    "stage",
    "outcome",
    "category_code",
    "priority",
    "organisation_id",
    "worker_id",
    "asked",
    "parked_at",
    "supervised_by",
    "called_up",
    "linked_to",
    "repeats",
    "repaired_by",
    "extensions",
    "reworks",
    "rating",
    "review_since",
    "filed_at",
    "stage_since",
    "stage_due_at",
    "due_at",
    "pauses",
    "clock_events",
    "clock_at",
    "closed_at",
    "version",
)
"""Of the case table, by which a case changes."""

_FIELDS: Final = frozenset(COLUMNS)
_TIMES: Final = {
    *("parked_at", "review_since", "filed_at", "stage_since", "stage_due_at", "due_at"),
    *("clock_at", "closed_at"),
}


def apply(state: CaseState, changes: Changes) -> CaseState:
    """Return a state after an event.

    Raises
    ------
    KeyError
        An event names a field that a case does not have.
    """
    if unknown := set(changes) - _FIELDS:
        raise KeyError(f"a case has no {sorted(unknown)}")
    return dataclasses.replace(state, **{name: _read(name, value) for name, value in changes.items()})


def changes_between(old: CaseState, new: CaseState) -> dict[str, Any]:
    """Return what must be applied to one state to get another, as JSON."""
    return {
        name: _written(getattr(new, name))
        for name in sorted(_FIELDS)
        if getattr(old, name) != getattr(new, name)
    }


def from_row(row: Mapping[str, Any]) -> CaseState:
    """Return the state whose fields are the columns of a row of the case table."""
    plain = {name: value for name, value in row.items() if name in _FIELDS}
    made = {name: _read(name, plain.pop(name)) for name in ("stage", "outcome", "asked", "pauses")}
    return CaseState(**plain, **made)


def to_row(state: CaseState) -> dict[str, Any]:
    """Return the columns of a state; what is no plain value as JSON."""
    row = {name: getattr(state, name) for name in COLUMNS}
    return {**row, **{name: _written(row[name]) for name in ("stage", "outcome", "asked", "pauses")}}


def _read(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _TIMES:
        return datetime.fromisoformat(value)
    if name == "asked":
        return Asked(**{**value, "ask": Ask(value["ask"])})
    if name == "pauses":
        return tuple((datetime.fromisoformat(begun), datetime.fromisoformat(ended)) for begun, ended in value)
    if name == "repaired_by":
        return UUID(value)
    return {"stage": Stage, "outcome": Outcome}.get(name, lambda same: same)(value)


def _written(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple):
        return [_written(inner) for inner in value]
    if isinstance(value, Asked):
        return dataclasses.asdict(value)
    return str(value) if isinstance(value, UUID | StrEnum) else value
