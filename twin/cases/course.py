"""Tell how a case went through its stages, from what the journal says of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from twin.calendar import Limit, Unit
from twin.cases.clocks import Clocks
from twin.cases.states import CaseState, Stage


@dataclass(slots=True)
class StageTime:
    """When a case stood in a stage: the last time it came and left, and all its time there.

    ``left_at`` is None while it stands there; ``took_s`` is counted in what the limit counts, without the
    time in which the clocks stood still, and None for a stage without a limit. ``times`` says how often it
    came.
    """

    stage: Stage
    limit: Limit | None
    entered_at: datetime | None = None
    left_at: datetime | None = None
    times: int = 0
    took_s: float | None = None
    _visits: list[tuple[datetime, datetime | None]] = field(default_factory=list)

    def enter(self, at: datetime) -> None:
        """Note that it came."""
        self._visits.append((at, None))
        self.entered_at, self.left_at, self.times = at, None, self.times + 1

    def leave(self, at: datetime) -> None:
        """Note that it left."""
        self._visits[-1] = self._visits[-1][0], at
        self.left_at = at

    def count(self, clocks: Clocks, pauses: tuple[tuple[datetime, datetime], ...], now: datetime) -> None:
        """Count the time of all visits."""
        if self.limit is not None and self._visits:
            unit = Unit.HOURS if self.limit.unit is Unit.HOURS else Unit.WORKING_HOURS
            spent = (clocks.used(unit, begun, ended or now, pauses) for begun, ended in self._visits)
            self.took_s = sum(spent, timedelta()) / timedelta(seconds=1)


def course_of(
    state: CaseState,
    opened_at: datetime,
    events: Iterable[tuple[str, Mapping[str, Any]]],
    *,
    clocks: Clocks,
    now: datetime,
) -> list[StageTime]:
    """Return the seven stages in order, with the times of a case in each.

    Parameters
    ----------
    state
        Of the case now.
    opened_at
        When it was reported.
    events
        Kinds and changes (`twin.cases.states.Changes`) of the events of the case that changed its stage or
        when it ended, in order. What is missing of them is missing in the answer, apart from the present one.
    now
        Aware; until then the time in the present stage is counted.

    Notes
    -----
    A case that is reopened goes its way anew: of what was before only its collection stays.
    """
    found = {
        stage: StageTime(stage, clocks.limit(state.category_code, state.priority, stage)) for stage in Stage
    }
    present = found[Stage.COLLECTED]
    at = opened_at
    present.enter(at)
    for kind, changes in events:
        reopened = kind == "case.reopened"
        # What is missing is as it was: two acts at one moment.
        moment = changes.get("stage_since") or changes.get("closed_at")
        at = at if moment is None else datetime.fromisoformat(moment)
        if present.left_at is None:
            present.leave(at)
        if reopened:
            found |= {
                stage: StageTime(stage, row.limit)
                for stage, row in found.items()
                if stage is not Stage.COLLECTED
            }
        if reopened or "stage" in changes:
            present = found[Stage.FILED if reopened else Stage(changes["stage"])]
            present.enter(at)
    if present.stage is not state.stage:
        present.leave(state.stage_since or opened_at)
        present = found[state.stage]
        present.enter(state.stage_since or opened_at)
    if state.closed_at is not None and state.stage is not Stage.RATED and present.left_at is None:
        present.leave(state.closed_at)
    parked = () if state.parked_at is None else ((state.parked_at, now),)
    for row in found.values():
        row.count(clocks, (*state.pauses, *parked), now)
    return list(found.values())
