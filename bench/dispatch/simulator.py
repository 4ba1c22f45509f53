"""Run a day event by event under a policy, which is told no duration of work before it ends."""

from __future__ import annotations

import heapq
import time
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from scipy.special import ndtr

from bench.dispatch.day import BREAK_S, MINUTE, TURNOUT_S, WORK_SIGMA, Day
from twin.dispatch.deciding import Policy
from twin.dispatch.deciding.plan import Plan
from twin.dispatch.deciding.prices import Prices
from twin.dispatch.deciding.problem import NOBODY, Doing, Problem, Tasks, Workers
from twin.dispatch.network.roads import Floats, Integers

PATROL_AFTER_S = 10 * MINUTE
"""Who is idle so long goes back to the own patrol post."""


class _Event(IntEnum):
    CASE = 0
    BEGIN = 1
    END = 2
    BREAK = 3
    BACK = 4
    ARRIVE = 5
    DONE = 6
    TICK = 7


@dataclass(frozen=True)
class Course:
    """What became of a day.

    Attributes
    ----------
    worker, ordered_s, arrival_s
        Who served each case, when he was told to and when he was there, shape (n,); `NOBODY` and NaN where it
        was never served.
    order
        Cases of each worker as he served them.
    decision_s
        How long each decision took.
    """

    day: Day
    worker: Integers
    ordered_s: Floats
    arrival_s: Floats
    order: list[list[int]]
    decision_s: Floats
    called_off: int


@dataclass
class _State:
    """Where everybody is; arrays have one value a worker."""

    doing: Integers
    node: Integers
    lead_m: Floats
    moving_since: Floats
    idle_since: Floats
    case: Integers
    trip: Integers
    break_due: list[bool]
    break_had: list[bool]
    free_s: Floats
    worked_s: Floats
    at_work_since: Floats
    open_cases: list[int] = field(default_factory=list)


def simulate(day: Day, policy: Policy, prices: Prices) -> Course:
    """Run one day.

    Who is idle or in a break for ten minutes goes back to his post; work that was begun is finished, also
    into a break or beyond the end of duty. Decisions are made at every event and, while a case waits, every
    minute.
    """
    return _Run(day, policy, prices).course()


