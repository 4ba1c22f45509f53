"""What an exported row says it is about: a property, or the device as a whole."""

from __future__ import annotations

from types import SimpleNamespace

from api.exports.places import observed, property_cells
from twin.catalog import load_catalog


def test_an_alarm_of_a_whole_device_names_no_property():
    view = SimpleNamespace(catalog=load_catalog(), lang="zh")
    row = {"kind": "water_level"}
    cells = [property_cells(observed(row, slot, view), slot, view) for slot in (0, 9, None)]
    assert cells == [("液位", "cm"), ("9", None), (None, None)]
