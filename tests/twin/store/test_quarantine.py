"""Refused messages: kept with their reason, at a bounded rate."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from twin.store.engine import create_async_engine
from twin.store.quarantine import KEPT_BYTES, QuarantineWriter, Refused

pytestmark = pytest.mark.postgis


@pytest.fixture
async def kept(database):
    fresh = database.fresh()
    engine = create_async_engine(fresh.async_url)
    writer = QuarantineWriter(engine)
    writer.start()
    yield writer, fresh
    await writer.close()
    await engine.dispose()


def rows(database) -> list[tuple]:
    with psycopg.connect(database.url.replace("+psycopg", "")) as connection:
        return connection.execute(
            "SELECT source, reason, detail, payload FROM quarantine ORDER BY id"
        ).fetchall()


async def test_bytes_are_kept_as_they_came(kept) -> None:
    writer, database = kept
    payload = bytes(range(256))
    await asyncio.wait_for(writer.put(Refused("a\0b\udcff", "malformed", "词 \0", payload)), 10)
    ((source, reason, detail, stored),) = rows(database)
    assert (reason, bytes(stored)) == ("malformed", payload)
    assert "\0" not in source + detail
    assert detail.startswith("词")


async def test_long_payload_is_cut_and_says_so(kept) -> None:
    writer, database = kept
    await asyncio.wait_for(writer.put(Refused("a", "too_large", "long", b"x" * (KEPT_BYTES + 1))), 10)
    ((_, _, detail, stored),) = rows(database)
    assert len(stored) == KEPT_BYTES
    assert str(KEPT_BYTES + 1) in detail


async def test_flood_is_counted_but_not_kept_without_end(kept) -> None:
    writer, database = kept
    futures = [writer.put(Refused("a", "malformed", "", b"x")) for _ in range(8000)]
    waiting = [f for f in futures if f is not None]
    assert 5000 <= len(waiting) < 7000
    assert writer.dropped == 8000 - len(waiting)
    assert writer.reasons["malformed"] == 8000
    await asyncio.wait_for(asyncio.gather(*waiting), 30)
    assert len(rows(database)) == len(waiting)
