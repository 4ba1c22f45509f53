"""Say in both languages why a message was refused, where in it, and what to do."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from api.routes.answers import Names
from twin.faults import Words, place_words, read_fault


class RefusalWords(BaseModel):
    """What is wrong, and where in the message. ``hint`` is null where what holds for the reason is enough.

    ``cut_from`` is how many bytes the message had, where fewer are kept; 0 where all are.
    """

    what: Names
    where: Names
    hint: Names | None
    cut_from: int


def refusal_words(said: dict[str, Any] | None) -> RefusalWords | None:
    """Return the words of what was kept of a refusal; None where nothing was, or another build wrote it."""
    fault = None if said is None else read_fault(said)
    if said is None or fault is None:
        return None
    return RefusalWords(
        what=_names(fault.words),
        where=_names(place_words(str(said.get("where", "")))),
        hint=None if fault.hint is None else _names(fault.hint),
        cut_from=int(said.get("cut", 0)),
    )


def _names(words: Words) -> Names:
    return Names(zh=words.zh, en=words.en)
