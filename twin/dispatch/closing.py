"""Close roads and open them again: by a polygon, by the roads themselves, around a case."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
import shapely
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.dispatch.network.closures import CutOff, RoadClosure
from twin.dispatch.network.gates import NETWORKS
from twin.dispatch.network.reading import Frame
from twin.dispatch.streets import Streets
from twin.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from twin.store.journal import Event, append, area_code_of

REASON_LETTERS: Final = 500

AROUND_CASE_M: Final = 20.0
"""A case closes the roads within this distance, where nothing else is said; our assumption."""

_COLUMNS: Final = """c.id, ST_AsGeoJSON(c.geom, 6) AS geometry, c.layers, c.road_ids, c.networks, c.reason,
    c.made_by, c.made_at, c.begins_at, c.ends_at, c.case_id, c.cut_off, c.ended_at, c.ended_by,
    c.scope_code <@ (SELECT gt_scope('may_road_close')) AS may_reopen, c.scope_code"""
LIST: Final = f"""
    SELECT {_COLUMNS} FROM closure AS c WHERE c.ended_at IS NULL AND (c.ends_at IS NULL OR c.ends_at > now())
    ORDER BY c.begins_at, c.id LIMIT 1000"""
"""The closures that hold or are to come, what begins first at the head."""

_READ: Final = text(f"SELECT {_COLUMNS} FROM closure AS c WHERE c.id = :id")
_SOUND: Final = text(
    "SELECT ST_IsValid(g) AND NOT ST_IsEmpty(g) FROM (SELECT ST_GeomFromGeoJSON(:polygon) AS g) AS given"
)
_AROUND: Final = text(
    "SELECT closed_at IS NOT NULL AS closed, "
    "ST_AsGeoJSON(ST_Buffer(geom::geography, :metres)::geometry, 7) AS polygon FROM case_file WHERE id = :id"
)
_ROADS: Final = text(
    "SELECT ST_AsGeoJSON(ST_Collect(geom), 7) AS lines, array_agg(id ORDER BY id) AS ids "
    "FROM road WHERE id = ANY(:ids) AND valid_to IS NULL"
)
_LAYERS: Final = text(
    "SELECT DISTINCT r.layer::int AS layer FROM road AS r, "
    "(SELECT ST_SetSRID(ST_GeomFromGeoJSON(:geom), 4326) AS g) AS given "
    "WHERE r.valid_to IS NULL AND r.geom && g AND ST_Intersects(r.geom, g) ORDER BY 1"
)
# Of what is closed every vertex: a road that leaves the area is closed beyond it too.
_OUTSIDE: Final = text(
    """
    WITH given AS (SELECT ST_SetSRID(ST_GeomFromGeoJSON(:geom), 4326) AS g)
    SELECT DISTINCT r.source_ref FROM given, road AS r, LATERAL ST_DumpPoints(
        CASE WHEN CAST(:whole AS boolean) THEN r.geom ELSE ST_Intersection(r.geom, g) END) AS p
    WHERE r.valid_to IS NULL AND r.geom && g AND ST_Intersects(r.geom, g)
      AND CASE WHEN CAST(:whole AS boolean) THEN r.id = ANY(:ids) ELSE r.layer = ANY(:layers) END
      AND NOT gt_scope_of(p.geom) <@ (SELECT gt_scope('may_road_close'))
    ORDER BY 1 LIMIT 4
    """
)
_CLOSE: Final = text(
    "INSERT INTO closure (geom, layers, road_ids, networks, reason, made_by, begins_at, ends_at, case_id, "
    "cut_off) VALUES (ST_SetSRID(ST_GeomFromGeoJSON(:geom), 4326), :layers, :ids, :networks, :reason, :by, "
    ":begins_at, :ends_at, :case_id, CAST(:cut_off AS jsonb)) RETURNING id"
)
_REOPEN: Final = text(
    "UPDATE closure SET ended_at = now(), ended_by = :by WHERE id = :id AND ended_at IS NULL "
    "AND (ends_at IS NULL OR ends_at > now()) RETURNING id"
)


@dataclass(frozen=True, slots=True)
class ToClose:
    """What is to be closed: one of a polygon (GeoJSON, degrees WGS 84), roads, the surroundings of a case.

    ``case_id`` beside a polygon or roads says what they are closed for; with the case the closure ends.
    ``ends_at`` is None until somebody opens them. Times are aware.
    """

    polygon: Mapping[str, Any] | None
    layers: Sequence[int]
    road_ids: Sequence[int]
    case_id: int | None
    around_m: float
    networks: Sequence[str]
    begins_at: datetime
    ends_at: datetime | None
    reason: str


async def close_roads(
    connection: AsyncConnection, streets: Streets, wish: ToClose, *, by: str, now: datetime
) -> Row[Any]:
    """Close roads, and tell the journal; commit soon. Return the row, with what is cut off by it.

    Raises
    ------
    ForbiddenError
        Some of the roads lie where the caller may not close any.
    ConflictError
        The case is closed.
    NotFoundError
        The caller sees no such case or road.
    InvalidError
        Nothing is named, or no road is met; the polygon crosses itself; it ends before it begins; no reason.
    """
    reason = _reason(wish.reason)
    if wish.ends_at is not None and (wish.ends_at <= now or wish.ends_at <= wish.begins_at):
        raise InvalidError(
            "a closure ends after it begins, and in the future",
            where="ends_at",
            hint="give a later time, or none",
            zh="封路的结束时间应晚于开始时间和现在",
        )
    if unknown := sorted(set(wish.networks) - set(NETWORKS)) or (not wish.networks and ["nobody"]):
        raise InvalidError(
            f"“{unknown[0][:20]}” is nobody roads can be closed to",
            where="networks",
            hint=f"some of {', '.join(NETWORKS)}",
            zh="封路对象应为 foot、bike、car 中的若干",
        )
    geometry, ids = await _what(connection, wish)
    layers = None if ids else sorted(set(wish.layers)) or [0]
    await _require_area(connection, geometry, ids, layers)
    closure = _closure(streets.frame, wish, geometry, ids, layers)
    cut = {network: told(await streets.cut_by(closure, network), streets.frame) for network in NETWORKS}
    values = {
        "geom": geometry,
        "layers": layers,
        "ids": ids or None,
        "networks": [network for network in NETWORKS if network in wish.networks],
        "reason": reason,
        "by": by,
        "begins_at": wish.begins_at,
        "ends_at": wish.ends_at,
        "case_id": wish.case_id,
        "cut_off": json.dumps(
            {network: parts for network, parts in cut.items() if parts}, ensure_ascii=False
        ),
    }
    made = (await connection.execute(_CLOSE, values)).scalar_one()
    row = (await connection.execute(_READ, {"id": made})).one()
    await append(connection, [_event("road.closed", row, by)])
    return row


async def reopen_roads(connection: AsyncConnection, closure_id: int, *, by: str) -> Row[Any]:
    """Open again what a closure shut, and tell the journal; other closures of the same roads stay.

    Raises
    ------
    NotFoundError
        It is over, or the caller may not.
    """
    if (await connection.execute(_REOPEN, {"id": closure_id, "by": by})).first() is None:
        raise NotFoundError(
            f"there is no closure {closure_id} that you may end", where="id", zh="没有您可以解除的这条封路"
        )
    row = (await connection.execute(_READ, {"id": closure_id})).one()
    await append(connection, [_event("road.reopened", row, by)])
    return row


async def _what(connection: AsyncConnection, wish: ToClose) -> tuple[str, list[int]]:
    """Return the geometry of what is to be closed (GeoJSON), and the roads where these are named."""
    if wish.polygon is not None and wish.road_ids:
        raise InvalidError(
            "a polygon and roads cannot be closed at once",
            where="road_ids",
            hint="close one after the other",
            zh="不能同时按区域和按道路封闭",
        )
    around = None if wish.case_id is None else await _around(connection, wish.case_id, wish.around_m)
    if wish.road_ids:
        row = (await connection.execute(_ROADS, {"ids": list(wish.road_ids)})).one()
        found = list(row.ids or ())
        if missing := sorted(set(wish.road_ids) - set(found)):
            raise NotFoundError(
                f"there is no road {missing[0]}", where="road_ids", zh=f"没有编号为 {missing[0]} 的道路"
            )
        return str(row.lines), found
    polygon = json.dumps(wish.polygon) if wish.polygon is not None else around
    if polygon is None:
        raise InvalidError(
            "it is not said what is to be closed",
            where="polygon",
            hint="send a polygon, road_ids or a case_id",
            zh="未说明封闭哪里：请给出区域、道路或案件",
        )
    if not (await connection.execute(_SOUND, {"polygon": polygon})).scalar_one():
        raise InvalidError(
            "the polygon crosses itself or is empty",
            where="polygon",
            hint="draw it without crossing lines",
            zh="区域的边线自相交或为空，请重画",
        )
    met = set((await connection.execute(_LAYERS, {"geom": polygon})).scalars())
    if not met & (set(wish.layers) or {0}):
        there = ", ".join(str(layer) for layer in sorted(met))
        raise InvalidError(
            "no road of these layers lies there",
            where="layers" if met else "polygon",
            hint=f"the roads there are on the layers {there}" if met else "draw it across a road",
            zh=f"此处的道路在层 {there}，不在所选层" if met else "此处没有道路，请画到道路上",
        )
    return polygon, []


async def _around(connection: AsyncConnection, case_id: int, metres: float) -> str:
    row = (await connection.execute(_AROUND, {"id": case_id, "metres": metres})).first()
    if row is None:
        raise NotFoundError(f"there is no case {case_id}", where="case_id", zh=f"没有案件 {case_id}")
    if row.closed:
        raise ConflictError(
            "this case is closed: nothing is closed for it any more", where="case_id", zh="该案件已结案"
        )
    return str(row.polygon)


async def _require_area(
    connection: AsyncConnection, geometry: str, ids: list[int], layers: list[int] | None
) -> None:
    values = {"geom": geometry, "whole": bool(ids), "ids": ids, "layers": layers or []}
    outside = (await connection.execute(_OUTSIDE, values)).scalars().all()
    if outside:
        raise ForbiddenError(
            f"this account may not close roads there: {', '.join(outside[:3])} lie outside its area",
            where="road_ids" if ids else "polygon",
            hint="close less, or ask a dispatcher of the area",
            zh="部分道路不在您的辖区内，不能封闭；请缩小范围或请该辖区的派遣员封闭",
        )


def _closure(
    frame: Frame, wish: ToClose, geometry: str, ids: list[int], layers: list[int] | None
) -> RoadClosure:
    area = None if ids else shapely.transform(shapely.from_geojson(geometry), frame.metres)
    return RoadClosure(
        0, frozenset(wish.networks), 0.0, math.inf, area, frozenset(layers or ()), frozenset(ids)
    )


def told(parts: Sequence[CutOff], frame: Frame) -> list[dict[str, Any]]:
    """Return parts that are cut off for an answer: metres, a place in degrees, names of streets."""
    places = frame.degrees(np.array([part.xy for part in parts], float).reshape(-1, 2)).tolist()
    return [
        {
            "metres": round(part.metres, 1),
            "lon": round(lon, 7),
            "lat": round(lat, 7),
            "streets": list(part.streets),
        }
        for part, (lon, lat) in zip(parts, places, strict=True)
    ]


def _reason(said: str) -> str:
    reason = said.strip()
    if not reason or len(reason) > REASON_LETTERS or "\x00" in reason:
        raise InvalidError(
            f"a closure has a reason of 1 to {REASON_LETTERS} letters",
            where="reason",
            hint="say why the roads are closed",
            zh=f"请写明封路原因，1 至 {REASON_LETTERS} 字",
        )
    return reason


def _event(kind: str, row: Row[Any], by: str) -> Event:
    data = {
        "closure_id": row.id,
        "reason": row.reason,
        "networks": list(row.networks),
        "begins_at": row.begins_at.isoformat(),
        "ends_at": row.ends_at and row.ends_at.isoformat(),
        "case_id": row.case_id,
        "cut_off_m": round(
            max((sum(p["metres"] for p in parts) for parts in (row.cut_off or {}).values()), default=0.0), 1
        ),
    }
    return Event(kind, f"closure/{row.id}", data, area_code=area_code_of(row.scope_code), actor=by)
