"""Report the quality of the data."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import typer

from api.cli.answering import answer, say
from api.cli.options import DatabaseUrl, DataDir, Json

if TYPE_CHECKING:
    from twin.quality import Example, Report

_EXAMPLES_SHOWN = 3


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("check")(check)


def check(data_dir: DataDir = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Report gaps, overlaps, orphans, duplicates and doubtful things in the data; 1 when there are errors."""
    from api.database import opened_database  # noqa: PLC0415 (loaded only by the commands that need it)
    from api.settings import read_settings  # noqa: PLC0415
    from twin.quality import report_quality  # noqa: PLC0415

    settings = read_settings(data_dir=data_dir, database_url=database_url)
    with opened_database(settings, say, create=False) as engine:
        report = report_quality(engine)
    errors = sum(1 for finding in report.findings if finding.severity == "error")
    content = {"errors": errors, **dataclasses.asdict(report)}
    answer(content, "\n".join(_lines(report, errors)), as_json, indent=2)
    if not report.coverage.communities:
        say("there is no city in this database: is it the right --data-dir? · gridtwin up loads one")
    raise typer.Exit(1 if errors else 0)


def _lines(report: Report, errors: int) -> list[str]:
    """Write the report for a person: findings with their first places, the coverage, the sum."""
    lines = []
    for finding in report.findings:
        lines.append(
            f"{finding.severity:<8} {finding.check}: {finding.count} · {finding.message} · {finding.hint}"
        )
        lines += [f"         {_place(example)}" for example in finding.examples[:_EXAMPLES_SHOWN]]
    totals = report.coverage
    lines.append(
        f"coverage: {totals.unit_grids:,} unit grids, {totals.responsibility_grids:,} responsibility grids, "
        f"{totals.communities:,} communities · {totals.gaps:,} gaps, {totals.overlaps:,} overlaps"
    )
    streets = report.streets
    lines.append(
        f"streets: {streets.metres:,.0f} m on foot, {streets.share_main:.1%} of it in one part, "
        f"{len(streets.islands):,} islands, {len(streets.joints):,} joints · "
        f"{streets.entrances:,} entrances, {len(streets.entrances_off):,} off the streets · "
        f"{streets.gates:,} gates, {len(streets.gates_off):,} on no road · --json lists each"
    )
    lines.append(
        f"{len(report.findings)} findings, {errors} of them errors" if report.findings else "no findings"
    )
    return lines


def _place(example: Example) -> str:
    at = "" if example.lon is None or example.lat is None else f"at {example.lon:.6f}, {example.lat:.6f}"
    return " ".join(part for part in (example.subject, at, example.detail) if part)
