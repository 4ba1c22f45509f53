"""Fold the observations of one commit into the newest of each property and the transitions on the way."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from twin.catalog import SLOTS
from twin.live.board import Board, Newest
from twin.live.rooms import Rows
from twin.rules.limits import LimitTable, is_beyond, next_states
from twin.rules.rule import RuleName
from twin.runs import begins_of, lengths_of
from twin.states import State


@dataclass(slots=True)
class Observations:
    """Accepted observations as columns, shape (n,) each, in the order they arrived.

    Times are Unix µs, values in the property's unit, ``lon``/``lat`` degrees WGS 84 or NaN.
    """

    row: Rows
    slot: NDArray[np.int64]
    time_us: NDArray[np.int64]
    value: NDArray[np.float64]
    lon: NDArray[np.float64]
    lat: NDArray[np.float64]
    received_us: NDArray[np.int64]
    detail: NDArray[np.object_] | None = None

    def only(self, which: NDArray[np.bool_]) -> Observations:
        """Return those of a mask of shape (n,)."""
        chosen = Observations(*(getattr(self, name)[which] for name in _COLUMNS))
        chosen.detail = None if self.detail is None else self.detail[which]
        return chosen


_COLUMNS = tuple(f.name for f in fields(Observations) if f.name != "detail")


def joined(parts: list[Observations]) -> Observations:
    """Return the observations of all parts, one after the other."""
    if len(parts) == 1:
        return parts[0]
    columns = [[getattr(part, name) for part in parts] for name in _COLUMNS]
    whole = Observations(*(np.concatenate(column) for column in columns))
    if any(part.detail is not None for part in parts):
        whole.detail = np.concatenate(
            [np.full(len(part.row), None) if part.detail is None else part.detail for part in parts]
        )
    return whole


@dataclass(frozen=True, slots=True)
class Transition:
    """One property of one row went from a state to another by a value at a time (Unix µs).

    By a ``rule``, None for the limits of its kind; the slot `WHOLE` is the device as a whole. ``why`` a rule
    let go other than by readings or time, and the name of ``who`` made it.
    """

    row: int
    slot: int
    old: int
    new: int
    value: float
    time_us: int
    rule: RuleName | None = None
    why: str = ""
    who: str = ""


@dataclass(slots=True)
class Folded:
    """What one commit means: new rows of the store, old ones, and what the board becomes.

    ``in_order`` says of each observation whether it is newer than all before it of its property; only
    these can be written without looking for duplicates. ``rounds`` are the transitions, in order: within
    one round each property appears once.
    """

    in_order: NDArray[np.bool_]
    newest: Newest
    rounds: list[list[Transition]]


def fold(board: Board, table: LimitTable, seen: Observations) -> Folded:
    """Fold observations over the board as it is, without changing it.

    Properties beyond its slots are not on the board: it only hears from them.
    """
    key = seen.row.astype(np.int64) * SLOTS + seen.slot
    shown = seen.slot < SLOTS
    fresh = shown & (seen.time_us > board.times_us[seen.row, np.where(shown, seen.slot, 0)])
    picked = np.flatnonzero(fresh)
    order = picked[np.lexsort((seen.time_us[picked], key[picked]))]
    # Of the same property and time the first that arrived counts; lexsort is stable.
    k, t = key[order], seen.time_us[order]
    again = np.zeros(len(order), np.bool_)
    again[1:] = (k[1:] == k[:-1]) & (t[1:] == t[:-1])
    order = order[~again]
    in_order = np.zeros(len(key), np.bool_)
    in_order[order] = True
    newest, rounds = _walk(board, table, seen, order, key[order])
    _follow(board, seen, newest)
    return Folded(in_order, newest, rounds)


def _walk(
    board: Board, table: LimitTable, seen: Observations, order: NDArray[np.intp], key: NDArray[np.int64]
) -> tuple[Newest, list[list[Transition]]]:
    """Take each property's values in time order: first values of all, then second values, and so on.

    Most properties have nothing to alarm of, before or now: such a one is normal from its first value on.
    """
    begins = begins_of(key)
    lengths = lengths_of(begins, len(key))
    group = np.repeat(np.arange(len(begins)), lengths)
    rank = np.arange(len(key)) - begins[group]
    row, slot = seen.row[order[begins]], seen.slot[order[begins]]
    state, beyond = board.states[row, slot].copy(), board.beyond_us[row, slot].copy()
    kind = board.kind[row]
    rounds: list[list[Transition]] = []
    calm = state < State.WARNING
    calm[group[is_beyond(table, kind[group], slot[group], seen.value[order])]] = False
    beyond[calm] = 0
    by_rank = np.flatnonzero(~calm[group] | ((rank == 0) & (state[group] != State.NORMAL)))
    by_rank = by_rank[np.argsort(rank[by_rank], kind="stable")]
    ends = np.cumsum(np.bincount(rank[by_rank]))
    for begin, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=False):
        at = by_rank[begin:end]
        g, picked = group[at], order[at]
        before = state[g]
        state[g], beyond[g] = next_states(
            table, kind[g], slot[g], seen.value[picked], seen.time_us[picked], before, beyond[g]
        )
        changed = np.flatnonzero(state[g] != before)
        if len(changed):
            rounds.append(
                [
                    Transition(int(row[g[i]]), int(slot[g[i]]), int(before[i]), int(state[g[i]]), v, time_us)
                    for i, v, time_us in zip(
                        changed.tolist(),
                        seen.value[picked[changed]].tolist(),
                        seen.time_us[picked[changed]].tolist(),
                        strict=True,
                    )
                ]
            )
    last = order[begins + lengths - 1]
    newest = Newest(
        row=row,
        slot=slot,
        time_us=seen.time_us[last],
        value=seen.value[last],
        state=state,
        beyond_us=beyond,
        received_us=seen.received_us[last],
        lon=seen.lon[last],
        lat=seen.lat[last],
    )
    return newest, rounds


def _follow(board: Board, seen: Observations, newest: Newest) -> None:
    """Find the newest place of each row that moved, whatever property carried it, and who was heard."""
    heard, back = np.unique(seen.row, return_inverse=True)
    heard_us = np.zeros(len(heard), np.int64)
    np.maximum.at(heard_us, back, seen.received_us)
    newest.heard_row, newest.heard_us = heard.astype(np.int32), heard_us
    going = np.flatnonzero(~np.isnan(seen.lon) & (seen.time_us > board.position_us[seen.row]))
    going = going[np.lexsort((-going, seen.time_us[going], seen.row[going]))]
    begins = begins_of(seen.row[going])
    going = going[begins + lengths_of(begins, len(going)) - 1]
    newest.moved_row, newest.moved_us = seen.row[going], seen.time_us[going]
    newest.moved_lon, newest.moved_lat = seen.lon[going], seen.lat[going]
