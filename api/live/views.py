"""Keep one object for all equal views, and one count of cells for all who see the same."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from api.live.aggregates import Aggregates
from api.live.audience import Audience
from api.live.cells import MAX_POINT_ROOMS, POINT_ZOOM, cell_resolution
from api.live.ledger import Ledger
from api.live.messages import Look
from api.live.viewer import View

_POINTS: Final = 0


class Views:
    """The views that are looked at now.

    Parameters
    ----------
    ledger
        Whose rooms are looked at.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._views: dict[tuple[object, ...], View] = {}
        self._aggregates: dict[tuple[Audience, int], Aggregates] = {}

    def __len__(self) -> int:
        return len(self._views)

    def find(self, look: Look, audience: Audience) -> View:
        """Return the one object for this look, so that equal looks share their bytes."""
        resolution = _POINTS
        if look.zoom < POINT_ZOOM or self._occupied_rooms(look, audience) > MAX_POINT_ROOMS:
            resolution = cell_resolution(look.zoom)
        # Who looks at rooms shares the view with all, whatever they see of what is in them.
        key = (look.viewport, look.layers, resolution, audience if resolution else None)
        view = self._views.get(key)
        if view is None:
            aggregates = None
            if resolution:
                aggregates = self._aggregates.get((audience, resolution))
                if aggregates is None:
                    aggregates = Aggregates(self._ledger, audience, resolution)
                    self._aggregates[audience, resolution] = aggregates
            view = self._views[key] = View(look.viewport, look.layers, aggregates)
        return view

    def _occupied_rooms(self, look: Look, audience: Audience) -> int:
        touched = self._ledger.rooms.touched(look.viewport)
        if not audience.whole:
            touched &= audience.occupied().reshape(-1, 2).any(axis=1)
        return int(touched.sum())

    def rooms_in(self, view: View, audience: Audience) -> int:
        """Return how many rooms, or cells, of a view hold something that the audience sees."""
        if view.aggregates is not None:
            return view.aggregates.occupied(view.cell_mask(view.aggregates.cells), view.layers)
        keys = view.key_mask(self._ledger.rooms) & audience.occupied()
        return int(keys.reshape(-1, 2).any(axis=1).sum())

    def oldest(self, view: View) -> int:
        """Return the oldest tick from which a view can be told without beginning anew."""
        born = 0 if view.aggregates is None else view.aggregates.born_tick
        return max(self._ledger.horizon, born)

    def recount(self) -> None:
        """Count all cells anew."""
        for aggregates in self._aggregates.values():
            aggregates.recount()

    def forget(self, used: Iterable[View]) -> None:
        """Forget all views but these."""
        kept = {id(view) for view in used}
        self._views = {key: view for key, view in self._views.items() if id(view) in kept}
        counts = {id(view.aggregates) for view in self._views.values()}
        self._aggregates = {key: count for key, count in self._aggregates.items() if id(count) in counts}
