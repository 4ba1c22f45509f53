"""The score of a compound says what it has and lacks, and only that."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.compounds import FILE, Item, Rules, Tier, load_rules, score
from twin.errors import InvalidError

RULES = Rules(
    (Tier("basic", "基础类", "Basic", 60.0), Tier("advanced", "提升类", "Advanced", 20.0)),
    (
        Item("video", "监控", "Video", "basic", ("camera",), "building", 2),
        Item("intercom", "对讲", "Intercom", "basic", (), "compound", 4),
        Item("lift", "梯控", "Lift", "advanced", ("lift",), "high_building", 1),
    ),
)


def test_shares_of_items_make_classes_and_weights_make_the_whole() -> None:
    found = score(RULES, devices={"camera": 3}, declared={"intercom": 4}, buildings=3, high_buildings=2)
    # video 3 of 6, intercom 4 of 4, lift 0 of 2
    assert dict(found.tiers) == {"basic": 75.0, "advanced": 0.0}
    assert found.total == pytest.approx((60 * 75 + 20 * 0) / 80)
    assert [(r.item.code, r.have, r.need, r.lacks) for r in found.reasons] == [
        ("video", 3, 6, True),
        ("intercom", 4, 4, False),
        ("lift", 0, 2, True),
    ]


def test_a_class_that_asks_for_nothing_is_left_out() -> None:
    found = score(RULES, devices={"camera": 99}, declared={"intercom": 9}, buildings=1, high_buildings=0)
    assert (found.total, found.tiers["advanced"]) == (100.0, None)


def test_declared_and_standing_are_not_added() -> None:
    found = score(RULES, devices={"camera": 2}, declared={"video": 3}, buildings=2, high_buildings=0)
    assert found.reasons[0].have == 3


COUNTS = st.dictionaries(st.sampled_from(["camera", "lift", "door"]), st.integers(0, 50))


@given(COUNTS, st.integers(0, 30), st.integers(0, 30), st.sampled_from(["camera", "lift"]))
def test_more_never_scores_less(devices: dict[str, int], buildings: int, high: int, kind: str) -> None:
    def total(of: dict[str, int]) -> float:
        return score(RULES, devices=of, declared={}, buildings=buildings, high_buildings=high).total

    assert 0.0 <= total(devices) <= total(devices | {kind: devices.get(kind, 0) + 1}) <= 100.0


def test_rules_that_come_with_the_program_hold_together():
    rules = load_rules()
    assert {item.tier for item in rules.items} == {tier.code for tier in rules.tiers}
    assert len({item.code for item in rules.items}) == len(rules.items)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('kinds = ["camera"]', 'kinds = ["eye"]', "no kind of device “eye” · at .*video"),
        ('tier = "basic"', 'tier = "golden"', "no class “golden” · at .*video"),
        ('per = "building"', 'per = "person"', "person.* · at .*video.*one of compound"),
        ("per_each = 1", "per_each = 0", "video” per_each"),
    ],
)
def test_a_wrong_item_is_named(tmp_path, old, new, says):
    wrong = tmp_path / "rules.toml"
    wrong.write_text(FILE.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InvalidError, match=says):
        load_rules(wrong)
