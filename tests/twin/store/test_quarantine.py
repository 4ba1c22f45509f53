"""Refused messages: kept with their reason, at a bounded rate."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import psycopg
import pytest

from twin.store.engine import create_async_engine
from twin.store.quarantine import KEPT_BYTES, WHAT_TO_DO, QuarantineWriter, Refused

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


async def test_a_row_says_what_where_and_what_to_do(kept) -> None:
    writer, database = kept
    refused = [
        Refused("gt/v1/x", "malformed", "not JSON", b"NaN", "device a, reading 3"),
        Refused("gt/v1/x", "bad_time", "no zone", b"", hint="end it with Z"),
        Refused("gt/v1/x", "malformed", "w" * 5000, b"", "d" * 5000),
    ]
    await asyncio.wait_for(asyncio.gather(*map(writer.put, refused)), 10)
    details = [detail for _, _, detail, _ in rows(database)]
    assert details[0] == f"not JSON · at device a, reading 3 · {WHAT_TO_DO['malformed']}"
    assert details[1] == "no zone · end it with Z"
    assert len(details[2]) <= 1000
    assert details[2].endswith(WHAT_TO_DO["malformed"])


def test_every_documented_reason_says_what_to_do() -> None:
    schema = (Path(__file__).parents[3] / "docs" / "device-schema.md").read_text(encoding="utf-8")
    table = schema.split("| reason | what to do |")[1]
    documented = {
        word
        for line in table.splitlines()
        for word in re.findall(r"`(\w+)`", line.split("|")[1] if "|" in line else "")
    }
    assert documented == set(WHAT_TO_DO)
    assert all(len(words) <= 280 for words in WHAT_TO_DO.values())


async def test_flood_is_counted_but_not_kept_without_end(kept) -> None:
    writer, database = kept
    futures = [writer.put(Refused("a", "malformed", "", b"x")) for _ in range(8000)]
    waiting = [f for f in futures if f is not None]
    assert 5000 <= len(waiting) < 7000
    assert writer.dropped == 8000 - len(waiting)
    assert writer.reasons["malformed"] == 8000
    await asyncio.wait_for(asyncio.gather(*waiting), 30)
    assert len(rows(database)) == len(waiting)
