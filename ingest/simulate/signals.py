"""Let values run: seeded, documented models of what each property of each kind observes.

A value is a daily curve, a difference of the device's own, noise with memory (AR(1), exact for any step)
and what the weather adds, or the state of a two-state process, a filling bin, a session. Time of day is
the city's local mean solar time (longitude / 15), so that lamps follow the sun without a time zone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest.simulate.parameters import Signal
from ingest.simulate.replay import HourlySeries
from ingest.simulate.weather import Weather
from twin.catalog import SLOTS, Catalog, ObservedProperty

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

_FIRST_STEP_S = 3600.0
"""Elapsed time of a device's first report: long enough for every memory to have faded."""

_DARK_H = (18.1, 6.2)
"""Hours of local solar time between which street lamps burn (equinox, civil twilight)."""

_SESSION_LAG_S = 45.0
"""How fast the power of a session comes up and falls."""


@dataclass(slots=True)
class Moment:
    """What all devices share at one time: rain (heavy = 1), how wet the ground is, and the time itself.

    ``solar_h`` counts hours of local mean solar time since 1970, ``hour`` is the hour of the day in it.
    """

    unix_s: float
    solar_h: float
    hour: float
    rain: float
    wet: float


@dataclass(slots=True)
class Track:
    """One property of all devices of one kind: their differences and what they remember."""

    signal: Signal
    observed: ObservedProperty
    own: Floats
    noise: Floats
    level: Floats
    on: NDArray[np.bool_]
    resets: NDArray[np.int64]
    random: np.random.Generator
    common: float = 0.0
    common_s: float = 0.0
    series: HourlySeries | None = None
    follows: Track | None = None


Model = Callable[[Track, Rows, Floats, Moment], Floats]


def _curve(track: Track, at: Rows, elapsed_s: Floats, now: Moment) -> Floats:
    s = track.signal
    daily = s.mean + 0.5 * s.swing * np.cos(2.0 * np.pi * (now.hour - s.peak_h) / 24.0)
    # Devices feel rain by half as much or half as much again, as their ground lies.
    wet = s.rain * now.wet * (1.0 + 0.5 * np.tanh(track.own[at]))
    return np.asarray(daily + s.spread * track.own[at] + _noise(track, at, elapsed_s, s.noise) + wet)


def _regional(track: Track, at: Rows, elapsed_s: Floats, now: Moment) -> Floats:
    """As `_curve`, but most of the noise is the region's: neighbours agree."""
    s = track.signal
    step_s = now.unix_s - track.common_s
    if step_s > 0.0:
        keep = np.exp(-step_s / s.memory_s) if track.common_s else 0.0
        track.common = track.common * keep + s.noise * np.sqrt(1.0 - keep**2) * track.random.normal()
        track.common_s = now.unix_s
    daily = s.mean + 0.5 * s.swing * np.cos(2.0 * np.pi * (now.hour - s.peak_h) / 24.0) + track.common
    if track.series is not None:
        # A real series replaces the invented region; its gaps (NaN) are kept: nothing is sent then.
        daily = track.series.at(now.unix_s)
    local = s.spread * track.own[at] + _noise(track, at, elapsed_s, 0.25 * s.noise)
    return np.asarray(daily + local + (0.0 if track.series is not None else s.rain * now.wet), np.float64)


def _switch(track: Track, at: Rows, elapsed_s: Floats, now: Moment) -> Floats:
    """Two-state Markov process in continuous time, observed at any step."""
    s = track.signal
    part = 0.5 + 0.5 * np.cos(2.0 * np.pi * (now.hour - s.peak_h) / 24.0)
    share = s.quiet + (s.busy - s.quiet) * part
    # Rates a (off to on) and b (on to off) with a / (a + b) = share and 1 / b = dwell.
    memory_s = s.dwell_s * (1.0 - share)
    chance = share + (track.on[at] - share) * np.exp(-elapsed_s / max(memory_s, 1e-9))
    track.on[at] = track.random.random(len(at)) < chance
    return track.on[at].astype(np.float64)


