"""Count by where things lie, so that each caller can be told the count of what they may see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.access.scope import Scope


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts by area code: ``codes`` ascending, shape (n,); ``counts`` has a row for each, shape (n, k)."""

    codes: NDArray[np.int64]
    counts: NDArray[np.uint32]

    @classmethod
    def of(cls, codes: NDArray[np.int64], counts: NDArray[np.integer], like: Tally | None = None) -> Tally:
        """Sum counts, shape (m, k), by their codes, shape (m,).

        Parameters
        ----------
        like
            Where its codes are the same they are shared: thousands of tallies then keep them once.
        """
        unique, place = np.unique(codes, return_inverse=True)
        summed = np.stack(
            [np.bincount(place, column, len(unique)).astype(np.uint32) for column in counts.T], axis=1
        )
        if like is not None and np.array_equal(unique, like.codes):
            unique = like.codes
        return cls(unique, summed)

    def plus(self, other: Tally, like: Tally | None = None) -> Tally:
        """Return both together."""
        return Tally.of(
            np.concatenate([self.codes, other.codes]), np.concatenate([self.counts, other.counts]), like
        )

    def within(self, scope: Scope) -> NDArray[np.int64]:
        """Return the counts of what lies in a scope, shape (k,)."""
        counted = np.zeros(self.counts.shape[1], np.int64)
        for low, high in scope.ranges:  # the codes ascend: each range is a slice
            begin, end = np.searchsorted(self.codes, (low, high + 1))
            counted += self.counts[begin:end].sum(axis=0, dtype=np.int64)
        return counted
