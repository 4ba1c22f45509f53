"""Raise, change and clear alarms on transitions of state, and let people acknowledge them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from twin.catalog import Catalog, DeviceKind, load_catalog
from twin.errors import InvalidError, UnavailableError
from twin.live.board import FLAG_READINGS_SIMULATED, Board
from twin.live.fold import Transition
from twin.states import State
from twin.store.journal import Event, append
from twin.store.outage import is_outage

# Both statements change nothing when they are run a second time, so that a commit whose answer was lost can
# be tried again without raising an alarm twice.
_RAISE = text(
    """
    INSERT INTO alarm AS old
        (device_id, property, state, worst_state, value, raised_at, changed_at, simulated)
    SELECT t.device_id, t.property, t.state, t.state, t.value, t.at, t.at, d.simulated OR d.readings_simulated
    FROM unnest(CAST(:devices AS int4[]), CAST(:properties AS int2[]), CAST(:states AS int2[]),
                CAST(:values AS float8[]), CAST(:times AS timestamptz[]))
         AS t (device_id, property, state, value, at)
    JOIN device d ON d.id = t.device_id
    ORDER BY t.device_id, t.property
    ON CONFLICT (device_id, property) WHERE cleared_at IS NULL DO UPDATE
    SET state = excluded.state, worst_state = greatest(old.worst_state, excluded.worst_state),
        value = excluded.value, changed_at = greatest(old.changed_at, excluded.changed_at)
    WHERE old.state <> excluded.state
    RETURNING id, device_id, property, (xmax = 0) AS is_new
    """
)
_CLEAR = text(
    """
    UPDATE alarm SET state = t.state, value = t.value,
        changed_at = greatest(alarm.changed_at, t.at), cleared_at = greatest(alarm.raised_at, t.at)
    FROM unnest(CAST(:devices AS int4[]), CAST(:properties AS int2[]), CAST(:states AS int2[]),
                CAST(:values AS float8[]), CAST(:times AS timestamptz[]))
         AS t (device_id, property, state, value, at)
    WHERE alarm.device_id = t.device_id AND alarm.property = t.property AND alarm.cleared_at IS NULL
    RETURNING alarm.id, alarm.device_id, alarm.property, false AS is_new
    """
)
_AREA_CODES = text(
    """
    SELECT d.id, a.code FROM device d JOIN area a ON a.id = coalesce(d.responsibility_grid_id, d.unit_grid_id)
    WHERE d.id = ANY(:devices)
    """
)
_ACKNOWLEDGE = text(
    """
    UPDATE alarm SET acknowledged_at = now(), acknowledged_by = :by
    WHERE id = ANY(:ids) AND acknowledged_at IS NULL
    RETURNING id, device_id, property, state, value, simulated
    """
)
_DESCRIBE = text(
    """
    SELECT d.id, d.uid, d.kind, ST_X(d.geom) AS lon, ST_Y(d.geom) AS lat, a.code
    FROM device d LEFT JOIN area a ON a.id = coalesce(d.responsibility_grid_id, d.unit_grid_id)
    WHERE d.id = ANY(:devices)
    """
)
_KNOWN = text("SELECT count(*) FROM alarm WHERE id = ANY(:ids)")


@dataclass(frozen=True, slots=True)
class AcknowledgeResult:
    """How many alarms were acknowledged now, had been already, and do not exist."""

    acknowledged: int
    already: int
    unknown: int


async def record(conn: AsyncConnection, board: Board, rounds: Sequence[Sequence[Transition]]) -> int:
    """Bring the alarm table in step with transitions, in the caller's transaction, and tell the journal.

    Parameters
    ----------
    conn
        A connection inside the transaction that stores the observations.
    board
        Where the rows of the transitions are.
    rounds
        Transitions in order; within a round each property appears once.

    Returns
    -------
    Number of events written.
    """
    events: list[tuple[str, int, Transition]] = []
    for transitions in rounds:
        begun = [t for t in transitions if t.new >= State.WARNING]
        ended = [t for t in transitions if t.new < State.WARNING <= t.old]
        for statement, group in ((_RAISE, begun), (_CLEAR, ended)):
            if not group:
                continue
            by_key = {(int(board.device_id[t.row]), t.slot): t for t in group}
            for row in await conn.execute(statement, _arrays(board, group)):
                t = by_key[row.device_id, row.property]
                kind = (
                    "alarm.cleared"
                    if statement is _CLEAR
                    else "alarm.raised"
                    if row.is_new
                    else "alarm.changed"
                )
                events.append((kind, row.id, t))
    if not events:
        return 0
    devices = sorted({int(board.device_id[t.row]) for _, _, t in events})
    codes = {r.id: r.code for r in await conn.execute(_AREA_CODES, {"devices": devices})}
    await append(conn, [_event(board, kind, alarm_id, t, codes) for kind, alarm_id, t in events])
    return len(events)


async def acknowledge(
    engine: AsyncEngine, alarm_ids: Sequence[int], by: str, *, catalog: Catalog | None = None
) -> AcknowledgeResult:
    """Note that a person has seen alarms; doing it twice changes nothing.

    Raises
    ------
    InvalidError
        Nobody is named, or there are more than 10,000 alarms.
    UnavailableError
        The database is away.
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
    try:
        async with engine.begin() as conn:
            known = int((await conn.execute(_KNOWN, {"ids": ids})).scalar_one())
            rows = list(await conn.execute(_ACKNOWLEDGE, {"ids": ids, "by": who}))
            devices = {
                r.id: r
                for r in await conn.execute(_DESCRIBE, {"devices": sorted({r.device_id for r in rows})})
            }
            await append(conn, [_acknowledged(row, devices[row.device_id], kinds, who) for row in rows])
    except (SQLAlchemyError, OSError) as error:
        if is_outage(error):
            raise UnavailableError(
                "the database does not answer", where="alarms", hint="try again"
            ) from error
        raise
    return AcknowledgeResult(len(rows), known - len(rows), len(set(alarm_ids)) - known)


