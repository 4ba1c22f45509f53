"""Say why a place is not reached: it is off the network, on an island, or shut off."""

from __future__ import annotations

from typing import Final

import numpy as np
import shapely

from twin.dispatch.network.places import REACH_M, Places
from twin.dispatch.network.snapshot import Snapshot
from twin.faults import Words

_FAR_M: Final = 10_000.0
"""What lies farther from every road is not told to the metre."""


def off_network(snapshot: Snapshot, place: Places) -> Words:
    """Return why a single place cannot be put on the network: how far the nearest road is."""
    profile = snapshot.profile
    gap = nearest_road_m(snapshot, place)
    if not np.isfinite(gap):
        return Words(
            f"没有“{profile.zh}”可走的道路", f"there is no road on which one could travel {profile.en}"
        )
    if gap > _FAR_M:
        return Words(
            f"不在路网上：{_FAR_M / 1000:.0f} 公里内没有道路",
            f"it is off the network: there is no road within {_FAR_M / 1000:.0f} km",
        )
    return Words(
        f"不在路网上：最近的道路在 {gap:.0f} 米外，超过 {REACH_M:.0f} 米",
        f"it is off the network: the nearest road is {gap:.0f} m away, more than {REACH_M:.0f} m",
    )


def nearest_road_m(snapshot: Snapshot, place: Places) -> float:
    """Return how far a single place is from the nearest road on which such a traveller can stand."""
    if not len(snapshot.standing):
        return float("inf")
    if not np.isfinite(place.xy[0]).all():  # on the other side of the world
        return 2 * _FAR_M
    point = shapely.points(place.xy[0])
    nearest = snapshot.standing[snapshot.tree.nearest(point)]
    return float(shapely.distance(snapshot.network.lines[nearest], point))


def no_way(snapshot: Snapshot, start: Places, goal: Places) -> Words:
    """Return why there is no way between two places that lie on the network, each a single one."""
    tail = snapshot.network.cut.tail
    ends = [int(snapshot.part[tail[int(place.edge[0])]]) for place in (start, goal)]
    how = snapshot.profile
    if ends[0] == ends[1]:
        return Words(
            f"“{how.zh}”无路可达：被单行、锁闭的大门或封闭的道路阻断",
            f"there is no way {how.en}: one-way roads, locked gates or closed roads are between",
        )
    zh, en = [], []
    for name_zh, name_en, part in (("起点", "the start", ends[0]), ("终点", "the goal", ends[1])):
        if part:
            long_m = part_m(snapshot, part)
            zh.append(f"{name_zh}在第 {part} 块孤立路网上（共 {long_m:.0f} 米）")
            en.append(f"{name_en} lies on island {part} of the network ({long_m:.0f} m of roads)")
    return Words(f"“{how.zh}”无路可达：{'，'.join(zh)}", f"there is no way {how.en}: {', '.join(en)}")


def part_m(snapshot: Snapshot, part: int) -> float:
    """Return how many metres of roads a part of the network has."""
    network, standing = snapshot.network, snapshot.standing
    within = snapshot.part[network.cut.tail[standing]] == part
    return float(network.length_m[standing[within]].sum())
