"""What clocks show is what counting minute by minute says; while they run it goes down by the second."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import chinese_calendar
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.twin.test_calendar import CHINA, HOURS, within_2026
from twin.access.roles import Act
from twin.calendar import Unit, calendar_for
from twin.cases.clocks import clocks_for
from twin.cases.course import course_of
from twin.cases.deciding import decide
from twin.cases.parties import Party, Told
from twin.cases.readings import read_clock
from twin.cases.states import CaseState, Outcome, Stage, changes_between

CN = calendar_for("Asia/Shanghai")
CLOCKS = clocks_for(CN)
MONDAY = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)  # 09:00 in China
MINUTE = timedelta(minutes=1)
moments = st.integers(0, 60 * 24 * 120).map(lambda n: MONDAY + n * MINUTE)
later = st.integers(0, 60 * 24 * 6).map(lambda n: n * MINUTE)


def counted(unit: Unit, begun: datetime, ended: datetime) -> float:
    """Count the seconds that count from one time to another, minute by minute."""
    minutes = int((ended - begun) / MINUTE)
    return 60.0 * sum(unit is Unit.HOURS or CN.turn(begun + n * MINUTE)[0] for n in range(minutes))


@given(moments, later, st.sampled_from([1, 3]), st.sampled_from(["06010", "08003"]))
def test_what_is_left_is_what_is_counted(since: datetime, after: timedelta, priority: int, code: str):
    state = CLOCKS.started(
        CaseState(stage=Stage.HANDLING, category_code=code, priority=priority, stage_since=since)
    )
    now = since + after
    read = read_clock(state, CLOCKS, now)
    assert read is not None
    if now <= read.due_at:
        assert read.left_s == counted(read.limit.unit, now, read.due_at)
    else:
        assert read.left_s == -counted(read.limit.unit, read.due_at, now)
    soon = read_clock(state, CLOCKS, now + timedelta(seconds=1))
    assert soon is not None
    assert soon.left_s == read.left_s - read.runs


def worked_minutes(begun: datetime, ended: datetime) -> list[datetime]:
    """List the minutes that are worked from one time to another, by the list of another project."""
    first = begun.astimezone(CHINA).replace(hour=0, minute=0)
    days = (first + timedelta(n) for n in range((ended - first).days + 1))
    return [
        at
        for day in days
        if chinese_calendar.is_workday(day.date())
        for opens, closes in HOURS
        for n in range((closes.hour - opens.hour) * 60)
        if begun <= (at := day + timedelta(hours=opens.hour) + MINUTE * n) < ended
    ]


@settings(max_examples=25, deadline=None)
@given(within_2026, st.sampled_from(["06010", "08003"]), st.booleans(), st.integers(0, 3 * 1440))
def test_a_clock_of_working_time_warns_when_four_fifths_of_what_was_worked_are_over(
    start: datetime, code: str, whole: bool, pause: int
):
    """Counted minute by minute with somebody else's list of holidays, also where the clocks stood still."""
    begun = start.astimezone(UTC)
    stood = (begun + MINUTE * 100, begun + MINUTE * (100 + pause))
    case = CaseState(
        stage=Stage.HANDLING,
        category_code=code,
        stage_since=begun,
        filed_at=begun,
        pauses=(stood,) if pause else (),
    )
    case = dataclasses.replace(case, stage_due_at=CLOCKS.stage_due(case), due_at=CLOCKS.case_due(case))
    read = read_clock(case, CLOCKS, begun, whole=whole)
    assert read is not None
    assert read.warns_at is not None
    counts = [at for at in worked_minutes(begun, read.due_at) if not stood[0] <= at < stood[1]]
    # The minute in which it warns is that in which four fifths of those that count are over.
    assert abs(counts[round(len(counts) * 0.8) - 1] + MINUTE - read.warns_at) <= MINUTE
    assert begun < read.warns_at < read.due_at
    parked = dataclasses.replace(case, parked_at=begun)
    assert read_clock(parked, CLOCKS, begun, whole=whole).warns_at is None
    if not whole:
        assert CLOCKS.tells(case)[0] == read.warns_at


