"""List the tables that can be taken out."""

from __future__ import annotations

from typing import Final

from api.exports.components import COMPONENTS
from api.exports.places import AREAS, BUILDINGS, DEVICES, READINGS
from api.exports.table import Table
from api.exports.work import ALARMS, CASES, WORKERS

TABLES: Final[tuple[Table, ...]] = (DEVICES, READINGS, BUILDINGS, AREAS, COMPONENTS, ALARMS, CASES, WORKERS)
