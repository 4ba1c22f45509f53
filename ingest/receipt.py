"""Tell a sender what became of each reading of a message."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from ingest.decoders.readings import RefusedReading
from twin.store.quarantine import WHAT_TO_DO

MOST_TOLD: Final = 100
"""Refused readings of a message that its sender is told in words."""


@dataclass(frozen=True, slots=True)
class Told:
    """What is said of one refused reading: its place in the message, why, what is wrong, what to do."""

    reading: str
    reason: str
    what: str
    hint: str


@dataclass(slots=True)
class Receipt:
    """What became of the readings of a message; each is counted in one of the first three.

    ``late`` are those of the stored that were older than what is shown. ``told`` names the first hundred
    refused.
    """

    stored: int = 0
    duplicate: int = 0
    refused: int = 0
    late: int = 0
    told: list[Told] = field(default_factory=list)

    def tell(self, wrong: RefusedReading, readings: int = 1) -> None:
        """Count readings that were refused for one reason, and name them where there is room."""
        self.refused += readings
        if len(self.told) < MOST_TOLD:
            hint = wrong.fault.hint
            do = WHAT_TO_DO.get(wrong.reason, "") if hint is None else hint.en
            self.told.append(Told(wrong.where, wrong.reason, wrong.fault.words.en, do))
