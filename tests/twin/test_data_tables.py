"""What is wrong in a table of `data/` is told with its place, what stands there and what may stand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest

from twin.data_tables import DATA_FOLDER, read_table
from twin.errors import FileFormatError, InvalidError


class Reading(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    unit: Literal["cm", "m"]
    span: tuple[float, str] | None = None
    most: Annotated[int, msgspec.Meta(ge=1)] | None = None


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    readings: dict[str, Reading] = {}
    parts: tuple[Reading, ...] = ()


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    rows: tuple[Row, ...] = msgspec.field(name="row", default=())


GOOD = """
version = 3
[[row]]
name = "pump"
readings = { dry = { unit = "cm" }, level = { unit = "m", span = [1.5, "a"] } }
[[row]]
name = "door"
parts = [{ unit = "m" }, { unit = "cm", most = 4 }]
"""

PUMP, DOOR = "row[0] “pump”", "row[1] “door”"


def read(folder: Path, text: str) -> Table:
    file = folder / "things.toml"
    file.write_text(text, encoding="utf-8")
    return read_table(file, "the things", Table)


def test_a_good_table_is_read(tmp_path):
    table = read(tmp_path, GOOD)
    assert (table.version, [row.name for row in table.rows]) == (3, ["pump", "door"])
    assert table.rows[0].readings["level"].span == (1.5, "a")


@pytest.mark.parametrize(
    ("old", "new", "says", "place", "hint"),
    [
        ("version = 3\n", "", "missing required field `version`", "", ""),
        ("version = 3", 'version = "x"', "Expected `int`, got `str`, it is 'x'", "version", ""),
        ("version = 3", "version = 3\nrows = 1", "unknown field `rows`", "", "known: version, row"),
        ('name = "door"', "name = true", "Expected `str`, got `bool`, it is True", "row[1] “True” name", ""),
        ('unit = "m", span', 'unit = "km", span', "'km'", f"{PUMP} readings level unit", "one of cm, m"),
        ('unit = "cm" }', "}", "missing required field `unit`", f"{PUMP} readings dry", ""),
        ("1.5,", '"1.5",', "Expected `float`, got `str`, it is '1.5'", f"{PUMP} readings level span[0]", ""),
        ("1.5,", "nan,", "must be finite, it is nan", f"{PUMP} readings level span[0]", ""),
        ("1.5,", "-inf,", "must be finite, it is -inf", f"{PUMP} readings level span[0]", ""),
        ("most = 4", "most = 0", "Expected `int` >= 1, it is 0", f"{DOOR} parts[1] most", ""),
        ("most = 4", "least = 4", "unknown field `least`", f"{DOOR} parts[1]", "known: unit, span, most"),
        ('[{ unit = "m" }', "[7", "Expected `object`, got `int`, it is 7", f"{DOOR} parts[0]", ""),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path, old, new, says, place, hint):
    assert old in GOOD
    with pytest.raises(InvalidError) as caught:
        read(tmp_path, GOOD.replace(old, new, 1))
    assert caught.value.what.startswith("the things: ")
    assert says in caught.value.what
    assert caught.value.where == f"{tmp_path / 'things.toml'} {place}".strip()
    assert caught.value.hint == hint


@pytest.mark.parametrize("content", [b"[[row", b"\xff", b"version = 1\nversion = 2", None])
def test_what_is_no_toml_is_told_apart_from_wrong_rows(tmp_path, content):
    file = tmp_path / "things.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(FileFormatError, match="the things cannot be read") as caught:
        read_table(file, "the things", Table)
    assert caught.value.where == str(file)


def test_the_folder_is_the_one_of_this_tree():
    assert Path(__file__).parents[2] / "data" == DATA_FOLDER
