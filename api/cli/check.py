"""Report the quality of the data."""

from __future__ import annotations

import dataclasses
import json
import sys

import typer

from api.cli.options import DatabaseUrl, DataDir, Json, say


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("check")(check)


def check(data_dir: DataDir = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Report gaps, overlaps, orphans, duplicates and doubtful things in the data; 1 when there are errors."""
    from api.database import opened_database  # noqa: PLC0415 (loaded only by the commands that need it)
    from api.settings import read_settings  # noqa: PLC0415
    from twin.quality import run_checks  # noqa: PLC0415

    settings = read_settings(data_dir=data_dir, database_url=database_url)
    with opened_database(settings, say) as engine:
        findings = run_checks(engine)
    errors = sum(1 for finding in findings if finding.severity == "error")
    if as_json:
        answer = {"errors": errors, "findings": [dataclasses.asdict(finding) for finding in findings]}
        sys.stdout.write(json.dumps(answer, ensure_ascii=False, indent=2) + "\n")
    else:
        lines = []
        for finding in findings:
            lines.append(
                f"{finding.severity:<8} {finding.check}: {finding.count} · {finding.message} {finding.hint}"
            )
            lines += [
                f"         {example.subject} {example.detail}".rstrip() for example in finding.examples[:3]
            ]
        lines.append(
            f"{len(findings)} findings, {errors} of them errors" if findings else "nothing to report"
        )
        sys.stdout.write("\n".join(lines) + "\n")
    raise typer.Exit(1 if errors else 0)
