"""The simulated days keep their own rules, the clairvoyant is one, and the bench tells it all."""

from __future__ import annotations

import gzip
import itertools
import json
from dataclasses import replace

import numpy as np
import pytest

import bench
from bench.dispatch.day import BREAK_S, Day, draw_day
from bench.dispatch.district import district
from bench.dispatch.figures import gini
from bench.dispatch.incidents import real_incidents
from bench.dispatch.offline import best_start, carried_out, compiled, improve
from bench.dispatch.simulator import simulate
from twin.dispatch.deciding import POLICIES
from twin.dispatch.deciding.optimal import optimal
from twin.dispatch.deciding.prices import Prices
from twin.errors import InvalidError, SetupError

needs_compiler = pytest.mark.skipif(compiled() is None, reason="no C compiler")


def _small_day(seed: int, workers: int, cases: int) -> Day:
    """Return a day on which everybody works from eight and cases come within two hours."""
    day = draw_day(district(), seed, workers, cases)
    begin = np.full(workers, 8 * 3600.0)
    return replace(
        day,
        begin_s=begin,
        end_s=begin + 9 * 3600,
        break_s=begin + 3600,
        release_s=np.sort(8 * 3600 + np.random.default_rng(seed).uniform(0, 7200, cases)),
        skills=np.ones_like(day.skills),
    )


@pytest.mark.parametrize("name", POLICIES)
def test_nobody_is_at_two_places_and_nobody_sets_out_in_his_break(name) -> None:
    day = draw_day(district(), 3, 30, 120)
    course = simulate(day, POLICIES[name], Prices())
    served = np.flatnonzero(course.worker >= 0)
    assert len(served) > 60
    for who in range(day.workers):
        mine = course.order[who]
        assert sorted(mine) == np.flatnonzero(course.worker == who).tolist()
        ready, node, rested = day.begin_s[who], day.home[who], False
        for case in mine:
            assert day.skill[case] < 0 or day.skills[who, day.skill[case]]
            arrival = course.arrival_s[case]
            assert day.release_s[case] < arrival <= day.end_s[who] + 1e-6
            told = course.ordered_s[case]
            if not rested and told >= day.break_s[who]:
                ready, rested = max(ready, day.break_s[who]) + BREAK_S, True
                left_at = ready - BREAK_S
            else:
                left_at = ready
            assert told >= max(ready, day.release_s[case])
            if told - left_at < 600 and not course.called_off:
                assert arrival - told >= day.ways.metres[case, node] / day.metres_per_s[who]
            ready, node = arrival + day.work_s[case], day.ways.target[case]


def test_a_policy_is_told_no_duration_before_its_end() -> None:
    """With other true durations, all is the same until the first work ends."""
    day = draw_day(district(), 5, 40, 80)
    told: list[list[tuple]] = []
    ends = []
    for work in (day.work_s, day.work_s * 1.7):
        seen: list[tuple] = []

        def watching(problem, prices, seen=seen):
            plan = optimal(problem, prices)
            seen.append((problem.now_s, problem.workers.free_s.tobytes(), plan.worker.tobytes()))
            return plan

        course = simulate(replace(day, work_s=work), watching, Prices())
        told.append(seen)
        ends.append(np.nanmin(course.arrival_s + work))
    both = [[row for row in seen if row[0] < min(ends)] for seen in told]
    assert both[0] == both[1]
    assert len(both[0]) > 3


@needs_compiler
@pytest.mark.parametrize("seed", range(4))
def test_the_clairvoyant_finds_the_optimum_of_small_days(seed) -> None:
    day = _small_day(seed, 2, 6)
    best = np.inf
    for perm in itertools.permutations(range(6)):
        for cut in range(7):
            best = min(best, carried_out(day, [perm[:cut], perm[cut:]]).cost)
    found = improve(day, [[], []], 100_000)
    assert found.cost == pytest.approx(best)
    assert sorted(itertools.chain(*found.order)) == list(range(6))


@needs_compiler
def test_the_clairvoyant_is_never_worse_than_where_he_begins() -> None:
    day = draw_day(district(), 1, 40, 150)
    orders = [simulate(day, policy, Prices()).order for policy in POLICIES.values()]
    start = best_start(day, orders)
    begun = carried_out(day, start)
    assert begun.cost <= min(carried_out(day, order).cost for order in orders)
    assert improve(day, start, 200_000).cost < begun.cost


def test_the_gini_of_load_is_what_it_is_by_hand() -> None:
    assert gini(np.array([3, 3, 3])) == pytest.approx(0)
    assert gini(np.array([0, 0, 0, 8])) == pytest.approx(0.75)
    assert gini(np.array([1, 3])) == pytest.approx(0.25)


def test_a_day_is_the_same_for_the_same_seed() -> None:
    one, other = (simulate(draw_day(district(), 2, 25, 60), optimal, Prices()) for _ in range(2))
    assert one.order == other.order
    assert draw_day(district(), 3, 25, 60).release_s.tolist() != one.day.release_s.tolist()


def test_the_bench_tells_every_policy_and_what_was_to_be_reached() -> None:
    lines: list[str] = []
    result = bench.run(
        "dispatch", {"settings": "90,storm", "seeds": "0", "cases": 60, "moves": 20_000}, lines.append
    )
    result = json.loads(json.dumps(result, allow_nan=False))
    assert any("storm" in line for line in lines)
    assert set(POLICIES) <= set(result["days"]["90"][0])
    if compiled() is not None:
        assert result["days"]["90"][0]["clairvoyant"]["cost"] <= result["days"]["90"][0]["optimal"]["cost"]
        assert {of["what"] for of in result["checks"]} >= {"J / clairvoyant", "gini", "own_share"}
    shown = [table.render() for table in bench.tables(result)]
    assert len(shown) == 3
    assert "owner_first" in shown[0]


def test_real_incidents_keep_how_they_crowd(tmp_path) -> None:
    """Laid over the district and the day by their extremes; more than there are is refused."""
    file = tmp_path / "requests.csv.gz"
    rows = ["created_date,longitude,latitude"]
    rows += [
        "2019-12-31T18:00:00,-74.2,40.5",
        "2019-12-31T19:00:00,-74.0,40.6",
        "2019-12-31T22:00:00,-73.7,40.9",
    ]
    file.write_bytes(gzip.compress("\n".join([*rows, "2019-12-31T20:00:00,,"]).encode()))
    xy, moment = real_incidents(file)
    assert xy.round().tolist() == [[0, 0], [2000, 750], [5000, 3000]]
    assert (moment / 3600).round(2).tolist() == [7.75, 11.0, 20.75]
    assert draw_day(district(), 0, 10, 3, places=(xy, moment)).release_s.tolist() == moment.tolist()
    with pytest.raises(InvalidError, match="only 3"):
        draw_day(district(), 0, 10, 4, places=(xy, moment))
    with pytest.raises(SetupError, match="cannot be read"):
        real_incidents(tmp_path / "none.csv.gz")


@pytest.mark.parametrize("wrong", [{"settings": "91"}, {"seeds": "a"}, {"cases": 0}])
def test_options_that_cannot_be_are_refused(wrong) -> None:
    with pytest.raises(InvalidError):
        bench.make_options("dispatch", wrong)
