"""Decide the state of a series from how unusual its value is for that series, hour and kind of day."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from twin.catalog import Text
from twin.data_tables import DATA_FOLDER, read_table
from twin.errors import InvalidError
from twin.states import ALARM_STATES, State

FILE: Final = DATA_FOLDER / "learned_rules.toml"

HOURS: Final = 48
"""Hours of a working day, then hours of a day off."""

SENTINELS: Final = 4
"""Values a rule may name that stand for “no measurement”."""

SERIES: Final = np.dtype(
    [
        ("first_us", "<i8"),
        ("last_us", "<i8"),
        ("near_us", "<i8", (len(ALARM_STATES),)),
        ("level", "<f8", (HOURS,)),
        ("spread", "<f4", (HOURS,)),
        ("heard_h", "<f4", (HOURS,)),
        ("all_spread", "<f4"),
        ("all_heard_h", "<f4"),
        ("lasting", "<f4"),
        ("usual_sudden", "<f4"),
        ("usual_lasting", "<f4"),
        ("score", "<f4"),
        ("state", "<u4"),
    ]
)
"""What is known of one series; its bytes are what is stored of it.

``level``, ``spread`` and ``heard_h`` are of each hour, ``all_`` of all hours together. Levels are in double
precision for counters that stand at a million. ``near_us`` is when the score was last above the end of
warning, alarm and critical. Times are Unix µs, 0 for never.
"""

# How little may be known of an hour or a series. A reading counts for the time since the one before it, an
# hour at most: a sensor that reports more often does not learn, forget or tire faster.
_LONGEST_STEP_H: Final = 1.0
_SPREAD_TRUSTED_AFTER_H: Final = 1.0
_HOUR_KNOWN_AFTER_H: Final = 0.5
_LEARNED_AFTER_H: Final = 12.0
_EXTREMES_AFTER_H: Final = 4.0
_ROBUST_AFTER_H: Final = 1.0
_FURTHEST: Final = 20.0
# Beyond this nothing is a measurement; its square still is a number in single precision.
_BELIEVED: Final = 1e15
_EXTREMES_PER_H: Final = 0.24
_LEAST_USUAL: Final = (0.5, 0.25)
_FIRST_USUAL: Final = (3.0, 1.0)
# No single reading is “lasting”, however long the silence before it.
_LASTING_SHARE: Final = 0.25
_US_PER_H: Final = 3.6e9
_LEVELS: Final = np.array(ALARM_STATES, dtype=np.uint8)

Floats = NDArray[np.float64]
Times = NDArray[np.int64]
States = NDArray[np.uint8]
Index = NDArray[np.integer]
Series = NDArray[np.void]


class LearnedRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One row of `data/learned_rules.toml`, where the fields are explained."""

    name: Text
    zh: Text
    en: Text
    warning: Annotated[float, Meta(gt=0)]
    alarm: Annotated[float, Meta(gt=0)] | None = None
    critical: Annotated[float, Meta(gt=0)] | None = None
    ends: Annotated[float, Meta(gt=0, le=1)]
    quiet_min: Annotated[float, Meta(ge=0)]
    lasting_min: Annotated[float, Meta(gt=0)]
    learn_days: Annotated[float, Meta(ge=0)]
    memory_days: Annotated[float, Meta(ge=1)]
    usual_share: Annotated[float, Meta(gt=0, lt=0.5)]
    teaches: Annotated[float, Meta(ge=1)]
    side: Literal["both", "above", "below"] = "both"
    minimum: float | None = None
    maximum: float | None = None
    sentinels: Annotated[tuple[float, ...], Meta(max_length=SENTINELS)] = ()
    resolution: Annotated[float, Meta(ge=0)] = 0.0


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rules: Annotated[tuple[LearnedRule, ...], Meta(min_length=1)] = msgspec.field(name="rule")


def load_learned_rules(file: Path = FILE) -> tuple[LearnedRule, ...]:
    """Read and check the rules.

    Raises
    ------
    FileFormatError
        The file cannot be read or is not TOML.
    InvalidError
        A row is wrong, two have one name, or a worse state begins before a lesser one.
    """
    rules = read_table(file, "the learned rules", _File).rules
    names: set[str] = set()
    for rule in rules:
        where = f"{file} rule “{rule.name}”"
        if rule.name in names:
            raise InvalidError(f"the name “{rule.name}” is used twice", where=where)
        names.add(rule.name)
        begins = [value for value in (rule.warning, rule.alarm, rule.critical) if value is not None]
        if begins != sorted(begins):
            raise InvalidError(
                "a worse state begins before a lesser one", where=where, hint="warning ≤ alarm ≤ critical"
            )
        if rule.minimum is not None and rule.maximum is not None and rule.minimum >= rule.maximum:
            raise InvalidError("the maximum must be above the minimum", where=where)
    return rules


