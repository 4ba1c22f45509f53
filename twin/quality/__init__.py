"""Check the data: gaps, overlaps, orphans, duplicates, doubtful geometry, broken networks, old imports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, Engine

from twin.quality.cameras import check_cameras
from twin.quality.codes import check_codes
from twin.quality.components import check_components
from twin.quality.coverage import check_coverage
from twin.quality.duplicates import check_duplicates
from twin.quality.finding import Example, Finding, Severity
from twin.quality.imports import check_imports
from twin.quality.networks import check_networks
from twin.quality.orphans import check_orphans
from twin.quality.shapes import check_shapes
from twin.quality.streets import Streets, street_findings, survey_streets
from twin.quality.totals import CoverageTotals, count_coverage

__all__ = [
    "CHECKS",
    "CoverageTotals",
    "Example",
    "Finding",
    "Report",
    "Severity",
    "report_quality",
    "run_checks",
]

CHECKS: tuple[Callable[[Connection], list[Finding]], ...] = (
    check_coverage,
    check_orphans,
    check_duplicates,
    check_shapes,
    check_codes,
    check_cameras,
    check_components,
    check_networks,
    check_imports,
)
"""Every check, in the order in which they run; that of the streets comes after them."""

_ORDER: dict[Severity, int] = {"error": 0, "warning": 1, "info": 2}


@dataclass(frozen=True, slots=True)
class Report:
    """What all checks found, errors first, the totals they stand against, and how streets hang together."""

    findings: list[Finding]
    coverage: CoverageTotals
    streets: Streets


def report_quality(engine: Engine) -> Report:
    """Run every check and count what was checked, on one consistent view of the database.

    Nothing is changed: the transaction is read-only.
    """
    with engine.connect() as opened:
        connection = opened.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True, postgresql_deferrable=False
        )
        found = [finding for check in CHECKS for finding in check(connection)]
        streets = survey_streets(connection)
        found += street_findings(streets)
        coverage = count_coverage(connection, found)
    return Report(sorted(found, key=lambda finding: _ORDER[finding.severity]), coverage, streets)


def run_checks(engine: Engine) -> list[Finding]:
    """Run every check; an empty list when all is well, else errors first (see `report_quality`)."""
    return report_quality(engine).findings
