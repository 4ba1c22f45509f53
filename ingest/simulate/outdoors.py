"""Find the places under the sky: along streets, in underpasses, by water, at gates and junctions.

What every placement takes and promises is said in `ingest.simulate.placements`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import shapely
from scipy.spatial import cKDTree

from ingest.simulate.city import City, RoadFact
from ingest.simulate.parameters import SitingRule
from ingest.simulate.paths import build_paths
from ingest.simulate.sites import Site, rank


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
    paths = build_paths([r.line for r in roads], [False] * len(roads))
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