@dataclass(frozen=True, slots=True)
class LearnedTable:
    """Rules as arrays of shape (rules,).

    ``begins`` (rules, 3) is inf and ``sentinels`` (rules, SENTINELS) NaN where there is none.
    """

    begins: Floats
    ends: Floats
    quiet_us: Floats
    lasting_h: Floats
    learn_us: Floats
    memory_days: Floats
    usual_share: Floats
    teaches: Floats
    lowest: Floats
    highest: Floats
    minimum: Floats
    maximum: Floats
    sentinels: Floats
    resolution: Floats

    @classmethod
    def of(cls, rules: Sequence[LearnedRule]) -> LearnedTable:
        """Lay rules out as arrays, in their order."""

        def column(values: Sequence[float | None], absent: float = math.nan) -> Floats:
            return np.array([absent if value is None else value for value in values], np.float64)

        begins = [column([rule.warning, rule.alarm, rule.critical], math.inf) for rule in rules]
        sentinels = np.full((len(rules), SENTINELS), np.nan)
        for row, rule in zip(sentinels, rules, strict=True):
            row[: len(rule.sentinels)] = rule.sentinels
        return cls(
            np.array(begins),
            column([rule.ends for rule in rules]),
            column([rule.quiet_min * 60e6 for rule in rules]),
            column([rule.lasting_min / 60 for rule in rules]),
            column([rule.learn_days * 24 * _US_PER_H for rule in rules]),
            column([rule.memory_days for rule in rules]),
            column([rule.usual_share for rule in rules]),
            column([rule.teaches for rule in rules]),
            column([0.0 if rule.side == "above" else -math.inf for rule in rules]),
            column([0.0 if rule.side == "below" else math.inf for rule in rules]),
            np.maximum(column([rule.minimum for rule in rules], -math.inf), -_BELIEVED),
            np.minimum(column([rule.maximum for rule in rules], math.inf), _BELIEVED),
            sentinels,
            column([rule.resolution for rule in rules]),
        )


def new_series(count: int) -> Series:
    """Return what is known of `count` series that were never heard, shape (count,) of `SERIES`."""
    series = np.zeros(count, SERIES)
    series["usual_sudden"], series["usual_lasting"] = _FIRST_USUAL
    series["state"] = State.UNKNOWN
    return series


def restore(stored: bytes) -> Series:
    """Return the series whose bytes were stored (``series.tobytes()``), in their order.

    Raises
    ------
    InvalidError
        The bytes are not whole series: they were stored by another version, or cut.
    """
    if len(stored) % SERIES.itemsize:
        raise InvalidError(
            f"{len(stored)} bytes are no whole number of series of {SERIES.itemsize}",
            where="learned series",
            hint="start them anew: they learn again",
        )
    return np.frombuffer(stored, SERIES).copy()


