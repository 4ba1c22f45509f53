"""Refused messages: kept with their reason, at a bounded rate."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import psycopg
import pytest

from twin.faults import Fault, place_words, read_fault
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
    await asyncio.wait_for(
        writer.put(Refused("a\0b\udcff", Fault("not_json", {"error": "词 \0"}), payload)), 10
    )
    ((source, reason, detail, stored),) = rows(database)
    assert (reason, bytes(stored)) == ("malformed", payload)
    assert "\0" not in source + detail
    assert detail.startswith("not JSON: 词")


async def test_long_payload_is_cut_and_says_so(kept) -> None:
    writer, database = kept
    await asyncio.wait_for(
        writer.put(Refused("a", Fault("too_long", {"bytes": 9, "most": 8}), b"x" * (KEPT_BYTES + 1))), 10
    )
    ((_, _, detail, stored),) = rows(database)
    assert len(stored) == KEPT_BYTES
    assert str(KEPT_BYTES + 1) in detail


async def test_a_row_says_what_where_and_what_to_do(kept) -> None:
    writer, database = kept
    refused = [
        Refused("gt/v1/x", Fault("not_json_at", {"byte": 7}), b"NaN", "device a, reading 3"),
        Refused("gt/v1/x", Fault("no_zone", {"time": "9:00"}), b""),
        Refused("gt/v1/x", Fault("not_json", {"error": "w" * 5000}), b"", "d" * 5000),
    ]
    await asyncio.wait_for(asyncio.gather(*map(writer.put, refused)), 10)
    details = [detail for _, _, detail, _ in rows(database)]
    assert details[0] == f"not JSON: wrong at byte 7 · at device a, reading 3 · {WHAT_TO_DO['malformed']}"
    assert details[1] == "“9:00” has no zone · end it with Z or +08:00"
    assert len(details[2]) <= 1000
    assert details[2].endswith(WHAT_TO_DO["malformed"])
    with psycopg.connect(database.url.replace("+psycopg", "")) as connection:
        said = [row[0] for row in connection.execute("SELECT said FROM quarantine ORDER BY id").fetchall()]
    kept_fault = read_fault(said[0])
    assert kept_fault is not None
    assert kept_fault.words == ("报文不是 JSON：第 7 字节处有误", "not JSON: wrong at byte 7")
    assert place_words(said[0]["where"]) == ("设备 a，第 4 个读数", "device a, reading 3")
    assert read_fault({"fault": "of_tomorrow"}) is None
    assert read_fault({"fault": "no_zone", "values": {}}) is None


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


async def test_one_source_leaves_room_for_others(kept) -> None:
    writer, _ = kept
    of_one = [writer.put(Refused("loud", Fault("cut_off"), b"")) for _ in range(7000)]
    others = [writer.put(Refused(f"quiet-{n}", Fault("cut_off"), b"")) for n in range(3000)]
    assert of_one[-1] is None
    assert None not in others
    await asyncio.wait_for(asyncio.gather(*others), 30)


async def test_a_full_quarantine_counts_and_keeps_again_once_there_is_room(database, monkeypatch) -> None:
    fresh = database.fresh()
    engine = create_async_engine(fresh.async_url)
    writer = QuarantineWriter(engine, 40_000)
    writer.start()
    try:
        of_one = [writer.put(Refused("a", Fault("cut_off"), b"x" * 1200)) for _ in range(10)]
        assert [kept is not None for kept in of_one] == [True] * 5 + [False] * 5, "a quarter"
        for source in "bcdefgh":
            for _ in range(5):
                writer.put(Refused(source, Fault("cut_off"), b"x" * 1200))
        assert writer.is_full
        assert writer.dropped == 45 - 20
        while writer.written < 20:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        with psycopg.connect(fresh.url.replace("+psycopg", "")) as connection:
            connection.execute("DELETE FROM quarantine WHERE source <> 'a'")
        monkeypatch.setattr("twin.store.quarantine._MEASURE_EVERY_S", 0.0)
        assert writer.put(Refused("b", Fault("cut_off"), b"")) is None
        while writer.is_full:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert writer.held_bytes == 5 * 2000
        assert writer.put(Refused("a", Fault("cut_off"), b"")) is None
        await asyncio.wait_for(writer.put(Refused("b", Fault("cut_off"), b"")), 10)
    finally:
        await writer.close()
        await engine.dispose()


async def test_flood_is_counted_but_not_kept_without_end(kept) -> None:
    writer, database = kept
    futures = [writer.put(Refused("a", Fault("cut_off"), b"x")) for _ in range(8000)]
    waiting = [f for f in futures if f is not None]
    assert 5000 <= len(waiting) < 7000
    assert writer.dropped == 8000 - len(waiting)
    assert writer.reasons["malformed"] == 8000
    await asyncio.wait_for(asyncio.gather(*waiting), 30)
    assert len(rows(database)) == len(waiting)
