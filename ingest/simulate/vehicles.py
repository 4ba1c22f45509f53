"""Put vehicles on the streets of a city, and let them drive, now and then to where they must not park."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray

from ingest.simulate.city import City
from ingest.simulate.parameters import OffenceParameters, Parameters
from ingest.simulate.paths import Paths, build_paths
from ingest.simulate.register import DeviceRow
from ingest.simulate.sites import rank
from ingest.simulate.travellers import Traveller

Integers = NDArray[np.int64]

VEHICLE: Final = "vehicle"
"""Kind of device that a vehicle is."""

_TRACKER_HEIGHT_M: Final = 1.0
_NEAR_M: Final = 1.0
"""A vehicle stops at a vertex of its street: in a fence that holds one, or is this close to one."""


def site_vehicles(city: City, parameters: Parameters, seed: int) -> list[DeviceRow]:
    """Plan the vehicles of a city, each at a vertex of its car roads; without such roads there is none."""
    rule = parameters.siting.vehicles
    roads = [r for r in city.roads if r.car and not r.tunnel]
    paths = build_paths([r.line for r in roads], [False] * len(roads))
    main = paths.main_component()
    shapely.prepare(city.extent)
    if len(main):
        main = main[np.asarray(shapely.contains_xy(city.extent, paths.xy[main, 0], paths.xy[main, 1]), bool)]
    length_km = float(sum(r.line.length for r in roads)) / 1000.0
    count = min(max(round(rule.per_road_km * length_km), rule.minimum), rule.maximum, len(main))
    rows = []
    for n in range(count):
        how = list(rule.kinds)[n % len(rule.kinds)]
        number = n // len(rule.kinds) + 1
        ref = f"{VEHICLE}/{how}/{number:03d}"
        # Evenly over the nodes, each somewhere in its part: no two at one place.
        part = np.array_split(main, count)[n]
        x, y = paths.xy[part[rank(seed, ref) % len(part)]]
        lon, lat = city.lon_lat(np.array([x]), np.array([y]))
        called = rule.kinds[how]
        rows.append(
            DeviceRow(
                ref,
                f"sim-{VEHICLE}-{how}-{number:03d}",
                VEHICLE,
                f"{called.zh} {number}（模拟）",
                f"{called.en} {number} (simulated)",
                float(lon[0]),
                float(lat[0]),
                _TRACKER_HEIGHT_M,
            )
        )
    return rows


def drive_of(source_ref: str) -> str:
    """Return how a simulated vehicle drives, which its name in the dataset says."""
    return source_ref.split("/")[1]


class Offences:
    """Sends a vehicle to a place where it must not park, now and then.

    Parameters
    ----------
    offenders
        Vehicles that do such a thing.
    spots
        Nodes of the network in each zone where nobody may park; a zone without any is left out.
    first_s
        Unix time of the first offence.
    """

    def __init__(
        self,
        offenders: Sequence[Traveller],
        paths: Paths,
        spots: Sequence[Integers],
        parameters: OffenceParameters,
        *,
        seed: int,
        first_s: float,
    ) -> None:
        self._offenders = offenders
        self._paths = paths
        self._spots = [nodes for nodes in spots if len(nodes)]
        self._parameters = parameters
        self._random = np.random.default_rng([seed, 41])
        self._next_s = first_s

    def update(self, unix_s: float) -> Traveller | None:
        """Send the one that is nearest, where the time has come; returns it."""
        if unix_s < self._next_s or not self._spots or not self._offenders:
            return None
        self._next_s = unix_s + 60.0 * self._parameters.every_min
        node = int(self._random.choice(self._spots[int(self._random.integers(len(self._spots)))]))
        way_m = self._paths.lengths_to(node)
        # Who drives comes only after having been where it is going.
        one = min(self._offenders, key=lambda t: (not t.arrived, float(way_m[t.goal])))
        one.send(node, 60.0 * float(self._random.uniform(*self._parameters.stay_min)))
        return one


def nodes_within(paths: Paths, zones: Sequence[shapely.Geometry]) -> list[Integers]:
    """Return the nodes of the largest component that lie in each zone."""
    main = paths.main_component()
    return [
        main[np.asarray(shapely.dwithin(shapely.points(paths.xy[main]), zone, _NEAR_M), bool)]
        for zone in zones
    ]


def drivers(
    drives: Mapping[int, str],
    paths: Paths,
    x_m: NDArray[np.float64],
    y_m: NDArray[np.float64],
    forbidden: Integers,
    parameters: Parameters,
    seed: int,
) -> dict[int, Traveller]:
    """Make who drives, by row: along car roads around where each was put, and nowhere where nobody may park.

    Parameters
    ----------
    drives
        Row of ``[drive]`` by row of the fleet.
    x_m, y_m
        Place of each row, metres of the local frame.
    forbidden
        Nodes where none stops by itself.
    """
    made = {}
    main = np.setdiff1d(paths.main_component(), forbidden)
    # Roads of an extract go on beyond what is shown of the city.
    inside = (paths.xy[main] >= (x_m.min(), y_m.min())) & (paths.xy[main] <= (x_m.max(), y_m.max()))
    main = main[inside.all(axis=1)]
    for row, how in drives.items():
        habits = parameters.drive[how]
        near = main[np.hypot(*(paths.xy[main] - (x_m[row], y_m[row])).T) <= habits.neighbourhood_m]
        if len(near):
            made[row] = Traveller(paths, near, habits, np.random.default_rng([seed, 37, row]))
    return made
