"""Count the areas that cover the ground, and what is wrong between them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, text

from twin.quality.finding import Finding

_LEVELS = ("community", "unit_grid", "responsibility_grid")


@dataclass(frozen=True, slots=True)
class CoverageTotals:
    """How many present areas of each level there are, and the gaps and overlaps among all of them."""

    communities: int
    unit_grids: int
    responsibility_grids: int
    gaps: int
    overlaps: int


def count_coverage(connection: Connection, findings: Iterable[Finding]) -> CoverageTotals:
    """Count areas, and take gaps and overlaps from what the coverage check found on the same view."""
    rows = connection.execute(
        text("SELECT level::text, count(*) FROM area WHERE valid_to IS NULL GROUP BY level")
    )
    areas = {str(level): int(count) for level, count in rows}
    faults = {finding.check: finding.count for finding in findings}
    return CoverageTotals(
        communities=areas.get("community", 0),
        unit_grids=areas.get("unit_grid", 0),
        responsibility_grids=areas.get("responsibility_grid", 0),
        gaps=sum(faults.get(f"{level}_gap", 0) for level in _LEVELS),
        overlaps=sum(faults.get(f"{level}_overlap", 0) for level in _LEVELS),
    )
