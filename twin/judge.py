"""Sort out observations that cannot be true, and say of each what is wrong with it."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from twin.batch import ObservationBatch, ObserveResult, Refusal, written_time
from twin.catalog import SLOTS
from twin.faults import Fault, Value
from twin.live.board import Board
from twin.live.duties import Duties
from twin.live.fold import Observations
from twin.live.sight import WORKERS
from twin.rules.limits import LimitTable
from twin.store.quarantine import QuarantineWriter, Refused
from twin.store.retention_terms import Terms

FUTURE_S = 600.0
"""A device clock further ahead than this is not believed."""

_US = 1_000_000

_FAULTS = {"unknown_device": "gone", "unknown_property": "not_of_its_kind"}
"""Faults of `data/faults.toml` that are not called as their reason."""


class Judge:
    """Judge batches by what the board knows of each device, its kind's physical range and the clock.

    Parameters
    ----------
    terms
        How old an observation of a kind may be when it comes.
    duties
        When workers are on duty.
    """

    def __init__(
        self,
        board: Board,
        limits: LimitTable,
        quarantine: QuarantineWriter,
        terms: Terms,
        duties: Duties,
    ) -> None:
        self._board = board
        self._limits = limits
        self._duties = duties
        self._quarantine = quarantine
        kinds = board.catalog.by_code
        self._oldest_us = np.zeros(max(kinds) + 1, np.int64)
        for kind in kinds.values():
            self._oldest_us[kind.code] = int(terms.accepted_days(kind) * 86_400 * _US)
        self._least = np.zeros((max(kinds) + 1, SLOTS))
        for kind in kinds.values():
            for observed in kind.properties:
                self._least[kind.code, observed.slot] = observed.least
        self._moves = np.zeros(max(kinds) + 1, np.bool_)
        self._moves[[kind.code for kind in kinds.values() if kind.moves]] = True

    def sort_out(self, batch: ObservationBatch, result: ObserveResult) -> Observations:
        """Return the observations that can be true; the others go into quarantine and are told in ``result``.

        The first reason that holds is given. What the tracker of a worker observed while they were not on
        duty is counted and told, and kept nowhere.
        """
        kind, slot = self._board.kind[batch.row], batch.slot.astype(np.int64)
        # What comes out of the quarantine has aged in it.
        now_us = (
            np.maximum(batch.received_us, time.time_ns() // 1000)
            if batch.kept_elsewhere
            else batch.received_us
        )
        inside = slot < SLOTS
        slot_or_0 = np.where(inside, slot, 0)
        low, high = self._limits.minimum[kind, slot_or_0], self._limits.maximum[kind, slot_or_0]
        going = ~(np.isnan(batch.lon) & np.isnan(batch.lat))
        with np.errstate(invalid="ignore"):
            reasons = (
                ("unknown_device", self._board.device_id[batch.row] == 0),
                ("off_duty", self._off_duty(batch)),  # before all that would keep the reading
                ("unknown_property", inside & np.isnan(low)),
                # What a client declared beyond the slots of the kind has no range, and may be no number.
                ("not_finite", inside & ~np.isfinite(batch.value)),
                ("out_of_range", inside & ~((batch.value >= low) & (batch.value <= high))),
                ("from_the_future", batch.phenomenon_us > batch.received_us + int(FUTURE_S * _US)),
                ("too_old", batch.phenomenon_us < now_us - self._oldest_us[kind]),
                ("does_not_move", going & ~self._moves[kind]),
                ("bad_position", going & ~((np.abs(batch.lon) <= 180.0) & (np.abs(batch.lat) <= 90.0))),
            )
        bad = np.logical_or.reduce([mask for _, mask in reasons])
        if bad.any():
            result.quarantined = int(bad.sum())
            for i in np.flatnonzero(bad).tolist():
                reason = next(name for name, mask in reasons if mask[i])
                if reason == "off_duty":
                    if not batch.kept_elsewhere:
                        self._quarantine.reasons[reason] += 1
                    result.refusals.append(Refusal(i, Fault("off_duty"), None))
                    continue
                refused = self._refused(batch, i, reason)
                written = None if batch.kept_elsewhere else self._quarantine.put(refused)
                result.refusals.append(Refusal(i, refused.fault, written))
        with np.errstate(invalid="ignore"):
            few = inside & (batch.value > 0.0) & (batch.value < self._least[kind, slot_or_0])
        seen = Observations(
            row=batch.row,
            slot=slot,
            time_us=batch.phenomenon_us,
            value=np.where(few, 0.0, batch.value),
            lon=batch.lon,
            lat=batch.lat,
            received_us=batch.received_us,
            detail=batch.detail,
        )
        return seen.only(~bad) if bad.any() else seen

    def _off_duty(self, batch: ObservationBatch) -> NDArray[np.bool_]:
        off: NDArray[np.bool_] = self._board.layer[batch.row] == WORKERS
        carried = np.flatnonzero(off)
        if len(carried):
            ids = self._board.device_id[batch.row[carried]]
            off[carried] = ~self._duties.cover(ids, batch.phenomenon_us[carried])
        return off

    def _refused(self, batch: ObservationBatch, i: int, reason: str) -> Refused:
        row, slot = int(batch.row[i]), int(batch.slot[i])
        kind = self._board.catalog.by_code.get(int(self._board.kind[row]))
        observed = kind.properties[slot] if kind is not None and slot < len(kind.properties) else None
        values: dict[str, Value] = {
            "device": self._board.uid[row][:64],
            "property": observed.name if observed else str(slot),
            "value": f"{float(batch.value[i]):g}",
        }
        if observed is not None:
            values |= {"unit": observed.unit, "low": f"{observed.minimum:g}", "high": f"{observed.maximum:g}"}
        values["skew"] = f"{(int(batch.phenomenon_us[i]) - int(batch.received_us[i])) / _US:+.0f}"
        fault = Fault(_FAULTS.get(reason, reason), values)
        source, place = batch.came_from(i)
        where = f"device {self._board.uid[row]}" + (f", {place}" if place else "")
        return Refused(source, fault, as_reading(self._board, batch, i), where)


def as_reading(board: Board, batch: ObservationBatch, i: int) -> bytes:
    """Write one observation of a batch in the device schema, so that it can be replayed.

    The place of a worker's tracker is left out.
    """
    row, slot = int(batch.row[i]), int(batch.slot[i])
    kind = board.catalog.by_code.get(int(board.kind[row]))
    observed = kind.properties[slot] if kind is not None and slot < len(kind.properties) else None
    value = float(batch.value[i])
    reading: dict[str, Any] = {
        "d": board.uid[row],
        "t": written_time(int(batch.phenomenon_us[i])),
        "p": observed.name if observed else slot,
        "v": value if np.isfinite(value) else str(value),
    }
    if not np.isnan(batch.lon[i]) and board.layer[row] != WORKERS:
        reading |= {"lon": float(batch.lon[i]), "lat": float(batch.lat[i])}
    return msgspec.json.encode(reading)
