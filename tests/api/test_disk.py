"""A disk that fills is told in time, and photographs stop before the database has to."""

from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path
from uuid import uuid4

import pytest

from api.disk import Disk
from api.photographs.receiving import Reception
from twin.errors import FullError

GIB = 2**30
_Found = namedtuple("_Found", "total used free")


@pytest.mark.parametrize(
    ("used_gib", "free_gib", "state", "takes"),
    [
        (79, 21, "ok", True),
        (80, 20, "filling", True),
        (89.9, 10.1, "filling", True),
        (90, 10, "low", False),
        (100, 0, "low", False),
        (0.5, 0.4, "low", True),  # a small one that is half empty: told, but nothing is refused
    ],
)
def test_states_of_a_disk(monkeypatch, tmp_path: Path, used_gib, free_gib, state, takes) -> None:
    found = _Found(100 * GIB, round(used_gib * GIB), round(free_gib * GIB))
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: found)
    disk = Disk(tmp_path)
    assert disk.usage().state == state
    reception = Reception(disk)
    if takes:
        with reception.place(uuid4()):
            pass
    else:
        with pytest.raises(FullError, match="磁盘"), reception.place(uuid4()):
            pass
