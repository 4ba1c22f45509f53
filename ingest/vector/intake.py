"""Gather rows for the tables and refusals with their reasons, before anything is written."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry

from ingest.vector.summary import ImportSummary
from twin.errors import FileFormatError

HASH_BYTES = 8
"""Bytes of each half of a content hash: attributes first, geometry second."""


@dataclass(slots=True)
class Row:
    """One row for a table. ``values`` are its own columns, ``label`` the target it is counted under."""

    label: str
    ref: str
    geom: BaseGeometry
    values: dict[str, Any]
    tags: dict[str, str] | None = None

    def content_hash(self) -> bytes:
        """Return 16 bytes that change with the attributes (first half) or the geometry (second half)."""
        attributes = json.dumps([self.values, self.tags], ensure_ascii=True, sort_keys=True, default=str)
        return (
            hashlib.blake2b(attributes.encode(), digest_size=HASH_BYTES).digest()
            + hashlib.blake2b(shapely.to_wkb(self.geom, byte_order=1), digest_size=HASH_BYTES).digest()
        )


@dataclass(frozen=True, slots=True)
class Reject:
    """A thing that could not be taken, as it will stand in ``import_reject``."""

    label: str
    ref: str
    reason: str
    detail: str
    raw: dict[str, Any] | None = None


@dataclass(slots=True)
class Intake:
    """Rows by table and refusals of one file. Every thing read is taken, refused or skipped, once."""

    summary: ImportSummary
    rows: dict[str, list[Row]] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    refused_refs: dict[str, set[str]] = field(default_factory=dict)
    _seen: set[tuple[str, str]] = field(default_factory=set)

    def take(self, table: str, row: Row, *, repaired: bool = False) -> None:
        """Count a thing as read and keep its row; a second one of the same name is refused."""
        if (table, row.ref) in self._seen:
            self.refuse(
                table,
                row.label,
                row.ref,
                "duplicate_id",
                "the same id comes twice in the file; the first one was taken",
                _raw(row.tags),
                keep_ref=False,
            )
            return
        self._seen.add((table, row.ref))
        counts = self.summary.target(row.label)
        counts.read += 1
        counts.repaired += repaired
        self.rows.setdefault(table, []).append(row)

    def refuse(
        self,
        table: str,
        label: str,
        ref: str,
        reason: str,
        detail: str,
        raw: dict[str, Any] | None = None,
        *,
        keep_ref: bool = True,
    ) -> None:
        """Count a thing as read and refused. What an earlier file said of it stays valid."""
        counts = self.summary.target(label)
        counts.read += 1
        self.refuse_taken(table, label, ref, reason, detail, raw, keep_ref=keep_ref)

    def refuse_taken(
        self,
        table: str,
        label: str,
        ref: str,
        reason: str,
        detail: str,
        raw: dict[str, Any] | None = None,
        *,
        keep_ref: bool = True,
    ) -> None:
        """Refuse a thing that was already counted as read (the database found what is wrong with it)."""
        self.summary.target(label).refuse(reason, f"{ref}: {detail}")
        self.rejects.append(Reject(label, ref, reason, detail, raw))
        if keep_ref:
            self.refused_refs.setdefault(table, set()).add(ref)

    def skip(self, label: str, reason: str) -> None:
        """Count a thing as read and left out on purpose, for a documented reason."""
        counts = self.summary.target(label)
        counts.read += 1
        counts.skipped += 1
        counts.reasons[("skipped", reason)] += 1

    def nothing_taken(self, path: Path) -> FileFormatError:
        """Return the error of a file of which nothing was taken: what was wrong with most of it."""
        reasons = [reason for t in self.summary.targets.values() for reason, _ in t.reasons.most_common(1)]
        first = self.rejects[0].detail if self.rejects else ""
        return FileFormatError(
            f"nothing of {path.name} can be taken" + (f": {reasons[0][1]}, {first}" if reasons else ""),
            where=str(path),
            hint="check --as, --map and --crs",
        )


def _raw(tags: dict[str, str] | None) -> dict[str, Any] | None:
    return dict(tags) if tags else None
