"""Runs of equal keys, as itertools finds them."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from twin.runs import begins_of, lengths_of


@given(st.lists(st.integers(0, 3), max_size=20))
def test_every_run_begins_once_and_they_fill_the_column(keys) -> None:
    lengths = [len(list(group)) for _, group in itertools.groupby(keys)]
    begins = begins_of(np.array(keys, np.int32))
    assert begins.tolist() == [0, *itertools.accumulate(lengths)][: len(lengths)]
    assert lengths_of(begins, len(keys)).tolist() == lengths
