"""Answer with OSRM; started by an environment that has osrm-bindings, not by ours."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import osrm

sys.path.insert(0, str(Path(__file__).parent))
from answering import Answer, answer_lines, files_mib, memory_mib, timed

Place = tuple[float, float]
_PROGRAMS = Path(osrm.__file__).parent / "bin"
_PROFILES = Path(osrm.__file__).parent / "share" / "profiles"


class Engine:
    """The same roads twice: contracted (CH), quick to ask; partitioned (MLD), quick to change."""

    def build(self, file: str, folder: str, kmh: float) -> Answer:
        """Extract an OpenStreetMap file with the foot profile at a speed, contract and partition it."""
        base = Path(folder)
        base.mkdir(parents=True, exist_ok=True)
        profiles = base / "profiles"
        shutil.copytree(_PROFILES, profiles, dirs_exist_ok=True)
        foot = profiles / "foot.lua"
        text, count = re.subn(
            r"local walking_speed = \d+", f"local walking_speed = {kmh}", foot.read_text("utf-8")
        )
        if count != 1:
            raise RuntimeError("its foot profile names no walking speed")
        foot.write_text(text, "utf-8")
        contracted, changing = base / "contracted", base / "partitioned"
        contracted.mkdir(exist_ok=True)
        copy = contracted / "roads.osm.pbf"
        shutil.copy(file, copy)
        extract, _ = timed(lambda: _run("osrm-extract", "-p", str(foot), str(copy)))
        # What is partitioned is numbered anew: it can no more be contracted.
        shutil.copytree(contracted, changing, dirs_exist_ok=True)
        self._changing = changing / "roads.osrm"
        contract, _ = timed(lambda: _run("osrm-contract", str(contracted / "roads.osrm")))
        _run("osrm-partition", str(self._changing))
        _run("osrm-customize", str(self._changing))
        self._before = memory_mib()
        self._quick = _open("CH", contracted / "roads.osrm")
        return {
            "seconds": extract.seconds + contract.seconds,
            "cpu_s": extract.cpu_s + contract.cpu_s,
            "files_mib": files_mib(contracted),
        }

    def memory(self) -> Answer:
        """Say what it took since it was built."""
        return {"mib": memory_mib() - self._before}

    def pairs(self, pairs: Sequence[tuple[Place, Place]], neutral: bool) -> Answer:  # noqa: ARG002
        """Return seconds, metres and line of each pair; no seconds where there is no way."""
        found: list[dict[str, Any]] = []
        for start, goal in pairs:
            try:
                said = self._route(self._quick, start, goal)
            except RuntimeError as error:
                found.append({"seconds": None, "why": str(error)[:120]})
                continue
            route = said["routes"][0]
            found.append(
                {
                    "seconds": float(route["duration"]),
                    "metres": float(route["distance"]),
                    "line": route["geometry"],
                }
            )
        return {"found": found}

    def one_to_many(self, one: Place, many: Sequence[Place], limit_s: float) -> Answer:
        """Time a table of one row; OSRM has no limit to give."""
        return self.matrix([one], many, limit_s)

    def matrix(self, some: Sequence[Place], others: Sequence[Place], limit_s: float) -> Answer:
        """Time a table."""
        parameters = osrm.TableParameters(
            coordinates=[tuple(place) for place in (*some, *others)],
            sources=list(range(len(some))),
            destinations=list(range(len(some), len(some) + len(others))),
            annotations=["duration"],
            generate_hints=False,
        )
        took, found = timed(lambda: self._quick.Table(parameters))
        within = sum(_number(one) <= limit_s for row in found["durations"] for one in row)
        return took.answer(within=within)

    def route(self, start: Place, goal: Place) -> Answer:
        """Time one way with its line."""
        took, found = timed(lambda: self._route(self._quick, start, goal))
        return took.answer(takes_s=float(found["routes"][0]["duration"]))

    def isochrone(self, one: Place, limits_s: Sequence[float]) -> Answer:
        """Say that OSRM has none."""
        raise NotImplementedError("OSRM has no isochrones")

    def closure(self, start: Place, goal: Place, segments: Sequence[tuple[int, int]], **_: Any) -> Answer:
        """Time speeds of 0 for closed pieces, by their nodes in OpenStreetMap, until a way avoids them."""
        file = self._changing.with_name("closed.csv")
        file.write_text("".join(f"{a},{b},0\n{b},{a},0\n" for a, b in segments), "ascii")

        def close() -> Any:
            _run("osrm-customize", str(self._changing), "--segment-speed-file", str(file))
            return self._route(_open("MLD", self._changing), start, goal)

        took, found = timed(close)
        _run("osrm-customize", str(self._changing))
        return took.answer(takes_s=float(found["routes"][0]["duration"]))

    @staticmethod
    def _route(engine: osrm.OSRM, start: Place, goal: Place) -> Any:
        return engine.Route(
            osrm.RouteParameters(
                coordinates=[tuple(start), tuple(goal)],
                geometries="polyline6",
                overview="full",
                generate_hints=False,
                snapping="any",  # on an island too
            )
        )


def _open(algorithm: str, roads: Path) -> osrm.OSRM:
    return osrm.OSRM(
        algorithm=algorithm,
        storage_config=str(roads),
        use_shared_memory=False,
        max_locations_distance_table=20_000,
    )


def _number(value: Any) -> float:
    return math.inf if value is None else float(value)


def _run(program: str, *arguments: str) -> None:
    done = subprocess.run([str(_PROGRAMS / program), *arguments], capture_output=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{program}: {(done.stderr or done.stdout).decode(errors='replace')[-200:]}")


if __name__ == "__main__":
    engine = Engine()
    names = ("build", "memory", "pairs", "one_to_many", "matrix", "route", "isochrone", "closure")
    answer_lines({name: getattr(engine, name) for name in names})
