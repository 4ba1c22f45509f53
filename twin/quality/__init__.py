"""Check the data: gaps, overlaps, orphans, duplicates, doubtful geometry, broken networks, old imports."""

from __future__ import annotations

from sqlalchemy import Engine

from twin.quality.finding import Example, Finding, Severity

__all__ = ["Example", "Finding", "Severity", "run_checks"]


def run_checks(engine: Engine) -> list[Finding]:
    """Run every check on one consistent view of the database; errors first, an empty list when all is well."""
    raise NotImplementedError
