"""Prove that a trail leaves open what was not observed."""

from __future__ import annotations

from api.routes.trails import _walks


def test_a_gap_parts_a_trail_and_a_single_fix_is_no_walk() -> None:
    times = [0.0, 5.0, 10.0, 100.0, 105.0, 300.0]
    row = {"id": 7, "lons": [104.0 + i / 1e4 for i in range(6)], "lats": [30.0] * 6, "times": times}
    walks = list(_walks(row, 30.0))
    assert [walk.timestamps for walk in walks] == [[0.0, 5.0, 10.0], [100.0, 105.0]]
    assert [len(walk.path) for walk in walks] == [3, 2]
    assert {walk.id for walk in walks} == {7}
    assert next(iter(_walks(row, 1000.0))).timestamps == times
