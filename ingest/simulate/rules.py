"""Give a simulated city a few rules of alarms to begin with: ordinary ones, whose names say what they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import orjson
import shapely
from shapely.ops import substring
from sqlalchemy import Connection, text

from ingest.simulate.city import City, RoadFact
from ingest.simulate.vehicles import VEHICLE
from twin.catalog import Catalog
from twin.rules.conditions import write_condition
from twin.rules.rule import EXCESS, GATHERING, PEOPLE, Rule, read_rule
from twin.states import State

COUNTER: Final = "people_counter"
"""Kind of device that counts people."""

AUTHOR: Final = "模拟 simulated"
"""Who made the first version of these rules."""

_REASON: Final = "演示用规则，可以修改或停用 · of the demonstration, to be changed or switched off"
_PARKED, _GATHERED = "09009", "54005"
_DWELL_S: Final = 180.0
_CROWD: Final = 80
"""So many people at a counter are a crowd: twice as many as on the busiest ordinary evening."""

_STREETS: Final = ("tertiary", "residential", "unclassified", "secondary", "living_street", "primary")
_ZONE_M: Final = 80.0
_KERB_M: Final = 1.0

_KNOWN: Final = text(
    "SELECT FROM alarm_rule WHERE version = 1 AND changed_by = :author AND condition ->> 'type' = :type"
)
_ADD: Final = text(
    """
    INSERT INTO alarm_rule (version, zh, en, state, kinds, property, condition, category_code, enabled,
                            changed_by, reason)
    VALUES (1, :zh, :en, :state, :kinds, :property, CAST(:condition AS jsonb), :category_code, true,
            :author, :reason)
    """
)
# Only what nobody touched: whose newest version we made. That is closed before the next one is added.
_CLOSE: Final = text(
    """
    UPDATE alarm_rule SET valid_to = now()
    WHERE valid_to IS NULL AND changed_by = :author AND enabled <> :enabled AND failed IS NULL
    RETURNING id, version
    """
)
_AGAIN: Final = text(
    """
    INSERT INTO alarm_rule (id, version, zh, en, state, area_code, area_level, kinds, property, condition,
                            category_code, enabled, changed_by, reason)
    SELECT id, version + 1, zh, en, state, area_code, area_level, kinds, property, condition, category_code,
           :enabled, :author, :reason
    FROM alarm_rule WHERE id = :id AND version = :version
    """
)
_FENCES: Final = text(
    "SELECT condition -> 'polygons' FROM alarm_rule "
    "WHERE version = 1 AND changed_by = :author AND condition ->> 'type' = 'fence' ORDER BY id"
)


def site_rules(connection: Connection, city: City, catalog: Catalog, *, wanted: bool) -> int:
    """Make the rules of the demonstration that were never made; return how many.

    Whoever changes one or switches it off has the last word: it is not made again. Where nothing simulated is
    ``wanted`` those that nobody touched are switched off, and on again where something is.
    """
    _switch(connection, enabled=wanted)
    if not wanted:
        return 0
    made = 0
    for rule in _rules(city, catalog):
        condition = write_condition(rule.condition)
        kind = {"author": AUTHOR, "type": condition["type"]}
        if connection.execute(_KNOWN, kind).first() is not None:
            continue
        connection.execute(
            _ADD,
            {
                "zh": rule.zh,
                "en": rule.en,
                "state": int(rule.state),
                "kinds": list(rule.kinds),
                "property": rule.observed,
                "condition": orjson.dumps(condition).decode(),
                "category_code": rule.category_code,
                "author": AUTHOR,
                "reason": _REASON,
            },
        )
        made += 1
    return made


def read_zones(connection: Connection) -> list[shapely.MultiPolygon]:
    """Return the fences of the demonstration as they were first drawn, degrees WGS 84."""
    rows = connection.execute(_FENCES, {"author": AUTHOR}).scalars()
    return [shapely.MultiPolygon([(polygon[0], polygon[1:]) for polygon in polygons]) for polygons in rows]


def _switch(connection: Connection, *, enabled: bool) -> None:
    now = {"author": AUTHOR, "enabled": enabled}
    reason = "有模拟数据 · there is something simulated" if enabled else "无模拟数据 · nothing is simulated"
    for row in connection.execute(_CLOSE, now).all():
        connection.execute(_AGAIN, {**now, "id": row.id, "version": row.version, "reason": reason})


def _rules(city: City, catalog: Catalog) -> Sequence[Rule]:
    zone = no_parking(city)
    fences = [] if zone is None else [_parking_rule(zone, catalog)]
    return [*fences, _crowd_rule(catalog), _density_rule(catalog)]


@dataclass(frozen=True, slots=True)
class Zone:
    """A stretch of a street where nobody may park: its street, (zh, en), and its polygon, degrees WGS 84."""

    zh: str
    en: str
    polygon: shapely.Polygon


def no_parking(city: City) -> Zone | None:
    """Choose a stretch of a named street near the middle of the city; None where there is no such street."""
    middle = shapely.get_coordinates(city.extent.centroid)[0]
    best: tuple[tuple[bool, int, str], RoadFact, float] | None = None
    for road in city.surface_roads:
        if not (road.car and road.name) or road.road_class not in _STREETS or road.line.length < _ZONE_M:
            continue
        # A vehicle stops at a vertex: the one nearest to the middle of the street, away from its ends.
        along = shapely.line_locate_point(road.line, shapely.points(shapely.get_coordinates(road.line)))
        inner = along[(along >= _ZONE_M / 2.0) & (along <= road.line.length - _ZONE_M / 2.0)]
        if not len(inner):
            continue
        at = float(inner[np.abs(inner - road.line.length / 2.0).argmin()])
        far = float(np.hypot(*(shapely.get_coordinates(road.line.interpolate(at))[0] - middle)))
        # Small streets first: along large ones nobody parks anyway. Whole metres: the frame moves a little.
        key = road.road_class == "primary", round(far), road.ref
        if best is None or key < best[0]:
            best = key, road, at
    if best is None:
        return None
    _, road, at = best
    stretch = substring(road.line, at - _ZONE_M / 2.0, at + _ZONE_M / 2.0)
    shape = shapely.buffer(stretch, road.width_m / 2.0 + _KERB_M, cap_style="flat", join_style="mitre")
    polygon = shapely.transform(shape, lambda xy: np.column_stack(city.lon_lat(xy[:, 0], xy[:, 1])))
    return Zone(road.name or "", road.name_en or road.name or "", polygon)


def _parking_rule(zone: Zone, catalog: Catalog) -> Rule:
    condition: dict[str, Any] = {
        "type": "fence",
        "when": "dwell",
        "dwell_s": _DWELL_S,
        "radius_m": 30.0,
        "polygons": shapely.geometry.mapping(shapely.MultiPolygon([zone.polygon]))["coordinates"],
    }
    return read_rule(
        catalog,
        zh=f"{zone.zh}违停（模拟）",
        en=f"Parked where forbidden, {zone.en} (simulated)",
        state=State.WARNING,
        area=None,
        kinds=(VEHICLE,),
        observed=None,
        condition=condition,
        category_code=_PARKED,
    )


def _crowd_rule(catalog: Catalog) -> Rule:
    """Return a fixed number: it needs to know nothing, so that it holds from the first minute."""
    return read_rule(
        catalog,
        zh=f"人群聚集·{_CROWD} 人（模拟）",
        en=f"Crowd of {_CROWD} (simulated)",
        state=State.WARNING,
        area=None,
        kinds=(COUNTER,),
        observed=PEOPLE,
        condition={"type": "limit", "above": float(_CROWD), "hysteresis": 20.0, "hold_s": 60.0},
        category_code=_GATHERED,
    )


def _density_rule(catalog: Catalog) -> Rule:
    """Return what learns the usual hour of each cell: silent until an hour was known on three days."""
    return read_rule(
        catalog,
        zh="异常聚集·与平时相比（模拟）",
        en="More people than usual (simulated)",
        state=State.WARNING,
        area=None,
        kinds=(GATHERING,),
        observed=EXCESS,
        condition={"type": "density", "of": [COUNTER], "at_least": 40, "surprise": 6.0},
        category_code=_GATHERED,
    )
