"""The kinds of devices: the real file, and what is said about wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from twin.catalog import load_catalog
from twin.errors import InvalidError, NotFoundError
from twin.states import State

GOOD = """
[groups]
flood = { zh = "防汛", en = "Drainage" }
[[kind]]
code = 4
name = "water_level"
zh = "液位计"
en = "Water level"
icon = "level"
group = "flood"
expected_interval_s = 60
mounting_height_m = 0.5
property = [
  { slot = 0, name = "level", zh = "液位", en = "Level", unit = "cm", minimum = 0, maximum = 100, decimals = 1, limits = [
    { state = "warning", above = 15, hysteresis = 1 },
    { state = "alarm", above = 20, hold_s = 5 },
  ] },
]
"""  # noqa: E501


def load(tmp_path: Path, text: str):
    file = tmp_path / "kinds.toml"
    file.write_text(text, encoding="utf-8")
    return load_catalog(file)


def test_real_file_is_sound() -> None:
    catalog = load_catalog()
    assert len(catalog.by_name) == len(catalog.by_code) >= 20
    level = catalog.by_name["water_level"].property("level")
    assert [(limit.state, limit.above) for limit in level.limits] == [
        (State.WARNING, 15),
        (State.ALARM, 20),
        (State.CRITICAL, 25),
    ]
    assert catalog.by_name["worker"].layer == 1
    assert catalog.by_name["worker"].moves
    for kind in catalog.by_name.values():
        assert kind.zh != kind.en
        assert kind.group in catalog.groups
        assert catalog.by_code[kind.code] is kind


def test_good_file_is_read_with_defaults(tmp_path: Path) -> None:
    kind = load(tmp_path, GOOD).by_code[4]
    assert (kind.layer, kind.moves) == (0, False)
    warning, alarm = kind.properties[0].limits
    assert (warning.hysteresis, warning.hold_s, alarm.hysteresis, alarm.hold_s) == (1, 0, 0, 5)
    with pytest.raises(NotFoundError, match="it has level"):
        kind.property("depth")


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("code = 4", "code = 0", "Expected `int` >= 1, it is 0"),
        ("code = 4", "code = true", "got `bool`"),
        ('zh = "液位计"', "", "missing required field `zh`"),
        ('zh = "液位计"', 'zh = " "', "it is ' '"),
        ('group = "flood"', 'group = "fire"', "no group “fire” · at"),
        ("expected_interval_s = 60", "expected_interval_s = 0", "Expected `float` >= 0.1"),
        ("mounting_height_m = 0.5", "mounting_height_m = 0.5\nspeed = 3", "unknown field `speed`"),
        ("slot = 0", "slot = 1", "slots must count 0, 1, 2"),
        ("maximum = 100", "maximum = 0", "must be above the minimum"),
        ("above = 15", "above = 500", "is never met"),
        ("above = 15", "above = 15, below = 1", "either “above” or “below”"),
        ("above = 15, ", "", "either “above” or “below”"),
        ("above = 15", "above = 30", "alarm begins before warning"),
        ('state = "alarm"', 'state = "warning"', "two limits “above” for warning"),
        ('state = "alarm"', 'state = "offline"', "one of warning, alarm, critical"),
        ("hysteresis = 1", "hysteresis = -1", "Expected `float` >= 0.0"),
        ("decimals = 1", "decimals = 1, words = [1]", "Expected `array`, got `int`"),
        ("[[kind]]", GOOD.split("[groups]")[1].split("\n", 2)[2] + "\n[[kind]]", "is used twice"),
    ],
)
def test_wrong_row_is_refused_with_its_place(tmp_path: Path, old: str, new: str, what: str) -> None:
    assert old in GOOD
    with pytest.raises(InvalidError) as caught:
        load(tmp_path, GOOD.replace(old, new, 1))
    assert what in str(caught.value)
    assert "kinds.toml kind" in caught.value.where
    assert "water_level" in caught.value.where


@pytest.mark.parametrize("text", ["", "[groups]\n", "kind = 3\n", "groups = []\n"])
def test_file_without_kinds_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidError):
        load(tmp_path, text)
