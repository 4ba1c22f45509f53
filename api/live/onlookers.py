"""Know who looks at which room, and who of them sees all that is in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from api.live.audience import Audience
from api.live.ledger import Keys, Ledger
from api.live.parcels import Parcels
from api.live.viewer import View, Viewer

Numbers = NDArray[np.intp]


class Lookers:
    """For each key the onlookers that look at it, one list behind the other.

    Parameters
    ----------
    looked
        The keys of each onlooker.
    keys
        How many keys there are.
    """

    def __init__(self, looked: Sequence[Keys], keys: int) -> None:
        lengths = [len(mine) for mine in looked]
        all_keys = np.concatenate([np.empty(0, np.int32), *looked])
        # In as few bytes as do, for small numbers are sorted faster.
        owners = np.repeat(np.arange(len(looked), dtype=np.min_scalar_type(len(looked))), lengths)
        self._owners = owners[np.argsort(all_keys, kind="stable")]
        self._ends = np.cumsum(np.bincount(all_keys, minlength=keys))
        self.any = np.diff(self._ends, prepend=0) > 0
        """For each key, whether anybody looks at it."""

    def of(self, keys: Keys) -> tuple[Numbers, Numbers]:
        """Return who looks at n keys: pairs of the place in ``keys`` and an onlooker, shape (m,) each."""
        ends = self._ends[keys]
        counts = ends - np.where(keys > 0, self._ends[keys - 1], 0)
        which = np.repeat(np.arange(len(keys)), counts)
        return which, self._owners[np.repeat(ends - np.cumsum(counts), counts) + np.arange(len(which))]


class Onlookers:
    """Viewers of points by what they look at: an onlooker is all who see and look at the same.

    At the border of scopes rooms are cut into *bands*, parcels that the same audiences see: a block of a room
    and a band is made once for all who see it, however many scopes there are.

    Parameters
    ----------
    ledger
        Whose rooms are looked at.
    parcels
        Of the same ledger.
    """

    def __init__(self, ledger: Ledger, parcels: Parcels) -> None:
        self._ledger = ledger
        self._parcels = parcels
        self._state: tuple[int, ...] = ()
        self._cuts: dict[tuple[Audience, View], tuple[Keys, Keys]] = {}
        self._number: dict[tuple[Audience, View], int] = {}
        self._divided: tuple[object, ...] = ()
        self.full = Lookers((), 0)
        """Who sees all that is in a room."""
        self.border = Lookers((), 0)
        """Who may see a part of it."""
        self.band: NDArray[np.intp] = np.empty(0, np.intp)
        """The band of each parcel."""
        self.sees: NDArray[np.bool_] = np.empty((0, 0), np.bool_)
        """For each audience with a border, by `audience_of`, and each band whether it is seen."""
        self.audience_of: Numbers = np.empty(0, np.intp)

    def __len__(self) -> int:
        return len(self.audience_of)

    def number(self, viewer: Viewer) -> int:
        """Return which onlooker a viewer of points is."""
        assert viewer.view is not None
        return self._number[viewer.audience, viewer.view]

    def arrange(self, viewers: Iterable[Viewer]) -> None:
        """Sort viewers anew if they, what they look at or what they see of it is another."""
        pairs = dict.fromkeys(
            (viewer.audience, viewer.view)
            for viewer in viewers
            if viewer.view is not None and viewer.view.aggregates is None
        )
        keys = len(self._ledger.key_tick)
        state: tuple[int, ...] = (keys,)
        if any(not audience.whole for audience, _ in pairs):
            state = (keys, self._ledger.layout, self._parcels.refresh())
        if state == self._state and pairs.keys() == self._cuts.keys():
            return
        known = self._cuts if state == self._state else {}
        self._state = state
        self._cuts = {pair: known.get(pair) or self._cut(*pair) for pair in pairs}
        numbers: dict[tuple[object, ...], int] = {}
        self._number = {
            (audience, view): numbers.setdefault((audience, *view.signature), len(numbers))
            for audience, view in self._cuts
        }
        looked = {self._number[pair]: (pair[0], *cut) for pair, cut in self._cuts.items()}
        self.full = Lookers([full for _, full, _ in looked.values()], keys)
        self.border = Lookers([border for _, _, border in looked.values()], keys)
        cut_off = dict.fromkeys(audience for audience, _, border in looked.values() if len(border))
        place = {audience: place for place, audience in enumerate(cut_off)}
        self.audience_of = np.array([place.get(audience, 0) for audience, _, _ in looked.values()], np.intp)
        self._divide(tuple(cut_off))

    def _cut(self, audience: Audience, view: View) -> tuple[Keys, Keys]:
        return audience.cut(view.key_mask(self._ledger.rooms))

    def _divide(self, audiences: tuple[Audience, ...]) -> None:
        """Find the bands of these audiences."""
        divided = (audiences, self._parcels.version)
        if not audiences or divided == self._divided:
            return
        self._divided = divided
        seen = np.array([audience.parcels() for audience in audiences])
        columns = np.ascontiguousarray(np.packbits(seen, axis=0).T)
        alike = columns.view(np.dtype((np.void, columns.shape[1]))).ravel()
        _, first, self.band = np.unique(alike, return_index=True, return_inverse=True)
        self.sees = seen[:, first]
