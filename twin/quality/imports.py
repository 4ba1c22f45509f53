"""Find imports that are old, broke off, or refused things."""

from __future__ import annotations

from sqlalchemy import Connection

from twin.quality.finding import Finding
from twin.quality.reading import findings, select_examples

STALE_DAYS = 30
"""A source that was not imported for so long is not the city of today."""

DATA_STALE_DAYS = 365
"""Data that is itself older than this is told, however lately it was imported."""


def check_imports(connection: Connection) -> list[Finding]:
    """Check the last import of every source; what is derived here is as fresh as what it comes from."""
    last = (
        "SELECT 'dataset ' || d.name AS subject, NULL::float AS lon, NULL::float AS lat, {detail} AS detail"
        " FROM dataset d CROSS JOIN LATERAL (SELECT * FROM import_run r WHERE r.dataset_id = d.id"
        " ORDER BY r.id DESC LIMIT 1) r WHERE d.kind <> 'derived' AND {where} ORDER BY d.name"
    )
    stale = select_examples(
        connection,
        last.format(
            detail="'last imported ' || to_char(r.finished_at, 'YYYY-MM-DD')",
            where=f"r.finished_at < now() - interval '{STALE_DAYS} days'",
        ),
    )
    old = select_examples(
        connection,
        last.format(
            detail="'data of ' || to_char(d.data_date, 'YYYY-MM-DD')",
            where=f"d.data_date < now() - interval '{DATA_STALE_DAYS} days'",
        ),
    )
    broken = select_examples(
        connection,
        last.format(
            detail="r.file_name || ', begun ' || to_char(r.started_at, 'YYYY-MM-DD HH24:MI')",
            where="r.finished_at IS NULL AND r.started_at < now() - interval '1 hour'",
        ),
    )
    refused = select_examples(
        connection,
        last.format(
            detail="(SELECT count(*) || ' things, most often: ' || mode() WITHIN GROUP (ORDER BY j.reason)"
            " FROM import_reject j WHERE j.run_id = r.id)",
            where="EXISTS (SELECT FROM import_reject j WHERE j.run_id = r.id)",
        ),
    )
    return [
        *findings(
            "import_stale",
            "warning",
            stale,
            message=f"{{n}} sources were not imported for {STALE_DAYS} days",
            hint="fetch a newer file and run gridtwin import",
        ),
        *findings(
            "data_stale",
            "info",
            old,
            message=f"{{n}} sources hold data that is more than {DATA_STALE_DAYS} days old",
            hint="ask the keeper of the source for a newer edition",
        ),
        *findings(
            "import_unfinished",
            "error",
            broken,
            message="{n} sources have an import that never finished",
            hint="run the import again; what broke off has changed nothing",
        ),
        *findings(
            "import_refused",
            "warning",
            refused,
            message="{n} sources have things that their last import refused",
            hint="see the reasons in the import's summary, mend the source, import again",
        ),
    ]
