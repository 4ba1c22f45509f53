"""Raise, change and clear alarms on transitions of state, and let people acknowledge them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.catalog import SLOTS, Catalog, DeviceKind, load_catalog
from twin.errors import InvalidError
from twin.live.board import FLAG_READINGS_SIMULATED, Board
from twin.live.fold import Transition
from twin.rules.grouping import ASKED, GATHER, NEAREST, Tally, asked_at, open_groups, take_turn
from twin.rules.maintenance import WINDOW_OF
from twin.rules.rule import WHOLE
from twin.states import State
from twin.store.journal import Event, append, area_code_of

# Both statements change nothing when they are run a second time, so that a commit whose answer was lost can
# be tried again without raising an alarm twice. An alarm that is open already stays in its group.
_RAISE = text(
    f"""
    INSERT INTO alarm AS old
        (device_id, property, rule_id, rule_version, state, worst_state, value, raised_at, changed_at,
         simulated, group_id, maintenance_id)
    SELECT t.device_id, t.property, t.rule_id, t.rule_version, t.state, t.state, t.value, t.at, t.at,
           d.simulated OR d.readings_simulated, coalesce(o.group_id, ({NEAREST})), ({WINDOW_OF})
    FROM {ASKED}
    ORDER BY t.device_id, t.property, t.rule_id
    ON CONFLICT (device_id, property, rule_id) WHERE cleared_at IS NULL DO UPDATE
    SET state = excluded.state, worst_state = greatest(old.worst_state, excluded.worst_state),
        value = excluded.value, changed_at = greatest(old.changed_at, excluded.changed_at)
    WHERE old.state <> excluded.state
    RETURNING id, device_id, property, rule_id, scope_code, group_id, (xmax = 0) AS is_new
    """
)
_CLEAR = text(
    """
    UPDATE alarm SET state = t.state, value = t.value,
        changed_at = greatest(alarm.changed_at, t.at), cleared_at = greatest(alarm.raised_at, t.at)
    FROM unnest(CAST(:devices AS int4[]), CAST(:properties AS int2[]), CAST(:rules AS int8[]),
                CAST(:states AS int2[]), CAST(:values AS float8[]), CAST(:times AS timestamptz[]))
         AS t (device_id, property, rule_id, state, value, at)
    WHERE alarm.device_id = t.device_id AND alarm.property IS NOT DISTINCT FROM t.property
        AND alarm.rule_id IS NOT DISTINCT FROM t.rule_id AND alarm.cleared_at IS NULL
    RETURNING alarm.id, alarm.device_id, alarm.property, alarm.rule_id, alarm.scope_code, alarm.group_id,
        false AS is_new
    """
)
_OPEN_BY_LIMITS = text(
    "SELECT device_id, property, state FROM alarm WHERE cleared_at IS NULL AND rule_id IS NULL "
    f"AND property BETWEEN 0 AND {SLOTS - 1}"
)
# Locking rows asks the policy of updates: an alarm that the caller may not acknowledge is not found. In
# order, so that two who acknowledge the same alarms at once wait for, and not against, each other.
_HOLD = text(
    """
    SELECT alarm.id FROM alarm JOIN device ON device.id = alarm.device_id
    WHERE alarm.id = ANY(:ids) ORDER BY alarm.id FOR NO KEY UPDATE OF alarm
    """
)
_ACKNOWLEDGE = text(
    """
    UPDATE alarm SET acknowledged_at = now(), acknowledged_by = :by
    WHERE id = ANY(:ids) AND acknowledged_at IS NULL
    RETURNING id, device_id, property, state, value, simulated, scope_code, group_id
    """
)
_DESCRIBE = text(
    """
    SELECT id, uid, kind, ST_X(geom) AS lon, ST_Y(geom) AS lat FROM device WHERE id = ANY(:devices)
    """
)


@dataclass(frozen=True, slots=True)
class AcknowledgeResult:
    """How many alarms were acknowledged now, had been already, and are not known to whoever asks."""

    acknowledged: int
    already: int
    unknown: int
    ids: tuple[int, ...] = ()
    """Those acknowledged now."""


async def record(conn: AsyncConnection, board: Board, rounds: Sequence[Sequence[Transition]]) -> int:
    """Bring the alarm table in step with transitions, in the caller's transaction, and tell the journal.

    Parameters
    ----------
    conn
        A connection inside the transaction that stores the observations.
    board
        Where the rows of the transitions are.
    rounds
        Transitions in order; within a round each property appears once by the limits and once by each rule.

    Returns
    -------
    Number of events written.
    """
    if not any(t.new >= State.WARNING or t.old >= State.WARNING for round_ in rounds for t in round_):
        return 0
    events: list[Event] = []
    tally = Tally()
    now = await take_turn(conn)
    for transitions in rounds:
        begun = [t for t in transitions if t.new >= State.WARNING]
        if begun:
            asked = _asked(board, begun)
            await open_groups(conn, asked, now)
            rows = await conn.execute(_RAISE, asked | {"now": now, "until": now + GATHER})
            _note(board, rows, begun, events, tally)
        ended = [t for t in transitions if t.new < State.WARNING <= t.old]
        if ended:
            _note(board, await conn.execute(_CLEAR, _arrays(board, ended)), ended, events, tally)
    await tally.write(conn, now)
    if events:
        await append(conn, events)
    return len(events)


async def bring_in_step(connection: AsyncConnection, board: Board) -> int:
    """Let the open alarms of limits be what a board holds that was just read; return how many events it took.

    Both are written in one transaction, and differ only where something went wrong before. Of what no reading
    is known nothing is said.
    """
    n = board.count
    held = {
        (row, slot): int(board.states[row, slot])
        for row, slot in np.argwhere(board.states[:n] >= State.WARNING).tolist()
    }
    opened = {
        (row, one.property): one.state
        for one in await connection.execute(_OPEN_BY_LIMITS)
        if (row := board.row_of_id.get(one.device_id)) is not None and board.times_us[row, one.property]
    }
    # An open alarm of what the board has no reading of is left alone: nothing says that it is over.
    other = [
        at
        for at in held.keys() | opened.keys()
        if held.get(at) != opened.get(at) and math.isfinite(board.values[at])
    ]
    transitions = [
        Transition(
            at[0],
            at[1],
            opened.get(at, int(State.NORMAL)),
            held.get(at, int(State.NORMAL)),
            float(board.values[at]),
            int(board.times_us[at]),
        )
        for at in sorted(other)
    ]
    return await record(connection, board, [transitions])


def _note(
    board: Board, rows: Iterable[Any], transitions: Sequence[Transition], events: list[Event], tally: Tally
) -> None:
    by_key = {_key(board, t): t for t in transitions}
    for row in rows:
        t = by_key[row.device_id, row.property, row.rule_id]
        cleared = t.new < State.WARNING
        tally.note(row.group_id, t.new, raised=row.is_new, cleared=cleared)
        kind = "alarm.cleared" if cleared else "alarm.raised" if row.is_new else "alarm.changed"
        events.append(_event(board, kind, row, t))


async def acknowledge(
    connection: AsyncConnection, alarm_ids: Sequence[int], by: str, *, catalog: Catalog | None = None
) -> AcknowledgeResult:
    """Note that a person has seen alarms, and tell the journal; doing it twice changes nothing.

    Parameters
    ----------
    connection
        Inside the transaction of whoever acknowledges: what the database does not let them change is not
        known to them. Commit soon, see `twin.store.journal.append`.
    by
        Who has seen them.

    Raises
    ------
    InvalidError
        Nobody is named, or there are more than 10,000 alarms.
    """
    kinds = (catalog or load_catalog()).by_name
    who = by.strip()
    if not who or len(who) > 200:
        raise InvalidError(
            "an alarm is acknowledged by a person", where="by", hint="name them, up to 200 letters"
        )
    ids = sorted({int(i) for i in alarm_ids if 0 < int(i) < 2**63})
    if len(ids) > 10_000:
        raise InvalidError("too many alarms at once", where="alarm_ids", hint="at most 10,000")
    known = [row.id for row in await connection.execute(_HOLD, {"ids": ids})]
    rows = list(await connection.execute(_ACKNOWLEDGE, {"ids": known, "by": who}))
    found = await connection.execute(_DESCRIBE, {"devices": sorted({row.device_id for row in rows})})
    devices = {device.id: device for device in found}
    await append(connection, [_acknowledged(row, devices[row.device_id], kinds, who) for row in rows])
    return AcknowledgeResult(
        len(rows),
        len(known) - len(rows),
        len(set(alarm_ids)) - len(known),
        tuple(sorted(row.id for row in rows)),
    )


def _key(board: Board, t: Transition) -> tuple[int, int | None, int | None]:
    return int(board.device_id[t.row]), None if t.slot == WHOLE else t.slot, t.rule.id if t.rule else None


def _arrays(board: Board, transitions: Sequence[Transition]) -> dict[str, list[Any]]:
    return {
        "devices": [int(board.device_id[t.row]) for t in transitions],
        "properties": [None if t.slot == WHOLE else t.slot for t in transitions],
        "rules": [t.rule.id if t.rule else None for t in transitions],
        "versions": [t.rule.version if t.rule else None for t in transitions],
        "states": [t.new for t in transitions],
        "values": [t.value for t in transitions],
        "times": [datetime.fromtimestamp(t.time_us / 1e6, UTC) for t in transitions],
    }


def _asked(board: Board, transitions: Sequence[Transition]) -> dict[str, Any]:
    rows = [t.row for t in transitions]
    return _arrays(board, transitions) | asked_at(
        [_family(board, t) for t in transitions], board.lon[rows].tolist(), board.lat[rows].tolist()
    )


def _family(board: Board, t: Transition) -> str:
    """Return what else has the same cause; what a rule says of whole devices, only what it says of others."""
    if t.slot == WHOLE and t.rule:
        return f"rule-{t.rule.id}"
    return board.catalog.by_code[int(board.kind[t.row])].family_of(t.slot)


def _event(board: Board, kind: str, row: Any, t: Transition) -> Event:
    device_kind = board.catalog.by_code[int(board.kind[t.row])]
    device_id = int(board.device_id[t.row])
    data = {
        "alarm_id": row.id,
        "group_id": row.group_id,
        "device_id": device_id,
        "uid": board.uid[t.row],
        "kind": device_kind.name,
        "property": None if t.slot == WHOLE else device_kind.properties[t.slot].name,
        "rule": t.rule and {"id": t.rule.id, "version": t.rule.version, "zh": t.rule.zh, "en": t.rule.en},
        "state": State(t.new).name.lower(),
        "state_code": t.new,
        "value": t.value,
        "lon": round(float(board.lon[t.row]), 7),
        "lat": round(float(board.lat[t.row]), 7),
        "simulated": bool(board.flags[t.row] & FLAG_READINGS_SIMULATED),
    }
    if t.why:
        data["why"] = t.why
    code = area_code_of(row.scope_code)
    return Event(kind, f"device/{device_id}", data, area_code=code, actor=t.who or "system")


def _acknowledged(row: Any, device: Any, kinds: Mapping[str, DeviceKind], by: str) -> Event:
    data = {
        "alarm_id": row.id,
        "group_id": row.group_id,
        "device_id": row.device_id,
        "uid": device.uid,
        "kind": device.kind,
        "property": None if row.property is None else kinds[device.kind].properties[row.property].name,
        "state": State(row.state).name.lower(),
        "state_code": row.state,
        "value": row.value,
        "lon": device.lon,
        "lat": device.lat,
        "simulated": row.simulated,
        "by": by,
    }
    return Event(
        "alarm.acknowledged",
        f"device/{row.device_id}",
        data,
        area_code=area_code_of(row.scope_code),
        actor=by,
    )
