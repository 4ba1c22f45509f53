"""Rank who could go to a case: by the way on the network, their grid, their other tasks and their skills."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from twin.dispatch.deciding.prices import Prices
from twin.dispatch.eligible import Candidate, Eligibility, Reason, Verdict, judge_all
from twin.dispatch.needs import Need, Needs
from twin.dispatch.network.profiles import FOOT, load_profiles
from twin.dispatch.network.travel import one_to_many
from twin.dispatch.streets import Streets, Traveller
from twin.errors import UnavailableError

POLICY: Final = "ranked"
"""How an assignment says that it came from this ranking."""

LIMIT_S: Final = 3_600.0
"""Ways that take longer are not looked for."""

DETOUR: Final = 1.33
"""How much longer ways are than straight lines in Chinese cities (median of five, our own measurement)."""


@dataclass(frozen=True, slots=True)
class Way:
    """What a way takes.

    ``estimated``: by the straight line and the usual detour, as there is no network to ask.
    """

    seconds: float
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Ranked:
    """A worker and how well they suit a case.

    Attributes
    ----------
    rank
        1 is who suits best; None of those who may not be sent.
    cost_s
        The way and everything else that counts, as seconds of the way; inf where there is no way.
    reasons
        What speaks for and against them, the weightiest first.
    """

    candidate: Candidate
    verdict: Verdict
    way: Way | None
    rank: int | None
    cost_s: float
    reasons: tuple[Reason, ...]


def ways_to(streets: Streets, place: tuple[float, float], candidates: Sequence[Candidate]) -> dict[int, Way]:
    """Return the way of each worker to a place (lon, lat), by their number; without one there is none.

    As long as the streets are not read, ways are estimated.
    """
    alike: dict[Traveller, list[Candidate]] = {}
    for one in candidates:
        if one.seen is not None:
            alike.setdefault(Traveller.of_worker(one.travels_by, one.passes), []).append(one)
    found: dict[int, Way] = {}
    for traveller, group in alike.items():
        try:
            snapshot = streets.snapshot(traveller)
        except UnavailableError:
            speed_m_s = load_profiles()[traveller.profile].speed_kmh / 3.6
            for one in group:
                if one.seen is not None:
                    found[one.worker_id] = Way(one.seen.straight_m * DETOUR / speed_m_s, estimated=True)
            continue
        to = streets.put(snapshot, [place])
        at = streets.put(snapshot, [(one.seen.lon, one.seen.lat) for one in group if one.seen is not None])
        seconds = one_to_many(snapshot, to, at, LIMIT_S, inward=True)
        for one, way_s in zip(group, seconds.tolist(), strict=True):
            if math.isfinite(way_s):
                found[one.worker_id] = Way(way_s)
    return found


def rank(
    candidates: Mapping[int, Candidate],
    ways: Mapping[int, Way],
    wanted: tuple[Need, ...],
    needs: Needs,
    priority: int,
    prices: Prices | None = None,
) -> list[Ranked]:
    """Return everybody who was looked at: who may be sent, best first, then who may not, by number.

    Parameters
    ----------
    ways
        By number of the worker.
    wanted
        What going to the case takes.
    priority
        Of the case, 1 (most urgent) to 4: the more urgent, the less anything counts beside the way.
    """
    prices = prices or Prices()
    verdicts = judge_all(candidates, wanted, needs)
    second_s = 60.0 / prices.minute[priority - 1]
    scarce = _scarcity(candidates, wanted)
    weighed = []
    for worker_id, one in candidates.items():
        way, verdict = ways.get(worker_id), verdicts[worker_id]
        reasons = _reasons(one, way, wanted, needs)
        if way is None and one.seen is not None:
            no_way = Reason("no_way", "一小时内无路可达", "no way within an hour")
            verdict = Verdict(Eligibility.NO, (*verdict.against, no_way))
        cost_s = math.inf
        if way is not None:
            cost_s = way.seconds + needs.workload.task_s * one.open_tasks
            cost_s += 0.0 if one.own_grid else prices.owner * second_s
            cost_s += prices.scarce_skill * second_s * scarce[worker_id]
        weighed.append((one, verdict, way, cost_s, reasons))
    weighed.sort(key=lambda row: (row[1].eligibility, row[3], row[0].worker_id))
    # Who is asked only if nobody else is has no place beside those who are.
    best = weighed[0][1].eligibility if weighed else Eligibility.NO
    return [
        Ranked(
            one,
            verdict,
            way,
            number if verdict.eligibility is best is not Eligibility.NO else None,
            cost_s,
            (*reasons, *verdict.against),
        )
        for number, (one, verdict, way, cost_s, reasons) in enumerate(weighed, 1)
    ]


def words(reasons: Sequence[Reason]) -> tuple[str, str]:
    """Return reasons in one line, Chinese and English."""
    return "，".join(one.zh for one in reasons), ", ".join(one.en for one in reasons)


def _scarcity(candidates: Mapping[int, Candidate], wanted: tuple[Need, ...]) -> dict[int, float]:
    """Return of each worker how few others hold the rarest skill that is not wanted now, 0 to 1."""
    asked = {need.skill for need in wanted}
    held = Counter(skill for one in candidates.values() for skill in one.skills)
    count = max(1, len(candidates))
    return {
        worker_id: max((1.0 - held[skill] / count for skill in one.skills - asked), default=0.0)
        for worker_id, one in candidates.items()
    }


def _reasons(one: Candidate, way: Way | None, wanted: tuple[Need, ...], needs: Needs) -> tuple[Reason, ...]:
    found = []
    if way is not None:
        profile = load_profiles().get(one.travels_by, load_profiles()[FOOT])
        minutes = max(1, math.ceil(way.seconds / 60))
        zh, en = f"{profile.zh} {minutes} 分", f"{minutes} min {profile.en}"
        if way.estimated:
            zh, en = f"{zh}（按直线估计）", f"{en} (estimated by the straight line)"
        found.append(Reason("way", zh, en))
    if one.own_grid:
        found.append(Reason("own_grid", "本网格", "owns the grid"))
    elif one.near_grid:
        found.append(Reason("near_grid", "邻近网格", "owns a grid nearby"))
    tasks = "1 open task" if one.open_tasks == 1 else f"{one.open_tasks or 'no'} open tasks"
    found.append(Reason("open_tasks", f"在办 {one.open_tasks} 件", tasks))
    for need in wanted:
        if need.skill in one.skills:
            zh, en = needs.skills[need.skill]
            found.append(Reason("skill_held", f"有“{zh}”技能", en.lower()))
    if one.seen is not None and (vague_m := one.seen.uncertain_m(needs)) > _VAGUE_M:
        found.append(
            Reason(
                "vague",
                f"位置 {_minutes(one.seen.age_s)} 分前，误差约 {_round(vague_m)} 米",
                f"seen {_minutes(one.seen.age_s)} min ago, to about {_round(vague_m)} m",
            )
        )
    return tuple(found)


_VAGUE_M: Final = 100.0


def _minutes(seconds: float) -> int:
    return round(seconds / 60)


def _round(metres: float) -> int:
    """Return metres to two figures: more would claim to be known."""
    return int(np.format_float_positional(metres, precision=2, fractional=False, trim="-").rstrip("."))
