"""The table of case categories holds what the standard lists, and what is wrong in it is named."""

from __future__ import annotations

import collections
from datetime import date

import pytest

from twin.cases.categories import DEFAULT_FILE, load_categories, name_of
from twin.errors import InvalidError

MATTERS = {"01": 76, "02": 44, "03": 16, "04": 14, "05": 3, "06": 51, "07": 7, "08": 16, "09": 21, "10": 2}
"""How many matters GB/T 47678.5-2026 has in each major; the numbers leave gaps (06031, 07005, 09007)."""


def test_the_matters_of_the_standard_are_there_and_local_ones_begin_at_51():
    table = load_categories().by_code
    majors = collections.Counter(code[:2] for code in table)
    assert {major: n for major, n in majors.items() if int(major) < 51} == MATTERS
    assert all((row.standard == "local") is (int(code[:2]) >= 51) for code, row in table.items())
    assert not {"06031", "07005", "09007"} & set(table)
    names = collections.Counter(row.zh for row in table.values()) + collections.Counter(
        row.en for row in table.values()
    )
    assert [name for name, n in names.items() if n > 1] == []


def test_a_fault_of_each_class_of_component_can_be_reported():
    lamp = load_categories().by_code["01037"]
    assert (lamp.zh, lamp.en, lamp.major.zh) == ("路灯异常", "Street lamp: fault", "市政公用设施")
    assert load_categories().responsible[lamp.responsible].zh == "城市管理"


FILE = """
version = 1
valid_from = 2026-07-01
[responsible]
roads = { zh = "道路", en = "Roads" }
[[major]]
code = "06"
zh = "市容"
en = "City"
standard = "GB/T 47678.5-2026"
responsible = "roads"
categories = [
    { code = "06010", zh = "垃圾", en = "Rubbish", valid_to = 2026-12-31 },
    { code = "06011", zh = "渣土", en = "Rubble", attributes = ["floor"] },
]
[[attribute]]
code = "floor"
zh = "楼层"
en = "Floor"
datatype = "number"
required = false
"""
WRONG = {
    "another major": ('"06010"', '"07010"', "begins with 06"),
    "four digits": ('"06010"', '"0610"', "five digits"),
    "twice": ('"06011"', '"06010"', "twice"),
    "nobody": ('responsible = "roads"', 'responsible = "nobody"', "nobody"),
    "attribute": ('["floor"]', '["colour"]', "colour"),
    "values": ('"number"', '"singlevaluelist"', "floor"),
    "no such components": ("[[major]]", '[component_faults]\n61 = "roads"\n[[major]]', "61"),
    "nobody for faults": ("[[major]]", '[component_faults]\n01 = "nobody"\n[[major]]', "nobody"),
    "local": ('standard = "GB/T 47678.5-2026"', 'standard = "local"', "local"),
}


def test_a_category_that_ended_is_not_reported_and_stays_known(tmp_path):
    file = tmp_path / "c.toml"
    file.write_text(FILE, encoding="utf-8")
    table = load_categories(file)
    assert [row.code for row in table.open_at(date(2026, 12, 30))] == ["06010", "06011"]
    assert [row.code for row in table.open_at(date(2026, 12, 31))] == ["06011"]
    assert table.by_code["06010"].zh == "垃圾"


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_named(tmp_path, what):
    old, new, word = WRONG[what]
    assert old in FILE
    file = tmp_path / "c.toml"
    file.write_text(FILE.replace(old, new), encoding="utf-8")
    with pytest.raises(InvalidError, match=word):
        load_categories(file)


def test_a_case_is_called_by_its_matter_or_by_the_class_of_its_component():
    names = [name_of(code) for code in ("06010", "01003", "99999")]
    assert [name and (name.zh, name.en) for name in names] == [
        ("暴露垃圾", "Exposed rubbish"),
        ("雨水井盖异常", "Storm drain manhole cover: fault"),
        None,
    ]


def test_the_file_in_data_is_the_one_that_is_read():
    assert DEFAULT_FILE.name == "case_categories.toml"
    assert load_categories() is load_categories()
