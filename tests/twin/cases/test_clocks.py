"""When stages of cases must be over: by the table, by the calendar, and by what a count of hours says."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.calendar import Limit, Unit, calendar_for
from twin.cases.clocks import DEFAULT_FILE, clocks_for
from twin.cases.states import CaseState, Stage
from twin.errors import InvalidError

CN = calendar_for("Asia/Shanghai")
CLOCKS = clocks_for(CN)
MONDAY = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)  # 09:00 in China
HOUR = timedelta(hours=1)

moments = st.integers(0, 60 * 24 * 200).map(lambda n: MONDAY + timedelta(minutes=n))
stages = st.sampled_from([stage for stage in Stage if stage is not Stage.RATED])
codes = st.sampled_from(["06010", "08003", "51001"])
states = st.builds(
    CaseState, stage=stages, category_code=codes, priority=st.integers(1, 4), stage_since=moments
)
pauses = st.lists(st.tuples(st.integers(0, 5_000), st.integers(1, 5_000)), min_size=0, max_size=4)


@pytest.mark.parametrize(
    ("code", "priority", "stage", "limit"),
    [
        ("06010", 1, Stage.HANDLING, Limit(2, Unit.HOURS)),
        ("08003", 1, Stage.HANDLING, Limit(2, Unit.HOURS)),
        ("08003", 3, Stage.HANDLING, Limit(5, Unit.WORKING_DAYS)),
        ("06010", 3, None, Limit(2, Unit.WORKING_DAYS)),
        ("06010", 3, Stage.RATED, None),
    ],
)
def test_the_first_row_that_fits_counts(code, priority, stage, limit):
    assert CLOCKS.limit(code, priority, stage) == limit


@given(states)
def test_a_clock_warns_before_it_is_over_and_says_so_when_it_does(state: CaseState):
    state = CLOCKS.started(state)
    tells = CLOCKS.tells(state)
    assert tells is not None
    warned, due, again = tells
    assert state.stage_since is not None
    assert state.stage_since < warned < due < again
    assert due == state.stage_due_at
    moment = timedelta(milliseconds=1)
    assert [CLOCKS.told_by(state, at) for at in (warned - moment, warned, due, again)] == [0, 1, 2, 3]
    told = [dataclasses.replace(state, clock_events=n) for n in range(4)]
    assert [CLOCKS.next_tell(one) for one in told] == [warned, due, again, None]


@given(states, pauses)
def test_what_is_worked_between_the_pauses_is_the_limit(state: CaseState, gaps: list[tuple[int, int]]):
    """Counted hour by hour, as somebody with a calendar would."""
    assert state.stage_since is not None
    limit = CLOCKS.limit(state.category_code, state.priority, state.stage)
    assert limit is not None
    stood, at = [], state.stage_since
    for after, long in gaps:
        begun = at + timedelta(minutes=after)
        at = begun + timedelta(minutes=long)
        stood.append((begun, at))
    due = CLOCKS.due(state.stage_since, limit, stood)
    if limit.unit is Unit.WORKING_DAYS:
        return
    worked = timedelta()
    moment = state.stage_since
    for begun, ended in [*stood, (due, due)]:
        stop = min(begun, due)
        if moment < stop:
            worked += stop - moment if limit.unit is Unit.HOURS else CN.elapsed(moment, stop)
        moment = max(moment, ended)
    assert abs(worked - limit.amount * HOUR) < timedelta(seconds=1)


def test_a_pause_over_working_days_leaves_the_days_that_were_left():
    limit = Limit(5, Unit.WORKING_DAYS)
    wednesday, next_monday = MONDAY + timedelta(days=2), MONDAY + timedelta(days=7)
    # Due on Monday; of Wednesday's five, Thursday, Friday and Monday are left.
    assert CLOCKS.due(MONDAY, limit).date() == next_monday.date()
    assert (
        CLOCKS.due(MONDAY, limit, [(wednesday, next_monday)]).date() == (MONDAY + timedelta(days=10)).date()
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("amount = 5,", "amount = 5.5,", "5.5 working days"),
        ("amount = 5,", "amount = 0,", "limit"),
        ('unit = "working_days"', 'unit = "days"', "limit"),
        ('category = "08"', 'category = "8"', "category"),
        ("warn_after = 0.8", "warn_after = 1.8", "warn_after"),
        ("[[limit]]\ncollected", '[[limit]]\ncategory = "06"\ncollected', "no time limit"),
    ],
)
def test_a_wrong_table_is_named(old: str, new: str, said: str, tmp_path: Path):
    table = DEFAULT_FILE.read_text(encoding="utf-8")
    assert old in table
    file = tmp_path / "limits.toml"
    file.write_text(table.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InvalidError, match=said):
        clocks_for(CN, file)
