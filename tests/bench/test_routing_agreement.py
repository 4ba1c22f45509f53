"""The comparison of ways with those of a peer, and the search for a Python that has it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from bench import interpreters
from bench.interpreters import find_python
from bench.routing.agreement import compare, decoded, differing
from twin.errors import SetupError

PAIRS = [((104.0, 30.0), (104.001, 30.0))] * 5
# (30, 104), (30, 104.001) in steps of a millionth of a degree, as both peers write them.
LINE = "_w`fx@__tjeE?o}@"


def _ours(seconds):
    return {
        "seconds": seconds,
        "metres": 96.0,
        "stairs_m": 0.0,
        "roads": [7],
        "middles": [(104.0005, 30.001)],
    }


def _theirs(seconds, line=LINE):
    return {"seconds": seconds, "metres": 96.0, "line": line}


def test_a_line_is_read_as_it_was_written() -> None:
    assert decoded(LINE).tolist() == [[104.0, 30.0], [104.001, 30.0]]
    # The example of who devised the format, who wrote steps of a hundred-thousandth.
    places = [[-12.02, 3.85], [-12.095, 4.07], [-12.6453, 4.3252]]
    assert decoded("_p~iF~ps|U_ulLnnqC_mqNvxq`@") == pytest.approx(np.array(places))


def test_ratios_are_of_pairs_with_a_way_on_both_sides() -> None:
    ours = [_ours(one) for one in (100.0, 108.0, None, 50.0, None)]
    theirs = [_theirs(100.0), _theirs(100.0), {"seconds": None}, {"seconds": None}, _theirs(9.0)]
    found = compare(PAIRS, ours, theirs)
    assert (found["both"], found["neither"], found["only_ours"], found["only_theirs"]) == (2, 1, 1, 1)
    assert (found["median"], found["within_tenth"], found["moved"]) == (1.04, 1.0, 0)


def test_a_pair_whose_place_the_peer_has_moved_is_counted_apart() -> None:
    elsewhere = _theirs(300.0, "_w`fx@g~tjeEg^?")
    found = compare(PAIRS[:2], [_ours(100.0), _ours(100.0)], [_theirs(100.0), elsewhere])
    assert (found["pairs"], found["moved"], found["both"], found["median"]) == (2, 1, 1, 1.0)


def test_what_differs_names_the_streets_that_only_our_way_uses() -> None:
    ours, theirs = [_ours(100.0), _ours(100.0)], [_theirs(100.0), _theirs(200.0)]
    (found,) = differing(PAIRS[:2], ours, theirs, {7: "way/7 footway"})
    assert (found["ours_s"], found["theirs_s"], found["only_ours"]) == (100.0, 200.0, ["way/7 footway"])


def test_a_python_is_found_or_it_is_said_that_there_is_none(tmp_path: Path, monkeypatch) -> None:
    assert find_python(sys.version_info[:2], tmp_path, print) == Path(sys.executable)
    monkeypatch.setattr(interpreters.shutil, "which", lambda _name: None)
    with pytest.raises(SetupError, match=r"no Python 9\.9 or newer"):
        find_python((9, 9), tmp_path, print)