def _session(track: Track, at: Rows, elapsed_s: Floats, now: Moment) -> Floats:
    s = track.signal
    on = _switch(track, at, elapsed_s, now)
    full = np.maximum(
        s.mean + s.spread * track.own[at] + _noise(track, at, elapsed_s, s.noise), 0.15 * s.mean
    )
    keep = np.exp(-elapsed_s / _SESSION_LAG_S)
    track.level[at] = on * full + (track.level[at] - on * full) * keep
    track.level[at] = np.where((on == 0.0) & (track.level[at] < 0.02 * s.mean), 0.0, track.level[at])
    return track.level[at].copy()


def _follow(track: Track, at: Rows, elapsed_s: Floats, now: Moment) -> Floats:
    """A first-order lag behind another property: ``mean + swing x`` its value."""
    del now
    s = track.signal
    source = track.follows.level[at] if track.follows else np.zeros(len(at))
    aim = s.mean + s.swing * source
    first = elapsed_s >= _FIRST_STEP_S
    keep = np.where(first, 0.0, np.exp(-elapsed_s / s.memory_s))
    track.level[at] = aim + (track.level[at] - aim) * keep
    return track.level[at] + _noise(track, at, elapsed_s, s.noise)


def _idle(track: Track, at: Rows, elapsed_s: Floats, now: Moment) -> Floats:
    """Hours since the followed property was last on; whoever never was begins with a few."""
    del now
    used = track.follows.on[at] if track.follows else np.ones(len(at), bool)
    # A household draws water at night too; ten hours is the longest an ordinary one goes without.
    hours = np.minimum(track.level[at] + elapsed_s / 3600.0, 4.0 + 6.0 * (0.5 + 0.5 * np.tanh(track.own[at])))
    track.level[at] = np.where(used, 0.0, hours)
    return track.level[at].copy()


def _battery(track: Track, at: Rows, elapsed_s: Floats, now: Moment) -> Floats:
    del now
    track.level[at] += track.signal.rise_per_h * np.minimum(elapsed_s, _FIRST_STEP_S) / 3600.0
    # Changed by the maintainer at 15 %, long before the limit.
    track.level[at] = np.where(track.level[at] < 15.0, 100.0, track.level[at])
    return track.level[at].copy()


def _fill(track: Track, at: Rows, elapsed_s: Floats, now: Moment) -> Floats:
    s = track.signal
    part = 0.35 + 1.3 * (0.5 + 0.5 * np.cos(2.0 * np.pi * (now.hour - s.peak_h) / 24.0)) ** 2
    rate = s.rise_per_h * part * np.exp(0.35 * track.own[at])
    rounds = sum(np.floor((now.solar_h - r - 0.4 * np.tanh(track.own[at])) / 24.0) for r in s.reset_h)
    emptied = (np.asarray(rounds, np.int64) != track.resets[at]) & (track.resets[at] != 0)
    track.resets[at] = rounds
    first = elapsed_s >= _FIRST_STEP_S
    level = np.where(first, track.level[at] * 0.6, track.level[at] + rate * elapsed_s / 3600.0)
    track.level[at] = np.where(emptied, 3.0 + 3.0 * np.abs(np.tanh(track.own[at])), np.minimum(level, 86.0))
    return track.level[at].copy()


def _night(track: Track, at: Rows, elapsed_s: Floats, now: Moment) -> Floats:
    s = track.signal
    shift = 0.08 * np.tanh(track.own[at])
    dark = (now.hour > _DARK_H[0] + shift) | (now.hour < _DARK_H[1] + shift)
    return np.where(dark, s.mean + s.spread * track.own[at] + _noise(track, at, elapsed_s, s.noise), 0.0)


def _rain(track: Track, at: Rows, elapsed_s: Floats, now: Moment) -> Floats:
    del elapsed_s
    return track.signal.rain * now.rain * (1.0 + 0.1 * np.tanh(track.own[at]))


def _constant(track: Track, at: Rows, elapsed_s: Floats, now: Moment) -> Floats:
    del elapsed_s, now
    return np.full(len(at), track.signal.mean)


MODELS: dict[str, Model] = {
    "curve": _curve,
    "regional": _regional,
    "switch": _switch,
    "session": _session,
    "follow": _follow,
    "idle": _idle,
    "battery": _battery,
    "fill": _fill,
    "night": _night,
    "rain": _rain,
    "constant": _constant,
}
"""Every model that ``data/simulation.toml`` may name."""


