"""Say why readings were not found on the board, each in words only when it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

import msgspec
import numpy as np
from numpy.typing import NDArray

from ingest.decoders.readings import Readings, RefusedReading, place_of
from twin.batch import written_time
from twin.catalog import DeviceKind
from twin.faults import Fault

_NOT_INSTALLED, _OUTSIDE, _NO_SUCH_PROPERTY, _ANOTHER_UNIT = range(4)


@dataclass(frozen=True, slots=True, eq=False)
class Unresolved(Sequence[tuple[int, RefusedReading]]):
    """Readings that name no known device, property or unit: index among the readings, and what is wrong.

    A gateway can send hundreds of thousands of them a second: saying one in words takes as long as storing a
    hundred good ones.

    Parameters
    ----------
    which
        Where they stand among the readings, ascending, shape (k,).
    reason
        What is wrong with each, shape (k,); equal numbers are the same reason.
    kind
        Kind of the device, by code, shape (k,); of no meaning where the device is not known.
    """

    readings: Readings
    which: NDArray[np.intp]
    reason: NDArray[np.uint8]
    kind: NDArray[np.integer]
    kinds: dict[int, DeviceKind]

    @classmethod
    def of(
        cls,
        readings: Readings,
        which: NDArray[np.intp],
        row: NDArray[np.int32],
        slot: NDArray[np.int8],
        foreign: NDArray[np.bool_] | None,
        kind: NDArray[np.integer],
        kinds: dict[int, DeviceKind],
    ) -> Unresolved:
        """Take those at these places out of columns of all, shape (n,) each."""
        reason = np.where(slot[which] < 0, _NO_SUCH_PROPERTY, _ANOTHER_UNIT)
        if foreign is not None:
            reason[foreign[which]] = _OUTSIDE
        reason[row[which] < 0] = _NOT_INSTALLED
        return cls(readings, which, reason.astype(np.uint8), kind[which], kinds)

    def __len__(self) -> int:
        return len(self.which)

    @overload
    def __getitem__(self, at: int) -> tuple[int, RefusedReading]: ...
    @overload
    def __getitem__(self, at: slice) -> list[tuple[int, RefusedReading]]: ...
    def __getitem__(self, at: int | slice) -> tuple[int, RefusedReading] | list[tuple[int, RefusedReading]]:
        if isinstance(at, slice):
            return [self[one] for one in range(*at.indices(len(self)))]
        i = int(self.which[at])
        return i, self._said(i, int(self.reason[at]), int(self.kind[at]))

    def _said(self, i: int, reason: int, kind_code: int) -> RefusedReading:
        readings = self.readings
        uid, name, unit = readings.uid[i], readings.name[i], readings.unit[i]
        reading = {
            "d": uid,
            "t": written_time(readings.time_us[i]),
            "p": name,
            "v": readings.value[i],
            "u": unit or None,
        }
        if reason == _NOT_INSTALLED:
            fault = Fault("not_installed", {"device": uid[:64]})
        elif reason == _OUTSIDE:
            fault = Fault("outside_the_area", {"device": uid[:64]})
        elif reason == _NO_SUCH_PROPERTY:
            kind = self.kinds[kind_code]
            known = ", ".join(p.name for p in kind.properties)
            fault = Fault("no_such_property", {"kind": kind.name, "property": name[:64], "known": known})
        else:
            kind = self.kinds[kind_code]
            (wanted,) = (p.unit for p in kind.properties if p.name == name)
            values = {"kind": kind.name, "property": name, "wanted": wanted, "unit": unit[:32]}
            fault = Fault("another_unit", values)
        return RefusedReading(fault, msgspec.json.encode(reading), place_of(uid, readings.index[i]))