class _Run:
    def __init__(self, day: Day, policy: Policy, prices: Prices) -> None:
        w = day.workers
        self.day, self.policy, self.prices = day, policy, prices
        zero, none = np.zeros(w), np.full(w, NOBODY, np.int64)
        self.s = _State(
            doing=np.full(w, Doing.OFF_DUTY, np.int64),
            node=day.home.astype(np.int64),
            lead_m=zero.copy(),
            moving_since=zero.copy(),
            idle_since=zero.copy(),
            case=none.copy(),
            trip=np.zeros(w, np.int64),
            break_due=[False] * w,
            break_had=[False] * w,
            free_s=day.begin_s.copy(),
            worked_s=zero.copy(),
            at_work_since=zero.copy(),
        )
        self.holder = np.full(day.cases, NOBODY, np.int64)
        self.worker = np.full(day.cases, NOBODY, np.int64)
        self.ordered = np.full(day.cases, np.nan)
        self.arrival = np.full(day.cases, np.nan)
        self.order: list[list[int]] = [[] for _ in range(w)]
        self.took: list[float] = []
        self.called_off = 0
        self.queue: list[tuple[float, int, int, int]] = []
        for case, at in enumerate(day.release_s.tolist()):
            self._at(at, _Event.CASE, case)
        for who in range(w):
            self._at(day.begin_s[who], _Event.BEGIN, who)
            self._at(day.end_s[who], _Event.END, who)
            self._at(day.break_s[who], _Event.BREAK, who)

    def _at(self, when: float, event: _Event, who: int, trip: int = 0) -> None:
        heapq.heappush(self.queue, (float(when), int(event), who, trip))

    def course(self) -> Course:
        """Run until nothing comes any more."""
        ticking, last = False, float(self.day.end_s.max())
        while self.queue:
            now = self.queue[0][0]
            while self.queue and self.queue[0][0] == now:
                _, event, who, trip = heapq.heappop(self.queue)
                if event == _Event.TICK:
                    ticking = False
                else:
                    self._happen(now, _Event(event), who, trip)
            if self.s.open_cases and now <= last:
                self._decide(now)
                if not ticking:
                    self._at(now + MINUTE, _Event.TICK, 0)
                    ticking = True
        ordered = np.where(self.worker >= 0, self.ordered, np.nan)
        took = np.array(self.took)
        return Course(self.day, self.worker, ordered, self.arrival, self.order, took, self.called_off)

    def _happen(self, now: float, event: _Event, who: int, trip: int) -> None:
        s, day = self.s, self.day
        if event == _Event.CASE:
            s.open_cases.append(who)
        elif event == _Event.BEGIN:
            s.doing[who], s.idle_since[who] = Doing.IDLE, now
        elif event == _Event.END:
            if s.doing[who] in (Doing.IDLE, Doing.BREAK):
                s.doing[who] = Doing.OFF_DUTY
        elif event == _Event.BREAK:
            s.break_due[who] = True
            if s.doing[who] == Doing.IDLE:
                self._rest(now, who)
        elif event == _Event.BACK:
            if s.doing[who] == Doing.BREAK:
                s.doing[who] = Doing.IDLE
        elif event == _Event.ARRIVE:
            if trip == s.trip[who]:
                case = int(s.case[who])
                s.doing[who], s.node[who], s.lead_m[who] = Doing.WORKING, day.ways.target[case], 0.0
                s.at_work_since[who] = now
                s.open_cases.remove(case)
                self.worker[case], self.arrival[case] = who, now
                self.order[who].append(case)
                self._at(now + day.work_s[case], _Event.DONE, who)
        elif event == _Event.DONE:
            self._done(now, who)

    def _done(self, now: float, who: int) -> None:
        s = self.s
        s.worked_s[who] += now - s.at_work_since[who]
        s.case[who], s.idle_since[who] = NOBODY, now
        if now >= self.day.end_s[who]:
            s.doing[who] = Doing.OFF_DUTY
        elif s.break_due[who] and not s.break_had[who]:
            self._rest(now, who)
        else:
            s.doing[who] = Doing.IDLE

    def _rest(self, now: float, who: int) -> None:
        self.s.doing[who], self.s.break_had[who] = Doing.BREAK, True
        self.s.free_s[who] = now + BREAK_S
        self._at(now + BREAK_S, _Event.BACK, who)

    def _places(self, now: float) -> tuple[Integers, Floats]:
        """Return which node everybody is at or reaches next, and in how many metres."""
        s, day = self.s, self.day
        node, lead = s.node.copy(), s.lead_m.copy()
        for who in np.flatnonzero(s.doing == Doing.ON_THE_WAY).tolist():
            gone = max(0.0, now - s.moving_since[who]) * day.metres_per_s[who]
            node[who], lead[who] = day.ways.after(int(s.case[who]), int(node[who]), lead[who], gone)
        resting = (s.doing == Doing.IDLE) | (s.doing == Doing.BREAK)
        for who in np.flatnonzero(resting & (now - s.idle_since > PATROL_AFTER_S)).tolist():
            gone = (now - s.idle_since[who] - PATROL_AFTER_S) * day.metres_per_s[who]
            node[who], lead[who] = day.ways.after(day.cases + who, int(node[who]), lead[who], gone)
        return node, lead

    def _decide(self, now: float) -> None:
        s, day = self.s, self.day
        node, lead = self._places(now)
        cases = np.array(s.open_cases)
        metres = day.ways.metres[cases]
        going = s.doing == Doing.ON_THE_WAY
        seconds = (metres[:, node].T + lead[:, None]) / day.metres_per_s[:, None] + TURNOUT_S
        seconds += np.where(going, 0.0, day.bike_s)[:, None]
        row = {case: at for at, case in enumerate(s.open_cases)}
        task = np.full(day.workers, NOBODY, np.int64)
        then = seconds.copy()
        free = np.where(s.doing == Doing.IDLE, now, s.free_s)
        for who in np.flatnonzero(going).tolist():
            case = int(s.case[who])
            task[who] = row[case]
            set_out = max(now, s.moving_since[who])
            left = (day.ways.metres[case, node[who]] + lead[who]) / day.metres_per_s[who]
            seconds[who, task[who]] = set_out - now + left
            then[who] = metres[:, day.ways.target[case]] / day.metres_per_s[who] + TURNOUT_S + day.bike_s[who]
            free[who] = set_out + left + day.expected_s[case]
        working = np.flatnonzero(s.doing == Doing.WORKING)
        free[working] = now + left_s(now - s.at_work_since[working], day.expected_s[s.case[working]])
        busy = np.isin(s.doing, (Doing.WORKING, Doing.ON_THE_WAY))
        due = busy & ~np.array(s.break_had) & (free >= day.break_s)
        free[due] += BREAK_S
        until = np.where(s.doing == Doing.OFF_DUTY, -np.inf, day.end_s)
        problem = Problem(
            now,
            Workers(
                np.arange(day.workers), s.doing, free, until, day.skills, day.home_grid, task, s.worked_s,
            ),
            Tasks(
                cases, day.priority[cases], day.skill[cases], day.grid[cases], day.release_s[cases],
                day.due_s[cases], self.holder[cases],
            ),
            seconds,
            then,
        )  # fmt: skip
        begun = time.perf_counter()
        plan = self.policy(problem, self.prices)
        self.took.append(time.perf_counter() - begun)
        self._act(now, plan, cases, node, lead)

    def _act(self, now: float, plan: Plan, cases: Integers, node: Integers, lead: Floats) -> None:
        s, day = self.s, self.day
        sent = plan.sent
        assert (plan.outcome > 0).all()
        for who, task in plan.called_off.tolist():
            self.holder[cases[task]] = NOBODY
            s.doing[who], s.case[who], s.idle_since[who] = Doing.IDLE, NOBODY, now
            s.node[who], s.lead_m[who] = node[who], lead[who]
            s.trip[who] += 1
            self.called_off += 1
        off = set(plan.called_off[:, 0].tolist())
        for who, task in sent.tolist():
            case = int(cases[task])
            assert s.doing[who] == Doing.IDLE
            assert day.skill[case] < 0 or day.skills[who, day.skill[case]]
            s.doing[who], s.case[who] = Doing.ON_THE_WAY, case
            s.node[who], s.lead_m[who] = node[who], lead[who]
            s.trip[who] += 1
            delay = TURNOUT_S + (0.0 if who in off else day.bike_s[who])
            s.moving_since[who] = now + delay
            trip_s = (day.ways.metres[case, node[who]] + lead[who]) / day.metres_per_s[who]
            self.holder[case] = who
            self.ordered[case] = now
            self._at(now + delay + trip_s, _Event.ARRIVE, who, int(s.trip[who]))


def left_s(worked_s: Floats, expected_s: Floats) -> Floats:
    """Return how much longer work is expected to take that has lasted so long, shape (n,).

    For X lognormal with mean m and sigma s, mu = ln m - s²/2 and worked a:
    E[X - a | X > a] = m Phi((mu + s² - ln a)/s) / Phi((mu - ln a)/s) - a.
    """
    mu = np.log(expected_s) - WORK_SIGMA**2 / 2
    log_a = np.log(np.maximum(worked_s, 1.0))
    beyond = np.maximum(ndtr((mu - log_a) / WORK_SIGMA), 1e-12)
    left = expected_s * ndtr((mu + WORK_SIGMA**2 - log_a) / WORK_SIGMA) / beyond - worked_s
    return np.maximum(left, MINUTE)
