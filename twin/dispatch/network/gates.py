"""Say which gates a traveller passes now: by the state of the barrier, the hours, and the keys in hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal, Self

import numpy as np
from numpy.typing import NDArray

from twin.dispatch.gate_kinds import PUBLIC
from twin.dispatch.network.roads import Bools, Floats, Integers
from twin.model.gate import PASSING

Network = Literal["foot", "bike", "car"]

NETWORKS: Final[tuple[Network, ...]] = ("foot", "bike", "car")

NO_WORD: Final = -1
SHUT: Final = 0
OPEN: Final = 1
"""What the barrier of a gate reports; `NO_WORD` where it has none, or none that is to be believed."""

_KEY, _OPEN, _ALWAYS = (PASSING.index(word) for word in ("key", "open", "always"))
_DAY_MIN: Final = 1440


@dataclass(frozen=True, slots=True)
class GateRules:
    """How g gates are passed; each column has shape (g,).

    Attributes
    ----------
    passing
        Numbers of `twin.model.PASSING` on foot, by bicycle, by car, shape (g, 3).
    keys
        Sets of words.
    opens_min, closes_min
        Minutes of the day, local; NaN without hours.
    device_id
        Of the barrier, 0 without one.
    """

    id: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    passing: NDArray[np.int8] = field(default_factory=lambda: np.zeros((0, 3), np.int8))
    keys: NDArray[np.object_] = field(default_factory=lambda: np.zeros(0, object))
    opens_min: Floats = field(default_factory=lambda: np.zeros(0))
    closes_min: Floats = field(default_factory=lambda: np.zeros(0))
    device_id: Integers = field(default_factory=lambda: np.zeros(0, np.int64))

    def __len__(self) -> int:
        return len(self.id)

    def of(self, ids: Integers) -> Self:
        """Return the gates of these numbers, in their order; all of them are there."""
        order = np.argsort(self.id, kind="stable")
        which = order[np.searchsorted(self.id[order], ids)]
        return replace(self, **{name: getattr(self, name)[which] for name in self.__slots__})

    def stand_open(self, minute: float) -> Bools:
        """Say which stand open by their hours at a minute of the day, shape (g,); without hours none does."""
        with np.errstate(invalid="ignore"):
            long_min = (self.closes_min - self.opens_min) % _DAY_MIN
            return np.asarray((minute - self.opens_min) % _DAY_MIN < long_min, np.bool_)


@dataclass(frozen=True, slots=True)
class GateStates:
    """What g gates are at a moment: open by their hours, and what their barriers report; shape (g,) each."""

    by_hours: Bools
    reported: NDArray[np.int8]

    def same_as(self, other: GateStates) -> bool:
        """Say whether nothing is different."""
        return np.array_equal(self.by_hours, other.by_hours) and np.array_equal(self.reported, other.reported)


def passed(rules: GateRules, states: GateStates, network: str, keys: frozenset[str]) -> tuple[Bools, Bools]:
    """Say which gates somebody passes, and of which of these nobody knows how they stand.

    Parameters
    ----------
    network
        One of `NETWORKS`.
    keys
        What the traveller has keys for: the own role, the kind of the own organisation.

    Returns
    -------
    passes, unsure
        Shape (g,) each. What a barrier reports is believed before hours; one that reports to be shut is
        passed with a key in hand only, and a key that everybody has is none. ``unsure`` are gates with a
        barrier that does not report, where it would matter.
    """
    how = rules.passing[:, NETWORKS.index(network)]
    own = _any_of(rules.keys, keys)
    has_key = own | ((states.reported != SHUT) & _any_of(rules.keys, frozenset({PUBLIC})))
    is_open = np.where(states.reported == NO_WORD, states.by_hours, states.reported == OPEN)
    passes = (how == _ALWAYS) | (((how == _OPEN) | (how == _KEY)) & has_key) | ((how == _OPEN) & is_open)
    silent = (rules.device_id > 0) & (states.reported == NO_WORD)
    return passes, silent & (how == _OPEN) & ~own


def _any_of(sets: Sequence[frozenset[str]] | NDArray[np.object_], keys: frozenset[str]) -> Bools:
    return np.fromiter((not keys.isdisjoint(one) for one in sets), np.bool_, len(sets))
