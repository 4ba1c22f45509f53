"""Say which alarms of a group count for its case, and how urgent they make it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from twin.cases.clocks import MOST_URGENT
from twin.catalog import Catalog
from twin.states import State

PRIORITY_OF: Final = {State.CRITICAL: 1, State.ALARM: 2, State.WARNING: 3}
"""How urgent a case is whose alarm is in a state; 1 is the most urgent."""

COUNTING: Final = """
    FROM alarm JOIN device AS d ON d.id = alarm.device_id
    LEFT JOIN alarm_rule AS u ON u.id = alarm.rule_id AND u.version = alarm.rule_version
    LEFT JOIN unnest(CAST(:kinds AS text[]), CAST(:slots AS int2[]), CAST(:categories AS text[]),
                CAST(:states AS int2[])) AS r (kind, slot, category, state)
        ON r.kind = d.kind AND r.slot = alarm.property AND alarm.worst_state >= r.state
    LEFT JOIN maintenance_window AS w ON w.id = alarm.maintenance_id
    WHERE alarm.group_id = g.id AND coalesce(u.category_code, r.category) IS NOT NULL
      AND (w.id IS NULL OR alarm.cleared_at IS NULL AND coalesce(w.ended_at, w.ends_at) <= now())
      AND NOT EXISTS (SELECT FROM shelving AS s WHERE s.device_id = d.id AND s.ended_at IS NULL
          AND s.until_at > now())"""
"""The alarms of group ``g`` that count: those to raise a case by their rule ``u`` or their kind ``r``.

Of a rule what it names goes before what the kind says, from the state it raises. None counts within
maintenance (one that outlasts it counts again), nor one whose device is put aside.
"""

NOT_ASIDE: Final = """
    NOT EXISTS (SELECT FROM shelving AS s WHERE s.group_id = g.id AND s.ended_at IS NULL
        AND s.until_at > now())"""
"""Whether group ``g`` is not put aside: one that is waits with all that comes of it."""


def urgency_of(state: State, devices: int, steps: Sequence[int]) -> int:
    """Return how urgent a case is of so many devices in alarm, of which the worst was in a state.

    ``steps`` are the numbers of devices from which on it is more urgent by one level each.
    """
    return max(MOST_URGENT, PRIORITY_OF[state] - sum(devices >= step for step in steps))


def cases_of_kinds(catalog: Catalog) -> dict[str, Any]:
    """Return what `COUNTING` asks of the table of kinds; ``families`` and ``least`` bound its groups."""
    rows = [
        (kind, observed.slot, observed.case)
        for kind in catalog.by_code.values()
        for observed in kind.properties
        if observed.case is not None
    ]
    return {
        "families": sorted({kind.family_of(slot) for kind, slot, _ in rows}),
        "kinds": [kind.name for kind, _, _ in rows],
        "slots": [slot for _, slot, _ in rows],
        "categories": [case.category for _, _, case in rows],
        "states": [int(case.state) for _, _, case in rows],
        "least": min((int(case.state) for _, _, case in rows), default=int(State.CRITICAL)),
    }
