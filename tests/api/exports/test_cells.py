"""No text of an export begins a formula, and what was written is read again."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api.exports.cells import csv_lines, guarded, unguarded

NASTY = st.sampled_from([*"=+-@\t\r\n＝＋－＠' ,;\"\u00a0\u200b\ufeff\u3000", "1", "张", "cmd|' /C calc'!A0"])
TEXTS = st.one_of(
    st.lists(NASTY, max_size=8).map("".join),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20),
)


def read(lines: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(lines.decode(), newline=""), strict=True))


@given(st.lists(st.lists(TEXTS, min_size=2, max_size=2), max_size=6))
@example([["=1+1", "\u200b=1"], ["'=1", "''=1"], ["\r\n", '"'], ["", "'"]])
def test_no_text_begins_a_formula_and_every_text_comes_back(rows):
    found = read(csv_lines(rows))
    assert [[unguarded(cell) for cell in row] for row in found] == rows
    for cell in (cell for row in found for cell in row):
        # What a program sees that drops what is not seen.
        seen = cell.strip().lstrip("\u200b\ufeff\u00ad\u2060")
        assert not seen.startswith(tuple("=+-@＝＋－＠")), cell
        assert not cell.startswith(("\t", "\r", "\n")), cell


@pytest.mark.parametrize("sign", [*"=+-@\t\r＝＋－＠"])
def test_each_sign_of_a_formula_is_guarded(sign):
    assert guarded(f"{sign}1+1") == f"'{sign}1+1"
    assert guarded(f" {sign}1") == f"' {sign}1"


@pytest.mark.parametrize("text", ["", "液位计一号", "a=b", "1-2", "'tis", "3号楼 -1层"])
def test_other_texts_stay_as_they_are(text):
    assert guarded(text) == unguarded(text) == text


def test_numbers_stay_numbers_and_texts_are_in_quotes():
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    row = [-5.5, 7, float("nan"), None, True, "-5.5", at, at.replace(microsecond=60_000)]
    assert csv_lines([row]) == (
        b'-5.5,7,"","","true","\'-5.5","2026-01-02T03:04:05Z","2026-01-02T03:04:05.060Z"\r\n'
    )
