from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from api.photographs.claims import CaseFacts, Claim, check_of, claim_of_file, claim_of_sender, judge
from twin.crs import wgs84_to_gcj02
from twin.errors import InvalidError
from twin.model.photograph import Moment

SHANGHAI = ZoneInfo("Asia/Shanghai")
PLACE = 104.06, 30.66
OPENED = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)
NOW = OPENED + timedelta(hours=3)


CASE = CaseFacts(PLACE, OPENED)


def flags(
    of_file: Claim, of_sender: Claim | None = None, case: CaseFacts = CASE, moment: Moment = "before"
) -> tuple[str, ...]:
    return judge(of_file, of_sender or Claim(), case, moment=moment, now=NOW).flags


def test_a_photograph_at_the_place_and_time_of_its_case_has_no_flag():
    assert flags(Claim(NOW, PLACE)) == ()
    assert flags(Claim(), Claim(NOW, PLACE)) == ()
    assert flags(Claim(OPENED - timedelta(hours=23), PLACE), Claim()) == ()


@pytest.mark.parametrize(
    ("of_file", "of_sender", "wanted"),
    [
        (Claim(), Claim(), ("no_place", "no_time")),
        (Claim(NOW, (104.06, 30.6625)), Claim(), ("far_away",)),
        (Claim(NOW, PLACE), Claim(NOW, (104.0, 30.66)), ("far_away", "claims_differ")),
        (Claim(NOW + timedelta(minutes=6), PLACE), Claim(), ("in_the_future",)),
        (Claim(OPENED - timedelta(hours=25), PLACE), Claim(), ("long_before_case",)),
        (Claim(NOW, PLACE), Claim(NOW - timedelta(minutes=11), PLACE), ("claims_differ",)),
    ],
)
def test_what_does_not_fit_is_flagged(of_file, of_sender, wanted):
    assert flags(of_file, of_sender) == wanted


def test_a_place_in_the_shifted_frame_is_told_as_such():
    shifted = tuple(float(x[0]) for x in wgs84_to_gcj02(*(np.array([x]) for x in PLACE)))
    found = judge(Claim(NOW, shifted), Claim(), CASE, moment="before", now=NOW)
    assert 300 < found.distance_m < 700
    assert found.flags == ("far_away", "perhaps_gcj02")
    assert check_of(found.flags) == ("perhaps_gcj02", "match")


SENT = CaseFacts(PLACE, OPENED, OPENED + timedelta(hours=1))
ENDED = CaseFacts(PLACE, OPENED, OPENED + timedelta(hours=1), OPENED + timedelta(hours=2))


@pytest.mark.parametrize(
    ("moment", "hours", "case", "wanted"),
    [
        ("after", 0.5, SENT, ("before_dispatch",)),
        ("after", 1.5, SENT, ()),
        ("after", 0.95, SENT, ()),  # the clock of the phone may be behind
        ("after", 0.5, CASE, ("before_dispatch",)),
        ("before", 0.5, SENT, ()),
        ("after", 2.5, ENDED, ("after_closing",)),
        ("evidence", 2.05, ENDED, ()),
    ],
)
def test_a_time_that_does_not_fit_the_work_is_flagged(moment, hours, case, wanted):
    at = OPENED + timedelta(hours=hours)
    assert flags(Claim(at, PLACE), case=case, moment=moment) == wanted
    assert check_of(wanted)[1] == ("wrong" if wanted else "match")


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ((), ("match", "match")),
        (("no_place", "no_time"), ("unknown", "unknown")),
        (("far_away", "in_the_future"), ("far", "wrong")),
        (("no_place", "long_before_case"), ("unknown", "wrong")),
        (("claims_differ",), ("match", "match")),
    ],
)
def test_flags_are_said_in_a_word(told, wanted):
    assert check_of(told) == wanted


def test_distance_is_of_whoever_claims_to_be_farthest():
    verdict = judge(Claim(None, PLACE), Claim(None, (104.06, 30.661)), CASE, moment="before", now=NOW)
    assert verdict.distance_m == pytest.approx(111.2, abs=0.1)


@pytest.mark.parametrize(
    ("local", "offset", "wanted"),
    [
        ("2026:11:20 09:30:00", "+08:00", datetime(2026, 11, 20, 1, 30, tzinfo=UTC)),
        ("2026:11:20 09:30:00", "+02:00", datetime(2026, 11, 20, 7, 30, tzinfo=UTC)),
        ("2026:11:20 09:30:00", None, datetime(2026, 11, 20, 1, 30, tzinfo=UTC)),
        ("2026:11:20 09:30:00", "rubbish", None),
        ("0000:00:00 00:00:00", None, None),
        ("1970:01:01 00:00:00", None, None),
        ("0001:01:01 00:00:00", "+14:00", None),
        (None, None, None),
        (7, [], None),
    ],
)
def test_time_of_a_file_is_read_by_its_offset_or_else_by_the_zone_of_the_case(local, offset, wanted):
    assert claim_of_file({"local_time": local, "offset": offset}, SHANGHAI).at == wanted


@pytest.mark.parametrize(
    ("lon", "lat", "wanted"),
    [
        (104.06, 30.66, PLACE),
        (0.0, 30.66, (0.0, 30.66)),
        (0.0, 0.0, None),
        (float("nan"), 30.0, None),
        (181.0, 30.0, None),
        (104.0, -91.0, None),
        (None, 30.0, None),
        ("104", "30", None),
    ],
)
def test_place_of_a_file_is_taken_only_when_it_can_be_one(lon, lat, wanted):
    assert claim_of_file({"lon": lon, "lat": lat}, SHANGHAI).place == wanted


def test_half_a_claim_of_the_sender_is_refused():
    with pytest.raises(InvalidError, match="lon and lat"):
        claim_of_sender(None, 104.0, None)
    with pytest.raises(InvalidError, match="offset"):
        claim_of_sender(datetime(2026, 11, 20), None, None)  # noqa: DTZ001 (that is the case)
