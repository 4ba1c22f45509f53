"""Refused bytes that nobody could read: those that may say where a person is are not kept."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.counters import FeedCounters
from ingest.decoders.readings import RefusedReading
from ingest.decoders.resolve import Resolver
from ingest.flood import Flood
from ingest.refusals import Refusals, _groups, without_place
from ingest.window import Window
from twin.catalog import load_catalog
from twin.faults import Fault
from twin.live.board import Board
from twin.store.quarantine import QuarantineWriter

BOARD = Board(load_catalog())


def kept(payload: bytes) -> bytes:
    return without_place(RefusedReading(Fault("cut_off"), payload), BOARD, None).payload


@given(st.binary(), st.sampled_from((b"lon", b"lat", b"location", b"\\u00")), st.binary())
def test_bytes_of_a_gateway_that_may_name_a_place_are_not_kept(before, word, after):
    for said in (word, word.upper(), word.title()):
        assert kept(before + said + after) == b""


@pytest.mark.parametrize("payload", [b"", b"[[[", b'{"d": "level-1", "t": 1, "p": "level", "v": "high"}'])
def test_other_bytes_of_a_gateway_are_kept(payload):
    assert kept(payload) == payload


def test_says_that_they_are_not_kept():
    told = without_place(RefusedReading(Fault("cut_off"), b'{"LAT":'), BOARD, None)
    assert told.fault.words.zh.endswith("；可能涉及人员位置，内容未保留")
    assert told.fault.words.en.endswith("; not kept, it may say where a person is")


def flooded(quarantine: QuarantineWriter, sizes: list[int], *, waits: bool) -> Window:
    """Return a window of messages of one gateway that speaks of devices nobody knows, refused."""
    window = Window(FeedCounters(), receipts=[] if waits else None)
    for size in sizes:
        window.begin(b"v1/gateways/gw-1/observations", b"", "gw-1", 0, (None, 1))
        for number in range(size):
            name = "level" if number % 3 else "speed"
            columns = (f"unknown-{number}", 1, name, 1.0, "", float("nan"), float("nan"), number)
            for column, value in zip(window.readings.columns(), columns, strict=True):
                column.append(value)
    _, _, unresolved = Resolver(BOARD).resolve(window.readings, 10**15)
    twin = SimpleNamespace(quarantine=quarantine, board=BOARD)
    Refusals(twin, Flood(BOARD)).refuse_unresolved(window, unresolved)
    return window


@pytest.mark.parametrize("waits", [False, True])
async def test_of_a_flood_only_what_is_kept_or_told_is_put_into_words(monkeypatch, waits):
    monkeypatch.setattr("twin.store.quarantine._BURST_ROWS_OF_ONE", 70)
    quarantine = QuarantineWriter(None)
    window = flooded(quarantine, [50, 0, 300, 1], waits=waits)
    by_message = Counter()
    for wrong in window.wrong:
        by_message[wrong.message] += wrong.readings
    assert by_message == {0: 50, 2: 300, 3: 1}
    in_words = [wrong for wrong in window.wrong if wrong.kept]
    assert len(in_words) == (50 + 100 + 1 if waits else 70)
    assert all(wrong.what.reason == "unknown_device" for wrong in window.wrong)
    counted = [wrong for wrong in window.wrong if not wrong.kept]
    assert quarantine.dropped == sum(wrong.readings for wrong in counted) == 351 - len(in_words)
    assert {wrong.what.payload for wrong in counted} == {b""}


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans())))
def test_places_are_grouped_by_their_keys(rows):
    keys = np.array([key for key, _ in rows], np.intp)
    at = np.flatnonzero([taken for _, taken in rows])
    expected = {key: [i for i in at.tolist() if keys[i] == key] for key in sorted(set(keys[at].tolist()))}
    assert [(key, places.tolist()) for key, places in _groups(keys, at)] == list(expected.items())
