"""Read the labelled traffic series of the Numenta Anomaly Benchmark."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bench.machine import ROOT
from twin.errors import SetupError

DATA: Final = ROOT.parent / "shared" / "data" / "nab_traffic"

HALVES: Final = {
    "a": ("occupancy_t4013", "speed_t4013", "TravelTime_387"),
    "b": ("occupancy_6005", "speed_6005", "speed_7578", "TravelTime_451"),
}
"""Both series of one sensor are in one half, and each half has seven windows."""

Floats = NDArray[np.float64]
Times = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class LabelledSeries:
    """Readings and the windows in which a person saw an anomaly.

    ``time_us`` is what the file's local clock showed, as if it were UTC; ``windows`` has shape (windows, 2).
    """

    name: str
    time_us: Times
    value: Floats
    windows: Times

    @property
    def days(self) -> float:
        """Days from the first reading to the last."""
        return float(self.time_us[-1] - self.time_us[0]) / 86_400e6


def load(folder: Path) -> dict[str, LabelledSeries]:
    """Read the series of both halves.

    Raises
    ------
    SetupError
        The folder does not hold them.
    """
    try:
        labels = json.loads((folder / "combined_windows.json").read_text(encoding="utf-8"))
        return {name: _read(folder, name, labels) for half in HALVES.values() for name in half}
    except OSError as error:
        raise SetupError(
            f"the labelled series cannot be read: {error}",
            where=str(folder),
            hint="take data/realTraffic and labels/combined_windows.json of github.com/numenta/NAB "
            "and give their folder with --series",
        ) from None


def _read(folder: Path, name: str, labels: dict[str, Any]) -> LabelledSeries:
    with (folder / "realTraffic" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    windows = [[_us(end) for end in window] for window in labels[f"realTraffic/{name}.csv"]]
    return LabelledSeries(
        name,
        np.array([_us(row["timestamp"]) for row in rows], np.int64),
        np.array([float(row["value"]) for row in rows]),
        np.array(windows, np.int64),
    )


def _us(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1e6)
