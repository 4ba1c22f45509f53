"""Say what a quality check found, where it is and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "info"]
"""``error``: the twin gives wrong answers; ``warning``: probably wrong; ``info``: worth knowing."""

EXAMPLES_MAX = 10
"""How many places a finding lists; its count is always the full number."""


@dataclass(frozen=True, slots=True)
class Example:
    """One place of a finding: the thing (``unit_grid 510105001001003``), lon/lat degrees where known."""

    subject: str
    lon: float | None = None
    lat: float | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of fault of one check; a check that finds nothing returns none.

    ``message`` and ``hint`` are one sentence each, for a person: what is wrong, what to do.
    """

    check: str
    severity: Severity
    count: int
    examples: tuple[Example, ...]
    message: str
    hint: str
