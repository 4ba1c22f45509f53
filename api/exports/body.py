"""Put rows into the body of a file, some at a time: CSV after RFC 4180, GeoJSON after RFC 7946."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import orjson

from api.exports.cells import BYTE_ORDER_MARK, csv_lines, plain
from api.exports.mark import Mark
from api.exports.table import Column, Found, Table, View

Form = Literal["csv", "geojson"]

MEDIA_TYPES: Final[dict[Form, str]] = {
    "csv": "text/csv; charset=utf-8; header=present",
    "geojson": "application/geo+json",
}
MARK_COLUMN: Final = Column("export", "导出", "Export")
"""The last column of a CSV file: the mark on each row, so that a part of the file is known too."""


class CsvBody:
    """A table as CSV, with the byte order mark that Excel needs."""

    def __init__(self, table: Table, view: View, mark: Mark) -> None:
        self._table, self._view, self._mark = table, view, mark

    def head(self) -> bytes:
        """Return what comes before the rows: the headings."""
        last = MARK_COLUMN.en if self._view.lang == "en" else MARK_COLUMN.zh
        return BYTE_ORDER_MARK.encode() + csv_lines([(*self._table.headings(self._view.lang), last)])

    def rows(self, found: Sequence[Found]) -> bytes:
        """Return some rows."""
        mark = self._mark.line
        return csv_lines((*self._table.cells(row, self._view), mark) for row in found)

    def tail(self) -> bytes:
        """Return what comes after the rows: nothing."""
        return b""


class GeoJsonBody:
    """A table as one feature collection; the mark is its foreign member ``export`` (RFC 7946, 6.1)."""

    def __init__(self, table: Table, view: View, mark: Mark) -> None:
        self._table, self._view = table, view
        self._keys = [column.key for column in table.columns]
        self._mark = mark
        self._first = True

    def head(self) -> bytes:
        """Return what comes before the features: the mark, and what the properties are called."""
        columns = dict(zip(self._keys, self._table.headings(self._view.lang), strict=True))
        said = orjson.dumps({"export": self._mark.members, "columns": columns})
        return b'{"type":"FeatureCollection",' + said[1:-1] + b',"features":['

    def rows(self, found: Sequence[Found]) -> bytes:
        """Return some features."""
        features = b",\n".join(self._feature(row) for row in found)
        comma, self._first = b"\n" if self._first else b",\n", False
        return comma + features

    def tail(self) -> bytes:
        """Return what comes after the features."""
        return b"]}\n"

    def _feature(self, row: Found) -> bytes:
        cells = map(plain, self._table.cells(row, self._view))
        properties = dict(zip(self._keys, cells, strict=True))
        feature = {
            "type": "Feature",
            "geometry": None if row["shape"] is None else orjson.Fragment(row["shape"]),
            "properties": properties,
        }
        return orjson.dumps(feature)
