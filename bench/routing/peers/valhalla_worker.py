"""Answer with Valhalla; started by an environment that has pyvalhalla, not by ours."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import valhalla
from valhalla.config import get_config

sys.path.insert(0, str(Path(__file__).parent))
from answering import Answer, answer_lines, files_mib, memory_mib, timed

Place = tuple[float, float]

# What makes one road as good as another: only time counts, as with ours.
NEUTRAL = {
    "alley_factor": 1.0,
    "driveway_factor": 1.0,
    "walkway_factor": 1.0,
    "sidewalk_factor": 1.0,
    "service_factor": 1.0,
    "service_penalty": 0,
    "step_penalty": 0,
    "maneuver_penalty": 0,
    "gate_cost": 0,  # 30 s are counted for a gate without access tags
    "gate_penalty": 0,
    "destination_only_penalty": 0,
    "private_access_penalty": 0,
    "use_living_streets": 0.5,
    "use_tracks": 0.5,
    "max_hiking_difficulty": 6,
}
LIMITS = {
    "max_locations": 20_000,
    "max_matrix_location_pairs": 4_000_000,
}


class Engine:
    """One set of tiles and what one asks of it."""

    actor: valhalla.Actor
    kmh: float

    def build(self, file: str, folder: str, kmh: float) -> Answer:
        """Make tiles of an OpenStreetMap file."""
        tiles = Path(folder) / "tiles"
        tiles.mkdir(parents=True, exist_ok=True)
        config = get_config(tile_dir=str(tiles), tile_extract="", verbose=False)
        config["service_limits"]["pedestrian"].update(LIMITS)
        config["service_limits"]["max_exclude_polygons_length"] = 100_000
        path = Path(folder) / "valhalla.json"
        path.write_text(json.dumps(config), encoding="utf-8")
        program = valhalla.PYVALHALLA_DIR / "bin" / "valhalla_build_tiles"
        took, done = timed(
            lambda: subprocess.run([str(program), "-c", str(path), file], capture_output=True, check=False)
        )
        if done.returncode != 0:
            raise RuntimeError(done.stderr.decode(errors="replace")[-200:])
        before = memory_mib()
        self.actor, self.kmh = valhalla.Actor(config), kmh
        self._before = before
        return took.answer(files_mib=files_mib(tiles))

    def memory(self) -> Answer:
        """Say what it took since it was built."""
        return {"mib": memory_mib() - self._before}

    def pairs(self, pairs: Sequence[tuple[Place, Place]], neutral: bool) -> Answer:
        """Return seconds, metres and line of each pair; no seconds where there is no way."""
        found = []
        for start, goal in pairs:
            request = self._request(neutral, locations=[_place(start), _place(goal)], directions_type="none")
            try:
                trip = self.actor.route(request)["trip"]
            except RuntimeError as error:
                found.append({"seconds": None, "why": str(error)[:120]})
                continue
            found.append(
                {
                    "seconds": trip["summary"]["time"],
                    "metres": trip["summary"]["length"] * 1e3,
                    "line": trip["legs"][0]["shape"],
                }
            )
        return {"found": found}

    def one_to_many(self, one: Place, many: Sequence[Place], limit_s: float) -> Answer:
        """Time a matrix of one row; Valhalla has no limit to give."""
        return self.matrix([one], many, limit_s)

    def matrix(self, some: Sequence[Place], others: Sequence[Place], limit_s: float) -> Answer:
        """Time a matrix."""
        request = self._request(
            True,
            sources=[_place(one) for one in some],
            targets=[_place(one) for one in others],
            verbose=False,
        )
        took, found = timed(lambda: self.actor.matrix(request))
        rows = found["sources_to_targets"]["durations"]
        within = sum(one is not None and one <= limit_s for row in rows for one in row)
        return took.answer(within=within)

    def route(self, start: Place, goal: Place) -> Answer:
        """Time one way with its line, no directions."""
        request = self._request(True, locations=[_place(start), _place(goal)], directions_type="none")
        took, found = timed(lambda: self.actor.route(request))
        return took.answer(takes_s=found["trip"]["summary"]["time"])

    def isochrone(self, one: Place, limits_s: Sequence[float]) -> Answer:
        """Time polygons of what is reached."""
        request = self._request(
            True,
            locations=[_place(one)],
            polygons=True,
            contours=[{"time": limit / 60.0} for limit in limits_s],
        )
        took, _ = timed(lambda: self.actor.isochrone(request))
        return took.answer()

    def closure(self, start: Place, goal: Place, ring: Sequence[Place], **_: Any) -> Answer:
        """Time one way that keeps out of a polygon: it is given with each request."""
        request = self._request(
            True,
            locations=[_place(start), _place(goal)],
            directions_type="none",
            exclude_polygons=[[list(place) for place in ring]],
        )
        took, found = timed(lambda: self.actor.route(request))
        return took.answer(takes_s=found["trip"]["summary"]["time"])

    def _request(self, neutral: bool, **what: Any) -> dict[str, Any]:
        options = {"walking_speed": self.kmh, **(NEUTRAL if neutral else {})}
        return {"costing": "pedestrian", "costing_options": {"pedestrian": options}, **what}


def _place(place: Place) -> dict[str, Any]:
    # On the road, not at a crossing near it, and on an island too.
    return {"lon": place[0], "lat": place[1], "node_snap_tolerance": 0, "minimum_reachability": 0}


if __name__ == "__main__":
    engine = Engine()
    names = ("build", "memory", "pairs", "one_to_many", "matrix", "route", "isochrone", "closure")
    answer_lines({name: getattr(engine, name) for name in names})
