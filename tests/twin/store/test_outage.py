"""An absent database and a wrong statement are told apart."""

from __future__ import annotations

import asyncpg
import pytest
from sqlalchemy import text

from twin.store.engine import create_async_engine
from twin.store.outage import is_duplicate, is_outage


async def failure(engine, statement: str, **parameters) -> BaseException:
    try:
        async with engine.begin() as connection:
            await connection.execute(text(statement), parameters)
    except Exception as error:
        return error
    raise AssertionError("it did not fail")


@pytest.mark.postgis
async def test_wrong_statements_are_not_outages(database) -> None:
    engine = create_async_engine(database.async_url)
    try:
        wrong = [
            await failure(engine, "SELECT 1/0"),
            await failure(engine, "SELECT nothing FROM nowhere"),
            await failure(engine, "SELECT CAST(:v AS int)", v="x"),
            await failure(engine, "INSERT INTO quarantine (source) VALUES (NULL)"),
        ]
        assert [is_outage(error) for error in wrong] == [False] * 4
        assert is_outage(await failure(engine, "SELECT pg_terminate_backend(pg_backend_pid())"))
        twice = (
            "INSERT INTO journal (seq, kind, subject, actor, data) "
            "SELECT -1, '', '', '', '{}' FROM (VALUES (1), (2)) AS t"
        )
        double = await failure(engine, twice)
        assert is_duplicate(double)
        assert not is_outage(double)
    finally:
        await engine.dispose()


async def test_database_that_is_not_there_is_an_outage(tmp_path) -> None:
    for url in (f"postgresql+asyncpg:///x?host={tmp_path}", "postgresql+asyncpg://a@127.0.0.1:1/x"):
        engine = create_async_engine(url)
        error = await failure(engine, "SELECT 1")
        assert is_outage(error)
        assert not is_duplicate(error)
        await engine.dispose()


@pytest.mark.parametrize(
    ("error", "outage"),
    [
        (ValueError("x"), False),
        (ConnectionResetError(), True),
        (TimeoutError(), True),
        (asyncpg.InternalClientError("got result for unknown protocol state 3"), True),
        (KeyError(), False),
    ],
)
def test_plain_errors(error: BaseException, outage: bool) -> None:
    assert is_outage(error) is outage