@given(moments)
def test_a_working_clock_tells_when_it_stops_and_goes_on(now: datetime):
    runs, changes_at = CN.turn(now)
    assert changes_at is not None
    assert now < changes_at
    second = timedelta(seconds=1)
    assert CN.turn(changes_at - second)[0] is runs
    assert CN.turn(changes_at)[0] is not runs


def test_what_is_parked_or_over_shows_what_it_showed():
    state = CLOCKS.started(CaseState(stage=Stage.HANDLING, category_code="06010", stage_since=MONDAY))
    hour = timedelta(hours=1)
    parked = dataclasses.replace(state, parked_at=MONDAY + hour)
    reads = [read_clock(parked, CLOCKS, MONDAY + n * hour) for n in (2, 50)]
    assert [(r.left_s, r.runs, r.changes_at) for r in reads if r] == [(3 * 3600.0, False, None)] * 2
    void = dataclasses.replace(state, closed_at=MONDAY + hour, outcome=Outcome.VOID)
    read = read_clock(void, CLOCKS, MONDAY + 9 * hour)
    assert read is not None
    assert (read.left_s, read.runs) == (3 * 3600.0, False)
    assert read_clock(dataclasses.replace(state, stage=Stage.RATED), CLOCKS, MONDAY) is None


def test_the_course_of_a_case_tells_each_stage_and_counts_without_pauses():
    hour = timedelta(hours=1)
    anybody = Party(None, "anybody", frozenset(Act), worker_id=1)
    state = CLOCKS.started(CaseState(category_code="06010", priority=3, stage_since=MONDAY))
    events: list[tuple[str, dict]] = []

    def do(move: str, at: datetime, **told: object) -> None:
        nonlocal state
        made = decide(state, move, anybody, Told(**told), clocks=CLOCKS, now=at)
        events.append((made.event, changes_between(state, made.state)))
        state = made.state

    do("file", MONDAY + hour / 2)
    do("dispatch", MONDAY + hour, worker_id=1)
    do("take", MONDAY + 1.5 * hour)
    do("report_done", MONDAY + 2 * hour, note="done")
    do("send_check", MONDAY + 2.5 * hour)
    do("fail", MONDAY + 3 * hour, reason="not done")
    now = MONDAY + 5 * hour  # of which one is the noon
    told = {row.stage: row for row in course_of(state, MONDAY, events, clocks=CLOCKS, now=now)}
    assert [round(row.took_s or 0) for row in told.values()] == [1800, 1800, 1800, 5400, 1800, 1800, 0]
    assert (told[Stage.HANDLING].times, told[Stage.HANDLING].left_at) == (2, None)
    assert told[Stage.HANDLING].entered_at == MONDAY + 3 * hour
    assert told[Stage.RATED].entered_at is None
    do("report_done", now, note="done")
    do("send_check", now)
    do("pass", now)
    told = {row.stage: row for row in course_of(state, MONDAY, events, clocks=CLOCKS, now=now + hour)}
    assert told[Stage.CHECKING].left_at == told[Stage.RATED].entered_at == now
    do("reopen", now + hour, reason="again")
    told = {row.stage: row for row in course_of(state, MONDAY, events, clocks=CLOCKS, now=now + hour)}
    assert told[Stage.HANDLING].times == 0
    assert told[Stage.FILED].entered_at == now + hour


def test_what_the_journal_does_not_tell_is_told_of_the_present_stage_alone():
    state = CaseState(stage=Stage.HANDLING, category_code="06010", stage_since=MONDAY + MINUTE)
    told = course_of(state, MONDAY, [], clocks=CLOCKS, now=MONDAY + 2 * MINUTE)
    assert [row.entered_at for row in told if row.times] == [MONDAY, MONDAY + MINUTE]
    assert told[0].left_at == MONDAY + MINUTE
    rejected = CaseState(
        category_code="06010",
        stage_since=MONDAY,
        outcome=Outcome.REJECTED,
        closed_at=MONDAY + MINUTE,
    )
    events = [("case.rejected", {"outcome": "rejected", "closed_at": rejected.closed_at.isoformat()})]
    (first, *rest) = course_of(rejected, MONDAY, events, clocks=CLOCKS, now=MONDAY + 9 * MINUTE)
    assert (first.left_at, first.took_s, [row.times for row in rest]) == (MONDAY + MINUTE, 60.0, [0] * 6)