def hours_of(time_us: Times, utc_offset_us: int | Times) -> Index:
    """Return the hour of `SERIES` that times fall in, days off being Saturday and Sunday.

    Parameters
    ----------
    time_us, utc_offset_us
        Unix µs, and how far the local clock is ahead of UTC then. A working calendar that knows holidays
        gives its own hours instead: 0 to 23, and 24 more on a day off.
    """
    hour = (time_us + utc_offset_us) // 3_600_000_000
    # 1 January 1970 was a Thursday.
    day_off = (hour // 24 + 3) % 7 >= 5
    return np.asarray(hour % 24 + 24 * day_off)


def judge(
    table: LearnedTable, series: Series, row: Index, rule: Index, hour: Index, value: Floats, time_us: Times
) -> tuple[States, Floats]:
    """Judge one new value of each of n series by what came before it, then learn from it.

    Parameters
    ----------
    series
        What is known, of `SERIES`; changed in place.
    row, rule, hour
        Which series (each once a call), by which rule, and the hour of `hours_of`, shape (n,).
    value, time_us
        The new value and its phenomenon time in Unix µs, shape (n,).

    Returns
    -------
    states, scores
        Shape (n,). Unknown while too little was learned of the series or of this hour, then normal or a state
        of the rule. The score is how far out the value is in usual extremes of the series: 1 is what is seen
        for the usual share of the time. What is not finite, out of range, a sentinel, or not newer than the
        last value changes nothing.
    """
    with np.errstate(invalid="ignore"):
        usable = np.isfinite(value) & (value >= table.minimum[rule]) & (value <= table.maximum[rule])
    usable &= ~(value[:, None] == table.sentinels[rule]).any(axis=1) & (time_us > series["last_us"][row])
    _learn(table, series, row[usable], rule[usable], hour[usable], value[usable], time_us[usable])
    return series["state"][row].astype(np.uint8), series["score"][row].astype(np.float64)


def _learn(
    table: LearnedTable, series: Series, row: Index, rule: Index, hour: Index, value: Floats, time_us: Times
) -> None:
    """Judge and learn from values that are all usable."""
    fresh = series["last_us"][row] == 0
    series["first_us"][row[fresh]] = series["last_us"][row[fresh]] = time_us[fresh]
    step_h = np.minimum((time_us - series["last_us"][row]) / _US_PER_H, _LONGEST_STEP_H)
    at = row, hour
    level, spread, heard_h = (_doubles(series, name, at) for name in ("level", "spread", "heard_h"))
    all_spread, all_h = (_doubles(series, name, row) for name in ("all_spread", "all_heard_h"))

    # How far out the value is. Of an hour that was hardly heard, as on the first day off, nothing is said.
    known = heard_h >= _HOUR_KNOWN_AFTER_H
    off = np.where(heard_h > 0, value - level, 0.0)
    trust = heard_h / (heard_h + _SPREAD_TRUSTED_AFTER_H)
    unit = np.sqrt(all_spread**2 + trust * (spread**2 - all_spread**2))
    unit = np.maximum(unit, table.resolution[rule])
    out = np.clip(np.divide(off, unit, out=np.sign(off) * _FURTHEST, where=unit > 0), -_FURTHEST, _FURTHEST)

    # Sudden: this value. Lasting: the values of about the last `lasting_min`.
    share = known * np.minimum(-np.expm1(-step_h / table.lasting_h[rule]), _LASTING_SHARE)
    lasting = _doubles(series, "lasting", row)
    lasting += share * (out - lasting)
    series["lasting"][row] = lasting
    score = np.zeros(len(row))
    for name, signed, least in zip(
        ("usual_sudden", "usual_lasting"), (out, lasting), _LEAST_USUAL, strict=True
    ):
        far = np.abs(np.clip(signed, table.lowest[rule], table.highest[rule]))
        usual = _doubles(series, name, row)
        score = np.maximum(score, far / usual)
        # A quantile that moves: up quickly when passed, else down slowly, in balance at the usual share.
        moved = usual * np.exp(_EXTREMES_PER_H * step_h * ((far > usual) - table.usual_share[rule]))
        moved = np.clip(moved, least, _FURTHEST)
        series[name][row] = np.where(known & (all_h >= _EXTREMES_AFTER_H), moved, usual)
    learned = known & (all_h >= _LEARNED_AFTER_H)
    learned &= time_us - series["first_us"][row] >= table.learn_us[rule]
    _decide(table, series, row, rule, np.where(learned, score, 0.0), learned, time_us)

    # Learn, but from no value more than from one at the edge of what teaches.
    edge = np.where(known & (all_h >= _ROBUST_AFTER_H) & (unit > 0), table.teaches[rule] * unit, np.inf)
    own = np.clip(off, -edge, edge)
    heard_h = np.minimum(heard_h + step_h, table.memory_days[rule])
    weight = np.divide(step_h, heard_h, out=np.zeros_like(step_h), where=heard_h > 0)
    first = series["heard_h"][at] == 0
    series["level"][at] = np.where(first, value, level + weight * own)
    series["spread"][at] = np.where(first, all_spread, np.sqrt(spread**2 + weight * (own**2 - spread**2)))
    series["heard_h"][at] = heard_h
    all_h = np.minimum(all_h + known * step_h, 24 * table.memory_days[rule])
    weight = np.divide(known * step_h, all_h, out=np.zeros_like(step_h), where=all_h > 0)
    series["all_heard_h"][row] = all_h
    series["all_spread"][row] = np.sqrt(all_spread**2 + weight * (own**2 - all_spread**2))
    series["last_us"][row] = time_us


def _decide(
    table: LearnedTable,
    series: Series,
    row: Index,
    rule: Index,
    score: Floats,
    learned: NDArray[np.bool_],
    time_us: Times,
) -> None:
    """Write scores and states: each begun by the score, and kept until it has been quiet for long enough."""
    before, near_us = series["state"][row], series["near_us"][row]
    begins, now_us = table.begins[rule], time_us[:, None]
    near = score[:, None] > table.ends[rule][:, None] * begins
    kept = (before[:, None] >= _LEVELS) & (near | (now_us - near_us < table.quiet_us[rule][:, None]))
    state = np.where((score[:, None] >= begins) | kept, _LEVELS, State.NORMAL).max(axis=1)
    series["near_us"][row] = np.where(near, now_us, near_us)
    series["state"][row] = np.where(learned, state, State.UNKNOWN)
    series["score"][row] = score


def _doubles(series: Series, name: str, at: Index | tuple[Index, Index]) -> Floats:
    return np.asarray(series[name][at], np.float64)
