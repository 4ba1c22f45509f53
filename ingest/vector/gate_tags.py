"""Judge from tags what a gate on a road is, who passes it, and when it stands open."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import time
from typing import Final

from ingest.vector.tag_values import Tags
from twin.dispatch.gate_kinds import PUBLIC, GateKind, load_gate_kinds

_FREE: Final = frozenset(
    {"yes", "designated", "permissive", "destination", "customers", "delivery", "official", "public"}
)
_WITH_KEY: Final = frozenset({"private", "permit", "residents", "key", "military", "emergency", "employees"})
# From the general to the special; the last one that says something holds.
_CHAINS: Final = {
    "foot": ("access", "foot"),
    "bike": ("access", "vehicle", "bicycle"),
    "car": ("access", "vehicle", "motor_vehicle", "motorcar"),
}
_DAILY: Final = re.compile(
    r"(?:Mo-Su|每[天日]|Su-Sa|daily)?\s*(\d{1,2}):(\d{2})\s*[-–~至]\s*(\d{1,2}):(\d{2})", re.IGNORECASE
)
_ALWAYS: Final = frozenset({"24/7", "mo-su 00:00-24:00", "00:00-24:00", "mo-su", "全天"})


@dataclass(frozen=True, slots=True)
class Hours:
    """When a gate stands open each day; `unread` is a form of opening hours that is not daily."""

    opens: time | None = None
    closes: time | None = None
    always: bool = False
    unread: bool = False


@dataclass(frozen=True, slots=True)
class GatePassing:
    """How one passes a gate (`twin.model.PASSING`), who has a key, and its hours."""

    foot: str
    bike: str
    car: str
    keys: tuple[str, ...]
    hours: Hours


def gate_kind(tags: Tags) -> GateKind | None:
    """Return the kind of gate that ``barrier=*`` names; None where it names none that hinders anybody."""
    return load_gate_kinds().of_osm(_first(tags, "barrier"))


def judge_gate(kind: GateKind, tags: Tags) -> GatePassing:
    """Return who passes a gate of a kind, and when.

    Access tags overrule what is usual for the kind: ``no`` closes it, ``private`` asks for a key, and an
    opening one (``yes``) lets pass whoever the kind stops only by its size (a bicycle between blocks). A gate
    that is locked is passed with a key alone. Where nobody is kept out, and no hours are said, everybody has
    the key: an open gate in the map stands open.
    """
    hours = read_hours(tags.get("opening_hours"))
    locked = _first(tags, "locked") == "yes"
    passing = {mode: _passing(getattr(kind, mode), tags, mode) for mode in _CHAINS}
    kept_out = "key" in passing.values()
    if locked:
        passing = {mode: "key" if how == "open" else how for mode, how in passing.items()}
    if kept_out:
        keys = load_gate_kinds().private_keys
        # Whoever passes without a key passes a gate whose leaf stands open for them.
        if hours.opens is None and not locked:
            passing = {mode: "always" if how == "open" else how for mode, how in passing.items()}
    elif locked:
        keys = ()
    elif hours.opens is None:
        keys = (PUBLIC,)
    else:
        keys = load_gate_kinds().private_keys
    return GatePassing(passing["foot"], passing["bike"], passing["car"], keys, hours)


def _passing(usual: str, tags: Tags, mode: str) -> str:
    said = None
    for key in _CHAINS[mode]:
        value = _first(tags, key)
        if value in _FREE and key == "access" and usual == "never":
            continue  # a general yes does not widen a gate
        if value in _FREE:
            said = "open" if usual in {"never", "key"} else usual
        elif value == "no":
            said = "never"
        elif value in _WITH_KEY:
            said = "never" if usual == "never" and key == "access" else "key"
    return usual if said is None else said


def read_hours(text: str | None) -> Hours:
    """Return daily hours from ``06:00-23:00``, ``Mo-Su 06:00-23:00`` or ``24/7``."""
    said = (text or "").strip()
    if not said:
        return Hours()
    if said.lower() in _ALWAYS:
        return Hours(always=True)
    found = _DAILY.fullmatch(said)
    if found is None:
        return Hours(unread=True)
    opens_h, opens_min, closes_h, closes_min = (int(part) for part in found.groups())
    if opens_h > 24 or closes_h > 24 or max(opens_min, closes_min) > 59:
        return Hours(unread=True)
    opens, closes = opens_h * 60 + opens_min, closes_h * 60 + closes_min
    if opens > 1440 or closes > 1440:
        return Hours(unread=True)
    if opens % 1440 == closes % 1440:
        return Hours(always=True)
    return Hours(_clock(opens), _clock(closes))


def _clock(minutes: int) -> time:
    return time(minutes // 60 % 24, minutes % 60)


def _first(tags: Tags, key: str) -> str:
    return tags.get(key, "").split(";", 1)[0].strip()
