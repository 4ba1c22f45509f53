"""Name who acts on a case, and what is told with the act."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from twin.access.grants import Grants
from twin.access.masking import mask_text
from twin.access.roles import Act
from twin.cases.moves import Move
from twin.errors import InvalidError


@dataclass(frozen=True, slots=True)
class Party:
    """Who acts: an account, what it may do at the place of the case, and for whom it works."""

    account_id: UUID | None
    name: str
    acts: frozenset[Act]
    worker_id: int | None = None
    organisation_id: int | None = None


SYSTEM: Final = Party(None, "system", frozenset({Act.FILE_CASE}))
"""The installation itself, which links what repeats and makes more urgent what gets worse."""

OWN_ACTS: Final = frozenset({Act.HANDLE_CASE, Act.CALL_UP, Act.NOTE_CASE})
"""What the worker, or the staff of the organisation, to whom a case was given may do with it anywhere."""


def party_at(
    grants: Grants,
    account_id: UUID | None,
    name: str,
    *,
    scope_code: int,
    worker_id: int | None,
    organisation_id: int | None,
) -> Party:
    """Return somebody as they may act on a case of an area that was given to somebody, or to nobody."""
    acts = {act for act in grants.acts if scope_code in grants.where(act)}
    if grants.has(worker_id, organisation_id):
        acts |= OWN_ACTS
    return Party(account_id, name, frozenset(acts), grants.worker_id, grants.organisation_id)


@dataclass(frozen=True, slots=True)
class Told:
    """What is told with an act; `Move.needs` says what must be.

    ``organisation_id`` and ``worker_id`` are the handler; ``category_code`` and ``priority`` a correction;
    ``until`` when an extension ends, or when to look at a parked case again.
    """

    reason: str | None = None
    note: str | None = None
    organisation_id: int | None = None
    worker_id: int | None = None
    until: datetime | None = None
    rating: int | None = None
    category_code: str | None = None
    priority: int | None = None
    linked_to: int | None = None

    def said(self) -> dict[str, str | int]:
        """Return what was told, for the journal."""
        told = {key: value for key, value in dataclasses.asdict(self).items() if value is not None}
        return told if self.until is None else told | {"until": self.until.isoformat()}


def masked(told: Told) -> Told:
    """Return the same without the personal numbers in its texts, which everybody reads who sees the case."""
    return dataclasses.replace(told, reason=mask_text(told.reason), note=mask_text(told.note))


def require_told(move: Move, told: Told) -> None:
    """Raise `InvalidError` where something is missing that must be told with a move, or cannot be."""
    missing = [name for name in move.needs if not _is_told(name, told)]
    if missing:
        raise InvalidError(
            f"to {move.en.lower()} ({move.zh}) must be told: {', '.join(missing)}", where=missing[0]
        )
    for name in ("reason", "note"):
        said = getattr(told, name)
        if said is not None and len(said) > 2_000:
            raise InvalidError(f"{len(said)} letters", where=name, hint="at most 2,000")
    if told.rating is not None and not 1 <= told.rating <= 5:
        raise InvalidError(f"a rating of {told.rating}", where="rating", hint="1 (bad) to 5 (good)")
    if told.priority is not None and not 1 <= told.priority <= 4:
        raise InvalidError(f"a priority of {told.priority}", where="priority", hint="1 (urgent) to 4")


def _is_told(name: str, told: Told) -> bool:
    if name == "handler":
        return told.organisation_id is not None or told.worker_id is not None
    if name == "correction":
        return told.category_code is not None or told.priority is not None
    value = getattr(told, name)
    return bool(value.strip()) if isinstance(value, str) else value is not None
