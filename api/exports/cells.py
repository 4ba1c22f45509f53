"""Write rows as CSV that a spreadsheet opens as text and numbers, and never as a formula."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

Cell = str | int | float | bool | datetime | None
"""What a cell holds; a number that is not finite, and None, are empty cells."""

BYTE_ORDER_MARK: Final = "\ufeff"
"""At the beginning of a file: without it Excel reads UTF-8 as the code page of the machine."""

_BEGINS_FORMULA: Final = frozenset("=+-@\t\r\n＝＋－＠")
"""What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection), full width too."""

_GUARD: Final = "'"


def guarded(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: with an apostrophe before what could be one.

    Blanks, control and invisible signs at the beginning are looked past, since some programs drop them. A
    text that has apostrophes before what could be a formula gets one more, so that `unguarded` is exact.
    """
    return _GUARD + text if _is_risky(text) else text


def unguarded(text: str) -> str:
    """Return what `guarded` was given, for programs that read an export."""
    return text[1:] if text.startswith(_GUARD) and _is_risky(text) else text


def _is_risky(text: str) -> bool:
    for sign in text:
        if sign in _BEGINS_FORMULA:
            return True
        if sign != _GUARD and not sign.isspace() and unicodedata.category(sign) not in {"Cc", "Cf"}:
            return False
    return False


def stamp(moment: datetime) -> str:
    """Return a moment as ISO 8601 in UTC, to the millisecond where it has one."""
    spec = "milliseconds" if moment.microsecond else "seconds"
    return moment.astimezone(UTC).isoformat(timespec=spec).replace("+00:00", "Z")


def plain(cell: Cell) -> str | int | float | bool | None:
    """Return a cell as JSON takes it: moments as text, numbers that are not finite as None."""
    if isinstance(cell, datetime):
        return stamp(cell)
    if isinstance(cell, float) and cell - cell != 0.0:
        return None
    return cell


def csv_lines(rows: Iterable[Sequence[Cell]]) -> bytes:
    """Return rows as CSV after RFC 4180 in UTF-8: texts in quotes and guarded, numbers bare."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    for row in rows:
        writer.writerow([_written(plain(cell)) for cell in row])
    return out.getvalue().encode()


def _written(cell: str | int | float | bool | None) -> str | int | float:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return guarded(cell) if isinstance(cell, str) else cell