def _arrays(board: Board, transitions: Sequence[Transition]) -> dict[str, list[Any]]:
    return {
        "devices": [int(board.device_id[t.row]) for t in transitions],
        "properties": [t.slot for t in transitions],
        "states": [t.new for t in transitions],
        "values": [t.value for t in transitions],
        "times": [datetime.fromtimestamp(t.time_us / 1e6, UTC) for t in transitions],
    }


def _event(board: Board, kind: str, alarm_id: int, t: Transition, codes: dict[int, str]) -> Event:
    device_kind = board.catalog.by_code[int(board.kind[t.row])]
    device_id = int(board.device_id[t.row])
    data = {
        "alarm_id": alarm_id,
        "device_id": device_id,
        "uid": board.uid[t.row],
        "kind": device_kind.name,
        "property": device_kind.properties[t.slot].name,
        "state": State(t.new).name.lower(),
        "state_code": t.new,
        "value": t.value,
        "lon": round(float(board.lon[t.row]), 7),
        "lat": round(float(board.lat[t.row]), 7),
        "simulated": bool(board.flags[t.row] & FLAG_READINGS_SIMULATED),
    }
    return Event(kind, f"device/{device_id}", data, area_code=codes.get(device_id))


def _acknowledged(row: Any, device: Any, kinds: Mapping[str, DeviceKind], by: str) -> Event:
    data = {
        "alarm_id": row.id,
        "device_id": row.device_id,
        "uid": device.uid,
        "kind": device.kind,
        "property": kinds[device.kind].properties[row.property].name,
        "state": State(row.state).name.lower(),
        "state_code": row.state,
        "value": row.value,
        "lon": device.lon,
        "lat": device.lat,
        "simulated": row.simulated,
        "by": by,
    }
    return Event("alarm.acknowledged", f"device/{row.device_id}", data, area_code=device.code, actor=by)
