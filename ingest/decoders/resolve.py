"""Look readings up on the board: which row, which slot, converted to the declared unit."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ingest.decoders.readings import Readings
from ingest.decoders.unresolved import Unresolved
from twin.batch import ObservationBatch
from twin.catalog import SLOTS, Catalog
from twin.live.board import Board
from twin.units import conversion, known_units

_NOBODY = itertools.repeat(-1)  # what a look-up gives for a name that is not known


class Resolver:
    """Turn columns of names into columns of numbers, all readings of many messages at once."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._catalog: Catalog = board.catalog
        kinds = max(self._catalog.by_code) + 1
        names = sorted({p.name for k in self._catalog.by_code.values() for p in k.properties})
        declared = {p.unit for k in self._catalog.by_code.values() for p in k.properties}
        units = ["", *sorted(declared | set(known_units()))]
        self._name = {name: i for i, name in enumerate(names)}
        self._unit = {unit: i for i, unit in enumerate(units)}
        # One row more than there are names: index -1, a name nobody knows, finds no slot and no factor.
        self._slot = np.full((len(names) + 1, kinds), -1, np.int8)
        self._factor = np.full((len(units) + 1, kinds, SLOTS), np.nan)
        self._offset = np.zeros((len(units) + 1, kinds, SLOTS))
        for kind in self._catalog.by_code.values():
            for observed in kind.properties:
                self._slot[self._name[observed.name], kind.code] = observed.slot
                for unit in units:
                    fits = conversion(unit or observed.unit, observed.unit)
                    if fits is not None:
                        at = self._unit[unit], kind.code, observed.slot
                        self._factor[at], self._offset[at] = fits

    def resolve(
        self,
        readings: Readings,
        received_us: int,
        trace: Callable[[int], tuple[str, str]] | None = None,
        limits: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
    ) -> tuple[ObservationBatch, NDArray[np.intp], Unresolved]:
        """Look n readings up.

        Parameters
        ----------
        readings
            As they were decoded.
        received_us
            When they came, Unix µs.
        trace
            Gives source and place in its message of each of the n readings, for the quarantine.
        limits
            Lowest and highest area code a device may lie in of whom a reading speaks, shape (n,) each: where
            its sender may report. None where that is everywhere.

        Returns
        -------
        batch
            Those m that name a known device, property and unit, values in the declared unit.
        kept
            Their indices among the n, shape (m,).
        refused
            The others, and why.
        """
        n = len(readings)
        rows = self._board.row_of_uid
        row = np.fromiter(map(rows.get, readings.uid, _NOBODY), np.int32, n)
        name = np.fromiter(map(self._name.get, readings.name, _NOBODY), np.int32, n)
        value = np.array(readings.value, np.float64)
        kind = self._board.kind[row]
        slot = self._slot[name, kind]
        ok = (row >= 0) & (slot >= 0)
        foreign = None
        if limits is not None:
            code = self._board.scope_code[row]
            foreign = (row >= 0) & ((code < limits[0]) | (code > limits[1]))
            ok &= ~foreign
        if any(readings.unit):
            unit = np.fromiter(map(self._unit.get, readings.unit, _NOBODY), np.int32, n)
            factor, offset = self._factor[unit, kind, slot], self._offset[unit, kind, slot]
            ok &= ~np.isnan(factor)
            converted = (factor != 1.0) | (offset != 0.0)  # a kelvin is as large as a degree Celsius
            value[converted] = (value * factor + offset)[converted]
        kept = np.flatnonzero(ok)
        refused = Unresolved.of(
            readings, np.flatnonzero(~ok), row, slot, foreign, kind, dict(self._catalog.by_code)
        )
        row, slot, value = row[kept], slot[kept], value[kept]
        time_us = np.array(readings.time_us, np.int64)[kept]
        batch = ObservationBatch(
            row=row,
            slot=slot.astype(np.uint8),
            phenomenon_us=time_us,
            value=value,
            lon=np.array(readings.lon, np.float64)[kept],
            lat=np.array(readings.lat, np.float64)[kept],
            received_us=np.full(len(row), received_us, np.int64),
            origin=kept,
            trace=trace,
        )
        return batch, kept, refused
