"""Refused bytes that nobody could read: those that may say where a person is are not kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.decoders.readings import RefusedReading
from ingest.refusals import without_place
from twin.catalog import load_catalog
from twin.faults import Fault
from twin.live.board import Board

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
