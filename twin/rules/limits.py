"""Decide the state of a property from its value, by limits with hysteresis and hold time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.catalog import SLOTS, Catalog
from twin.states import ALARM_STATES, State

_LEVELS = np.array(ALARM_STATES, dtype=np.uint8)

Floats = NDArray[np.float64]
Times = NDArray[np.int64]
States = NDArray[np.uint8]
Index = NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class LimitTable:
    """The limits of a catalog as arrays of shape (kinds, SLOTS, 3), last axis warning, alarm, critical.

    The kind axis is indexed by `DeviceKind.code`. Where there is no limit ``above`` is +inf and ``below``
    is -inf, so that nothing reaches it. ``minimum`` and ``maximum`` have shape (kinds, SLOTS) and are NaN
    where the kind has no such slot.
    """

    above: Floats
    below: Floats
    above_ends: Floats
    below_ends: Floats
    above_hold_us: Times
    below_hold_us: Times
    minimum: Floats
    maximum: Floats

    @classmethod
    def of(cls, catalog: Catalog) -> LimitTable:
        """Lay a catalog's limits out as arrays."""
        kinds = max(catalog.by_code) + 1
        shape = (kinds, SLOTS, len(_LEVELS))
        above, below = np.full(shape, np.inf), np.full(shape, -np.inf)
        above_ends, below_ends = above.copy(), below.copy()
        above_hold, below_hold = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        minimum, maximum = np.full(shape[:2], np.nan), np.full(shape[:2], np.nan)
        for kind in catalog.by_code.values():
            for observed in kind.properties:
                at = kind.code, observed.slot
                minimum[at], maximum[at] = observed.minimum, observed.maximum
                for limit in observed.limits:
                    place = (*at, limit.state - State.WARNING)
                    if limit.above is not None:
                        above[place] = limit.above
                        above_ends[place] = limit.above - limit.hysteresis
                        above_hold[place] = round(limit.hold_s * 1e6)
                    elif limit.below is not None:
                        below[place] = limit.below
                        below_ends[place] = limit.below + limit.hysteresis
                        below_hold[place] = round(limit.hold_s * 1e6)
        return cls(above, below, above_ends, below_ends, above_hold, below_hold, minimum, maximum)


def is_beyond(table: LimitTable, kind: Index, slot: Index, value: Floats) -> NDArray[np.bool_]:
    """Say of n values, shape (n,), which are at or beyond a limit of their property.

    A property whose state is none of an alarm stays normal for as long as none is.
    """
    v = value[:, None]
    beyond = (v >= table.above[kind, slot]) | (v <= table.below[kind, slot])
    worst: NDArray[np.bool_] = np.logical_or.reduce(beyond, axis=1)
    return worst


def next_states(
    table: LimitTable,
    kind: Index,
    slot: Index,
    value: Floats,
    time_us: Times,
    state: States,
    beyond_us: Times,
) -> tuple[States, Times]:
    """Return the states of n properties after one new value each.

    Parameters
    ----------
    kind, slot
        Which property, shape (n,).
    value, time_us
        The new value in the property's unit and its phenomenon time in Unix µs, shape (n,).
    state, beyond_us
        The states before, shape (n,), and since when the value has been beyond the limits of warning, alarm
        and critical, Unix µs or 0, shape (n, 3).

    Returns
    -------
    states, beyond_us
        The same after the value. A state begins when the value has been at or beyond its limit for the hold
        time and ends when it has come back by more than the hysteresis.
    """
    v = value[:, None]
    over, under = v >= table.above[kind, slot], v <= table.below[kind, slot]
    beyond = over | under
    since = np.where(beyond, np.where(beyond_us > 0, beyond_us, time_us[:, None]), 0)
    hold = np.where(over, table.above_hold_us[kind, slot], table.below_hold_us[kind, slot])
    begun = beyond & (time_us[:, None] - since >= hold)
    kept = (state[:, None] >= _LEVELS) & (
        (v > table.above_ends[kind, slot]) | (v < table.below_ends[kind, slot])
    )
    # A limit that is reached again keeps its state without waiting for the hold time once more.
    kept |= (state[:, None] >= _LEVELS) & beyond
    return np.where(begun | kept, _LEVELS, State.NORMAL).max(axis=1).astype(np.uint8), since


def ripe(
    table: LimitTable, kind: Index, values: Floats, states: States, beyond_us: Times, now_us: int
) -> tuple[Index, Index, States, Times]:
    """Find properties whose hold time has run out without a new message.

    Parameters
    ----------
    kind
        Kinds of n devices, shape (n,).
    values, states, beyond_us
        Present values and states, shape (n, SLOTS), and since when beyond, shape (n, SLOTS, 3).

    Returns
    -------
    device, slot, state, since_us
        Of m properties: index into the n devices, slot, the state that is due, and when it became due.
    """
    device, slot, level = np.nonzero(beyond_us)
    over = values[device, slot] >= table.above[kind[device], slot, level]
    at = kind[device], slot, level
    due_us = beyond_us[device, slot, level] + np.where(over, table.above_hold_us[at], table.below_hold_us[at])
    due = (due_us <= now_us) & (_LEVELS[level] > states[device, slot])
    device, slot, level, due_us = device[due], slot[due], level[due], due_us[due]
    # nonzero goes through levels in order, so the last of a property is its worst.
    last = np.flatnonzero(np.diff(device * SLOTS + slot, append=-1))
    return device[last], slot[last], _LEVELS[level[last]], due_us[last]
