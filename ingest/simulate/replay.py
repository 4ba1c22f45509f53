"""Replay a real hourly series: the same month, day and hour of a recorded year, gaps included."""

from __future__ import annotations

import csv
import gzip
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from twin.errors import FileFormatError

_COLUMNS = ("year", "month", "day", "hour")


class HourlySeries:
    """Hourly values by (month, day, hour) in the recorder's local time, of one year.

    Parameters
    ----------
    values
        By (month, day, hour); an hour that is missing is a gap.
    utc_offset_h
        Offset of the recorder's clock.
    """

    def __init__(self, values: dict[tuple[int, int, int], float], utc_offset_h: float) -> None:
        self._values = values
        self._offset_s = utc_offset_h * 3600.0

    def __len__(self) -> int:
        return len(self._values)

    def at(self, unix_s: float) -> float:
        """Return the value at a time, linear between hours; NaN in a gap."""
        local = unix_s + self._offset_s
        here = math.floor(local / 3600.0)
        a, b = self._hour(here), self._hour(here + 1)
        part = local / 3600.0 - here
        return a + (b - a) * part if not math.isnan(b) else a

    def _hour(self, number: int) -> float:
        at = datetime.fromtimestamp(number * 3600, UTC)
        return self._values.get((at.month, at.day, at.hour), math.nan)


def _opened(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def read_uci_pm25(
    path: Path, *, year: int = 2014, column: str = "PM_US Post", utc_offset_h: float = 8.0
) -> HourlySeries:
    """Read PM2.5 of the UCI data set 394 (five Chinese cities), plain or gzipped CSV.

    Raises
    ------
    FileFormatError
        The file cannot be read, lacks a column, or has no value in that year.
    """
    values: dict[tuple[int, int, int], float] = {}
    try:
        with _opened(path) as stream:
            reader = csv.DictReader(stream)
            missing = [c for c in (*_COLUMNS, column) if c not in (reader.fieldnames or ())]
            if missing:
                raise FileFormatError(
                    f"the column “{missing[0]}” is missing",
                    where=str(path),
                    hint="the file is UCI data set 394, PM2.5 Data of Five Chinese Cities",
                )
            for row in reader:
                if int(row["year"]) != year or row[column] in ("", "NA"):
                    continue
                value = float(row[column])
                # -1 and negative values stand for "not measured" in this data set.
                if math.isfinite(value) and value >= 0.0:
                    values[int(row["month"]), int(row["day"]), int(row["hour"])] = value
    except (OSError, UnicodeDecodeError, ValueError, EOFError) as error:
        if isinstance(error, FileFormatError):
            raise
        raise FileFormatError(f"the series cannot be read: {error}", where=str(path)) from error
    if not values:
        raise FileFormatError(f"there is no value of {year}", where=str(path))
    return HourlySeries(values, utc_offset_h)
