"""Take a table out: count it, put the act on the record, and only then send the file."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from api.access.caller import Caller
from api.exports.body import MEDIA_TYPES, CsvBody, Form, GeoJsonBody
from api.exports.desk import STATEMENT_S
from api.exports.download import Download
from api.exports.mark import Mark, areas_of
from api.exports.table import Table, View
from api.exports.words import Language
from twin.access.record import Entry, write
from twin.access.roles import Act
from twin.access.scope import Scope
from twin.errors import InvalidError, UnavailableError
from twin.store.scoped import set_scope

AT_ONCE: Final = 200
"""Rows that are read and written together; so many take a few milliseconds, in a thread of their own."""

_TIMED_OUT: Final = "57014"


async def take(
    caller: Caller,
    table: Table,
    form: Form,
    lang: Language,
    *,
    scope: Scope,
    values: Mapping[str, object],
    chosen: Mapping[str, Any],
) -> Download:
    """Return the file of a table, whose rows are read while it is sent.

    The rows are put aside in the database by a cursor that outlives its transaction: the count, the rows and
    the act on the record are of one transaction, which is over before the first byte goes out. A slow
    receiver holds a connection, but neither a snapshot nor the record's lock.

    Parameters
    ----------
    caller
        Whose rows, and who is put on the record.
    scope
        Where rows may be taken from, as `export_scope` tells it.
    values
        Parameters of the table's query.
    chosen
        The filters by the names they were asked for, for the record and the mark.

    Raises
    ------
    InvalidError
        There would be more rows than one export may have; says how many.
    TooManyError
        There is no place now (`ExportDesk.place`).
    UnavailableError
        It took too long.
    """
    desk = caller.running.exports
    view = View(lang, caller.running.twin.catalog, caller.running.twin.board)
    async with contextlib.AsyncExitStack() as stack:
        connection = await stack.enter_async_context(desk.place(caller.identity.account_id))
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        sql = table.sql(shapes=form == "geojson")
        try:
            async with connection.begin():
                await set_scope(connection, caller.grants.within(scope))
                rows = await _put_aside(connection, driver, sql, values, desk.most_rows)
                mark = await _record(connection, caller, table, form, scope, rows, chosen)
        except (DBAPIError, asyncpg.QueryCanceledError) as error:
            if getattr(getattr(error, "orig", error), "sqlstate", "") != _TIMED_OUT:
                raise
            raise UnavailableError(
                f"the export took longer than {STATEMENT_S:.0f} s",
                where="export",
                hint="narrow it by area, kind or time, or try again later",
            ) from error
        body = (CsvBody if form == "csv" else GeoJsonBody)(table, view, mark)
        return Download(_chunks(driver, body), stack.pop_all(), MEDIA_TYPES[form], mark.file_name(form))


async def _put_aside(
    connection: AsyncConnection, driver: Any, sql: str, values: Mapping[str, object], most: int
) -> int:
    """Open the cursor ``taken`` on the rows and count them."""
    # Materialised, the query runs once: to the end here, and from what it left when the transaction commits.
    await connection.execute(
        text(
            f"DECLARE taken SCROLL CURSOR WITH HOLD FOR WITH found AS MATERIALIZED ({sql} LIMIT {most + 1}) "
            "SELECT * FROM found"
        ),
        values,
    )
    rows = int((await driver.execute("MOVE FORWARD ALL IN taken")).split()[-1])
    if rows > most:
        counted = await connection.scalar(text(f"SELECT count(*) FROM ({sql}) AS found"), values)
        raise InvalidError(
            f"this export would have {counted} rows, one file has at most {most}",
            where="rows",
            hint="narrow it by area, kind or time, and take it out in parts",
        )
    return rows


async def _record(
    connection: AsyncConnection,
    caller: Caller,
    table: Table,
    form: Form,
    scope: Scope,
    rows: int,
    chosen: Mapping[str, Any],
) -> Mark:
    """Put the export on the record; the number of the act is the number of the export."""
    at = datetime.now(UTC)
    told = {key: str(value) for key, value in chosen.items() if value is not None}
    detail = {"rows": rows, "format": form, "scope": areas_of(scope), "filter": told}
    entry = Entry("data.exported", f"export/{table.name}", detail=detail)
    seq = await write(connection, caller.actor, entry)
    return Mark(seq, table.name, caller.identity.name, at, scope, rows, told)


async def _chunks(driver: Any, body: CsvBody | GeoJsonBody) -> AsyncIterator[bytes]:
    yield body.head()
    await driver.execute("MOVE ABSOLUTE 0 IN taken")
    while found := await driver.fetch(f"FETCH FORWARD {AT_ONCE} FROM taken"):
        yield await asyncio.to_thread(body.rows, found)
    yield body.tail()


def export_scope(caller: Caller, table: Table, area: Scope | None) -> Scope:
    """Return where a caller may take a table from: where they read it and may export, inside the area."""
    where = caller.scope(table.data) & caller.grants.where(Act.EXPORT)
    return where if area is None else where & area
