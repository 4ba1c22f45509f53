"""Counts by area add up to the whole, whoever is told which part."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from api.tally import Tally
from twin.access.scope import EVERYWHERE, HIGHEST_CODE, NOTHING, Scope

CODES = st.lists(st.integers(0, HIGHEST_CODE) | st.integers(0, 5), max_size=30)


def tally(codes: list[int], like: Tally | None = None) -> Tally:
    return Tally.of(np.array(codes, np.int64), np.ones((len(codes), 2), np.int64), like)


@given(CODES, CODES, st.integers(0, HIGHEST_CODE))
def test_parts_add_up_and_nothing_is_counted_twice(first, second, cut) -> None:
    both = tally(first).plus(tally(second))
    low, high = Scope.of([(0, cut)]), Scope.of([(cut + 1, HIGHEST_CODE)] if cut < HIGHEST_CODE else [])
    assert both.within(EVERYWHERE).tolist() == [len(first) + len(second)] * 2
    assert both.within(NOTHING).tolist() == [0, 0]
    assert both.within(low).tolist() == [sum(code <= cut for code in (*first, *second))] * 2
    assert (both.within(low) + both.within(high)).tolist() == both.within(EVERYWHERE).tolist()
    assert (np.diff(both.codes) > 0).all()


def test_the_same_codes_are_kept_once() -> None:
    first = tally([3, 1, 3])
    assert tally([1, 3], like=first).codes is first.codes
    assert tally([1, 2], like=first).codes is not first.codes
