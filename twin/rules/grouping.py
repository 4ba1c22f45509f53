"""Put alarms that are near in place, time and kind into one group, which the database keeps the only one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.distance import EARTH_M
from twin.store.locks import Lock

REACH_M: Final = 75.0
"""Half a side of the square around an alarm: two alarms touch within twice of it, north and east."""

GATHER: Final = timedelta(minutes=10)
"""How long after its newest alarm a group still takes in more."""

GATHER_MOST: Final = timedelta(hours=12)
"""How long after its first alarm a group takes in none: what goes on for ever is looked at again."""

_DEGREE_M: Final = math.radians(1.0) * EARTH_M

# Who raises alarms waits here for whoever raises others, to the end of that transaction; the database's own
# clock is read after it, so that it goes on from one to the next. The lock only spares the waiting within the
# constraint, which is what keeps two groups apart.
_TURN: Final = text(f"SELECT pg_advisory_xact_lock({Lock.ALARM_GROUPS})")
_NOW: Final = text("SELECT clock_timestamp()")

# When its case is over a group takes in none: what comes then is for a new one.
_LET_GO: Final = text(
    """
    UPDATE alarm_group AS g SET gathers_until = greatest(g.opened_at, CAST(:now AS timestamptz))
    FROM case_file AS c
    WHERE c.id = g.case_id AND c.closed_at IS NOT NULL AND g.gathers_until > CAST(:now AS timestamptz)
    """
)

TOUCHING: Final = """
    g.family = t.family AND g.simulated = (d.simulated OR d.readings_simulated)
    AND g.seed_box && box.geom
    AND tstzrange(g.opened_at, g.gathers_until)
        && tstzrange(CAST(:now AS timestamptz), CAST(:until AS timestamptz))"""
"""Whether group ``g`` takes in what row ``t`` of `ASKED` says: what the constraint asks, and nothing else."""

ASKED: Final = """
    unnest(CAST(:devices AS int4[]), CAST(:properties AS int2[]), CAST(:rules AS int8[]),
           CAST(:versions AS int4[]), CAST(:states AS int2[]), CAST(:values AS float8[]),
           CAST(:times AS timestamptz[]), CAST(:families AS text[]), CAST(:lons AS float8[]),
           CAST(:lats AS float8[]))
        AS t (device_id, property, rule_id, rule_version, state, value, at, family, lon, lat)
    JOIN device AS d ON d.id = t.device_id
    CROSS JOIN LATERAL (SELECT coalesce(ST_SetSRID(ST_MakePoint(t.lon, t.lat), 4326), d.geom) AS geom) AS p
    CROSS JOIN LATERAL (SELECT ST_Expand(p.geom, CAST(:reach AS float8)
        / greatest(0.05, cos(radians(ST_Y(p.geom)))), CAST(:reach AS float8)) AS geom) AS box
    LEFT JOIN alarm AS o ON o.device_id = t.device_id AND o.property IS NOT DISTINCT FROM t.property
        AND o.rule_id IS NOT DISTINCT FROM t.rule_id AND o.cleared_at IS NULL"""
"""What alarms are raised of, with the device, its place, its square, and the alarm that is open already."""

# Those that conflict with a group, be it of this statement or of another writer, begin none.
_SEED: Final = text(
    f"""
    INSERT INTO alarm_group
        (family, geom, seed_box, opened_at, gathers_until, worst_state, simulated, scope_code)
    SELECT t.family, p.geom, box.geom, CAST(:now AS timestamptz), CAST(:until AS timestamptz), t.state,
           d.simulated OR d.readings_simulated, d.scope_code
    FROM {ASKED}
    WHERE o.id IS NULL AND NOT EXISTS (SELECT FROM alarm_group AS g WHERE {TOUCHING})
    ORDER BY t.at, t.device_id, t.property
    ON CONFLICT DO NOTHING
    """
)

NEAREST: Final = f"""
    SELECT g.id FROM alarm_group AS g WHERE {TOUCHING}
    ORDER BY ST_DistanceSphere(g.geom, p.geom), g.id LIMIT 1"""
"""The group that an alarm joins."""

# It is not prolonged into the time of a group that opened meanwhile, were the clock put back.
_COUNT: Final = text(
    """
    UPDATE alarm_group AS g SET
        alarms = g.alarms + t.raised, open_alarms = g.open_alarms + t.raised - t.cleared,
        worst_state = greatest(g.worst_state, t.state),
        ended_at = CASE WHEN g.open_alarms + t.raised > t.cleared THEN NULL
            WHEN t.raised + t.cleared > 0 THEN greatest(g.opened_at, clock.now) ELSE g.ended_at END,
        gathers_until = CASE WHEN t.raised > 0 AND NOT EXISTS (
                SELECT FROM alarm_group AS n WHERE n.family = g.family AND n.simulated = g.simulated
                AND n.seed_box && g.seed_box AND n.id <> g.id
                AND tstzrange(n.opened_at, n.gathers_until)
                    && tstzrange(least(g.opened_at, clock.until), clock.until))
            THEN greatest(g.gathers_until, least(clock.until, g.opened_at + CAST(:most AS interval)))
            ELSE g.gathers_until END
    FROM unnest(CAST(:groups AS int8[]), CAST(:raised AS int4[]), CAST(:cleared AS int4[]),
                CAST(:worst AS int2[])) AS t (id, raised, cleared, state),
        (SELECT CAST(:now AS timestamptz) AS now, CAST(:until AS timestamptz) AS until) AS clock
    WHERE g.id = t.id
    """
)


class Tally:
    """What became of the alarms of groups within one transaction."""

    def __init__(self) -> None:
        self._groups: dict[int, list[int]] = {}

    def note(self, group_id: int, state: int, *, raised: bool = False, cleared: bool = False) -> None:
        """Note an alarm that came, changed or went; ``state`` is what it is now."""
        counts = self._groups.setdefault(group_id, [0, 0, 0])
        counts[0] += raised
        counts[1] += cleared
        counts[2] = max(counts[2], state)

    async def write(self, connection: AsyncConnection, now: datetime) -> None:
        """Bring the groups in step."""
        if not self._groups:
            return
        raised, cleared, worst = zip(*self._groups.values(), strict=True)
        await connection.execute(
            _COUNT,
            {
                "groups": list(self._groups),
                "raised": raised,
                "cleared": cleared,
                "worst": worst,
                "now": now,
                "until": now + GATHER,
                "most": GATHER_MOST,
            },
        )


async def take_turn(connection: AsyncConnection) -> datetime:
    """Wait until nobody else groups alarms, to the end of the transaction; return the database's time."""
    await connection.execute(_TURN)
    now: datetime = (await connection.execute(_NOW)).scalar_one()
    return now


async def open_groups(connection: AsyncConnection, asked: dict[str, Any], now: datetime) -> None:
    """Open groups around alarms that are new and that none takes in; the first of several that touch is it.

    Parameters
    ----------
    connection
        Whose turn it is, see `take_turn`.
    asked
        Of `asked_at`, and what else `ASKED` names.
    now
        The database's time.
    """
    await connection.execute(_LET_GO, {"now": now})
    await connection.execute(_SEED, asked | {"now": now, "until": now + GATHER})


def asked_at(families: Sequence[str], lons: Iterable[float], lats: Iterable[float]) -> dict[str, Any]:
    """Return what `ASKED` wants of the family and place of alarms; without a place the device's is taken.

    Parameters
    ----------
    lons, lats
        Degrees WGS 84, or NaN.
    """
    places = [
        (lon, lat) if math.isfinite(lon + lat) else (None, None) for lon, lat in zip(lons, lats, strict=True)
    ]
    return {
        "families": list(families),
        "lons": [lon for lon, _ in places],
        "lats": [lat for _, lat in places],
        "reach": REACH_M / _DEGREE_M,
    }
