"""Conditions as sentences: the table is what the page says too, see web/tests/state/rules.test.ts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from tests.twin.rules.test_evaluators import rule
from twin.catalog import load_catalog
from twin.rules.conditions import Condition, read_condition
from twin.rules.words import condition_words

TABLE = json.loads(Path(__file__).with_name("condition_words.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row["en"])
def test_a_condition_reads_as_in_the_table(row) -> None:
    condition = read_condition(row["condition"])
    as_sent = json.loads(msgspec.json.encode(condition))  # to the page, every field named
    assert as_sent == row["condition"]
    kinds = (row["kind"],) if row["kind"] else ()
    written = replace(rule(condition, observed=row["property"]), kinds=kinds)
    assert condition_words(written, load_catalog()) == (row["zh"], row["en"])


def test_every_type_of_condition_is_in_the_table() -> None:
    types = {one.__struct_config__.tag for one in Condition.__args__}
    assert {row["condition"]["type"] for row in TABLE} == types
