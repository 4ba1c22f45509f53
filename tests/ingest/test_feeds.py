"""The table of feeds."""

from __future__ import annotations

import pytest

from ingest.decoders import FORMATS
from ingest.feeds import STANDARDS, load_feeds
from twin.errors import InvalidError

ROW = """
name = "a-b"
zh = "甲"
en = "A"
transport = "http"
address = "/x"
format = "device_schema"
sender = "device"
"""


def test_own_table_is_right():
    feeds = load_feeds()
    assert len(feeds) >= 4
    assert all(feed.format in {*FORMATS, *STANDARDS} for feed in feeds.values())


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([ROW, ROW], "twice"),
        ([ROW, ROW.replace("a-b", "c-d")], "address"),
        ([ROW.replace("device_schema", "xml")], "no format"),
        ([ROW.replace('"http"', '"carrier pigeon"')], "carrier pigeon"),
        ([ROW + "colour = 3\n"], "colour"),
        ([ROW + "silent_s = 0\n"], "silent_s"),
        ([ROW.replace("a-b", "A B")], "name"),
    ],
)
def test_wrong_row_is_named(tmp_path, rows, says):
    file = tmp_path / "feeds.toml"
    file.write_text("".join(f"[[feed]]\n{row}" for row in rows), encoding="utf-8")
    with pytest.raises(InvalidError, match=says):
        load_feeds(file)
