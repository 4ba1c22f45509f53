"""Bring rows into the tables in bulk: copy to a staging table, compare by content hash, write what changed.

A thing is known by its dataset and source reference. Same content hash: it is left alone. Another: its row
is updated, and the database trigger keeps the old one. Gone from the file: its row is closed. Back again:
its closed row is opened again, so that a device keeps its number. Areas are different: grids, cases and
figures hang on the polygon an area had, so a changed polygon closes the row and inserts a new one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import shapely
from psycopg import Connection as PsycopgConnection
from sqlalchemy import Connection, text

from ingest.vector.intake import HASH_BYTES, Intake, Row
from ingest.vector.tables import Table
from twin.errors import ConflictError

SHRINK_SHARE_MAX = 0.5
SHRINK_PRESENT_MIN = 50
"""A file that lacks more than this share of what its dataset has is refused, from this many rows on."""


def write_rows(
    connection: Connection, dataset_id: int, table: Table, intake: Intake, *, allow_shrink: bool = False
) -> None:
    """Stage the rows of one table, compare, close, update and insert; counts go to the intake's summary.

    Raises
    ------
    ConflictError
        Most of what the dataset has would be closed, and ``allow_shrink`` is not given.
    """
    rows = intake.rows.get(table.name, [])
    _stage(connection, table, rows)
    run = {"dataset": dataset_id}
    _refuse_invalid(connection, table, intake)
    _match(connection, table, run)
    if table.name == "device":
        _refuse_foreign_uids(connection, intake)
    if table.name == "component":
        _refuse_foreign_codes(connection, intake)
        _number_components(connection)
    if table.name == "area":
        _refuse_taken_codes(connection, intake)
    if not allow_shrink:
        _check_shrinking(connection, table, run, intake)
    _close(connection, table, run, intake)
    _update(connection, table)
    _insert(connection, table, run)
    for label, outcome, n in connection.execute(
        text(f"SELECT label, outcome, count(*) FROM stage_{table.name} GROUP BY 1, 2")
    ):
        counts = intake.summary.target(label)
        # An area whose polygon changed is a new row for the database but an updated area for a person.
        name = "updated" if outcome == "replaced" else outcome
        setattr(counts, name, getattr(counts, name) + n)
    connection.execute(text(f"DROP TABLE stage_{table.name}"))


def _stage(connection: Connection, table: Table, rows: Iterable[Row]) -> None:
    columns = ("source_ref", "content_hash", "tags", "geom", *table.columns)
    derived = [name for name, _ in table.derived]
    connection.execute(
        text(
            f"CREATE TEMP TABLE stage_{table.name} ON COMMIT DROP AS "
            f"SELECT {', '.join((*columns, *derived))} FROM {table.name} WITH NO DATA"
        )
    )
    connection.execute(
        text(
            f"ALTER TABLE stage_{table.name} ADD COLUMN label text, ADD COLUMN target_id bigint, "
            "ADD COLUMN outcome text"
        )
    )
    driver: PsycopgConnection[Any] = connection.connection.driver_connection  # type: ignore[assignment]
    with (
        driver.cursor() as cursor,
        cursor.copy(f"COPY stage_{table.name} ({', '.join(columns)}, label) FROM STDIN") as copy,
    ):
        for row in rows:
            values = [
                json.dumps(value, ensure_ascii=False)
                if name in table.json_columns and value is not None
                else value
                for name, value in ((name, row.values.get(name)) for name in table.columns)
            ]
            copy.write_row(
                (
                    row.ref,
                    row.content_hash(),
                    None if row.tags is None else json.dumps(row.tags, ensure_ascii=False),
                    shapely.to_wkb(shapely.set_srid(row.geom, 4326), hex=True, include_srid=True),
                    *values,
                    row.label,
                )
            )
    if derived:
        sets = ", ".join(f"{name} = {sql}" for name, sql in table.derived)
        connection.execute(text(f"UPDATE stage_{table.name} SET {sets}"))
    connection.execute(text(f"CREATE INDEX ON stage_{table.name} (source_ref)"))
    connection.execute(text(f"ANALYZE stage_{table.name}"))


def _refuse(connection: Connection, table: str, intake: Intake, where: str, reason: str, detail: str) -> None:
    """Delete staged rows that meet a condition and count them as refused; ``detail`` is an SQL expression."""
    for label, ref, why, tags in connection.execute(
        text(f"DELETE FROM stage_{table} s WHERE {where} RETURNING label, source_ref, {detail}, tags")
    ).all():
        intake.refuse_taken(table, label, ref, reason, why, tags)


def _refuse_invalid(connection: Connection, table: Table, intake: Intake) -> None:
    # Shapely and the server may carry different GEOS releases: what the server will not store is refused
    # row by row here, instead of failing the whole file at a constraint.
    _refuse(
        connection,
        table.name,
        intake,
        "NOT ST_IsValid(geom)",
        "invalid_for_database",
        "ST_IsValidReason(geom)",
    )
    if table.name == "area":
        _refuse(connection, table.name, intake, "NOT area_m2 > 0", "no_area", "'it has no area'")


def _match(connection: Connection, table: Table, run: dict[str, Any]) -> None:
    connection.execute(
        text(
            f"""
            UPDATE stage_{table.name} s
            SET target_id = m.id,
                outcome = CASE
                    WHEN m.valid_to IS NULL AND m.content_hash = s.content_hash THEN 'unchanged'
                    WHEN {_replaces(table)} THEN 'replaced'
                    ELSE 'updated' END
            FROM (SELECT DISTINCT ON (source_ref) id, source_ref, content_hash, valid_to
                  FROM {table.name} WHERE dataset_id = :dataset
                  ORDER BY source_ref, valid_to DESC NULLS FIRST) m
            WHERE m.source_ref = s.source_ref
            """
        ),
        run,
    )
    connection.execute(text(f"UPDATE stage_{table.name} SET outcome = 'inserted' WHERE target_id IS NULL"))


def _replaces(table: Table) -> str:
    if not table.versioned_geometry:
        return "false"
    half = f"FROM {HASH_BYTES + 1}"
    return (
        "m.valid_to IS NOT NULL OR "
        f"substring(m.content_hash {half}) IS DISTINCT FROM substring(s.content_hash {half})"
    )


def _check_shrinking(connection: Connection, table: Table, run: dict[str, Any], intake: Intake) -> None:
    # A download that broke off between two blocks is a sound file with half a city in it.
    present, gone = connection.execute(
        text(
            f"""
            SELECT count(*), count(*) FILTER (WHERE NOT t.source_ref = ANY (:kept) AND NOT EXISTS
                (SELECT FROM stage_{table.name} s WHERE s.source_ref = t.source_ref))
            FROM {table.name} t WHERE t.dataset_id = :dataset AND t.valid_to IS NULL
            """
        ),
        run | {"kept": sorted(intake.refused_refs.get(table.name, ()))},
    ).one()
    if present >= SHRINK_PRESENT_MIN and gone > present * SHRINK_SHARE_MAX:
        raise ConflictError(
            f"the file lacks {gone:,} of the {present:,} present rows of {table.name}; it may be cut off",
            where=intake.summary.file_name,
            hint="fetch it again, or say --allow-shrink to close them",
        )


def _close(connection: Connection, table: Table, run: dict[str, Any], intake: Intake) -> None:
    if table.versioned_geometry:
        connection.execute(
            text(
                f"UPDATE {table.name} t SET valid_to = now() FROM stage_{table.name} s "
                "WHERE t.id = s.target_id AND s.outcome = 'replaced' AND t.valid_to IS NULL"
            )
        )
    label = table.label_sql or f"'{table.name}'"
    closed = connection.execute(
        text(
            f"""
            WITH gone AS (
                UPDATE {table.name} t SET valid_to = now()
                WHERE t.dataset_id = :dataset AND t.valid_to IS NULL
                  AND NOT EXISTS (SELECT FROM stage_{table.name} s WHERE s.source_ref = t.source_ref)
                  AND NOT t.source_ref = ANY (:kept)
                RETURNING {label} AS label
            )
            SELECT label, count(*) FROM gone GROUP BY 1
            """
        ),
        run | {"kept": sorted(intake.refused_refs.get(table.name, ()))},
    )
    for name, n in closed.all():
        intake.summary.target(name).closed += n


def _update(connection: Connection, table: Table) -> None:
    names = [*table.columns, "content_hash", "tags", "geom", *(name for name, _ in table.derived)]
    sets = ", ".join(f"{name} = {_new_value(table, name)}" for name in names)
    connection.execute(
        text(
            f"UPDATE {table.name} t SET {sets}, valid_to = NULL FROM stage_{table.name} s "
            "WHERE t.id = s.target_id AND s.outcome = 'updated'"
        )
    )


def _new_value(table: Table, name: str) -> str:
    # A component keeps the provisional code it once got until the file brings an official one.
    return "coalesce(s.code, t.code)" if (table.name, name) == ("component", "code") else f"s.{name}"


def _insert(connection: Connection, table: Table, run: dict[str, Any]) -> None:
    columns = ", ".join(
        (
            "source_ref",
            "content_hash",
            "tags",
            "geom",
            *table.columns,
            *(name for name, _ in table.derived),
        )
    )
    connection.execute(
        text(
            f"INSERT INTO {table.name} (dataset_id, {columns}) SELECT :dataset, {columns} "
            f"FROM stage_{table.name} WHERE outcome IN ('inserted', 'replaced') ORDER BY source_ref"
        ),
        run,
    )


def _refuse_foreign_uids(connection: Connection, intake: Intake) -> None:
    for column, reason in (("uid", "uid_in_use"), ("gb28181_id", "gb28181_id_in_use")):
        _refuse(
            connection,
            "device",
            intake,
            f"EXISTS (SELECT FROM device d WHERE d.{column} = s.{column} "
            "AND d.id IS DISTINCT FROM s.target_id)",
            reason,
            f"'{column} ' || {column} || ' belongs to another device of the twin; give this one another'",
        )


def _refuse_taken_codes(connection: Connection, intake: Intake) -> None:
    _refuse(
        connection,
        "area",
        intake,
        """EXISTS (SELECT FROM area a WHERE a.code = s.code AND a.level = s.level AND a.valid_to IS NULL
           AND a.source_ref <> s.source_ref
           AND NOT EXISTS (SELECT FROM stage_area o WHERE o.source_ref = a.source_ref))""",
        "code_in_use",
        "'area code ' || code || ' belongs to another ' || level || ' of the twin'",
    )


def _refuse_foreign_codes(connection: Connection, intake: Intake) -> None:
    _refuse(
        connection,
        "component",
        intake,
        "EXISTS (SELECT FROM component c WHERE c.code = s.code AND c.id IS DISTINCT FROM s.target_id)",
        "code_in_use",
        "'component code ' || code || ' belongs to another component of the twin'",
    )


def _number_components(connection: Connection) -> None:
    """Give provisional codes: the district's six digits, the class, and the next number, west to east."""
    connection.execute(
        text(
            """
            WITH placed AS (
                SELECT s.source_ref, s.class_code, s.geom, coalesce(
                    (SELECT left(a.code, 6) FROM area a
                     WHERE a.level IN ('district', 'city') AND a.valid_to IS NULL
                       AND ST_Covers(a.geom, s.geom)
                     ORDER BY a.level DESC, a.area_m2 LIMIT 1), '990000') AS district
                FROM stage_component s WHERE s.code IS NULL AND s.outcome = 'inserted'
            ), numbered AS (
                SELECT p.source_ref, p.district || p.class_code AS prefix,
                    row_number() OVER (PARTITION BY p.district, p.class_code
                                       ORDER BY ST_X(p.geom), ST_Y(p.geom) DESC, p.source_ref) AS n
                FROM placed p
            ), used AS (
                SELECT left(code, 11) AS prefix, max(right(code, 6)::int) AS last
                FROM (SELECT code FROM component UNION ALL
                      SELECT code FROM stage_component WHERE code IS NOT NULL) c GROUP BY 1
            )
            UPDATE stage_component s
            SET code = n.prefix || lpad((coalesce(u.last, 0) + n.n)::text, 6, '0')
            FROM numbered n LEFT JOIN used u USING (prefix)
            WHERE n.source_ref = s.source_ref
            """
        )
    )
