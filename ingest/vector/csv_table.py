"""Read the rows of a CSV table, whatever its separator and encoding, and where each of them lies."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from shapely.geometry import Point
from shapely.geometry.base import BaseGeometry

from ingest.vector.fields import FieldError, FieldReader
from ingest.vector.source_file import SourceFile, file_errors
from ingest.vector.summary import ImportSummary
from twin.errors import FileFormatError, InvalidError

LINE_MAX: Final = 100_000
"""Longest cell, signs."""


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the file: where it is, its fields, its geometry in the file's frame or why it has none."""

    where: str
    fields: Mapping[str, Any]
    geometry: BaseGeometry | None
    problem: FieldError | None = None


def read_rows(
    source: SourceFile, encoding: str | None, summary: ImportSummary
) -> tuple[tuple[str, ...], list[Line]]:
    """Return the head of a CSV table and its rows, not placed yet.

    Raises
    ------
    FileFormatError
        It is no sound table, or in another encoding.
    """
    with file_errors(source.path):
        content = source.path.read_bytes()
    text = _decode(content, encoding, source, summary)
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    csv.field_size_limit(LINE_MAX)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    lines: list[Line] = []
    try:
        header = tuple(name.strip() for name in next(reader))
        for record in reader:
            if not any(cell.strip() for cell in record):
                continue
            where = f"line {reader.line_num}"
            values = dict(zip(header, record, strict=False))
            problem = None
            if len(record) != len(header):
                problem = FieldError(
                    "wrong_number_of_columns", f"it has {len(record)} columns, the head has {len(header)}"
                )
            lines.append(Line(where, values, None, problem))
    except csv.Error as error:
        raise FileFormatError(
            f"{source.name} is not a sound CSV table: {error}",
            where=f"line {reader.line_num}",
            hint="check the quotes there; save the table as CSV (UTF-8) again",
        ) from error
    return header, lines


def place_of(where: str, values: Mapping[str, Any], columns: Mapping[str, str]) -> Line:
    """Return a row with its place, or with why it has none."""
    fields = FieldReader(values, columns)
    try:
        fields.required("lon")
        fields.required("lat")
        # Any finite number: which are possible depends on the frame.
        lon, lat = fields.number("lon", -1e9, 1e9), fields.number("lat", -1e9, 1e9)
    except FieldError as error:
        return Line(where, values, None, error)
    # Both are there: emptiness was refused above.
    return Line(where, values, Point(lon or 0.0, lat or 0.0))


def _decode(content: bytes, encoding: str | None, source: SourceFile, summary: ImportSummary) -> str:
    tried = (encoding,) if encoding else ("utf-8-sig", "gb18030")
    if not encoding and content.startswith((b"\xff\xfe", b"\xfe\xff")):
        tried = ("utf-16",)
    for name in tried:
        try:
            text = content.decode(name)
        except UnicodeDecodeError:
            continue
        except LookupError as error:
            raise InvalidError(
                f"there is no encoding “{name}”", where="--encoding", hint="for example utf-8 or gbk"
            ) from error
        if name == "gb18030":
            summary.warnings.append(
                f"{source.name} is not UTF-8; it was read as GB 18030 (say --encoding otherwise)"
            )
        return text.replace("\x00", "")
    raise FileFormatError(
        f"{source.name} is not text in {' or '.join(tried)}",
        where=str(source.path),
        hint="say its encoding with --encoding",
    )
