"""Find the places in and on buildings: entrances, floors, roofs, lifts, kitchens.

What every placement takes and promises is said in `ingest.simulate.placements`.
"""

from __future__ import annotations

import itertools
from functools import lru_cache
from typing import Any

import numpy as np
import shapely

from ingest.simulate.city import BuildingFact, City
from ingest.simulate.parameters import SitingRule
from ingest.simulate.sites import STOREY_M, Site, rank

_STOREY_OF_ROOMS_M2 = 120.0
"""Ground that one smoke detector of the second round stands for; each further round halves it."""

_Door = tuple[BuildingFact, str, float, float]


def at_entrances(city: City, kind: str, rule: SitingRule, wanted: int, seed: int) -> list[Site]:
    """Doors of buildings: mapped entrances, else the point of the outline nearest to a street; then, per
    floor, the door of the staircase above that entrance.
    """
    doors = _doors(city, rule, seed)
    sites = [_site_in(city, kind, b, x, y, 1, rule, suffix=f"/{door}") for b, door, x, y in doors]
    above = 2
    while len(sites) < wanted and (high := [d for d in doors if d[0].levels >= above]):
        sites += [_site_in(city, kind, b, x, y, above, rule, suffix=f"/{door}") for b, door, x, y in high]
        above += 1
    return sites


