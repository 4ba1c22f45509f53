"""Working time is what a count minute by minute, with somebody else's list of holidays, says it is."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import chinese_calendar
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.calendar import DEFAULT_FILE, LONGEST, Limit, Unit, calendar_for
from twin.errors import InvalidError

CHINA = ZoneInfo("Asia/Shanghai")
CN = calendar_for("Asia/Shanghai")
HOURS = ((time(9), time(12)), (time(13), time(18)))
MINUTE = timedelta(minutes=1)

within_2026 = st.integers(0, 350 * 1440).map(lambda n: datetime(2025, 12, 1, tzinfo=CHINA) + MINUTE * n)
minutes = st.integers(1, 60 * 8 * 12)


def worked(moment: datetime) -> bool:
    """Tell whether the minute that begins at a time is worked, by the list of another project."""
    local = moment.astimezone(CHINA)
    return chinese_calendar.is_workday(local.date()) and any(a <= local.time() < b for a, b in HOURS)


def days(year: int) -> list[date]:
    return [date(year, 1, 1) + timedelta(n) for n in range((date(year + 1, 1, 1) - date(year, 1, 1)).days)]


@pytest.mark.parametrize("year", [2025, 2026])
def test_every_day_of_an_arranged_year_is_worked_or_not_as_another_list_says(year: int):
    assert [d for d in days(year) if CN.is_working_day(d) != chinese_calendar.is_workday(d)] == []


def test_a_whole_year_has_the_working_time_that_is_counted_minute_by_minute():
    start, end = datetime(2026, 1, 1, tzinfo=CHINA), datetime(2027, 1, 1, tzinfo=CHINA)
    counted = sum(worked(start + MINUTE * n) for n in range(0, 366 * 1440, 30) if start + MINUTE * n < end)
    assert CN.elapsed(start, end) == counted * MINUTE * 30


@settings(max_examples=40)
@given(within_2026, minutes)
def test_working_hours_end_where_a_count_of_minutes_ends(start: datetime, amount: int):
    moment, left = start.astimezone(UTC), amount
    while left:
        left -= worked(moment)
        moment += MINUTE
    assert CN.add(start, Limit(amount / 60, Unit.WORKING_HOURS)) - moment < timedelta(milliseconds=1)


@given(within_2026, st.integers(1, 25))
def test_working_days_end_with_the_hours_of_the_last_and_do_not_count_the_first(start: datetime, amount: int):
    later = (start.date() + timedelta(n) for n in itertools.count(1))
    last = next(itertools.islice(filter(chinese_calendar.is_workday, later), amount - 1, None))
    assert CN.add(start, Limit(amount, Unit.WORKING_DAYS)) == datetime.combine(last, time(18), CHINA)


@given(within_2026, st.floats(0.01, 1000), st.sampled_from(Unit))
def test_what_remains_is_what_was_given_and_makes_the_same_end(start: datetime, amount: float, unit: Unit):
    limit = Limit(round(amount) or 1 if unit is Unit.WORKING_DAYS else amount, unit)
    due = CN.add(start, limit)
    left = CN.remaining(start, due, unit)
    assert left is not None
    assert left.unit is unit
    assert left.amount == pytest.approx(limit.amount, rel=1e-6)
    assert abs(CN.add(start, left) - due) < timedelta(seconds=1)


@given(within_2026, within_2026, within_2026)
def test_working_time_adds_up_over_a_time_between(first: datetime, second: datetime, third: datetime):
    a, b, c = sorted((first, second, third))
    assert CN.elapsed(a, b) + CN.elapsed(b, c) == CN.elapsed(a, c)
    assert CN.elapsed(b, a) == timedelta()


@given(within_2026, within_2026, minutes)
def test_who_begins_later_ends_later(first: datetime, second: datetime, amount: int):
    a, b = sorted((first, second))
    limit = Limit(amount / 60, Unit.WORKING_HOURS)
    assert CN.add(a, limit) <= CN.add(b, limit)


def test_the_spring_festival_and_its_moved_days():
    before = datetime(2026, 2, 14, 17, 30, tzinfo=CHINA)  # a Saturday that is worked
    assert CN.add(before, Limit(1, Unit.WORKING_HOURS)) == datetime(2026, 2, 24, 9, 30, tzinfo=CHINA)
    assert CN.add(before, Limit(1, Unit.WORKING_DAYS)) == datetime(2026, 2, 24, 18, tzinfo=CHINA)
    assert CN.add(before, Limit(1, Unit.HOURS)) == datetime(2026, 2, 14, 18, 30, tzinfo=CHINA)


def test_a_pause_on_the_last_day_leaves_the_hours_of_that_day():
    due = CN.add(datetime(2026, 3, 2, 10, tzinfo=CHINA), Limit(2, Unit.WORKING_DAYS))
    left = CN.remaining(datetime(2026, 3, 4, 15, tzinfo=CHINA), due, Unit.WORKING_DAYS)
    assert left == Limit(3, Unit.WORKING_HOURS)
    assert CN.remaining(due, due, Unit.WORKING_DAYS) is None


def test_a_year_without_its_notice_is_not_certain():
    spring, next_spring = datetime(2026, 3, 1, tzinfo=UTC), datetime(2027, 3, 1, tzinfo=UTC)
    assert CN.is_certain(spring, datetime(2026, 12, 31, tzinfo=UTC))
    assert not CN.is_certain(spring, next_spring)
    assert not calendar_for("Europe/Helsinki").is_certain(spring, spring)


def test_hours_are_local_when_the_clocks_change():
    helsinki = calendar_for("Europe/Helsinki")
    friday = datetime(2026, 3, 27, 17, tzinfo=helsinki.zone)  # the clocks go forward on Sunday
    monday = datetime(2026, 3, 30, 10, tzinfo=helsinki.zone)
    assert helsinki.add(friday, Limit(2, Unit.WORKING_HOURS)) == monday
    assert helsinki.elapsed(friday, monday) == timedelta(hours=2)


@pytest.mark.parametrize(
    "limit",
    [
        Limit(0, Unit.WORKING_HOURS),
        Limit(-1, Unit.HOURS),
        Limit(1.5, Unit.WORKING_DAYS),
        Limit(float("nan"), Unit.HOURS),
        Limit(float("inf"), Unit.HOURS),
        Limit(LONGEST.days * 20, Unit.WORKING_HOURS),
        Limit(LONGEST.days, Unit.WORKING_DAYS),
    ],
)
def test_what_is_no_limit_is_refused(limit: Limit):
    with pytest.raises(InvalidError):
        CN.add(datetime(2026, 3, 2, tzinfo=UTC), limit)


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(InvalidError, match="zone"):
        CN.add(datetime(2026, 3, 2), Limit(1, Unit.HOURS))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('["09:00", "12:00"]', '["12:00", "09:00"]', "must follow each other"),
        ('["09:00", "12:00"]', '["nine", "12:00"]', "working hours"),
        ("off = [\n        2025-01-01,", "off = [\n        2026-01-01,", "is no day of 2025"),
        ("2025-01-01,", "2025-01-04,", "without being named"),
        ("zones = []", 'zones = ["UTC"]', "all other zones"),
    ],
)
def test_a_wrong_table_is_named(old: str, new: str, said: str, tmp_path: Path):
    table = DEFAULT_FILE.read_text(encoding="utf-8")
    assert old in table
    file = tmp_path / "calendar.toml"
    file.write_text(table.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InvalidError, match=said):
        calendar_for("Asia/Shanghai", file)
