"""Fences, against one that follows one mover through one fence in plain Python, and on tracks with noise."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.rules.fences import Fence, FenceTable, FenceWatch, When
from twin.rules.fixes import FASTEST_MPS, Fixes, Jumps

CARS, ALL, NONE = (np.array(mask) for mask in ([False, True, True, False], [True] * 4, [False] * 4))
SQUARE = shapely.box(0, 0, 100, 100)
RING = shapely.difference(shapely.box(-40, -40, 40, 40), shapely.box(-15, -15, 15, 15))
T0 = 1_700_000_000
END = (T0 + 5_000) * 1_000_000


def fixes_of(rows):
    """Rows (mover, second, x, y, accuracy) as fixes, in order."""
    rows = sorted(rows)
    columns = [np.array([r[n] for r in rows], float) for n in range(5)]
    mover, second, x, y, accuracy = columns
    time_us = ((second + T0) * 1e6).astype(np.int64)
    return Fixes(mover.astype(np.int64), time_us, x, y, accuracy)


def told(crossings):
    return sorted(
        (int(m), int(f), int(t), bool(on), int(s))
        for m, f, t, on, s in zip(
            crossings.mover,
            crossings.fence,
            crossings.time_us,
            crossings.firing,
            crossings.since_us,
            strict=True,
        )
    )


def track(mover, points, *, every_s=10, accuracy=5.0, start=0):
    return [(mover, start + n * every_s, x, y, accuracy) for n, (x, y) in enumerate(points)]


@dataclass
class Slow:
    """One mover and one fence, in plain words."""

    fence: Fence
    inside: bool = False
    firing: bool = False
    since: int = 0
    began: int = 0
    run: tuple = ()
    stay: tuple | None = None
    away: tuple = ()
    last: int = 0

    def lost(self, now):
        """Forget everything of who was silent for too long."""
        gone = int(self.last + self.fence.gap_s * 1e6)
        if gone >= now:
            return []
        was, since = self.firing, self.began
        self.inside, self.firing, self.since, self.run, self.stay, self.away, self.last = (
            *(False, False, 0),
            *((), None, (), 0),
        )
        return [(gone, False, since)] if was else []

    def ripens(self, now):
        """Begin what was due before now, told at the time it was due."""
        f = self.fence
        if f.when is not When.DWELL or not self.inside or self.firing or self.away or not self.stay:
            return []
        due = self.stay[0] + f.dwell_s * 1e6
        if due >= now or due - self.last > f.gap_s * 1e6:
            return []
        self.firing, self.began = True, self.stay[0]
        return [(int(due), True, self.stay[0])]

    def see(self, t, x, y, accuracy):
        f = self.fence
        accuracy = 0.0 if math.isnan(accuracy) else accuracy
        if accuracy > f.worst_accuracy_m:
            return None
        point = shapely.Point(x, y)
        if shapely.intersects(f.polygon, point):
            is_in = True
        elif shapely.distance(f.polygon, point) > max(f.margin_m, accuracy):
            is_in = False
        else:
            return None
        if t - self.last > f.gap_s * 1e6 and not self.firing:
            self.run, self.away, self.stay = (), (), (t, x, y)
        self.last = t
        if is_in == self.inside:
            self.run = ()
        else:
            if not self.run and is_in:
                self.stay, self.away = (t, x, y), ()
            self.run += (t,)
            if len(self.run) >= f.fixes and t - self.run[0] >= f.seconds * 1e6:
                self.inside, self.since, self.run = is_in, self.run[0], ()
        if f.radius_m is not None and self.stay:
            if math.hypot(x - self.stay[1], y - self.stay[2]) > f.radius_m:
                self.away += (t,)
                if len(self.away) >= f.fixes:
                    self.stay, self.away = (self.away[0], x, y), ()
            else:
                self.away = ()
        firing = {
            When.ENTER: self.inside,
            When.LEAVE: not self.inside and self.since > 0,
            When.DWELL: self.inside and t - (self.stay or (t,))[0] >= f.dwell_s * 1e6,
        }[f.when]
        if firing != self.firing:
            self.firing = firing
            if not firing:
                return (t, False, self.began)
            since = self.stay[0] if self.inside else self.since
            self.began = int(t - f.dwell_s * 1e6) if f.when is When.DWELL else t
            return (t, True, since)
        return None


def slowly(fences, fixes, fleeting):
    """What `Slow` says, of the fixes that can be true."""
    out, movers, places = [], {}, {}
    for n in range(len(fixes)):
        mover, t = int(fixes.mover[n]), int(fixes.time_us[n])
        at = (t, float(fixes.x_m[n]), float(fixes.y_m[n]), float(np.nan_to_num(fixes.accuracy_m[n])))

        def reaches(other, at=at):
            far = math.hypot(at[1] - other[1], at[2] - other[2]) - at[3] - other[3]
            return far <= FASTEST_MPS * (at[0] - other[0]) / 1e6

        good, doubted = places.get(mover, (None, None))
        if good is None or reaches(good) or (doubted and reaches(doubted)):
            places[mover] = at, None
        else:
            places[mover] = good, at
            continue
        for fence in fences:
            if fence.movers[mover]:
                slow = movers.setdefault((mover, fence.fence), Slow(fence))
                said = slow.ripens(t) + (slow.lost(t) if fleeting[mover] else [])
                seen = slow.see(t, at[1], at[2], float(fixes.accuracy_m[n]))
                out += [(mover, fence.fence, *one) for one in [*said, *([seen] if seen else [])]]
    for (mover, fence), slow in movers.items():
        said = slow.ripens(END) + (slow.lost(END) if fleeting[mover] else [])
        out += [(mover, fence, *one) for one in said]
    return sorted(out)


FENCES = st.builds(
    Fence,
    fence=st.just(0),
    polygon=st.sampled_from([SQUARE, RING, shapely.unary_union([SQUARE, shapely.box(150, 0, 170, 90)])]),
    when=st.sampled_from(list(When)),
    movers=st.sampled_from([CARS, ALL, NONE]),
    margin_m=st.sampled_from([0.0, 8.0, 25.0]),
    worst_accuracy_m=st.sampled_from([15.0, 50.0]),
    fixes=st.integers(1, 3),
    seconds=st.sampled_from([0.0, 25.0]),
    dwell_s=st.sampled_from([0.0, 40.0, 120.0]),
    radius_m=st.sampled_from([None, 12.0, 40.0]),
    gap_s=st.sampled_from([35.0, 900.0]),
)
# Few places, so that a mover stays, comes back, and stands at the border.
_ALONG = [(x, 50.0) for x in (50.0, 60.0, 95.0, 105.0, 112.0, 160.0)]
PLACES = st.sampled_from([*_ALONG, (-30.0, 9.0), (-20.0, 0.0), (0.0, 0.0), (150.0, 300.0), (9_000.0, 0.0)])
STEPS = st.tuples(
    st.sampled_from([10, 10, 10, 20, 50]), PLACES, st.sampled_from([5.0, 5.0, math.nan, 30.0, 80.0])
)


def walked(mover, steps):
    seconds = np.cumsum([step for step, _, _ in steps], dtype=int).tolist()
    return [(mover, t, *xy, off) for t, (_, xy, off) in zip(seconds, steps, strict=True)]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(FENCES, min_size=1, max_size=4),
    st.lists(st.lists(STEPS, max_size=40), max_size=3),
    st.integers(1, 5),
    st.sampled_from([CARS, NONE]),
)
def test_it_says_what_one_mover_at_a_time_says_however_the_fixes_are_cut(fences, tracks, parts, fleeting):
    fences = [replace(fence, fence=7 * n + 3) for n, fence in enumerate(fences)]
    fixes = fixes_of([row for n, steps in enumerate(tracks) for row in walked(n + 1, steps)])
    expected = slowly(fences, fixes, fleeting)
    watch = FenceWatch(FenceTable(fences, fleeting))
    assert sorted(told(watch.follow(fixes)) + told(watch.ripe(END))) == expected
    watch, cut = FenceWatch(FenceTable(fences, fleeting)), []
    edges = np.linspace(0, 800, parts + 1) * 1e6 + T0 * 1e6
    for begin, end in zip(edges, [*edges[1:-1], END + 1], strict=False):
        part = fixes.only((fixes.time_us >= begin) & (fixes.time_us < end))
        cut += told(watch.follow(part)) + told(watch.ripe(min(int(end), END)))
    assert sorted(cut) == expected


def noisy(points, spread_m, seed=1):
    """Errors that hang together over three fixes, as those of receivers do."""
    random = np.random.default_rng(seed)
    error, out = np.zeros(2), []
    for x, y in points:
        error = 0.7 * error + random.normal(0, spread_m * math.sqrt(1 - 0.49), 2)
        out.append((x + error[0], y + error[1]))
    return out


NO_PARKING = Fence(
    fence=1,
    polygon=shapely.box(0, 0, 200, 6),
    when=When.DWELL,
    movers=ALL,
    dwell_s=300,
    radius_m=30,
)


def test_a_car_that_drives_through_never_fires_and_a_parked_one_fires_once():
    through = noisy([(x, 3) for x in range(-400, 600, 12)], 3)
    crawls = noisy([(x, 3) for x in np.arange(-50, 260, 0.9)], 1)
    comes, goes = ([(x, 3) for x in range(*ends, 12)] for ends in ((-200, 60), (60, 400)))
    parked = noisy([*comes, *[(60, 3)] * 90, *goes], 3)
    rows = [*track(1, through), *track(2, crawls, every_s=5), *track(3, parked)]
    said = told(FenceWatch(FenceTable([NO_PARKING])).follow(fixes_of(rows)))
    assert [(mover, on) for mover, _, _, on, _ in said] == [(3, True), (3, False)]
    began, ended = (t / 1e6 - T0 for _, _, t, _, _ in said)
    # It stands from 220 s to 1,110 s; the noise of a lane of six metres costs some fixes.
    assert 220 + 300 - 40 <= began <= 220 + 300 + 60
    assert 1110 <= ended <= 1110 + 60


def test_noise_at_the_border_does_not_flutter_where_the_margin_is_wider():
    along = noisy([(x, 99) for x in np.arange(10, 90, 0.2)], 4, seed=3)
    inside = [(50, 50)] * 5
    fence = Fence(fence=1, polygon=SQUARE, when=When.ENTER, movers=CARS, margin_m=15, fixes=2)
    rows = track(1, inside + along)
    assert len(told(FenceWatch(FenceTable([fence])).follow(fixes_of(rows)))) == 1
    bare = replace(fence, margin_m=0, fixes=1)
    assert len(told(FenceWatch(FenceTable([bare])).follow(fixes_of(rows)))) > 20


def test_a_fix_that_jumps_into_a_fence_says_nothing():
    points = [(-5_000, 0)] * 5 + [(50, 50)] + [(-5_000, 0)] * 5
    fence = Fence(fence=1, polygon=SQUARE, when=When.ENTER, movers=CARS, fixes=1)
    assert told(FenceWatch(FenceTable([fence])).follow(fixes_of(track(1, points)))) == []
    stays = [(-5_000, 0)] * 5 + [(50, 50)] * 2
    assert len(told(FenceWatch(FenceTable([fence])).follow(fixes_of(track(1, stays))))) == 1


def test_a_stay_ripens_by_the_clock_and_not_after_a_long_silence():
    fence = replace(NO_PARKING, gap_s=400)
    watch = FenceWatch(FenceTable([fence]))
    assert told(watch.follow(fixes_of(track(1, [(50, 3)] * 3)))) == []
    assert told(watch.ripe((T0 + 300) * 1_000_000)) == []
    assert told(watch.ripe((T0 + 301) * 1_000_000)) == [(1, 1, (T0 + 300) * 1_000_000, True, T0 * 1_000_000)]
    assert told(watch.ripe((T0 + 302) * 1_000_000)) == []
    watch = FenceWatch(FenceTable([replace(fence, gap_s=279)]))
    watch.follow(fixes_of(track(1, [(50, 3)] * 3)))
    assert told(watch.ripe((T0 + 900) * 1_000_000)) == []


def test_who_may_not_be_followed_for_longer_is_forgotten_after_a_silence():
    fence = Fence(fence=1, polygon=SQUARE, when=When.ENTER, movers=ALL, fixes=1, gap_s=60)
    watch = FenceWatch(FenceTable([fence], CARS))
    watch.follow(fixes_of([*track(1, [(50, 50)]), *track(3, [(50, 50)])]))
    assert told(watch.ripe((T0 + 60) * 1_000_000)) == []
    ended = told(watch.ripe((T0 + 61) * 1_000_000))
    assert [(mover, at, on) for mover, _, at, on, _ in ended] == [(1, (T0 + 60) * 1_000_000, False)]


def test_what_is_gone_is_forgotten():
    fence = Fence(fence=5, polygon=SQUARE, when=When.ENTER, movers=CARS, fixes=1)
    other = replace(fence, fence=6)
    watch = FenceWatch(FenceTable([fence, other]))
    rows = [*track(1, [(50, 50)]), *track(2, [(50, 50)])]
    assert len(told(watch.follow(fixes_of(rows)))) == 4
    only_first = np.array([False, True, False, False])
    watch.replace(FenceTable([replace(other, movers=only_first)]))
    assert (watch.pairs["key"] >> 32).tolist() == [1]
    watch.replace(FenceTable([other]))
    again = told(watch.follow(fixes_of([*track(1, [(50, 50)], start=60), *track(2, [(50, 50)], start=60)])))
    assert [(mover, fence) for mover, fence, *_ in again] == [(2, 6)]


def test_old_and_repeated_fixes_change_nothing():
    jumps = Jumps()
    fix = fixes_of(track(1, [(0, 0)], start=100))
    assert jumps.believe(fix).tolist() == [True]
    assert jumps.believe(fix).tolist() == [False]
    assert jumps.believe(fixes_of(track(1, [(0, 0)], start=50))).tolist() == [False]


@pytest.mark.parametrize("when", list(When))
def test_no_fixes_and_no_fences_say_nothing(when):
    fence = Fence(fence=1, polygon=SQUARE, when=when, movers=CARS)
    assert len(FenceWatch(FenceTable([])).follow(fixes_of(track(1, [(0, 0)])))) == 0
    assert (
        len(FenceWatch(FenceTable([fence])).follow(fixes_of(track(1, [(0, 0)])).only(np.zeros(1, bool)))) == 0
    )
    assert len(FenceWatch(FenceTable([])).ripe(0)) == 0
