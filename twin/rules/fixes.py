"""Find the fixes of moving things among observations, and leave out those that cannot be true."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

FASTEST_MPS: Final = 60.0
"""Nothing that is followed moves faster; a fix that says so is a jump of the receiver."""

_MOVER: Final = np.dtype(
    [
        ("mover", "<i8"),
        ("us", "<i8", (2,)),
        ("x_m", "<f8", (2,)),
        ("y_m", "<f8", (2,)),
        ("off_m", "<f8", (2,)),
    ]
)
_BELIEVED, _DOUBTED = 0, 1
_NEVER: Final = np.iinfo(np.int64).min

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Fixes:
    """Where movers were, shape (n,) each, in order of mover and then of time, once a mover and time.

    ``mover`` is the number of what moves, ``time_us`` Unix µs, ``x_m`` and ``y_m`` metres in one local frame,
    ``accuracy_m`` how far off the receiver thinks it may be, NaN where it does not say.
    """

    mover: Integers
    time_us: Integers
    x_m: Floats
    y_m: Floats
    accuracy_m: Floats

    def __len__(self) -> int:
        return len(self.mover)

    def only(self, which: Bools | NDArray[np.intp]) -> Fixes:
        """Return those of a mask or of indices."""
        return Fixes(*(getattr(self, f.name)[which] for f in fields(self)))


class Jumps:
    """Remembers where each mover was last, to tell a jump of its receiver from a move.

    A fix that would need more than `FASTEST_MPS` from the last one believed is doubted. It is believed
    after all when the next fix agrees with it and not with the one before: then the thing is really there.
    """

    def __init__(self) -> None:
        self._known = np.zeros(0, _MOVER)

    def believe(self, fixes: Fixes) -> Bools:
        """Say of fixes, at most one a mover, which can be true; what is not newer than the last cannot."""
        known, at = self._known, np.searchsorted(self._known["mover"], fixes.mover)
        new = np.ones(len(fixes), np.bool_)
        inside = at < len(known)
        new[inside] = known["mover"][at[inside]] != fixes.mover[inside]
        if new.any():
            added = np.zeros(int(new.sum()), _MOVER)
            added["mover"], added["us"] = fixes.mover[new], _NEVER
            self._known = known = np.insert(known, at[new], added)
            at = np.searchsorted(known["mover"], fixes.mover)
        off_m = np.nan_to_num(fixes.accuracy_m)
        fresh = fixes.time_us > known["us"][at].max(axis=1)
        reached = [new | self._reaches(at, fixes, off_m, which) for which in (_BELIEVED, _DOUBTED)]
        believed = fresh & (reached[_BELIEVED] | reached[_DOUBTED])
        for which, mask in ((_BELIEVED, believed), (_DOUBTED, fresh & ~believed)):
            into = at[mask]
            for name, column in (("us", fixes.time_us), ("x_m", fixes.x_m), ("y_m", fixes.y_m)):
                known[name][into, which] = column[mask]
            known["off_m"][into, which] = off_m[mask]
        known["us"][at[believed], _DOUBTED] = _NEVER
        return np.asarray(believed)

    def add(self, other: Jumps) -> None:
        """Learn where movers were of which nothing is known here."""
        new = other._known[~np.isin(other._known["mover"], self._known["mover"])]
        self._known = np.sort(np.concatenate([self._known, new]), order="mover")

    def _reaches(self, at: NDArray[np.intp], fixes: Fixes, off_m: Floats, which: int) -> Bools:
        known = self._known[at]
        there = known["us"][:, which] != _NEVER
        elapsed_s = np.where(there, fixes.time_us - known["us"][:, which], 0) * 1e-6
        far_m = np.hypot(fixes.x_m - known["x_m"][:, which], fixes.y_m - known["y_m"][:, which])
        return np.asarray(there & (far_m - off_m - known["off_m"][:, which] <= FASTEST_MPS * elapsed_s))
