"""Read who could go to a case: from the roster, from what they have to do, and from the live board."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import numpy as np
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.access.grants import Grants
from twin.access.masking import mask_name, mask_text
from twin.dispatch.assignments import BY_HAND, Choice, Stand
from twin.dispatch.eligible import Candidate, Seen
from twin.dispatch.needs import Needs, load_needs
from twin.dispatch.ranking import POLICY, Ranked, rank, ways_to, words
from twin.dispatch.streets import keys_of
from twin.distance import box_around, distances_m
from twin.errors import InvalidError
from twin.live.board import Board
from twin.live.placed import placed_workers
from twin.twin import Twin

NEAREST: Final = 60
"""How many workers are looked at: the nearest on duty; with them all of the own grid."""

_READ: Final = text(
    """
    SELECT w.id, w.device_id, w.name, w.name_en, w.role, w.skills, w.travels_by, w.on_duty, w.scope_code,
           o.kind AS organisation,
           coalesce(w.responsibility_grid_id = CAST(:grid AS bigint), false) AS own_grid,
           coalesce(a.geom && ST_MakeEnvelope(:west, :south, :east, :north, 4326) AND ST_DWithin(
               a.geom::geography, ST_SetSRID(ST_MakePoint(:lon, :lat), 4326)::geography, :near_m), false)
               AS near_grid,
           (SELECT count(*) FROM case_file AS c
            WHERE c.worker_id = w.id AND c.closed_at IS NULL) AS open_tasks,
           EXISTS (SELECT FROM shift AS s WHERE s.worker_id = w.id AND s.starts_at <= now()
                   AND s.ends_at > now() AND now() <@ s.breaks) AS in_break,
           ARRAY(SELECT k.skill FROM certificate AS k WHERE k.worker_id = w.id
                 AND current_date >= k.valid_from AND current_date <= coalesce(k.valid_to, current_date))
               AS certified,
           (SELECT n.state FROM assignment AS n WHERE n.worker_id = w.id
            AND n.state IN ('asked', 'accepted', 'departed', 'arrived')) AS stand,
           (SELECT r.state FROM assignment AS r WHERE r.worker_id = w.id AND r.case_id = :id
            AND r.state IN ('declined', 'lapsed') ORDER BY r.id DESC LIMIT 1) AS refused
    FROM worker AS w LEFT JOIN area AS a ON a.id = w.responsibility_grid_id
    LEFT JOIN organisation AS o ON o.id = w.organisation_id
    WHERE w.device_id = ANY(:near) OR w.responsibility_grid_id = CAST(:grid AS bigint)
    ORDER BY w.id LIMIT 200
    """
)
_CASE: Final = text(
    "SELECT id, number, category_code, priority, scope_code, responsibility_grid_id AS grid, "
    "ST_X(geom) AS lon, ST_Y(geom) AS lat FROM case_file WHERE id = :id"
)


@dataclass(frozen=True, slots=True)
class Ranking:
    """Who could go to a case, best first, and what of them is shown.

    ``rows`` has the row of each worker by number: name, role, tracker, masked by whoever shows them.
    """

    case: Row[Any]
    ranked: list[Ranked]
    rows: dict[int, Row[Any]]
    network_version: int

    @property
    def first(self) -> Ranked | None:
        """Who suits best; None where nobody may be sent."""
        return self.ranked[0] if self.ranked and self.ranked[0].rank == 1 else None

    def find(self, worker_id: int) -> Ranked | None:
        """Return what is known of a worker, None of one who was not looked at."""
        return next((one for one in self.ranked if one.candidate.worker_id == worker_id), None)

    def choice_of(
        self,
        worker_id: int,
        *,
        account_id: UUID | None = None,
        reason: str | None = None,
        behind: bool = False,
        follows: int | None = None,
    ) -> Choice:
        """Return how an assignment of a worker by this ranking was chosen.

        Parameters
        ----------
        reason
            Why somebody else than the first.
        account_id, behind, follows
            See `Choice`.

        Raises
        ------
        InvalidError
            An account chose somebody else than the first, and no reason is told.
        """
        found, first = self.find(worker_id), self.first
        other = first is not None and first.candidate.worker_id != worker_id
        if other and first is not None and account_id is not None and not (reason or "").strip():
            row = self.rows[first.candidate.worker_id]
            zh, en = words(first.reasons)
            raise InvalidError(
                f"{mask_name(row.name)} suits best: {zh} / {en}",
                where="reason",
                hint="say why somebody else is sent",
            )
        return Choice(
            policy=BY_HAND if found is None else POLICY,
            rank=None if found is None else found.rank,
            way_s=None if found is None or found.way is None else found.way.seconds,
            profile=None if found is None else found.candidate.travels_by,
            network_version=self.network_version,
            account_id=account_id,
            override_reason=mask_text(reason) if other and account_id is not None else None,
            behind=behind,
            follows=follows,
        )


async def rank_for(
    connection: AsyncConnection, twin: Twin, case_id: int, grants: Grants | None = None
) -> Ranking | None:
    """Return who could go to a case, as far as the caller sees workers; None where there is no such case.

    Parameters
    ----------
    connection
        Of the caller, or of the server itself.
    grants
        Of the caller: only trackers that they may see are known to be anywhere. None is the server.
    """
    case = (await connection.execute(_CASE, {"id": case_id})).first()
    if case is None:
        return None
    needs = load_needs()
    near = _trackers_near(twin.board, case.lon, case.lat, grants)
    west, south, east, north = box_around(case.lon, case.lat, needs.help.near_m)
    asked = {
        "id": case.id,
        "grid": case.grid,
        "near": list(near),
        "near_m": needs.help.near_m,
        "lon": case.lon,
        "lat": case.lat,
        "west": west,
        "south": south,
        "east": east,
        "north": north,
    }
    rows = {row.id: row for row in await connection.execute(_READ, asked)}
    candidates = {key: _candidate(row, case, near, needs) for key, row in rows.items()}
    version = twin.streets.version
    ways = ways_to(twin.streets, (case.lon, case.lat), list(candidates.values()))
    ranked = rank(candidates, ways, needs.of(case.category_code), needs, case.priority)
    return Ranking(case, ranked, rows, version)


def _trackers_near(board: Board, lon: float, lat: float, grants: Grants | None) -> dict[int, Seen]:
    """Return where the nearest workers on duty are, by the id of their tracker."""
    placed = placed_workers(board)
    if grants is not None:
        placed = placed[board.in_scope(placed, grants)]
    away = distances_m(lon, lat, board.lon[placed], board.lat[placed])
    now_us = time.time_ns() // 1000
    return {
        int(board.device_id[row]): Seen(
            float(board.lon[row]),
            float(board.lat[row]),
            max(0.0, (now_us - int(board.position_us[row])) / 1e6),
            float(away[i]),
        )
        for i in np.argsort(away, kind="stable")[:NEAREST].tolist()
        for row in (placed[i],)
    }


def _candidate(row: Row[Any], case: Row[Any], near: dict[int, Seen], needs: Needs) -> Candidate:
    return Candidate(
        worker_id=row.id,
        on_duty=row.on_duty,
        in_break=row.in_break,
        skills=frozenset(row.skills or ()),
        certified=frozenset(row.certified),
        travels_by=row.travels_by,
        own_grid=row.own_grid,
        near_grid=row.near_grid,
        in_help=needs.help.holds_both(row.scope_code, case.scope_code),
        open_tasks=row.open_tasks,
        stand=None if row.stand is None else Stand(row.stand),
        refused=None if row.refused is None else Stand(row.refused),
        seen=near.get(row.device_id) if row.on_duty else None,
        passes=keys_of(row.role, row.organisation),
    )
