"""Define the numbers of the wall; one file for each thing that is counted."""

from __future__ import annotations

from typing import Final

from api.statistics import alarms, cases, devices, workers
from api.statistics.number import Statistic

STATISTICS: Final[tuple[Statistic, ...]] = (
    devices.ONLINE,
    alarms.OPEN,
    cases.SENSOR_FIRST,
    cases.ON_TIME,
    workers.ON_DUTY,
    cases.OPEN,
    devices.OBSERVATIONS,
)
"""The numbers in the order of the wall."""
