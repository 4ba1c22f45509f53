"""The page of cases says what the table of moves says."""

from __future__ import annotations

from pathlib import Path

import pytest

from twin.cases.moves import EVENT_WORDS, MOVES, When
from twin.cases.states import Stage

PAGE = Path(__file__).parents[3] / "docs" / "cases.md"
ROWS = [
    [cell.strip() for cell in line.strip("|\n").split("|")]
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if line.startswith("| `")
]


@pytest.mark.parametrize("move", [move for move in MOVES if move.name not in ("grant", "refuse")])
def test_each_move_is_on_the_page_as_it_is(move):
    (row,) = [row for row in ROWS if len(row) == 7 and row[0] == f"`{move.name}`"]
    _, zh, stages, then, act, told, more = row
    assert zh == move.zh
    assert act == f"`{move.act}`"
    if stages not in ("open", "ended", "any"):
        assert stages.split(", ") == [stage.value for stage in move.stages]
    else:
        assert (stages == "any") is (move.when is When.ALWAYS)
        assert (stages == "ended") is (move.when is When.ENDED)
    if move.to is not None:
        assert then.startswith(move.to.value)
    assert ("ends: " in then) is (move.outcome is not None or move.name == "void")
    expected = {"correction": "category_code or priority"}
    # what only some kinds of cases ask for stands behind a semicolon
    assert told.partition(";")[0] == ", ".join(expected.get(name, name) for name in move.needs)
    assert ("own" in more) is move.own
    assert ("asks" in more) is (move.asks is not None)
    assert ("not who did the work" in more) is move.other


def test_each_stage_is_on_the_page_and_each_event_has_words():
    stages = [row[0].strip("`") for row in ROWS if len(row) == 3]
    assert stages == [stage.value for stage in Stage]
    assert {f"case.{move.event}" for move in MOVES} <= set(EVENT_WORDS)
    assert all(zh and en for zh, en in EVENT_WORDS.values())
