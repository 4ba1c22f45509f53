"""Tell the areas an account may see as ranges of area codes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twin.errors import InvalidError

CODE_DIGITS: Final = 15
HIGHEST_CODE: Final = 10**CODE_DIGITS - 1

WHOLE_CODE: Final = "0" * CODE_DIGITS
"""Stands for the whole installation where the code of an area is asked for, with the level ``whole``."""

_DIGITS_OF_LEVEL: Final = {
    "whole": 0,
    "city": 4,
    "district": 6,
    "street": 9,
    "community": 12,
    "responsibility_grid": 15,
    "unit_grid": 15,
}
"""How many digits of a 15-digit code say which area of a level it is; the rest say what lies inside."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Area codes one may see, as inclusive ranges that are sorted and do not touch.

    Make it with `Scope.of` or `Scope.of_area`; a row is in it when its ``scope_code`` is in a range.
    """

    ranges: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, ranges: Iterable[tuple[int, int]]) -> Scope:
        """Join ranges that overlap or touch.

        Raises
        ------
        InvalidError
            A range ends before it begins, or leaves the 15 digits.
        """
        joined: list[tuple[int, int]] = []
        for low, high in sorted(ranges):
            if not 0 <= low <= high <= HIGHEST_CODE:
                raise InvalidError(f"{low} to {high} is no range of area codes", hint="codes have 15 digits")
            if joined and low <= joined[-1][1] + 1:
                joined[-1] = joined[-1][0], max(joined[-1][1], high)
            else:
                joined.append((low, high))
        return cls(tuple(joined))

    @classmethod
    def of_area(cls, code: str, level: str) -> Scope:
        """Return an area and everything below it.

        Parameters
        ----------
        code
            Its 15 digits; not checked against the table of areas.
        level
            One of `twin.model.LEVELS`.

        Raises
        ------
        InvalidError
            Not 15 digits, or no such level.
        """
        digits = _DIGITS_OF_LEVEL.get(level)
        if digits is None:
            raise InvalidError(
                f"“{level}” is no level of area", hint=f"levels: {', '.join(_DIGITS_OF_LEVEL)}"
            )
        if len(code) != CODE_DIGITS or not code.isascii() or not code.isdigit():
            raise InvalidError(f"“{code}” is not an area code", hint="it has 15 digits and nothing else")
        head = code[:digits]
        rest = CODE_DIGITS - digits
        return cls(((int(head + "0" * rest), int(head + "9" * rest)),))

    @property
    def whole(self) -> bool:
        """Whether everything is in it, what lies in no area included."""
        return self.ranges == EVERYWHERE.ranges

    @property
    def multirange(self) -> str:
        """The scope as text of PostgreSQL's type ``int8multirange``."""
        return "{" + ",".join(f"[{low},{high}]" for low, high in self.ranges) + "}"

    def __bool__(self) -> bool:
        return bool(self.ranges)

    def __or__(self, other: Scope) -> Scope:
        return Scope.of((*self.ranges, *other.ranges))

    def __and__(self, other: Scope) -> Scope:
        return Scope.of(
            (max(a, c), min(b, d)) for a, b in self.ranges for c, d in other.ranges if max(a, c) <= min(b, d)
        )

    def __contains__(self, code: int) -> bool:
        return any(low <= code <= high for low, high in self.ranges)

    def contains(self, codes: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Say for each of n codes, shape (n,), whether it is in the scope."""
        if self.whole:
            return np.ones(len(codes), np.bool_)
        inside = np.zeros(len(codes), np.bool_)
        for low, high in self.ranges:
            inside |= (codes >= low) & (codes <= high)
        return inside

    def covers(self, other: Scope) -> bool:
        """Say whether everything of another scope is in this one."""
        return (self & other) == other


NOTHING: Final = Scope()
EVERYWHERE: Final = Scope(((0, HIGHEST_CODE),))
