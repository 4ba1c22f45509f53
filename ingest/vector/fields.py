"""Read the fields of a row as texts, numbers, flags and words of a list, refusing what they cannot be."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from ingest.vector.tag_values import clean
from twin.errors import InvalidError

_TRUE = frozenset({"1", "true", "yes", "y", "t", "是", "有"})
_FALSE = frozenset({"0", "false", "no", "n", "f", "否", "无"})


class FieldError(InvalidError):
    """A field of one row is wrong; ``reason`` is the word counted in the summary."""

    def __init__(self, reason: str, what: str) -> None:
        super().__init__(what)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class FieldReader:
    """The fields of one row under our names.

    Parameters
    ----------
    values
        The row under the file's column names.
    columns
        Which column holds which of our fields.
    """

    values: Mapping[str, Any]
    columns: Mapping[str, str]

    def raw(self, name: str) -> Any:
        """Return what the row has for a field, None for nothing or blanks."""
        column = self.columns.get(name)
        value = None if column is None else self.values.get(column)
        if isinstance(value, str) and not value.strip():
            return None
        return value

    def text(self, name: str) -> str | None:
        """Return a text without blanks around it; whole numbers read as decimals lose their ``.0``."""
        value = self.raw(name)
        if value is None:
            return None
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        return clean(str(value))

    def required(self, name: str) -> str:
        """Return a text that must be there.

        Raises
        ------
        FieldError
            ``missing_<name>``.
        """
        value = self.text(name)
        if value is None:
            raise FieldError(f"missing_{name}", f"“{self.columns.get(name, name)}” is empty")
        return value

    def number(self, name: str, low: float, high: float) -> float | None:
        """Return a finite number within bounds, None where the field is empty.

        Raises
        ------
        FieldError
            ``bad_<name>``: no number, NaN, infinite (``1e999``) or outside the bounds.
        """
        value = self.raw(name)
        if value is None:
            return None
        column = self.columns[name]
        try:
            number = float(value.strip().replace(",", ".")) if isinstance(value, str) else float(value)
        except (ValueError, TypeError, OverflowError):
            raise FieldError(f"bad_{name}", f"“{column}” is “{_short(value)}”, not a number") from None
        if not math.isfinite(number):
            raise FieldError(f"bad_{name}", f"“{column}” is “{_short(value)}”, not a finite number")
        if not low <= number <= high:
            raise FieldError(f"bad_{name}", f"“{column}” is {number:g}, outside {low:g} to {high:g}")
        return number

    def integer(self, name: str, low: int, high: int) -> int | None:
        """Return a whole number within bounds; errors as in `number`."""
        number = self.number(name, low, high)
        if number is None:
            return None
        if number != int(number):
            raise FieldError(f"bad_{name}", f"“{self.columns[name]}” is {number:g}, not a whole number")
        return int(number)

    def flag(self, name: str, default: bool) -> bool:
        """Return a yes or no, the default where the field is empty; ``bad_<name>`` for another word."""
        value = self.text(name)
        if value is None:
            return default
        word = value.lower()
        if word in _TRUE:
            return True
        if word in _FALSE:
            return False
        raise FieldError(f"bad_{name}", f"“{self.columns[name]}” is “{_short(value)}”, not yes or no")

    def one_of(self, name: str, words: tuple[str, ...], default: str | None = None) -> str:
        """Return one of the words; ``missing_<name>`` or ``bad_<name>`` otherwise."""
        value = self.text(name) or default
        if value is None:
            raise FieldError(f"missing_{name}", f"“{self.columns.get(name, name)}” is empty")
        if value not in words:
            raise FieldError(
                f"bad_{name}",
                f"“{self.columns.get(name, name)}” is “{_short(value)}”, not one of {', '.join(words)}",
            )
        return value

    def day(self, name: str) -> date | None:
        """Return a date from ``2024-05-01`` or ``20240501``; ``bad_<name>`` for anything else."""
        value = self.text(name)
        if value is None:
            return None
        try:
            return date.fromisoformat(value[:10] if "-" in value else value)
        except ValueError:
            raise FieldError(
                f"bad_{name}", f"“{self.columns[name]}” is “{_short(value)}”, not a date like 2024-05-01"
            ) from None

    def rest(self) -> dict[str, str] | None:
        """Return the columns that no field took, as texts, to be kept beside the row."""
        taken = set(self.columns.values())
        kept = {
            str(name)[:255]: text
            for name, value in self.values.items()
            if name not in taken and value is not None and (text := clean(str(value))) is not None
        }
        return kept or None


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def find_columns(
    present: tuple[str, ...],
    aliases: Mapping[str, tuple[str, ...]],
    mapped: Mapping[str, str],
    *,
    where: str,
) -> dict[str, str]:
    """Return which column holds which field: as the user mapped it, else by its name or a usual other name.

    Raises
    ------
    InvalidError
        The mapping names a field or a column that does not exist.
    """
    by_lower = {name.strip().lower(): name for name in reversed(present)}
    columns: dict[str, str] = {}
    for field, column in mapped.items():
        if field not in aliases:
            raise InvalidError(
                f"there is no field “{field}” to map to", where="--map", hint=f"fields: {', '.join(aliases)}"
            )
        if column.strip().lower() not in by_lower:
            raise InvalidError(
                f"the file has no column “{column}”", where=where, hint=f"columns: {', '.join(present)}"
            )
        columns[field] = by_lower[column.strip().lower()]
    taken = set(columns.values())
    for field, names in aliases.items():
        if field in columns:
            continue
        for name in (field, *names):
            column = by_lower.get(name.lower(), "")
            if column and column not in taken:
                columns[field] = column
                taken.add(column)
                break
    return columns
