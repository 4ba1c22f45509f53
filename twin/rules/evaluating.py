"""Say how rules are evaluated, live and on history alike: readings and the clock in, changes out.

One `Evaluator` judges by all rules of its type of condition, over arrays, without a loop over rules or
devices. It is the same object live and in a dry run on history: neither knows which of the two it is.

- `Evaluator.watch` tells it which rules there are and what there is to watch. It may come again at any time,
  with other rules and more devices: what is known of a (rule, version, row, slot) that stays is kept.
- `Evaluator.take` gives it readings: newer than all before of their (row, slot), sorted by row, slot and
  time, any number of each. What their own times make due before them (a hold time that ran out, a silence
  that was long enough) is told first and at the time it was due: whether a tick came between makes no
  difference.
- `Evaluator.tick` tells it what time it is: what begins or ends without a message. It begins where it was
  due *before* that time, so that a reading of that very time still counts.
- `Evaluator.prime` comes after `watch`, live only: what is new waits for it, and learns of the newest reading
  of each series, or of as many as it looks back to. That is how a rule goes on after a restart.
- What it returns are `Changes`: a rule begins to hold, or ends, for a row and slot at a time; those of one
  series in order.

`Flat` keeps the books of evaluators that watch series one by one: (rule, row, slot) as one flat table of
watches. An evaluator of another shape (places, cells) implements `Evaluator` itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from twin.catalog import SLOTS
from twin.live.rooms import Rows
from twin.rules.rule import WHOLE, Rule, Watched, matching
from twin.runs import begins_of, lengths_of

Index = NDArray[np.intp]
Mask = NDArray[np.bool_]
Times = NDArray[np.int64]
Floats = NDArray[np.float64]
Open = tuple[int, int, int]
"""An alarm that is open when evaluation begins: id of the rule, row, slot (`WHOLE` for the device)."""

_WIDTH: Final = SLOTS + 1


@dataclass(frozen=True, slots=True)
class Readings:
    """Readings as columns, shape (n,) each, sorted by row, slot and time; see the module.

    Times are Unix µs, ``lon``/``lat`` degrees WGS 84 or NaN.
    """

    row: Rows
    slot: NDArray[np.int64]
    time_us: Times
    value: Floats
    lon: Floats
    lat: Floats

    def __len__(self) -> int:
        return len(self.row)

    def only(self, which: Mask | Index) -> Readings:
        """Return those of a mask, or at these indices."""
        return Readings(*(getattr(self, one.name)[which] for one in fields(self)))

    def and_newer(self, others: Readings) -> Readings:
        """Return these, and those of others (one a series) that are newer than all of these of theirs."""
        mine, theirs = _keys(self.row, self.slot), _keys(others.row, others.slot)
        last = np.searchsorted(mine, theirs, "right") - 1
        newer = np.ones(len(others), np.bool_)
        if len(mine):
            newer = (last < 0) | (mine[last] != theirs) | (self.time_us[last] < others.time_us)
        added = others.only(newer)
        both = Readings(
            *(np.concatenate([getattr(self, one.name), getattr(added, one.name)]) for one in fields(self))
        )
        return both.only(np.lexsort((both.time_us, both.slot, both.row)))


@dataclass(frozen=True, slots=True)
class Changes:
    """Where a rule began to hold, or ended, shape (m,) each; of each (rule, row, slot) in order.

    ``rule`` is an index into the rules of `Evaluator.watch`. ``value`` is what was observed (the seconds of
    silence where nothing was), ``judged`` the worst number of the condition since it began: the value, the
    rate, the seconds of silence, the score.
    """

    rule: Index
    row: Rows
    slot: NDArray[np.int64]
    on: Mask
    time_us: Times
    value: Floats
    judged: Floats

    def __len__(self) -> int:
        return len(self.rule)

    def only(self, which: Mask | Index) -> Changes:
        """Return those of a mask, or at these indices."""
        return Changes(*(getattr(self, one.name)[which] for one in fields(self)))


@dataclass(frozen=True, slots=True)
class LookBack:
    """Readings that are needed: those of the last ``us`` µs of rows and slots, shape (n,); 0 for none."""

    us: int = 0
    row: Rows = field(default_factory=lambda: np.zeros(0, np.int32))
    slot: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))


class Evaluator(Protocol):
    """Judges by all rules of one type of condition."""

    rules: Sequence[Rule]

    def watch(
        self, rules: Sequence[Rule], watched: Watched, opened: Collection[Open] = (), *, waits: bool = False
    ) -> None:
        """Take other rules or devices; of what is new, those in ``opened`` begin as holding.

        What is new judges at once, or ``waits`` for `prime`.
        """

    def looks_back(self) -> LookBack:
        """Return which readings before now `prime` needs beside the newest ones."""

    def prime(self, readings: Readings, now_us: int) -> Changes:
        """Let what is new since the last time know of readings that came before; sorted as those of `take`.

        Only what is different at the end is told, and not what was on the way.
        """

    def take(self, readings: Readings) -> Changes:
        """Judge readings, sorted by row, slot and time."""

    def tick(self, now_us: int) -> Changes:
        """Judge what time alone makes due, before this time in Unix µs."""

    def holding(self) -> tuple[Index, Rows, NDArray[np.int64], Times, Floats]:
        """Return what holds now: rule, row, slot, since when, and the worst number judged, shape (m,)."""


NO_CHANGES: Final = Changes(
    np.zeros(0, np.intp),
    np.zeros(0, np.int32),
    np.zeros(0, np.int64),
    np.zeros(0, np.bool_),
    np.zeros(0, np.int64),
    np.zeros(0),
    np.zeros(0),
)


def joined_changes(parts: Sequence[Changes]) -> Changes:
    """Return changes one after the other."""
    parts = [part for part in parts if len(part)]
    if not parts:
        return NO_CHANGES
    if len(parts) == 1:
        return parts[0]
    return Changes(*(np.concatenate([getattr(p, one.name) for p in parts]) for one in fields(Changes)))


def in_turns(keys: NDArray[np.integer[Any]]) -> Iterator[Index]:
    """Yield the indices of the first item of each key, then of the second of each, and so on.

    Parameters
    ----------
    keys
        Sorted, shape (n,).
    """
    if not len(keys):
        return
    begins = begins_of(keys)
    rank = np.arange(len(keys)) - np.repeat(begins, lengths_of(begins, len(keys)))
    order = np.argsort(rank, kind="stable")
    ends = np.cumsum(np.bincount(rank))
    for begin, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True):
        yield order[begin:end]


class Flat:
    """One row a watch: what is known of a series under a rule.

    ``rule``, ``row`` and ``slot`` say which, shape (w,); ``state`` holds what is known, of the dtype of the
    evaluator, which has at least the fields ``on`` and ``on_us``.
    """

    DTYPE: np.dtype[Any]

    def __init__(self) -> None:
        self.rules: Sequence[Rule] = ()
        self.rule: Index = np.zeros(0, np.intp)
        self.row: Rows = np.zeros(0, np.int32)
        self.slot: NDArray[np.int64] = np.zeros(0, np.int64)
        self.state: NDArray[np.void] = self.fresh(0)
        self._keys: NDArray[np.int64] = np.zeros(0, np.int64)
        self._order: Index = np.zeros(0, np.intp)
        self._new: Mask = np.zeros(0, np.bool_)
        self._waiting = self._priming = False

    def fresh(self, count: int) -> NDArray[np.void]:
        """Return the state of watches of which nothing is known, shape (count,)."""
        return np.zeros(count, self.DTYPE)

    def lay_out(self, rules: Sequence[Rule]) -> None:
        """Lay the numbers of the conditions out as arrays, one entry a rule."""
        raise NotImplementedError

    def watch(
        self, rules: Sequence[Rule], watched: Watched, opened: Collection[Open] = (), *, waits: bool = False
    ) -> None:
        """Take other rules or devices, see `Evaluator.watch`."""
        ends = np.searchsorted(self.rule, np.arange(len(self.rules) + 1))
        before = {rule.key: slice(ends[i], ends[i + 1]) for i, rule in enumerate(self.rules)}
        found = [matching(rule, watched) for rule in rules]
        state = self.fresh(sum(len(rows) for rows, _ in found))
        was_new, is_new = self._new, np.full(len(state), waits)
        begin = 0
        for rule, (rows, slots) in zip(rules, found, strict=True):
            mine = state[begin : begin + len(rows)]
            kept = before.get(rule.key)
            new = np.ones(len(rows), np.bool_)
            if kept is not None and len(rows):
                old, now = _keys(self.row[kept], self.slot[kept]), _keys(rows, slots)
                at = np.minimum(np.searchsorted(old, now), max(0, len(old) - 1))
                same = old[at] == now if len(old) else np.zeros(len(now), np.bool_)
                mine[same] = self.state[kept][at[same]]
                is_new[begin : begin + len(rows)][same] = was_new[kept][at[same]]
                new = ~same
            mine["on"] |= new & np.isin(_keys(rows, slots), _opened(rule, opened))
            begin += len(rows)
        self.rules, self.state = tuple(rules), state
        self._new, self._waiting = is_new, bool(is_new.any())
        self.rule = np.repeat(np.arange(len(rules)), [len(rows) for rows, _ in found])
        self.row = np.concatenate([np.zeros(0, np.int32), *(rows for rows, _ in found)])
        self.slot = np.concatenate([np.zeros(0, np.int64), *(slots for _, slots in found)])
        keys = _keys(self.row, self.slot)
        self._order = np.argsort(keys, kind="stable")
        self._keys = keys[self._order]
        self.lay_out(rules)

    def watches_of(self, row: Rows, slot: NDArray[np.int64]) -> tuple[Index, Index]:
        """Return which watches n readings are for: index of the watch and of the reading, shape (m,) each."""
        keys = _keys(row, slot)
        low = np.searchsorted(self._keys, keys, "left")
        counts = np.searchsorted(self._keys, keys, "right") - low
        reading = np.repeat(np.arange(len(row)), counts)
        within = np.arange(len(reading)) - np.repeat(np.cumsum(counts) - counts, counts)
        watch = self._order[np.repeat(low, counts) + within]
        if self._priming or self._waiting:
            mine = self._new[watch] == self._priming
            return watch[mine], reading[mine]
        return watch, reading

    def sorted_watches(self, readings: Readings) -> tuple[Index, Index]:
        """Return the watches of readings as `watches_of`, sorted by watch and then by time.

        Those of properties beyond the slots of a kind are nobody's.
        """
        mine = np.flatnonzero(readings.slot < SLOTS)
        watch, at = self.watches_of(readings.row[mine], readings.slot[mine])
        order = np.argsort(watch, kind="stable")
        return watch[order], mine[at[order]]

    def looks_back(self) -> LookBack:
        """Return which readings new watches need, see `Evaluator.looks_back`."""
        return LookBack()

    def take(self, readings: Readings) -> Changes:
        """Judge readings."""
        raise NotImplementedError

    def tick(self, now_us: int) -> Changes:
        """Judge what time alone makes due."""
        raise NotImplementedError

    def prime(self, readings: Readings, now_us: int) -> Changes:
        """Let new watches know of readings that came before; return what is different at the end."""
        before = self.state["on"].copy()
        self._priming = True
        try:
            told = joined_changes([self.take(readings), self.tick(now_us)])
        finally:
            self._priming = False
        self._new[:] = self._waiting = False
        other = np.flatnonzero(self.state["on"] != before)
        last = {
            watch: at
            for at, watch in enumerate(
                zip(told.rule.tolist(), told.row.tolist(), told.slot.tolist(), strict=True)
            )
        }
        keys = zip(
            self.rule[other].tolist(), self.row[other].tolist(), self.slot[other].tolist(), strict=True
        )
        return told.only(np.array([last[key] for key in keys], np.intp))

    def holding(self) -> tuple[Index, Rows, NDArray[np.int64], Times, Floats]:
        """Return what holds now, see `Evaluator.holding`."""
        at = np.flatnonzero(self.state["on"])
        return self.rule[at], self.row[at], self.slot[at], self.state["on_us"][at].copy(), self.worst(at)

    def worst(self, watch: Index) -> Floats:
        """Return the worst number judged of watches that hold, shape (n,)."""
        raise NotImplementedError

    def changed(self, watch: Index, on: bool, time_us: Times, value: Floats, judged: Floats) -> Changes:
        """Note that watches, each once, begin or cease to hold, and return it."""
        self.state["on"][watch] = on
        if on:
            self.state["on_us"][watch] = time_us
        mask = np.full(len(watch), on)
        return Changes(self.rule[watch], self.row[watch], self.slot[watch], mask, time_us, value, judged)


def _opened(rule: Rule, opened: Collection[Open]) -> NDArray[np.int64]:
    mine = [(row, slot) for rule_id, row, slot in opened if rule_id == rule.id]
    rows, slots = zip(*mine, strict=True) if mine else ((), ())
    return _keys(np.array(rows, np.int32), np.array(slots, np.int64))


def _keys(row: Rows, slot: NDArray[np.int64]) -> NDArray[np.int64]:
    keys: NDArray[np.int64] = row.astype(np.int64) * _WIDTH + (slot - WHOLE)
    return keys
