"""Say what a partner is told of an event: no persons, and of cases of others only roughly where they are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from twin.access.masking import mask_text
from twin.cases.categories import name_of
from twin.cases.moves import EVENT_WORDS
from twin.model.case import REPORTED_SOURCES

SCHEMA: Final = 1
"""Number of the shape of a message; fields may be added under the same number."""

EVENTS: Final = tuple(EVENT_WORDS)
"""Events that a partner may be told of."""

TEST: Final = "gridtwin.test"
"""Kind of the message by which people try whether a partner is there."""

ROUGHLY_DEGREES: Final = 0.0005
"""To what the place of a resident's report is rounded for those who do not have the case (about 50 m)."""

_CHANGES: Final = frozenset(
    {"stage", "outcome", "category_code", "priority", "filed_at", "stage_due_at", "due_at", "parked_at"}
    | {"closed_at", "extensions", "reworks", "repeats", "called_up", "rating", "review_since"}
)
"""What is told of what changed; who has it, who repaired it and who asks for what are matters of ours."""
_BY_RESIDENTS: Final = frozenset({"case.reported", "case.rated"})
"""Events with which residents may say something, which stays here."""
_SAID: Final = ("reason", "note", "until")


@dataclass(frozen=True, slots=True)
class Owed:
    """An event of the journal that a partner is to be told of.

    ``given`` says that its organisation has the case, ``taken`` that this event took it away from that.
    """

    seq: int
    at: datetime
    kind: str
    case_id: int
    data: dict[str, Any]
    given: bool = False
    taken: bool = False


def message_id(partner_id: object, seq: int) -> str:
    """Return the id of a message: the same for the same event, however often it is sent."""
    return f"evt_{str(partner_id).replace('-', '')[:12]}_{seq}"


def event_body(owed: Owed) -> bytes:
    """Return the message of an event, as JSON: the same for the same event.

    Words of residents are never in it; those of staff, numbers of persons masked, only where the case is
    given to the organisation of the partner.
    """
    data = owed.data
    zh, en = EVENT_WORDS.get(owed.kind, (owed.kind, owed.kind))
    told: dict[str, Any] = {
        "schema": SCHEMA,
        "sequence": owed.seq,
        "event": {"zh": zh, "en": en},
        "case": {
            "number": data.get("number"),
            "version": data.get("version"),
            "stage": data.get("stage"),
            "category": _category(data.get("category")),
            "source": data.get("source"),
            "place": _place(data, exactly=owed.given),
            "simulated": bool(data.get("simulated", False)),
        },
        "yours": owed.given,
        "taken_away": owed.taken,
        "changes": {name: value for name, value in data.get("changes", {}).items() if name in _CHANGES},
    }
    if owed.given and owed.kind not in _BY_RESIDENTS:
        said = data.get("told", {})
        told["said"] = {name: mask_text(str(said[name])) for name in _SAID if said.get(name) is not None}
    return _message(owed.kind, owed.at, told)


def test_body(at: datetime) -> bytes:
    """Return the message by which people try whether a partner is there; it is about no case."""
    return _message(TEST, at, {"schema": SCHEMA})


def _message(kind: str, at: datetime, data: dict[str, Any]) -> bytes:
    return orjson.dumps({"type": kind, "timestamp": at.isoformat(), "data": data})


def _category(code: str | None) -> dict[str, str | None] | None:
    if code is None:
        return None
    name = name_of(code)
    return {"code": code, "zh": name.zh if name else None, "en": name.en if name else None}


def _place(data: dict[str, Any], *, exactly: bool) -> dict[str, Any] | None:
    lon, lat = data.get("lon"), data.get("lat")
    if lon is None or lat is None:
        return None
    exact = exactly or data.get("source") not in REPORTED_SOURCES
    if not exact:
        lon, lat = (round(round(value / ROUGHLY_DEGREES) * ROUGHLY_DEGREES, 4) for value in (lon, lat))
    return {"lon": lon, "lat": lat, "exact": exact}
