"""Find the places where devices of each kind would be installed, the most needed first.

Every function takes the city, the kind, its rule, how many are wanted and the seed, and returns sites in
rank order: the first n of them are what a city that can pay for n would install. What is returned does
not depend on how many are wanted (except that it may stop there), so a larger wish keeps the smaller one.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import shapely
from scipy.spatial import cKDTree

from ingest.simulate.city import BuildingFact, City, RoadFact
from ingest.simulate.footpaths import build_footpaths
from ingest.simulate.parameters import SitingRule

STOREY_M = 3.0
"""Storey height used for the mounting height of what hangs in a building."""

_STOREY_OF_ROOMS_M2 = 120.0
"""Ground that one smoke detector of the second round stands for; each further round halves it."""


@dataclass(frozen=True, slots=True)
class Site:
    """A place for one device, in metres of the local frame. ``ref`` names it for ever: the same place in
    the same city has the same name, whatever the wish and the order of import. ``number`` tells apart
    what stands along one street (0: there is nothing to tell apart).
    """

    ref: str
    x_m: float
    y_m: float
    height_m: float
    place_zh: str
    place_en: str
    number: int = 0
    floor: int | None = None
    building_id: int | None = None
    bearing_deg: float | None = None


def rank(seed: int, ref: str) -> int:
    """Return the number that decides the order of equals: a hash of seed and name, the same everywhere."""
    return int.from_bytes(hashlib.blake2b(f"{seed}/{ref}".encode(), digest_size=8).digest(), "big")


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
                    name or "Kitchen",
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


def along_roads(city: City, kind: str, rule: SitingRule, _wanted: int, seed: int) -> list[Site]:
    """Beside roads of the rule's classes, every ``spacing_m``, sides in turn, ``offset_m`` off the kerb
    (negative: on the carriageway). With ``group`` above 1, in rows of so many with a gap between rows.
    """
    out: list[Site] = []
    roads = [r for r in city.surface_roads if r.road_class in rule.road_classes]
    for road in sorted(roads, key=lambda r: rank(seed, f"{kind}/{r.ref}")):
        out += _beside(city, kind, rule, road)
    return _clear(city, out, off_road=rule.offset_m > 0.0, spacing_m=rule.spacing_m * 0.6)


def in_underpasses(city: City, kind: str, rule: SitingRule, wanted: int, seed: int) -> list[Site]:
    """The middle of each road tunnel and, the lowest ground being unknown, then gullies along roads."""
    tunnels = [r for r in city.roads if r.tunnel and r.line.length > 8.0]
    sites = []
    shapely.prepare(city.extent)
    for part in (0.5, 0.35, 0.65):
        for road in sorted(tunnels, key=lambda r: (not r.car, rank(seed, r.ref))):
            point = road.line.interpolate(part, normalized=True)
            if not city.extent.contains(point):
                continue
            zh, en = _road_names(city, road)
            sites.append(
                Site(
                    f"{kind}/{road.ref}/{part}",
                    point.x,
                    point.y,
                    rule.height_m,
                    zh if "隧道" in zh or "通道" in zh else f"{zh}下穿",
                    f"{en} underpass",
                )
            )
    return sites + along_roads(city, kind, rule, wanted, seed)


def by_water(city: City, kind: str, rule: SitingRule, wanted: int, seed: int) -> list[Site]:
    """The banks of mapped water, every ``spacing_m``; then drain wells along roads."""
    sites = []
    shapely.prepare(city.extent)
    for ref, shape in sorted(city.waters, key=lambda w: -w[1].area):
        for n, ring in enumerate(_rings(shape)):
            for k in range(max(1, int(ring.length // max(rule.spacing_m, 1.0)))):
                point = ring.interpolate(k * rule.spacing_m)
                if city.extent.contains(point):
                    sites.append(
                        Site(f"{kind}/{ref}/{n}/{k}", point.x, point.y, rule.height_m, "河岸", "River bank")
                    )
    return sites + along_roads(city, kind, rule, wanted, seed)


def at_gates(city: City, kind: str, rule: SitingRule, _wanted: int, seed: int) -> list[Site]:
    """Where a minor road crosses the border of a block (a compound); then where an access road begins."""
    minor = [r for r in city.surface_roads if r.road_class in rule.road_classes]
    sites = []
    for ref, block in city.blocks:
        for ring_no, ring in enumerate(_rings(block)):
            for road in minor:
                for n, point in enumerate(_points(road.line.intersection(ring))):
                    zh, en = _road_names(city, road)
                    where = f"{kind}/{ref}/{ring_no}/{road.ref}/{n}"
                    sites.append(Site(where, point.x, point.y, rule.height_m, f"{zh}小区", f"{en} compound"))
    sites.sort(key=lambda s: rank(seed, s.ref))
    major = {
        tuple(xy): r
        for r in city.surface_roads
        if r.car and r.road_class not in rule.road_classes
        for xy in np.round(shapely.get_coordinates(r.line), 2)
    }
    mouths = []
    for road in minor:
        if not road.car or road.line.length < 12.0:
            continue
        for end, at in ((0, 8.0), (-1, road.line.length - 8.0)):
            street = major.get(tuple(np.round(shapely.get_coordinates(road.line)[end], 2)))
            if street is not None:
                point = road.line.interpolate(at)
                zh, en = _road_names(city, street)
                mouths.append(
                    Site(
                        f"{kind}/{road.ref}/{end}", point.x, point.y, rule.height_m, f"{zh}院落", f"{en} yard"
                    )
                )
    mouths.sort(key=lambda s: rank(seed, s.ref))
    return _clear(city, sites + mouths, off_road=False, spacing_m=20.0)


def at_junctions(city: City, kind: str, rule: SitingRule, _wanted: int, seed: int) -> list[Site]:
    """Corners of junctions, each looking along one of its streets; none where the city has real cameras."""
    if city.cameras:
        return []
    roads = [r for r in city.surface_roads if r.car]
    if not roads:
        return []
    paths = build_footpaths([r.line for r in roads], [False] * len(roads))
    degree = np.diff(paths.matrix.indptr)
    junctions = np.flatnonzero(degree >= 3)
    tree = shapely.STRtree([r.line for r in roads])
    sites: list[tuple[int, int, Site]] = []
    for node in junctions:
        x, y = (float(v) for v in paths.xy[node])
        # Named by lon/lat, not by metres: the local frame moves when the city's extent does.
        lon, lat = city.lon_lat(np.array([x]), np.array([y]))
        place = f"{lon[0]:.6f},{lat[0]:.6f}"
        near = [roads[int(i)] for i in tree.query(shapely.Point(x, y).buffer(0.05), predicate="intersects")]
        road = max(near, key=lambda r: (r.width_m, r.ref))
        zh, en = _road_names(city, road)
        kerb = road.width_m / 2.0 + rule.offset_m
        legs = paths.matrix.indices[paths.matrix.indptr[node] : paths.matrix.indptr[node + 1]]
        for turn, leg in enumerate(sorted(int(v) for v in legs)):
            dx, dy = paths.xy[leg] - (x, y)
            far = math.hypot(dx, dy)
            if far < 3.0:
                continue
            ux, uy = dx / far, dy / far
            # On the right of the street it looks along, a little into it: the corner is not in the way.
            at = (float(x + ux * kerb + uy * kerb), float(y + uy * kerb - ux * kerb))
            ref = f"{kind}/{place}/{turn}"
            bearing = math.degrees(math.atan2(ux, uy)) % 360.0
            site = Site(
                ref, *at, rule.height_m, f"{zh}路口", f"{en} junction", bearing_deg=round(bearing, 1) % 360.0
            )
            sites.append((turn, rank(seed, ref), site))
    sites.sort(key=lambda s: (s[0], s[1]))
    return _clear(city, [s for _, _, s in sites], off_road=True, spacing_m=12.0)


Placement = Callable[[City, str, SitingRule, int, int], list[Site]]

PLACEMENTS: dict[str, Placement] = {
    "entrances": at_entrances,
    "floors": on_floors,
    "roofs": on_roofs,
    "lifts": in_lifts,
    "kitchens": in_kitchens,
    "roads": along_roads,
    "underpasses": in_underpasses,
    "water": by_water,
    "gates": at_gates,
    "junctions": at_junctions,
}
"""Every way of placing that ``data/simulation.toml`` may name."""


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


_Door = tuple[BuildingFact, str, float, float]


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


def _beside(city: City, kind: str, rule: SitingRule, road: RoadFact) -> Iterator[Site]:
    length = road.line.length
    zh, en = _road_names(city, road)
    # Maps cut streets into short ways: each gets one place at least, and crowding is thinned afterwards.
    at = min(rule.spacing_m, length) / 2.0
    n = 0
    while at < length:
        ahead = shapely.get_coordinates(
            road.line.interpolate([max(at - 0.5, 0.0), at, min(at + 0.5, length)])
        )
        (x0, y0), (x, y), (x1, y1) = ahead
        far = math.hypot(x1 - x0, y1 - y0) or 1.0
        row = n // max(rule.group, 1)
        side = 1.0 if (row if rule.group > 1 else n) % 2 == 0 else -1.0
        off = side * max(road.width_m / 2.0 + rule.offset_m, 0.3)
        yield Site(
            f"{kind}/{road.ref}/{n}",
            float(x + off * (y1 - y0) / far),
            float(y - off * (x1 - x0) / far),
            rule.height_m,
            zh,
            en,
            n + 1,
        )
        n += 1
        at += rule.spacing_m
        if rule.group > 1 and n % rule.group == 0:
            at += rule.group_gap_m


def _clear(city: City, sites: list[Site], *, off_road: bool, spacing_m: float) -> list[Site]:
    """Drop sites outside the city, in buildings, on other roads, or too close to a better one."""
    if not sites:
        return []
    x = np.array([s.x_m for s in sites])
    y = np.array([s.y_m for s in sites])
    free = city.free(x, y, off_road=off_road)
    kept = np.flatnonzero(free)
    xy = np.column_stack((x, y))[kept]
    tree = cKDTree(xy)
    alive = np.ones(len(kept), bool)
    for i in range(len(kept)):
        if alive[i]:
            near = np.array(tree.query_ball_point(xy[i], spacing_m), np.int64)
            alive[near[near > i]] = False
    return [sites[i] for i in kept[alive].tolist()]


def _road_names(city: City, road: RoadFact) -> tuple[str, str]:
    if road.name:
        return road.name, road.name_en or road.name
    zh, en = city.street_near(road.ref, road.line)
    return f"{zh}旁内部道路", f"lane off {en}"


def _rings(shape: Any) -> Iterable[Any]:
    for part in shapely.get_parts(shape):
        yield shapely.get_exterior_ring(part)


def _points(shape: Any) -> list[Any]:
    return [p for p in shapely.get_parts(shape) if p.geom_type == "Point"]
