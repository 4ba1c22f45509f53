"""Make roads of lines for tests, and find the quickest ways through them without our network."""

from __future__ import annotations

import heapq
import itertools
from collections import defaultdict

import numpy as np
import shapely

from twin.dispatch.network.roads import Roads


def roads_of(lines, **columns) -> Roads:
    """Return streets open to everybody, of lists of (x, y) in metres; columns say what differs."""
    n = len(lines)
    yes, no, nothing = np.ones(n, bool), np.zeros(n, bool), np.full(n, None, object)
    made = {
        "id": np.arange(n) + 1, "line": np.array([shapely.LineString(line) for line in lines], object),
        "drawn": no, "layer": np.zeros(n, np.int16), "foot": yes, "bike_forward": yes, "bike_backward": yes,
        "car_forward": yes, "car_backward": yes, "stairs": no, "covered": no,
        "max_speed_kmh": np.full(n, np.nan), "road_class": np.full(n, "residential", object),
        "name": nothing, "name_en": nothing,
    }  # fmt: skip
    return Roads(**made | {name: np.asarray(column) for name, column in columns.items()})


class Oracle:
    """Ways by hand: every vertex of every road is a node, places are put into their segments; no matrices.

    ``there`` and ``back`` are seconds a metre of each road as it is drawn and against that, inf is closed.
    """

    def __init__(self, lines, there, back) -> None:
        self.segments = []
        for line, ahead, behind in zip(lines, there, back, strict=True):
            for a, b in itertools.pairwise(line):
                self.segments.append((a, b, ahead, behind))

    def seconds(self, start, goal) -> float:
        """Return the seconds between two places, each (number of a segment, share of it)."""
        arcs = defaultdict(list)
        on = defaultdict(list)
        for name, (segment, share) in (("start", start), ("goal", goal)):
            on[segment].append((share, name))
        for number, (a, b, ahead, behind) in enumerate(self.segments):
            stops = [(0.0, a), *sorted(on[number]), (1.0, b)]
            long_m = float(np.hypot(b[0] - a[0], b[1] - a[1]))
            for (s, one), (t, other) in itertools.pairwise(stops):
                arcs[one].append((other, (t - s) * long_m * ahead if t > s else 0.0))
                arcs[other].append((one, (t - s) * long_m * behind if t > s else 0.0))
        best, queue, count = {}, [(0.0, 0, "start")], 0
        while queue:
            cost, _, node = heapq.heappop(queue)
            if node in best or cost == np.inf:
                continue
            best[node] = cost
            for other, more in arcs[node]:
                count += 1
                heapq.heappush(queue, (cost + more, count, other))
        return best.get("goal", np.inf)
