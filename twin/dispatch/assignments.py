"""Say how an assignment, a worker asked to go to a case, stands, and what may happen to it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from twin.errors import ConflictError


class Stand(StrEnum):
    """How an assignment stands."""

    QUEUED = "queued"
    """Behind another of the same worker: they are asked once that one has ended."""
    ASKED = "asked"
    ACCEPTED = "accepted"
    DEPARTED = "departed"
    ARRIVED = "arrived"
    DONE = "done"
    DECLINED = "declined"
    LAPSED = "lapsed"
    """Not answered in time."""
    WITHDRAWN = "withdrawn"
    """The case went to somebody else, or ended without them."""


CURRENT: Final = (Stand.ASKED, Stand.ACCEPTED, Stand.DEPARTED, Stand.ARRIVED)
"""In which a worker is taken up; of one worker at most one assignment stands so."""

OPEN: Final = (Stand.QUEUED, *CURRENT)


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happens to an assignment: from where to where, and what it is called."""

    name: str
    before: tuple[Stand, ...]
    after: Stand
    zh: str
    en: str

    @property
    def event(self) -> str:
        """What the journal calls it."""
        return f"case.worker_{self.after}"


STEPS: Final[dict[str, Step]] = {
    step.name: step
    for step in (
        Step("queue", (), Stand.QUEUED, "已排队待派", "Worker queued behind another task"),
        Step("ask", (Stand.QUEUED,), Stand.ASKED, "已通知人员", "Worker asked to go"),
        Step("accept", (Stand.ASKED,), Stand.ACCEPTED, "人员已接受", "Worker accepted"),
        Step(
            "decline",
            (Stand.QUEUED, Stand.ASKED, Stand.ACCEPTED),
            Stand.DECLINED,
            "人员已拒绝",
            "Worker declined",
        ),
        Step(
            "depart",
            (Stand.ASKED, Stand.ACCEPTED),
            Stand.DEPARTED,
            "人员已出发",
            "Worker set out",
        ),
        Step(
            "arrive",
            (Stand.ASKED, Stand.ACCEPTED, Stand.DEPARTED),
            Stand.ARRIVED,
            "人员已到达",
            "Worker arrived",
        ),
        Step("finish", OPEN, Stand.DONE, "人员已办结", "Worker is done"),
        Step(
            "lapse",
            (Stand.ASKED,),
            Stand.LAPSED,
            "人员超时未应答",
            "Worker did not answer in time",
        ),
        Step("withdraw", OPEN, Stand.WITHDRAWN, "人员任务撤回", "Worker called off"),
    )
}
"""Everything that happens to assignments."""

OF_WORKER: Final = ("accept", "decline", "depart", "arrive")
"""What the worker does."""

EVENT_WORDS: Final = {step.event: (step.zh, step.en) for step in STEPS.values()}
"""What the journal says happened to an assignment, in Chinese and English."""

STATE_WORDS: Final[dict[Stand, tuple[str, str]]] = {
    Stand.QUEUED: ("排队", "queued"),
    Stand.ASKED: ("待应答", "asked"),
    Stand.ACCEPTED: ("已接受", "accepted"),
    Stand.DEPARTED: ("在途", "on the way"),
    Stand.ARRIVED: ("已到达", "arrived"),
    Stand.DONE: ("已办结", "done"),
    Stand.DECLINED: ("已拒绝", "declined"),
    Stand.LAPSED: ("未应答", "lapsed"),
    Stand.WITHDRAWN: ("已撤回", "withdrawn"),
}

BY_HAND: Final = "by hand"
"""Policy of somebody who chose without asking for a ranking, or where none could be made."""


@dataclass(frozen=True, slots=True)
class Choice:
    """How a worker was chosen for a case.

    Parameters
    ----------
    policy, rank, way_s, profile, network_version
        See `twin.model.Assignment`.
    account_id
        Who chose; None where the installation did.
    override_reason
        Why somebody else than the first of the ranking.
    behind
        Whether a worker who is taken up is asked once that has ended; else they are not assigned.
    follows
        The assignment that was declined or lapsed.
    """

    policy: str = BY_HAND
    rank: int | None = None
    way_s: float | None = None
    profile: str | None = None
    network_version: int | None = None
    account_id: UUID | None = None
    override_reason: str | None = None
    behind: bool = False
    follows: int | None = None


CHOSEN_BY_HAND: Final = Choice()


@dataclass(frozen=True, slots=True)
class Assigned:
    """An assignment as it stands; the fields are columns of the table, see `twin.model.Assignment`."""

    id: int
    case_id: int
    worker_id: int
    state: Stand
    queued_at: datetime | None = None
    asked_at: datetime | None = None
    answer_by: datetime | None = None
    accepted_at: datetime | None = None
    departed_at: datetime | None = None
    arrived_at: datetime | None = None
    ended_at: datetime | None = None
    way_s: float | None = None
    profile: str | None = None
    network_version: int | None = None
    policy: str = BY_HAND
    rank: int | None = None
    account_id: UUID | None = None
    chosen_by: str = ""
    override_reason: str | None = None
    reason: str | None = None
    arrival: str | None = None
    arrival_m: float | None = None
    follows: int | None = None
    simulated: bool = False


COLUMNS: Final = (
    *("id", "case_id", "worker_id", "state"),
    *("queued_at", "asked_at", "answer_by", "accepted_at", "departed_at", "arrived_at", "ended_at"),
    *("way_s", "profile", "network_version", "policy", "rank", "account_id", "chosen_by", "override_reason"),
    *("reason", "arrival", "arrival_m", "follows", "simulated"),
)
"""Of the table, by which an assignment changes."""

_TIMES: Final = frozenset(name for name in COLUMNS if name.endswith("_at")) | {"answer_by"}


def read(columns: Mapping[str, Any]) -> Assigned:
    """Return the assignment of the columns of a row, or of the changes that made it (JSON)."""
    return Assigned(**{name: _read(name, columns[name]) for name in COLUMNS if name in columns})


def changes_between(old: Assigned | None, new: Assigned) -> dict[str, Any]:
    """Return what must be applied to one standing to get another, as JSON; all there is of a new one."""
    plain = Assigned(0, 0, 0, Stand.QUEUED) if old is None else old
    return {
        name: _written(getattr(new, name))
        for name in COLUMNS
        if (old is None and name in ("id", "case_id", "worker_id", "state"))
        or getattr(plain, name) != getattr(new, name)
    }


def apply(old: Assigned | None, changes: Mapping[str, Any]) -> Assigned:
    """Return how an assignment stands after an event."""
    if old is None:
        return read(changes)
    return dataclasses.replace(old, **{name: _read(name, value) for name, value in changes.items()})


def require_step(assigned: Assigned, step: Step) -> None:
    """Raise `ConflictError` where an assignment does not stand where something may happen to it."""
    if assigned.state in step.before:
        return
    zh, en = STATE_WORDS[assigned.state]
    raise ConflictError(
        f"this assignment is {en} ({zh})",
        where="act",
        hint=f"to {step.name} it must be {' or '.join(STATE_WORDS[one][1] for one in step.before)}",
    )


def _read(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name == "state":
        return Stand(value)
    if name in _TIMES and isinstance(value, str):
        return datetime.fromisoformat(value)
    return UUID(value) if name == "account_id" and isinstance(value, str) else value


def _written(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID | StrEnum) else value
