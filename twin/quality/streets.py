"""Check that the streets hang together as people walk them: islands, joints, entrances and gates off them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from twin.dispatch.network.islands import JOIN_M
from twin.dispatch.network.meeting import GATE_M, VERTEX_M
from twin.dispatch.network.network import Network, build
from twin.dispatch.network.places import REACH_M, put
from twin.dispatch.network.profiles import FOOT, load_profiles
from twin.dispatch.network.reading import Frame, read_gates, read_obstacles, read_roads
from twin.dispatch.network.roads import JOINT, Bools, Floats, Integers
from twin.dispatch.network.snapshot import Snapshot, Structure
from twin.quality.finding import Example, Finding
from twin.quality.reading import findings

_NAMES: Final = text("SELECT id, source_ref FROM road WHERE valid_to IS NULL")
_ENTRANCES: Final = text(
    "SELECT source_ref, text, ST_X(geom) AS lon, ST_Y(geom) AS lat FROM address "
    "WHERE valid_to IS NULL AND entrance ORDER BY id"
)
NOBODY: Final = "that nobody drew"

_GATES: Final = text(
    "SELECT id, source_ref, ST_X(geom) AS lon, ST_Y(geom) AS lat FROM gate WHERE valid_to IS NULL ORDER BY id"
)


@dataclass(frozen=True, slots=True)
class Island:
    """A part of the streets that no way on foot leads to: its roads, metres, a place on it.

    ``gap_m`` is how far it lies from the largest part, and ``beside`` the road of that which is nearest.
    """

    road: str
    roads: int
    metres: float
    lon: float
    lat: float
    gap_m: float
    beside: str


@dataclass(frozen=True, slots=True)
class Joint:
    """A link between two roads that nobody drew, without which one of them would lie on an island."""

    road: str
    to_road: str
    metres: float
    lon: float
    lat: float


@dataclass(frozen=True, slots=True)
class OffStreets:
    """What no way on foot leads to: an entrance or a gate, and why."""

    subject: str
    lon: float
    lat: float
    why: str


@dataclass(frozen=True, slots=True)
class Streets:
    """How the streets hang together on foot, gates open; lists are whole, not only examples."""

    metres: float
    share_main: float
    islands: tuple[Island, ...]
    joints: tuple[Joint, ...]
    entrances: int
    entrances_off: tuple[OffStreets, ...]
    gates: int
    gates_off: tuple[OffStreets, ...]


def survey_streets(connection: Connection) -> Streets:
    """Make the network as ways are answered from it, and list what lies apart."""
    roads, frame = read_roads(connection)
    gates, _ = read_gates(connection, frame)
    network = build(roads, gates, read_obstacles(connection, frame))
    snapshot = Snapshot.open(network, Structure(network), load_profiles()[FOOT])
    walked = np.isfinite(snapshot.there) & (network.cut.gate < 0)
    part = snapshot.part[network.cut.tail]
    metres = float(network.length_m[walked].sum())
    main = float(network.length_m[walked & (part == 0)].sum())
    named = _Named(network, connection, frame)
    entrances = connection.execute(_ENTRANCES).all()
    standing = connection.execute(_GATES).all()
    on_road = set(network.gates.id.tolist())
    return Streets(
        round(metres, 1),
        round(main / metres, 6) if metres else 1.0,
        _islands(named, walked, part),
        _joints(named),
        len(entrances),
        _entrances_off(snapshot, frame, entrances),
        len(standing),
        tuple(
            OffStreets(f"gate {row.source_ref}", row.lon, row.lat, f"no road within {GATE_M:g} m")
            for row in standing
            if row.id not in on_road
        ),
    )


def street_findings(streets: Streets) -> list[Finding]:
    """Turn what lies apart into findings."""
    return [
        *findings(
            "road_island",
            "warning",
            [
                Example(
                    f"road {one.road}",
                    one.lon,
                    one.lat,
                    f"{one.roads} roads, {one.metres:.0f} m, {one.gap_m:.0f} m from road {one.beside}",
                )
                for one in streets.islands
            ],
            message="{n} islands of roads cannot be reached on foot from the rest "
            f"({streets.share_main:.1%} of the length can)",
            hint="join them at a shared vertex in the source; at the edge of an extract it cut them off",
        ),
        *findings(
            "road_joint",
            "info",
            [
                Example(f"road {one.road}", one.lon, one.lat, f"{one.metres:.1f} m to road {one.to_road}")
                for one in streets.joints
            ],
            message=f"{{n}} islands of roads were joined over gaps of up to {JOIN_M:g} m that nobody drew",
            hint="look whether one walks there, and draw the path or what is between",
        ),
        *_off(
            "entrance_off_streets",
            streets.entrances_off,
            message="{n} entrances lie off the streets: nobody finds a way to them",
            hint="draw the path to the door, or import the inner roads of the compound",
        ),
        *_off(
            "gate_off_road",
            streets.gates_off,
            message="{n} gates stand on no road and let or keep nobody",
            hint="move them onto the road, or import the road they stand on",
        ),
    ]


def _off(check: str, things: tuple[OffStreets, ...], *, message: str, hint: str) -> list[Finding]:
    examples = [Example(one.subject, one.lon, one.lat, one.why) for one in things]
    return findings(check, "warning", examples, message=message, hint=hint)


class _Named:
    """Edges of a network by the names of their roads, and places in degrees."""

    def __init__(self, network: Network, connection: Connection, frame: Frame) -> None:
        refs = {row.id: row.source_ref for row in connection.execute(_NAMES)}
        self.network, self._frame = network, frame
        self._road = np.asarray(network.of_road(network.roads.id, -1), np.int64)
        self._refs = refs

    def road(self, edge: int) -> str:
        return str(self._refs.get(int(self._road[edge]), NOBODY))

    def roads(self, edges: Integers) -> int:
        return len(np.unique(self._road[edges][self._road[edges] > 0]))

    def place(self, edge: int) -> tuple[float, float]:
        xy = shapely.get_coordinates(self.network.lines[edge].interpolate(0.5, normalized=True))
        return self.degrees(xy)[0]

    def degrees(self, xy: Floats) -> list[tuple[float, float]]:
        return [(round(lon, 7), round(lat, 7)) for lon, lat in self._frame.degrees(xy).tolist()]


def _islands(named: _Named, walked: Bools, part: Integers) -> tuple[Island, ...]:
    network = named.network
    main = np.flatnonzero(walked & (part == 0))
    tree = shapely.STRtree(network.lines[main])
    found = []
    for number in np.unique(part[walked & (part > 0)]).tolist():
        edges = np.flatnonzero(walked & (part == number))
        (own, other), gap = tree.query_nearest(network.lines[edges], return_distance=True, all_matches=False)
        at = int(gap.argmin())
        edge = int(edges[own[at]])
        lon, lat = named.place(edge)
        found.append(
            Island(
                named.road(edge),
                named.roads(edges),
                round(float(network.length_m[edges].sum()), 1),
                lon,
                lat,
                round(float(gap[at]), 1),
                named.road(int(main[other[at]])),
            )
        )
    return tuple(sorted(found, key=lambda one: -one.metres))


def _joints(named: _Named) -> tuple[Joint, ...]:
    """List the links; one over no gap, where roads cross without a vertex, is no edge but a node."""
    network = named.network
    drawn = np.flatnonzero(~network.is_joint & (network.cut.road >= 0))
    tree = shapely.STRtree(network.lines[drawn])
    found = []
    for line in network.roads.line[network.roads.road_class == JOINT]:
        ends = [shapely.Point(xy) for xy in shapely.get_coordinates(line)[[0, -1]]]
        near = [drawn[tree.query(end, predicate="dwithin", distance=VERTEX_M)] for end in ends]
        names = [sorted({named.road(int(edge)) for edge in edges}) or [NOBODY] for edges in near]
        # Where both ends are one place, each road is an end.
        first, last = (names[0][0], names[0][-1]) if line.length < VERTEX_M else (names[0][0], names[1][0])
        ((lon, lat),) = named.degrees(shapely.get_coordinates(line.centroid))
        found.append(Joint(first, last, round(float(line.length), 1), lon, lat))
    return tuple(found)


def _entrances_off(snapshot: Snapshot, frame: Frame, rows: Any) -> tuple[OffStreets, ...]:
    if not len(rows):
        return ()
    places = put(snapshot, frame.metres(np.array([(row.lon, row.lat) for row in rows], float)))
    part: NDArray[np.int64] = np.where(
        places.known, snapshot.part[snapshot.network.cut.tail[places.edge]], -1
    )
    why = {-1: f"no street within {REACH_M:g} m"}
    return tuple(
        OffStreets(
            f"entrance {row.source_ref}", round(row.lon, 7), round(row.lat, 7),
            why.get(number, "beside an island of the streets"),
        )
        for row, number in zip(rows, part.tolist(), strict=True)
        if number != 0
    )  # fmt: skip
