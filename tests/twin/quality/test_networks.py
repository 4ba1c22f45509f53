"""Faults of networks are found, each under its name, and a sound network has none."""

from __future__ import annotations

import pytest
import shapely

from twin.networks.joining import join_networks

pytestmark = pytest.mark.postgis


def test_faults_of_networks_are_told(checked) -> None:
    with checked as city:

        def node(ref: str, x: float, y: float = 100.0, kind: str = "valve", utility: str = "water") -> None:
            city.imported("network_node", ref, shapely.Point(x, y), utility=utility, kind=kind)

        def line(ref: str, *xy: tuple[float, float], utility: str = "water", **more) -> None:
            more = {"grade": "低压", "length_m": 1} | more
            city.imported("network_line", ref, shapely.LineString(xy), utility=utility, **more)

        node("s", 100, kind="source")
        node("j", 200, kind="joint")
        node("m", 300, kind="meter")
        line("a", (100, 100), (200, 100))
        line("b", (200.4, 100), (300, 100))
        join_networks(city.connection)
    assert checked.found == {}
    with checked as city:
        node("off", 150, 103)
        line("c", (200, 100), (200, 150), grade=None)
        node("g", 100, kind="source", utility="gas")
        node("h", 150, kind="hydrant", utility="gas")
        line("d", (100, 100), (150, 100), utility="gas")
        for ref, x in (("p", 400), ("q", 450)):
            node(ref, x)
        line("e", (400, 100), (450, 100))
        join_networks(city.connection)
    assert checked.found == {
        "network_loose_end": 1,
        "network_node_off_line": 1,
        "network_line_without_grade": 1,
        "network_piece_water": 1,
    }
    found = checked.findings
    assert found["network_loose_end"].examples[0].subject == "water line c"
    assert found["network_loose_end"].examples[0].detail == "last end"
    assert found["network_node_off_line"].examples[0].detail == "3.0 m from a"
    assert found["network_piece_water"].examples[0].detail == "1 lines, without a source"
