"""Make batches for a twin of the present of a test."""

from __future__ import annotations

import time

import numpy as np

from twin.twin import ObservationBatch, Twin

now_us = time.time_ns() // 1000
"""The moment that readings are counted from: see `begin_now`."""


def begin_now(monkeypatch) -> int:
    """Let a test begin now, a long run must not make its devices silent; return its moment."""
    monkeypatch.setitem(globals(), "now_us", time.time_ns() // 1000)
    return now_us


def batch(twin: Twin, *readings: tuple) -> ObservationBatch:
    """Readings (uid, property, seconds from now, value[, lon, lat]) as a batch."""
    board = twin.board
    rows = [board.row_of_uid[r[0]] for r in readings]
    slots = [
        board.catalog.by_code[int(board.kind[row])].property(r[1]).slot
        for row, r in zip(rows, readings, strict=True)
    ]
    place = [r[4:6] if len(r) > 4 else (np.nan, np.nan) for r in readings]
    return ObservationBatch(
        row=np.array(rows, np.int32),
        slot=np.array(slots, np.uint8),
        phenomenon_us=np.array([now_us + int(r[2] * 1e6) for r in readings], np.int64),
        value=np.array([r[3] for r in readings], np.float64),
        lon=np.array([p[0] for p in place], np.float64),
        lat=np.array([p[1] for p in place], np.float64),
        received_us=np.full(len(rows), now_us, np.int64),
        source="test",
    )