def _noise(track: Track, at: Rows, elapsed_s: Floats, deviation: float) -> Floats:
    keep = np.exp(-elapsed_s / track.signal.memory_s)
    kick = deviation * np.sqrt(1.0 - keep * keep)
    track.noise[at] = track.noise[at] * keep + kick * track.random.normal(size=len(at))
    return track.noise[at].copy()


def resting_value(observed: ObservedProperty) -> float:
    """Return a value in the middle of a property's normal range, for what has no signal of its own."""
    low = max((row.below for row in observed.limits if row.below is not None), default=observed.minimum)
    high = min((row.above for row in observed.limits if row.above is not None), default=observed.maximum)
    if observed.words:
        return observed.minimum
    return low + 0.5 * (high - low) if high > low else observed.minimum


class Signals:
    """The values of all devices.

    Parameters
    ----------
    kinds
        Kind name of each device, shape (n,).
    signals
        Rows of ``[signals]``.
    lon
        Longitude of the city, for the hour of the day.
    seed
        Two runs with the same seed and the same calls give the same values.
    series
        Real series that replace a regional signal, by (kind, property).
    """

    def __init__(
        self,
        kinds: list[str],
        catalog: Catalog,
        signals: dict[str, dict[str, Signal]],
        weather: Weather,
        *,
        lon: float,
        seed: int,
        series: dict[tuple[str, str], HourlySeries] | None = None,
    ) -> None:
        self._weather = weather
        self._lon = lon
        names = np.array(kinds, dtype=np.str_)
        self._index = np.zeros(len(kinds), np.int64)
        self._heard_s = np.zeros(len(kinds))
        self._kind_of = np.zeros(len(kinds), np.int64)
        self._tracks: dict[int, list[Track]] = {}
        for kind in catalog.by_name.values():
            rows = np.flatnonzero(names == kind.name)
            if not len(rows):
                continue
            self._index[rows] = np.arange(len(rows))
            self._kind_of[rows] = kind.code
            tracks: dict[str, Track] = {}
            for observed in kind.properties:
                signal = signals.get(kind.name, {}).get(observed.name)
                signal = signal or Signal(model="constant", mean=resting_value(observed))
                random = np.random.default_rng([seed, kind.code, observed.slot])
                tracks[observed.name] = Track(
                    signal,
                    observed,
                    own=np.clip(random.normal(size=len(rows)), -2.5, 2.5),
                    noise=np.zeros(len(rows)),
                    level=random.uniform(35.0, 100.0, len(rows)),
                    on=np.zeros(len(rows), bool),
                    resets=np.zeros(len(rows), np.int64),
                    random=random,
                    series=(series or {}).get((kind.name, observed.name)),
                )
            for track in tracks.values():
                if track.signal.follows:
                    track.follows = tracks[track.signal.follows]
                if track.signal.model in ("session", "idle"):
                    track.level[:] = 0.0
            # A property that follows another is computed after it.
            self._tracks[kind.code] = sorted(tracks.values(), key=lambda t: t.follows is not None)

    def values(self, rows: Rows, unix_s: float) -> Floats:
        """Observe devices: values of shape (len(rows), 4), NaN in slots without value, unrounded.

        Rows must not repeat. Values are not yet bent by faults or incidents.
        """
        now = self.moment(unix_s)
        out = np.full((len(rows), SLOTS), np.nan)
        heard = self._heard_s[rows]
        elapsed = np.where(heard > 0.0, np.maximum(unix_s - heard, 0.0), _FIRST_STEP_S)
        self._heard_s[rows] = unix_s
        kinds = self._kind_of[rows]
        for code in np.unique(kinds):
            mine = np.flatnonzero(kinds == code)
            at = self._index[rows[mine]]
            for track in self._tracks.get(int(code), ()):
                out[mine, track.observed.slot] = MODELS[track.signal.model](track, at, elapsed[mine], now)
        return out

    def moment(self, unix_s: float) -> Moment:
        """Return what all devices share at a time."""
        rain, wet = self._weather.at(unix_s)
        solar_h = unix_s / 3600.0 + self._lon / 15.0
        return Moment(unix_s, solar_h, solar_h % 24.0, rain, wet)
