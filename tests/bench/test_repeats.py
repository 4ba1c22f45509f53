"""Repeats are counted as documented; real requests where they are."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

import bench
from bench.repeats.judging import _pairs, choose, judge
from bench.repeats.nyc311 import DATA, HALVES, Request, load, with_score
from bench.repeats.planted import crowded, plant
from twin.cases.likeness import Said, likeness, load_terms
from twin.errors import SetupError

AT = datetime(2019, 12, 31, 20, 0, tzinfo=UTC)
M = 1 / 111_195
TERMS = load_terms()


def request(key: str, metres: float, minutes: float, about: str = "", lot: str = "") -> Request:
    said = Said("06010", 0.0, metres * M, AT + timedelta(minutes=minutes), None)
    return Request(key, said, AT + timedelta(days=1), "a", ("rubbish", lot or key), about or key)


def test_links_and_offers_are_counted_by_what_is_known():
    requests = [
        request("first", 0, 0),
        request("again", 2, 5, about="first"),  # linked rightly
        request("same lot", 1, 6, lot="first"),  # linked, left open
        request("beside", 5, 7),  # linked wrongly
        request("beside once more", 5, 8, lot="beside"),  # the same mistake
        request("offered", 50, 9, about="first"),
        request("far", 500, 10, about="first"),  # missed
    ]
    found = judge(requests, TERMS)
    assert (found.requests, found.repeats, found.linked, found.linked_right) == (7, 3, 4, 1)
    assert (found.linked_open, found.linked_again) == (1, 1)
    assert (found.offered, found.offered_right, found.found) == (1, 1, 2)
    told = found.as_json()
    assert (told["precision_linked"], told["precision_linked_strict"]) == (0.5, 0.25)
    assert told["recall_linked"] == 0.333


def test_what_has_ended_is_repeated_no_more():
    ended = replace(request("first", 0, 0), until=AT + timedelta(minutes=1))
    found = judge([ended, request("again", 0, 5, about="first")], TERMS)
    assert (found.repeats, found.linked) == (0, 0)


def test_settings_are_scored_as_the_product_scores():
    requests = [request(str(n), 7.0 * n, 11.0 * n) for n in range(12)]
    pairs = _pairs([requests], TERMS)
    names = ("place", "time", "words", "half_life_h", "related", "scale")
    setting = {name: getattr(TERMS.score, name) for name in names}
    expected = [
        like.score if (like := likeness(one.said, other.said, TERMS)) else -1.0
        for at, one in enumerate(requests)
        for other in requests[:at]
    ]
    # Pairs are those within the widest radius that is tried.
    assert np.allclose(sorted(pairs.scores(setting)), sorted(expected)[-len(pairs.later) :])
    assert len(pairs.later) == len(expected)


def test_planted_repeats_come_while_what_they_repeat_is_open():
    requests = [request(str(n), 300.0 * n, n) for n in range(80)]
    made = plant(requests, TERMS, 1)
    planted = [one for one in made if one.planted]
    assert len(planted) > 20
    assert made == plant(requests, TERMS, 1) != plant(requests, TERMS, 2)
    first = {one.key: one for one in requests}
    for one in planted:
        assert first[one.about].said.at < one.said.at < first[one.about].until
    laid = crowded(requests)
    assert max(one.said.lat for one in laid) < 3_000 * M
    assert laid[13].said.lat == pytest.approx(3_900 % 3_000 * M)


def test_missing_requests_are_named(tmp_path):
    with pytest.raises(SetupError, match="requests cannot be read"):
        load(tmp_path / "none.csv.gz")


@pytest.mark.skipif(not DATA.exists(), reason=f"the real requests are not here: {DATA}")
def test_the_product_has_what_half_b_chose():
    requests, terms = load(DATA)
    of_b = [one for one in requests if one.half == "b"]
    assert {one.half for one in requests} == set(HALVES)
    chosen = choose([plant(crowded(of_b), terms, seed) for seed in range(5)], terms)
    assert {name: round(value, 2) for name, value in chosen.items()} == {
        name: getattr(TERMS.score, name) for name in chosen
    }
    of_a = [one for one in requests if one.half == "a"]
    told = judge(plant(of_a, terms, 0), with_score(terms, **chosen)).as_json()
    assert told["precision_linked"] > 0.9
    assert told["recall_found"] > 0.85
    assert "repeats" in bench.BENCHES
