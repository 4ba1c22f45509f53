"""Take places and times of real incidents, and lay them over the generated district and its day."""

from __future__ import annotations

import csv
import gzip
from datetime import datetime
from pathlib import Path

import numpy as np

from bench.dispatch.day import FIRST_S, LAST_S
from bench.dispatch.district import COLUMNS, GRID_M, ROWS
from twin.dispatch.network.roads import Floats
from twin.errors import SetupError


def real_incidents(file: Path) -> tuple[Floats, Floats]:
    """Return metres in the district (m, 2) and seconds of the day (m,) of the requests that have a place.

    Longitudes and latitudes are stretched to the district's sides, and the time from the first request to the
    last to the hours in which cases come: how they crowd in place and time stays theirs, distances do not.

    Raises
    ------
    SetupError
        The file is not there or holds no requests.
    """
    try:
        with gzip.open(file, "rt", encoding="utf-8", newline="") as opened:
            rows = [row for row in csv.DictReader(opened) if row["latitude"] and row["longitude"]]
    except (OSError, KeyError) as error:
        raise SetupError(
            f"the requests cannot be read: {error}",
            where=str(file),
            hint="take 311 Service Requests of data.cityofnewyork.us as gzipped CSV: --requests FILE",
        ) from None
    if len(rows) < 2:
        raise SetupError("there are no requests with a place", where=str(file))
    lon_lat = np.array([(float(row["longitude"]), float(row["latitude"])) for row in rows])
    moment = np.array([datetime.fromisoformat(row["created_date"]).timestamp() for row in rows])
    xy = _stretched(lon_lat) * (COLUMNS * GRID_M, ROWS * GRID_M)
    return xy, FIRST_S + _stretched(moment) * (LAST_S - FIRST_S)


def _stretched(values: Floats) -> Floats:
    """Return values from 0 to 1, each column by itself."""
    low, high = values.min(axis=0), values.max(axis=0)
    return np.asarray((values - low) / (high - low))
