"""Mark a file with who took it out, when, of where, chosen how, and its number on the record of acts."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from api.exports.cells import stamp
from twin.access.scope import Scope


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a file comes from.

    Parameters
    ----------
    seq
        Number of the act on the record.
    table
        Name of the table.
    by
        Name of the account.
    at
        When.
    scope
        The areas whose rows may be in it.
    chosen
        The filters that were asked for, by name.
    rows
        How many rows it has.
    """

    seq: int
    table: str
    by: str
    at: datetime
    scope: Scope
    rows: int
    chosen: dict[str, Any] = field(default_factory=dict)

    @property
    def number(self) -> str:
        """The number of the export: by it the auditor finds the act."""
        return f"GT-{self.seq}"

    @property
    def members(self) -> dict[str, Any]:
        """The mark by its parts."""
        return {
            "number": self.number,
            "table": self.table,
            "by": self.by,
            "at": stamp(self.at),
            "scope": areas_of(self.scope),
            "filter": self.chosen,
            "rows": self.rows,
        }

    @property
    def line(self) -> str:
        """The mark in one cell, parts by semicolons: `GT-7;by=li;at=...;scope=...;filter=...;rows=12`.

        The filter is written as in an address, so that no value of it can pass for a part.
        """
        chosen = urlencode(self.chosen, safe=":") or "none"
        return (
            f"{self.number};by={self.by};at={stamp(self.at)};scope={areas_of(self.scope)};"
            f"filter={chosen};rows={self.rows}"
        )

    def file_name(self, form: str) -> str:
        """Name of the file, in signs that every system takes."""
        at = stamp(self.at.replace(microsecond=0)).replace(":", "").replace("-", "")
        return f"gridtwin-{self.table}-{self.number}-{at}-{self.by}-{self.rows}.{form}"


def areas_of(scope: Scope) -> str:
    """Return a scope as people write it: `whole`, or ranges of codes."""
    if scope.whole:
        return "whole"
    return "+".join(str(low) if low == high else f"{low}-{high}" for low, high in scope.ranges)
