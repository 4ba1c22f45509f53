"""Check the data: gaps, overlaps, orphans, duplicates, doubtful geometry, broken networks, old imports."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, Engine

from twin.quality.cameras import check_cameras
from twin.quality.codes import check_codes
from twin.quality.coverage import check_coverage
from twin.quality.duplicates import check_duplicates
from twin.quality.finding import Example, Finding, Severity
from twin.quality.imports import check_imports
from twin.quality.orphans import check_orphans
from twin.quality.roads import check_roads
from twin.quality.shapes import check_shapes

__all__ = ["CHECKS", "Example", "Finding", "Severity", "run_checks"]

CHECKS: tuple[Callable[[Connection], list[Finding]], ...] = (
    check_coverage,
    check_orphans,
    check_duplicates,
    check_shapes,
    check_roads,
    check_codes,
    check_cameras,
    check_imports,
)
"""Every check, in the order in which they run."""

_ORDER: dict[Severity, int] = {"error": 0, "warning": 1, "info": 2}


def run_checks(engine: Engine) -> list[Finding]:
    """Run every check on one consistent view of the database; an empty list when all is well.

    Errors come first. Nothing is changed: the transaction is read-only.
    """
    with engine.connect() as opened:
        connection = opened.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True, postgresql_deferrable=False
        )
        found = [finding for check in CHECKS for finding in check(connection)]
    return sorted(found, key=lambda finding: _ORDER[finding.severity])
