"""Turn measured arrays into the few figures people read, and results into tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True, slots=True)
class Table:
    """A titled table: the header's first column names the row."""

    title: str
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    notes: tuple[str, ...] = field(default=())

    def render(self) -> str:
        """Give the table as lines of monospaced text."""
        lines = [self.header, *self.rows]
        widths = [max(len(row[column]) for row in lines) for column in range(len(self.header))]
        out = [self.title]
        for number, row in enumerate(lines):
            cells = [row[0].ljust(widths[0])]
            cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
            out.append("  " + "  ".join(cells).rstrip())
            if number == 0:
                out.append("  " + "  ".join("-" * width for width in widths))
        out += [f"  {note}" for note in self.notes]
        return "\n".join(out)

    def markdown(self) -> str:
        """Give the table as Markdown, for docs/benchmarks.md."""
        out = [f"**{self.title}**", "", "| " + " | ".join(self.header) + " |"]
        out.append("|" + "|".join(["---"] + ["---:"] * (len(self.header) - 1)) + "|")
        out += ["| " + " | ".join(row) + " |" for row in self.rows]
        if self.notes:
            out += ["", *self.notes]
        return "\n".join(out)


def spread_ms(seconds: ArrayLike) -> dict[str, float | int | None]:
    """Give count, p50, p95, p99 and max of durations in seconds, as milliseconds (None when empty)."""
    values = np.asarray(seconds, dtype=np.float64)
    if values.size == 0:
        return {"count": 0, "p50_ms": None, "p95_ms": None, "p99_ms": None, "max_ms": None}
    p50, p95, p99 = np.percentile(values, (50, 95, 99))
    return {
        "count": int(values.size),
        "p50_ms": round(float(p50) * 1e3, 2),
        "p95_ms": round(float(p95) * 1e3, 2),
        "p99_ms": round(float(p99) * 1e3, 2),
        "max_ms": round(float(values.max()) * 1e3, 2),
    }


def slope_per_minute(times_s: ArrayLike, values: ArrayLike) -> float | None:
    """Give the least-squares growth per minute of a series; None for fewer than three points."""
    x, y = np.asarray(times_s, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if x.size < 3:
        return None
    return round(float(np.polyfit(x - x[0], y, 1)[0]) * 60.0, 4)


def show(value: Any, decimals: int = 1, unit: str = "") -> str:
    """Write a figure for a table; ``–`` where there is none."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = (
        f"{value:,.{decimals}f}"
        if isinstance(value, float)
        else f"{value:,}"
        if isinstance(value, int)
        else str(value)
    )
    return f"{text} {unit}".strip()
