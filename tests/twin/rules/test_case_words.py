"""What is kept of alarms with their case says the same in each language, each in its own."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from twin.catalog import load_catalog
from twin.live.sight import WORKERS
from twin.rules.case_words import kept_of, words_of

CATALOG = load_catalog()
SLOTS = [(kind, slot) for kind in CATALOG.by_code.values() for slot in [*range(len(kind.properties)), None]]
HAN = re.compile("[\u4e00-\u9fff]")


def row(kind: str, slot: int | None, **changes: object) -> SimpleNamespace:
    plain = {"id": 7, "alarms": 3, "kind": kind, "slot": slot, "uid": "dev-1", "value": 1.0, "grids": 1}
    return SimpleNamespace(**{**plain, "rule": None, "rule_en": None, **changes})


@pytest.mark.parametrize(("kind", "slot"), SLOTS, ids=str)
def test_each_property_of_each_kind_is_said_in_both_languages(kind, slot) -> None:
    kept = kept_of(CATALOG, row(kind.name, slot, rule="违停", rule_en="No parking", grids=2))
    assert all(isinstance(value, str) for value in kept.values())
    zh, en = words_of(CATALOG, kept)
    assert HAN.search(zh)
    assert not HAN.search(en.replace("℃", ""))
    assert ("No parking" in en, "违停" in zh) == (True, True)
    tracker = kind.layer == WORKERS
    assert ("dev-1" in zh) is ("dev-1" in en) is (not tracker)
    if slot is not None and not tracker:
        observed = kind.properties[slot]
        assert observed.zh in zh
        assert observed.en in en
        if observed.words:
            assert zh.count(observed.words[1][0]) >= 1


def test_a_value_is_said_as_finely_as_its_kind_says_and_a_counted_state_by_its_word() -> None:
    level = words_of(CATALOG, kept_of(CATALOG, row("water_level", 0, value=30.04)))
    assert level == ("传感器告警 3 条。dev-1 液位 30.0 cm。", "3 alarms of sensors. dev-1 Level 30.0 cm.")
    flood = words_of(CATALOG, kept_of(CATALOG, row("flood", 0)))
    assert flood == ("传感器告警 3 条。dev-1 水浸 有水。", "3 alarms of sensors. dev-1 Water present wet.")


def test_what_the_table_of_kinds_does_not_know_any_more_is_said_by_the_name_it_had() -> None:
    kept = kept_of(CATALOG, row("water_level", 0))
    for gone in ({"kind": "gone"}, {"property": "gone"}):
        zh, en = words_of(CATALOG, kept | gone)
        assert f"dev-1 {gone.get('property', kept['property'])} 1.0" in zh
        assert "1.0" in en
    assert words_of(CATALOG, {"alarm_group": "7"}) is None
