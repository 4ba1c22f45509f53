"""Say who may be sent to a case, and of everybody else why not: pure, on what is known of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from twin.dispatch.assignments import STATE_WORDS, Stand
from twin.dispatch.needs import Need, Needs


@dataclass(frozen=True, slots=True)
class Seen:
    """Where a worker's tracker was seen last.

    Attributes
    ----------
    lon, lat
        Degrees.
    age_s
        How long ago.
    straight_m
        To the case, as the crow flies.
    """

    lon: float
    lat: float
    age_s: float
    straight_m: float

    def uncertain_m(self, needs: Needs) -> float:
        """Return how far from there the worker may be by now."""
        return needs.position.accuracy_m + needs.position.grows_m_s * self.age_s


@dataclass(frozen=True, slots=True)
class Candidate:
    """What is known of a worker who could be sent.

    Attributes
    ----------
    skills, certified
        What they can do, and for what of it they hold a certificate that is valid today.
    own_grid, near_grid, in_help
        Whether they answer for the grid of the case, for one near it, or work where they help.
    open_tasks
        Cases in their hands.
    stand
        Of the assignment that takes them up now; None where none does.
    refused
        How they answered when they were asked to go to this case; None where they were not.
    seen
        None where nobody knows where they are.
    passes
        What they have keys for (`twin.dispatch.streets.Traveller`).
    """

    worker_id: int
    on_duty: bool
    in_break: bool
    skills: frozenset[str]
    certified: frozenset[str]
    travels_by: str
    own_grid: bool
    near_grid: bool
    in_help: bool
    open_tasks: int
    stand: Stand | None
    refused: Stand | None
    seen: Seen | None
    passes: frozenset[str] = frozenset()


class Eligibility(IntEnum):
    """Whether a worker may be sent."""

    YES = 0
    LAST = 1
    """Only if nobody else is."""
    NO = 2


@dataclass(frozen=True, slots=True)
class Reason:
    """Something that speaks about a worker, for machines and in words."""

    code: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a worker may be sent, and what speaks against it."""

    eligibility: Eligibility
    against: tuple[Reason, ...]


ELIGIBLE: Final = Verdict(Eligibility.YES, ())


def judge(one: Candidate, wanted: tuple[Need, ...], needs: Needs) -> Verdict:
    """Return whether a worker may be sent to a case.

    Parameters
    ----------
    wanted
        What going to the case takes (`Needs.of`).
    """
    never = [*_by_roster(one), *_by_skill(one, wanted, needs), *_by_area(one)]
    if one.seen is None:
        never.append(Reason("position_unknown", "位置未知", "place unknown"))
    last = [*_by_age(one, needs), *_by_workload(one, needs)]
    if never:
        return Verdict(Eligibility.NO, (*never, *last))
    return Verdict(Eligibility.LAST, tuple(last)) if last else ELIGIBLE


def judge_all(
    candidates: Mapping[int, Candidate], wanted: tuple[Need, ...], needs: Needs
) -> dict[int, Verdict]:
    """Return the verdict of each worker, by their number."""
    return {worker_id: judge(one, wanted, needs) for worker_id, one in candidates.items()}


def _by_roster(one: Candidate) -> list[Reason]:
    if not one.on_duty:
        return [Reason("off_duty", "未在岗", "off duty")]
    found = [Reason("break", "休息中", "in a break")] if one.in_break else []
    if one.stand is not None:
        zh, en = STATE_WORDS[one.stand]
        found.append(Reason("taken_up", f"另有任务（{zh}）", f"taken up by another task ({en})"))
    if one.refused is not None:
        zh, en = STATE_WORDS[one.refused]
        found.append(Reason("refused", f"本案{zh}", f"{en} for this case"))
    return found


def _by_skill(one: Candidate, wanted: tuple[Need, ...], needs: Needs) -> list[Reason]:
    found = []
    for need in wanted:
        zh, en = needs.skills[need.skill]
        if need.skill not in one.skills:
            found.append(Reason("skill", f"无“{zh}”技能", f"lacks the skill {en.lower()}"))
        elif need.certified and need.skill not in one.certified:
            found.append(Reason("certificate", f"无有效“{zh}”证书", f"no valid certificate for {en.lower()}"))
        if need.by and one.travels_by not in need.by:
            found.append(Reason("vehicle", "交通工具不符", "does not travel by what is needed"))
    return found


def _by_area(one: Candidate) -> list[Reason]:
    if one.own_grid or one.near_grid or one.in_help:
        return []
    return [Reason("area", "不在责任范围", "the place is not in their area")]


def _by_age(one: Candidate, needs: Needs) -> list[Reason]:
    if one.seen is None or one.seen.age_s <= needs.position.old_s:
        return []
    hours = one.seen.age_s / 3600
    return [
        Reason(
            "position_old",
            f"位置已是 {hours:.1f} 小时前，无他人时才派",
            f"last seen {hours:.1f} h ago: only if nobody else is",
        )
    ]


def _by_workload(one: Candidate, needs: Needs) -> list[Reason]:
    if one.open_tasks < needs.workload.most:
        return []
    return [
        Reason(
            "workload",
            f"在办 {one.open_tasks} 件，无他人时才派",
            f"{one.open_tasks} open tasks: only if nobody else is",
        )
    ]
