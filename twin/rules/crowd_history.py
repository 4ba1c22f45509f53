"""Try a rule of density on history: count who was in each cell, and say where that was unusual."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.calendar import calendar_for
from twin.live.board import Board
from twin.live.rooms import Rows
from twin.rules.conditions import Crowd
from twin.rules.density import Density, count_cells, hour_of
from twin.rules.rule import Rule, counting_slot
from twin.rules.trying import Episode, Outcome, summed_up
from twin.zones import timezone_of

LEARN_DAYS: Final = 14
"""How long before the time it is tried on is counted too, so that it is known what was usual."""

LOOK_S: Final = 300
"""How far apart the past is looked at; live it is looked at once a minute."""

_DAY_US: Final = 86_400_000_000
_LOOK_US: Final = LOOK_S * 1_000_000
# At each look the newest place of each that moves, by its first property, and the newest count of each that
# counts; the outer bounds leave out whole partitions.
_PLACES: Final = text(
    """
    SELECT (extract(epoch FROM look.at) * 1000000)::int8 AS look_us,
           CASE WHEN d.counts THEN d.lon ELSE o.lon END, CASE WHEN d.counts THEN d.lat ELSE o.lat END,
           CASE WHEN d.counts THEN round(o.value)::int8 ELSE 1 END
    FROM unnest(CAST(:devices AS int4[]), CAST(:slots AS int2[]), CAST(:counts AS bool[]),
                CAST(:lons AS float8[]), CAST(:lats AS float8[])) AS d (id, slot, counts, lon, lat)
    CROSS JOIN generate_series(CAST(:first AS timestamptz), CAST(:last AS timestamptz),
                               make_interval(secs => :every)) AS look (at)
    CROSS JOIN LATERAL (
        SELECT lon, lat, value FROM observation
        WHERE device_id = d.id AND property = d.slot AND (d.counts OR observation.lon IS NOT NULL)
            AND phenomenon_time > CAST(:first AS timestamptz) - make_interval(secs => :fresh)
            AND phenomenon_time <= CAST(:last AS timestamptz)
            AND phenomenon_time > look.at - make_interval(secs => :fresh) AND phenomenon_time <= look.at
        ORDER BY phenomenon_time DESC LIMIT 1
    ) AS o ORDER BY look.at
    """
)


class CrowdTrial:
    """A rule of density on the places of the past.

    Parameters
    ----------
    crowd
        Its condition.
    begin_us
        From when on gatherings count, Unix µs; before that is only learned.
    """

    def __init__(self, crowd: Crowd, begin_us: int) -> None:
        self._terms, self._begin_us = crowd.terms(), begin_us
        self._density = Density(self._terms)
        self._open: dict[int, list[int]] = {}
        self._spans: list[tuple[int, int, int | None, int]] = []
        self.places = 0

    def look(
        self,
        now_us: int,
        lon: NDArray[np.float64],
        lat: NDArray[np.float64],
        people: NDArray[np.int64],
    ) -> None:
        """Count how many were where at a moment; nothing heard at all teaches nothing."""
        if not len(lon):
            return
        zone = timezone_of(float(lon[0]), float(lat[0]))
        now = self._density.tick(
            *count_cells(lon, lat, self._terms, people), hour_of(calendar_for(zone), now_us), now_us
        )
        counted = now_us >= self._begin_us
        self.places += len(lon) if counted else 0
        for n in np.flatnonzero(now.gathered | now.changed).tolist():
            cell, count = int(now.cell[n]), int(now.count[n])
            if now.gathered[n]:
                span = self._open.setdefault(cell, [now_us, count])
                span[1] = max(span[1], count)
            elif cell in self._open:
                begin_us, most = self._open.pop(cell)
                self._spans.append((cell, begin_us, now_us, most))

    def outcome(self, movers: int, end_us: int) -> tuple[Outcome, tuple[int, ...]]:
        """Return what the rule would have done up to a time, and the cells that rows of episodes mean.

        Shares are of the cells that were ever visited.
        """
        still = [(cell, begin, None, count) for cell, (begin, count) in self._open.items()]
        spans = [span for span in (*self._spans, *still) if self._begin_us <= span[1] < end_us]
        cells = tuple(sorted({cell for cell, *_ in spans}))
        row_of = {cell: row for row, cell in enumerate(cells)}
        told = [Episode(row_of[cell], 0, begin, end, float(count)) for cell, begin, end, count in spans]
        told.sort(key=lambda one: one.begin_us)
        visited = len(self._density.usual)
        outcome = summed_up(
            told,
            self._begin_us,
            end_us,
            self._begin_us,
            devices=movers,
            heard=visited,
            readings=self.places,
        )
        return outcome, cells


async def try_crowd(
    connection: AsyncConnection,
    board: Board,
    rule: Rule,
    rows: Rows,
    begin_us: int,
    end_us: int,
    *,
    limit_s: float,
    gone: Callable[[], Awaitable[bool]],
) -> tuple[Outcome, bool, tuple[int, ...]]:
    """Say what a rule of density would have done with the places that are stored.

    Parameters and errors are those of `twin.rules.history.try_rule`. It learns from the `LEARN_DAYS` before.

    Returns
    -------
    What it would have done, whether it came to the end, and the H3 cells that rows of its episodes mean.
    """
    crowd = rule.condition
    assert isinstance(crowd, Crowd)
    codes = [board.catalog.by_name[name].code for name in crowd.of]
    rows = rows[np.isin(board.kind[rows], codes)]
    devices = board.device_id[rows].tolist()
    slots = [counting_slot(board.catalog.by_code[code]) for code in board.kind[rows].tolist()]
    who = {
        "devices": devices,
        "slots": [slot or 0 for slot in slots],
        "counts": [slot is not None for slot in slots],
        "lons": board.lon[rows].tolist(),
        "lats": board.lat[rows].tolist(),
    }
    trial, deadline = CrowdTrial(crowd, begin_us), time.monotonic() + limit_s
    at_us = (begin_us - LEARN_DAYS * _DAY_US) // _LOOK_US * _LOOK_US
    while devices and at_us < end_us:
        until_us = min(at_us + _DAY_US, end_us)
        parameters = who | {"every": LOOK_S, "fresh": crowd.fresh_s}
        moments = {"first": _moment(at_us), "last": _moment(until_us - 1)}
        found = (await connection.execute(_PLACES, parameters | moments)).all()
        await asyncio.to_thread(_look_at, trial, found)
        at_us = until_us
        if await gone():
            raise asyncio.CancelledError
        if time.monotonic() > deadline:
            break
    covered_us = min(max(at_us, begin_us), end_us) if devices else end_us
    outcome, cells = trial.outcome(len(devices), covered_us)
    return outcome, covered_us >= end_us, cells


def _look_at(trial: CrowdTrial, found: Any) -> None:
    """Give a trial the places of a day, look by look."""
    if not found:
        return
    look_us, lon, lat, people = (np.array(column) for column in zip(*found, strict=True))
    moments, begins = np.unique(look_us, return_index=True)
    for now_us, begin, end in zip(
        moments.tolist(), begins.tolist(), [*begins[1:].tolist(), len(look_us)], strict=True
    ):
        trial.look(now_us, lon[begin:end], lat[begin:end], people[begin:end])


def _moment(us: int) -> datetime:
    return datetime.fromtimestamp(us / 1e6, UTC)
