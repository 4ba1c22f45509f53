"""Who may be sent, who suits best, and what each is told."""

from __future__ import annotations

import dataclasses

import pytest

from twin.dispatch.assignments import Stand
from twin.dispatch.deciding.prices import Prices
from twin.dispatch.eligible import Candidate, Eligibility, Seen, judge
from twin.dispatch.needs import load_needs
from twin.dispatch.ranking import Way, rank, words

NEEDS = load_needs()
GAS = NEEDS.of("54003")
HERE = Seen(104.0, 30.6, 5.0, 300.0)
FIT = Candidate(
    1, True, False, frozenset({"firefighting"}), frozenset({"firefighting"}), "foot", True, False, True, 1,
    None, None, HERE,
)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"on_duty": False}, "off_duty"),
        ({"in_break": True}, "break"),
        ({"stand": Stand.DEPARTED}, "taken_up"),
        ({"refused": Stand.LAPSED}, "refused"),
        ({"skills": frozenset()}, "skill"),
        ({"certified": frozenset()}, "certificate"),
        ({"own_grid": False, "in_help": False}, "area"),
        ({"seen": None}, "position_unknown"),
    ],
)
def test_who_may_not_be_sent_is_told_why(change, code) -> None:
    assert judge(FIT, GAS, NEEDS).eligibility is Eligibility.YES
    verdict = judge(dataclasses.replace(FIT, **change), GAS, NEEDS)
    assert verdict.eligibility is Eligibility.NO
    assert [reason.code for reason in verdict.against] == [code]
    assert all(reason.zh and reason.en for reason in verdict.against)


def test_a_vehicle_that_is_needed_must_be_there() -> None:
    wanted = (dataclass_of(GAS[0], by=("car",)),)
    assert [r.code for r in judge(FIT, wanted, NEEDS).against] == ["vehicle"]
    assert judge(dataclasses.replace(FIT, travels_by="car"), wanted, NEEDS).eligibility is Eligibility.YES


def dataclass_of(need, **changes):
    return type(need)(**{name: changes.get(name, getattr(need, name)) for name in need.__struct_fields__})


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"seen": dataclasses.replace(HERE, age_s=7_201.0)}, "position_old"),
        ({"open_tasks": NEEDS.workload.most}, "workload"),
    ],
)
def test_some_are_sent_only_if_nobody_else_is(change, code) -> None:
    late = dataclasses.replace(FIT, worker_id=2, **change)
    ways = {1: Way(900.0), 2: Way(60.0)}
    both = rank({1: FIT, 2: late}, ways, GAS, NEEDS, 3)
    assert [(one.candidate.worker_id, one.rank) for one in both] == [(1, 1), (2, None)]
    (alone,) = rank({2: late}, ways, GAS, NEEDS, 3)
    assert (alone.rank, alone.verdict.eligibility) == (1, Eligibility.LAST)
    assert code in [reason.code for reason in alone.reasons]


def test_uncertainty_grows_as_far_as_somebody_walks() -> None:
    assert HERE.uncertain_m(NEEDS) == pytest.approx(10.0 + 1.25 * 5.0)
    hour = dataclasses.replace(FIT, seen=dataclasses.replace(HERE, age_s=3_600.0))
    (one,) = rank({1: hour}, {1: Way(200.0)}, (), NEEDS, 3)
    assert words(one.reasons) == (
        "步行 4 分，本网格，在办 1 件，位置 60 分前，误差约 4500 米",
        "4 min on foot, owns the grid, 1 open task, seen 60 min ago, to about 4500 m",
    )


def test_the_way_the_grid_the_work_and_the_skills_are_weighed() -> None:
    """Against figures by hand: a minute of a normal case costs 1, the grid 10, a spared skill up to 4."""
    prices = Prices()
    other = dataclasses.replace(FIT, own_grid=False, near_grid=True, skills=frozenset(), open_tasks=0)
    crew = {
        1: FIT,
        2: dataclasses.replace(other, worker_id=2),
        3: dataclasses.replace(other, worker_id=3, open_tasks=2),
    }
    ways = {1: Way(700.0), 2: Way(100.0), 3: Way(90.0)}
    ranked = rank(crew, ways, (), NEEDS, 3, prices)
    costs = {one.candidate.worker_id: one.cost_s for one in ranked}
    assert costs == {
        1: pytest.approx(700 + 60 * 1 + 60 * prices.scarce_skill * (1 - 1 / 3)),
        2: pytest.approx(100 + 60 * prices.owner),
        3: pytest.approx(90 + 60 * 2 + 60 * prices.owner),
    }
    assert [one.candidate.worker_id for one in ranked] == [2, 3, 1]
    assert [one.rank for one in ranked] == [1, 2, 3]
    # What is urgent goes to who is there soonest: the grid counts an eighth.
    urgent = {one.candidate.worker_id: one.cost_s for one in rank(crew, ways, (), NEEDS, 1, prices)}
    assert urgent[2] == pytest.approx(100 + 60 * prices.owner / 8)
    # Where the case needs the skill, it is not spared.
    needed = {one.candidate.worker_id: one for one in rank(crew, ways, GAS, NEEDS, 3, prices)}
    assert needed[1].cost_s == pytest.approx(760.0)
    assert (needed[1].rank, needed[2].rank) == (1, None)
    assert words(needed[1].reasons) == (
        "步行 12 分，本网格，在办 1 件，有“消防”技能",
        "12 min on foot, owns the grid, 1 open task, firefighting",
    )


def test_who_has_no_way_is_not_sent() -> None:
    (one,) = rank({1: FIT}, {}, GAS, NEEDS, 3)
    assert (one.rank, one.verdict.eligibility) == (None, Eligibility.NO)
    assert one.reasons[-1].code == "no_way"


def test_helpers_work_in_the_same_area_of_the_level() -> None:
    assert NEEDS.help.within == "street"
    assert NEEDS.help.holds_both(510105001001001, 510105001009009)
    assert not NEEDS.help.holds_both(510105001001001, 510105002001001)
