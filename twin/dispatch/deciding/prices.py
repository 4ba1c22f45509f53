"""Say what counts how much when workers are chosen: the one place of the figures an operator can move."""

from __future__ import annotations

from dataclasses import dataclass

from twin.errors import InvalidError


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices in weighted minutes: a minute that a task of normal priority waits costs 1.

    Attributes
    ----------
    minute
        Of a minute until somebody is there, by priority 1 to 4.
    late
        How many more such minutes each minute after the deadline counts.
    owner
        Of sending somebody who does not own the grid.
    workload
        Of an hour that somebody has worked today above the mean of those on duty; below it is a gain.
    scarce_skill
        Of taking somebody whose skills few hold, for a task that does not need them; times the scarcity of
        his skills (`twin.dispatch.deciding.terms.scarcity`).
    diversion
        Of calling somebody off the way to another task.
    diverted_for
        The least urgent priority for which somebody is called off.
    wait_min
        How much longer a task is thought to wait when nobody is chosen for it now.
    """

    minute: tuple[float, float, float, float] = (8.0, 3.0, 1.0, 0.3)
    late: float = 5.0
    owner: float = 8.0
    workload: float = 1.0
    scarce_skill: float = 4.0
    diversion: float = 4.0
    diverted_for: int = 2
    wait_min: float = 60.0

    def __post_init__(self) -> None:
        numbers = (self.late, self.owner, self.workload, self.scarce_skill, self.diversion)
        if not all(0 <= price < 1e6 for price in (*self.minute, *numbers)):
            raise InvalidError("a price is negative, too high or no number")
        if not all(a >= b > 0 for a, b in zip(self.minute, (*self.minute[1:], 1e-9), strict=True)):
            raise InvalidError("a minute of a more urgent task must not be cheaper than one of a less urgent")
        if not 0 < self.wait_min < 1e6:
            raise InvalidError("the price of waiting needs minutes above 0")
        if not 0 <= self.diverted_for <= 4:
            raise InvalidError("people are called off for priorities 1 to 4, or for none with 0")
