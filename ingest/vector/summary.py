"""Count what an import did, so that nothing that was read is unaccounted for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Protocol

EXAMPLES = 3
"""How many refused things of one reason are named; all of them stand in ``import_reject``."""


class Progress(Protocol):
    """What the command line shows while an import runs."""

    def begin(self, what: str, total: int | None) -> None:
        """Start a phase; ``total`` is its number of steps, None where it is not known."""

    def advance(self, steps: int = 1) -> None:
        """Report that so many steps of the phase are done."""


class Silent:
    """Progress that nobody watches."""

    def begin(self, what: str, total: int | None) -> None:
        """Ignore the start of a phase."""

    def advance(self, steps: int = 1) -> None:
        """Ignore a step."""


@dataclass(slots=True)
class TargetCounts:
    """What happened to the things read for one target; ``closed`` are things the file no longer has.

    ``repaired`` things are among the inserted, updated or unchanged: their geometry was mended on the way.
    """

    read: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: int = 0
    skipped: int = 0
    closed: int = 0
    repaired: int = 0
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Number by (``refused`` or ``skipped``, reason)."""
    examples: dict[str, list[str]] = field(default_factory=dict)
    """What and where, for the first few refused things of each reason."""

    def refuse(self, reason: str, what: str) -> None:
        """Count a refusal; ``what`` names the thing, its place in the file and what is wrong with it."""
        self.refused += 1
        self.reasons[("refused", reason)] += 1
        examples = self.examples.setdefault(reason, [])
        if len(examples) < EXAMPLES:
            examples.append(what[:300])

    @property
    def adds_up(self) -> bool:
        """Whether every thing read has exactly one outcome, and every refusal and skip a reason."""
        refused = sum(n for (outcome, _), n in self.reasons.items() if outcome == "refused")
        skipped = sum(n for (outcome, _), n in self.reasons.items() if outcome == "skipped")
        outcomes = self.inserted + self.updated + self.unchanged + self.refused + self.skipped
        return self.read == outcomes and refused == self.refused and skipped == self.skipped

    def as_dict(self) -> dict[str, Any]:
        """Return plain numbers, with reasons sorted by how often they were given."""
        numbers: dict[str, Any] = {
            name: getattr(self, name)
            for name in (
                "read",
                "inserted",
                "updated",
                "unchanged",
                "refused",
                "skipped",
                "closed",
                "repaired",
            )
        }
        numbers["reasons"] = [
            {
                "outcome": outcome,
                "reason": reason,
                "count": n,
                **({"examples": self.examples.get(reason, [])} if outcome == "refused" else {}),
            }
            for (outcome, reason), n in sorted(self.reasons.items(), key=lambda item: (-item[1], item[0]))
        ]
        return numbers


@dataclass(slots=True)
class ImportSummary:
    """What one import of one file did, by target (``building``, ``road``, ``device``, ...)."""

    dataset: str
    file_name: str
    targets: dict[str, TargetCounts] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    division: dict[str, Any] | None = None
    sights_updated: int = 0
    links_updated: int = 0
    elapsed_s: float = 0.0

    def target(self, label: str) -> TargetCounts:
        """Return the counts of a target, made at first use."""
        return self.targets.setdefault(label, TargetCounts())

    @property
    def changed(self) -> bool:
        """Whether the import changed anything that a person can see on the map."""
        return any(t.inserted or t.updated or t.closed for t in self.targets.values())

    def check(self) -> None:
        """Raise ``AssertionError`` where counts do not add up; called before the transaction commits."""
        for label, counts in self.targets.items():
            if not counts.adds_up:
                raise AssertionError(f"the counts of {label} do not add up: {counts.as_dict()}")

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as JSON-ready values."""
        return {
            "dataset": self.dataset,
            "file_name": self.file_name,
            "changed": self.changed,
            "targets": {label: counts.as_dict() for label, counts in self.targets.items()},
            "warnings": self.warnings,
            "division": self.division,
            "sights_updated": self.sights_updated,
            "links_updated": self.links_updated,
            "elapsed_s": round(self.elapsed_s, 3),
        }

    def lines(self) -> list[str]:
        """Return the summary for a person, one line a target and one for each reason."""
        out = [f"{self.file_name} -> {self.dataset}: {'changed' if self.changed else 'no changes'}"]
        for label, t in self.targets.items():
            parts = [
                f"{n} {word}"
                for word, n in (
                    ("new", t.inserted),
                    ("updated", t.updated),
                    ("unchanged", t.unchanged),
                    ("refused", t.refused),
                    ("skipped", t.skipped),
                )
                if n
            ]
            line = f"  {label}: {t.read} read = {' + '.join(parts) or '0'}"
            extras = [f"{n} {word}" for word, n in (("closed", t.closed), ("repaired", t.repaired)) if n]
            out.append(line + (f" ({', '.join(extras)})" if extras else ""))
            for (outcome, reason), n in sorted(t.reasons.items(), key=lambda item: (-item[1], item[0])):
                out.append(f"    {n} {outcome}: {reason}")
                named = t.examples.get(reason, []) if outcome == "refused" else []
                out += [f"      {what}" for what in named]
                if 0 < len(named) < n:
                    out.append(f"      … and {n - len(named)} more, in the table import_reject")
        out += [f"  warning: {warning}" for warning in self.warnings]
        return out