def on_floors(city: City, kind: str, rule: SitingRule, wanted: int, seed: int) -> list[Site]:
    """Ceilings: one in each entrance hall, then one a floor, then one per 120 m², 60 m², ... of floor."""
    chosen = _chosen(city, rule, seed)
    sites: list[Site] = []
    hall = [_inner_points(b.shape, 1, seed, b.ref) for b in chosen]
    sites += [_site_in(city, kind, b, *p[0], 1, rule) for b, p in zip(chosen, hall, strict=True)]
    for b, p in zip(chosen, hall, strict=True):
        if len(sites) >= wanted:
            return sites
        sites += [_site_in(city, kind, b, *p[0], f, rule) for f in range(2, b.levels + 1)]
    room_m2 = _STOREY_OF_ROOMS_M2
    done = {b.ref: 1 for b in chosen}
    while len(sites) < wanted and room_m2 > 4.0:
        for b in chosen:
            rooms = int(b.shape.area // room_m2)
            points = _inner_points(b.shape, rooms, seed, b.ref)[done[b.ref] :]
            for f, (n, (x, y)) in itertools.product(range(1, b.levels + 1), enumerate(points, done[b.ref])):
                sites.append(_site_in(city, kind, b, x, y, f, rule, suffix=f"/{n}", room=n))
            done[b.ref] = max(done[b.ref], rooms)
            if len(sites) >= wanted:
                break
        room_m2 /= 2.0
    return sites


def on_roofs(city: City, kind: str, rule: SitingRule, _wanted: int, seed: int) -> list[Site]:
    """Flat roofs, the largest first: one in the middle of each, above the highest floor."""
    sites = []
    for b in sorted(_chosen(city, rule, seed), key=lambda b: (-b.shape.area, b.ref)):
        x, y = _inner_points(b.shape, 1, seed, b.ref)[0]
        zh, en = _building_names(city, b)
        height_m = b.levels * STOREY_M + rule.storey_offset_m
        sites.append(
            Site(f"{kind}/{b.ref}/roof", x, y, height_m, f"{zh}屋顶", f"roof of {en}", 0, b.levels, b.id)
        )
    return sites


def in_lifts(city: City, kind: str, rule: SitingRule, _wanted: int, seed: int) -> list[Site]:
    """Lifts of buildings of enough floors: one, and one more per 600 m² of floor plan, in the middle."""
    sites = []
    for n in range(4):
        for b in _chosen(city, rule, seed):
            if n <= b.shape.area // 600.0:
                x, y = _inner_points(b.shape, 4, seed, b.ref)[n]
                sites.append(_site_in(city, kind, b, x, y, 1, rule, suffix=f"/{n}", room=n))
    return sites


def in_kitchens(city: City, kind: str, rule: SitingRule, _wanted: int, seed: int) -> list[Site]:
    """Kitchens of mapped restaurants; then each floor of the rule's kinds of building."""
    sites = []
    for ref, name, point in sorted(city.kitchens, key=lambda k: rank(seed, k[0])):
        x, y = float(point.x), float(point.y)
        inside = city.building_tree.query(point, predicate="within")
        b = city.buildings[int(inside[0])] if len(inside) else None
        if city.extent.contains(point):
            sites.append(
                Site(
                    f"{kind}/{ref}",
                    x,
                    y,
                    rule.storey_offset_m,
                    name or (_building_names(city, b)[0] if b else "餐饮店"),
                    name or (_building_names(city, b)[1] if b else "Restaurant"),
                    0,
                    1,
                    b.id if b else None,
                )
            )
    chosen = _chosen(city, rule, seed)
    for n in range(1, 40):
        for b in chosen:
            if n <= b.levels:
                x, y = _inner_points(b.shape, 2, seed, b.ref)[1]
                sites.append(_site_in(city, kind, b, x, y, n, rule))
    return sites


def _chosen(city: City, rule: SitingRule, seed: int) -> list[BuildingFact]:
    return sorted(
        (
            b
            for b in _inside(city)
            if b.levels >= rule.levels_min
            and b.shape.area >= 20.0
            and (not rule.building_kinds or b.kind in rule.building_kinds)
        ),
        key=lambda b: rank(seed, b.ref),
    )


def _inside(city: City) -> tuple[BuildingFact, ...]:
    shapely.prepare(city.extent)
    return tuple(b for b in city.buildings if city.extent.contains(b.shape))


def _doors(city: City, rule: SitingRule, seed: int) -> list[_Door]:
    chosen = _chosen(city, rule, seed)
    mapped: dict[int, list[tuple[str, float, float]]] = {}
    for e in city.entrances:
        if e.building_id is not None:
            mapped.setdefault(e.building_id, []).append((e.ref, float(e.point.x), float(e.point.y)))
    streets = shapely.STRtree([r.line for r in city.roads if not r.tunnel])
    doors: list[_Door] = []
    more: list[_Door] = []
    for b in chosen:
        if b.id in mapped:
            first, *rest = mapped[b.id]
            doors.append((b, *first))
            more += [(b, *door) for door in rest]
            continue
        outline = b.shape.boundary
        near = streets.nearest(outline) if len(streets) else None
        if near is None:
            x, y = shapely.get_coordinates(outline)[0]
        else:
            x, y = shapely.get_coordinates(shapely.shortest_line(outline, streets.geometries.take(near)))[0]
        doors.append((b, "street", float(x), float(y)))
    return doors + more


def _site_in(
    city: City,
    kind: str,
    b: BuildingFact,
    x: float,
    y: float,
    floor: int,
    rule: SitingRule,
    *,
    suffix: str = "",
    room: int = 0,
) -> Site:
    zh, en = _building_names(city, b)
    part_zh, part_en = (
        (f" {floor}层", f", floor {floor}") if floor > 1 or rule.place != "entrances" else ("", "")
    )
    if room:
        part_zh, part_en = f"{part_zh}-{room}", f"{part_en}-{room}"
    return Site(
        f"{kind}/{b.ref}/{floor}{suffix}",
        x,
        y,
        (floor - 1) * STOREY_M + rule.storey_offset_m,
        zh + part_zh,
        en + part_en,
        0,
        floor,
        b.id,
    )


def _building_names(city: City, b: BuildingFact) -> tuple[str, str]:
    if b.address or b.name:
        return b.address or b.name or "", b.name_en or b.address or b.name or ""
    zh, en = city.street_near(b.ref, b.shape)
    # Nameless buildings of one street are told apart by the end of their number in the source.
    return f"{zh}旁楼栋 {b.ref[-4:]}", f"building {b.ref[-4:]} near {en}"


@lru_cache(maxsize=20_000)
def _inner_points(shape: Any, count: int, seed: int, ref: str) -> list[tuple[float, float]]:
    """Return points inside a footprint, spread by the R2 sequence; the first is its representative point."""
    anchor = shape.representative_point()
    points = [(float(anchor.x), float(anchor.y))]
    if count <= 1:
        return points
    west, south, east, north = shape.bounds
    room = shape.buffer(-0.5)
    if room.is_empty:
        room = shape
    shapely.prepare(room)
    shift = rank(seed, ref) / 2.0**64
    tries = np.arange(1, count * 40)
    # Roberts' R2 sequence: powers of the plastic number 1.3247..., evenly spread for any count.
    u = (shift + tries * 0.7548776662466927) % 1.0
    v = (shift + tries * 0.5698402909980532) % 1.0
    x, y = west + u * (east - west), south + v * (north - south)
    hit = np.flatnonzero(shapely.contains_xy(room, x, y))[: count - 1]
    points += list(zip(x[hit].tolist(), y[hit].tolist(), strict=True))
    while len(points) < count:
        points.append(points[0])
    return points
