"""Judge by all rules at once; one that cannot be evaluated is set aside, and the others go on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from typing import Final

import numpy as np

from twin.live.fold import Observations
from twin.live.rooms import Rows
from twin.rules.conditions import Condition, Crowd, Geofence, Learned, Limit, Rate, Silence
from twin.rules.crowds import Crowds
from twin.rules.evaluating import Changes, Evaluator, Floats, LookBack, Open, Readings, Times
from twin.rules.geofences import Geofences
from twin.rules.rule import Rule, Watched
from twin.rules.silence import Silences
from twin.rules.thresholds import Limits, Rates
from twin.rules.unusual import Unusual

log = logging.getLogger(__name__)

EVALUATORS: Final[dict[type[Condition], Callable[[], Evaluator]]] = {
    Limit: Limits,
    Rate: Rates,
    Silence: Silences,
    Learned: Unusual,
    Geofence: Geofences,
    Crowd: Crowds,
}
"""What judges by each type of condition."""

Told = list[tuple[Sequence[Rule], Changes]]
"""Changes with the rules that their indices mean, one entry an evaluator that has any."""


class Judges:
    """All evaluators together.

    ``failed`` are rules that raised an error while they were evaluated, with it, until somebody takes them
    from there; they judge no more. From then on this is ``spoiled``: the others of their type begin anew and
    know nothing of alarms that are open, so that whoever knows them should begin anew too.
    """

    def __init__(self) -> None:
        self.rules: tuple[Rule, ...] = ()
        self.failed: list[tuple[Rule, str]] = []
        self.spoiled = False
        self._evaluators: dict[type, Evaluator] = {}
        self._watched: Watched | None = None

    def watch(
        self, rules: Sequence[Rule], watched: Watched, opened: Collection[Open] = (), *, waits: bool = False
    ) -> None:
        """Take other rules or devices; see `Evaluator.watch`."""
        self.rules, self._watched = tuple(rules), watched
        for kind, make in EVALUATORS.items():
            mine = [rule for rule in rules if type(rule.condition) is kind]
            if not mine:
                self._evaluators.pop(kind, None)
                continue
            evaluator = self._evaluators.get(kind) or make()
            self._evaluators[kind] = evaluator
            try:
                evaluator.watch(mine, watched, opened, waits=waits)
            except Exception:
                self._set_aside(kind, _nothing)

    def evaluator(self, kind: type[Condition]) -> Evaluator | None:
        """Return what judges by a type of condition, None where no rule is of it."""
        return self._evaluators.get(kind)

    def looks_back(self) -> LookBack:
        """Return which readings `prime` wants beside the newest ones."""
        wanted = [evaluator.looks_back() for evaluator in self._evaluators.values()]
        wanted = [one for one in wanted if one.us]
        if not wanted:
            return LookBack()
        row, slot = (np.concatenate([getattr(one, name) for one in wanted]) for name in ("row", "slot"))
        return LookBack(max(one.us for one in wanted), row, slot)

    def prime(self, newest: Readings, before: Readings, now_us: int) -> Told:
        """Let what is new know of the newest reading of each series, or of all that it looks back to."""

        def tell(evaluator: Evaluator) -> Changes:
            return evaluator.prime(before if evaluator.looks_back().us else newest, now_us)

        return self._ask(tell)

    def take(self, readings: Readings) -> Told:
        """Judge readings, sorted by row, slot and time, each newer than all before it of its row and slot."""
        return self._ask(lambda evaluator: evaluator.take(readings)) if len(readings) else []

    def tick(self, now_us: int) -> Told:
        """Judge what time alone makes due."""
        return self._ask(lambda evaluator: evaluator.tick(now_us))

    def holding(self) -> list[tuple[Sequence[Rule], Rows, Times, Floats]]:
        """Return what holds now by evaluator: the rule of each, row, since when, worst number judged."""
        found: list[tuple[Sequence[Rule], Rows, Times, Floats]] = []
        for evaluator in self._evaluators.values():
            rule, row, _, since, worst = evaluator.holding()
            found.append(([evaluator.rules[i] for i in rule.tolist()], row, since, worst))
        return found

    def states(self, rows: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
        """Return the worst state that rules hold each row in, 0 where none does, shape (rows,)."""
        states = np.zeros(rows, np.uint8)
        for evaluator in self._evaluators.values():
            levels = np.array([rule.state for rule in evaluator.rules], np.uint8)
            rule, row, *_ = evaluator.holding()
            np.maximum.at(states, row, levels[rule])
        return states

    def _ask(self, ask: Callable[[Evaluator], Changes]) -> Told:
        told: Told = []
        for kind, evaluator in list(self._evaluators.items()):
            rules = evaluator.rules
            try:
                changes = ask(evaluator)
            except Exception:
                self._set_aside(kind, ask)
                continue
            if len(changes):
                told.append((rules, changes))
        return told

    def _set_aside(self, kind: type[Condition], ask: Callable[[Evaluator], object]) -> None:
        """Find the rules that raise an error when evaluated alone, all where none does, and go on without."""
        log.exception("rules of the type %s could not be evaluated", kind.__name__)
        assert self._watched is not None
        rules = [rule for rule in self.rules if type(rule.condition) is kind]
        broken: list[tuple[Rule, str]] = []
        for rule in rules:
            alone = EVALUATORS[kind]()
            try:
                alone.watch([rule], self._watched)
                ask(alone)
            except Exception as error:
                broken.append((rule, f"{type(error).__name__}: {error}"[:300]))
        broken = broken or [(rule, "the evaluation failed beside other rules") for rule in rules]
        self.failed += broken
        self.spoiled = True
        away = {rule.key for rule, _ in broken}
        self.rules = tuple(rule for rule in self.rules if rule.key not in away)
        left = [rule for rule in rules if rule.key not in away]
        self._evaluators.pop(kind)
        if left:  # what was half judged is not trusted: it begins anew
            fresh = EVALUATORS[kind]()
            fresh.watch(left, self._watched)
            self._evaluators[kind] = fresh


def _nothing(_evaluator: Evaluator) -> None:
    """Ask nothing: watching alone failed."""


def readings_of(seen: Observations) -> Readings:
    """Return observations that are newer than all before of their series, in the order of `Readings`."""
    order = np.lexsort((seen.time_us, seen.slot, seen.row))
    return Readings(
        seen.row[order],
        seen.slot[order],
        seen.time_us[order],
        seen.value[order],
        seen.lon[order],
        seen.lat[order],
    )
