"""Which fields a foreign message holds."""

from __future__ import annotations

from hypothesis import given

from ingest.decoders import fields, paths
from ingest.decoders.fields import fields_of
from ingest.decoders.paths import below, find
from tests.ingest.decoders.test_mapped import json_like

MESSAGE = {
    "code": 0,
    "data": {
        "list": [
            {"devId": 417, "ts": 1784220128, "value": {"lvl": [31.4, None]}, "on": True},
            {"devId": "418", "ts": 1784220129, "at": "2026-07-16 16:42:08", "tank.level": 3},
        ]
    },
}


def test_fields_of_the_message_and_of_the_items_of_its_list():
    got = fields_of(MESSAGE)
    assert got.lists == {"data.list": 2}
    of_items = {one.path: one for one in got.fields if one.items == "data.list"}
    assert list(of_items) == ["devId", "ts", "value.lvl[0]", "value.lvl[1]", "on", "at", '["tank.level"]']
    assert of_items["devId"].types == ["number", "text"]
    assert of_items["devId"].samples == ["417", '"418"']
    assert (of_items["ts"].time_form, of_items["at"].time_form, of_items["devId"].time_form) == (
        "seconds", "iso", None,
    )  # fmt: skip
    assert (of_items["on"].types, of_items["on"].count) == (["yes_no"], 1)
    assert of_items["value.lvl[1]"].types == ["null"]
    whole = [one.path for one in got.fields if one.items is None]
    assert whole[:2] == ["code", "data.list[0].devId"]
    assert got.left_out == 0
    for one in got.fields:
        item = MESSAGE if one.items is None else MESSAGE["data"]["list"][0 if one.path[0] in "dtvo" else 1]
        assert find(item, one.path) is not paths.NOTHING, one.path


def test_a_message_that_is_a_list():
    got = fields_of([{"a": 1}, {"a": 2, "b": "x"}])
    assert got.lists == {"": 2}
    assert [(one.items, one.path, one.count) for one in got.fields] == [("", "a", 2), ("", "b", 1)]


def test_what_is_too_much_or_too_deep_is_counted_not_told():
    many = fields_of({f"f{i}": i for i in range(3_000)})
    assert (len(many.fields), many.left_out) == (fields.MOST_FIELDS, 2_500)
    deep: object = 1
    for _ in range(900):
        deep = {"a": deep}
    got = fields_of({"x": 1, "deep": deep})
    assert [one.path for one in got.fields] == ["x"]
    assert got.left_out == 1
    assert fields_of({'a."b': 1}).left_out == 1  # no path can be written for it


@given(json_like)
def test_every_path_that_is_told_finds_what_it_told(content):
    for one in fields_of(content).fields:
        items = [content] if one.items is None else find(content, one.items) if one.items else content
        found = [find(item, one.path) for item in items]
        assert (
            sum(not isinstance(value, dict | list) for value in found if value is not paths.NOTHING)
            == one.count
        )


def test_paths_of_names_that_hold_dots_and_brackets():
    content = {"a.b": {"c[0]": [5]}}
    path = below(below(below("", "a.b"), "c[0]"), 0)
    assert path == '["a.b"]["c[0]"][0]'
    assert find(content, path) == 5
