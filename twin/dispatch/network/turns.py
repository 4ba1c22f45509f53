"""Tell a way in steps: along which street, how far, and where to turn."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import shapely

from twin.dispatch.network.places import Places
from twin.dispatch.network.roads import JOINT, Floats
from twin.dispatch.network.snapshot import Snapshot
from twin.dispatch.network.travel import beside_s
from twin.dispatch.network.turn_words import called
from twin.dispatch.network.way import Way, way_line

LOOK_M: Final = 10.0
"""Where a way leads to at a turn is seen so far ahead and behind."""

SIDE_M: Final = 2.0
"""What lies nearer to the middle of its road lies neither left nor right."""

_TINY_M: Final = 0.05  # places on a vertex leave so much of an edge by rounding
_SHORT_M: Final = 3.0  # an edge as short as this does not show where it leads to
_STRAIGHT_DEG: Final = 20.0
_SLIGHT_DEG: Final = 50.0
_PLAIN_DEG: Final = 120.0
_SHARP_DEG: Final = 160.0
_ROUND: Final = 0.85  # share of the circle of the same length that a roundabout holds; a square has 0.79
_ROUND_MAX_M: Final = 600.0


class Turn(StrEnum):
    """How a step goes on from the one before."""

    DEPART = "depart"
    STRAIGHT = "straight"
    SLIGHT_LEFT = "slight_left"
    LEFT = "left"
    SHARP_LEFT = "sharp_left"
    U_TURN = "u_turn"
    SHARP_RIGHT = "sharp_right"
    RIGHT = "right"
    SLIGHT_RIGHT = "slight_right"
    ARRIVE = "arrive"


class Over(StrEnum):
    """What a step runs over; a joint is a link that nobody drew."""

    STREET = "street"
    STAIRS = "stairs"
    ROUNDABOUT = "roundabout"
    JOINT = "joint"


@dataclass(slots=True)
class Step:
    """One step of a way; those of a way add up to its metres and seconds.

    Attributes
    ----------
    name, name_en
        Of the street; None where it has none, as `road_class` is then called.
    metres, seconds
        With what is walked beside the road where the way begins and ends.
    xy
        Where it begins, metres of the network's frame.
    gate
        Whether it begins behind a gate.
    stays
        Whether it turns and yet stays on the street of the step before.
    exit
        Which exit of a roundabout to take, 0 where it is not left.
    bearing_deg
        Where it leads to at its begin, clockwise from north; None where it has no length.
    beside_m
        How much of it is walked beside the road.
    side
        Where one arrives: ``left`` or ``right``; None on the road and in all other steps.
    """

    turn: Turn
    over: Over
    road_class: str
    name: str | None
    name_en: str | None
    xy: tuple[float, float]
    metres: float = 0.0
    seconds: float = 0.0
    gate: bool = False
    stays: bool = False
    exit: int = 0
    bearing_deg: float | None = None
    beside_m: float = 0.0
    side: str | None = None


@dataclass(slots=True)
class _Piece:
    """A stretch of one edge, with how the way turns into it."""

    edge: int
    road: int
    line: Floats
    metres: float
    seconds: float
    over: Over
    leaves_by: int  # node at its end
    gate: bool = False
    turn_deg: float = 0.0


def steps_of(snapshot: Snapshot, way: Way, start: Places, goal: Places) -> list[Step]:
    """Return the steps of a way from a place to another, each a single one; the last one has arrived.

    Edges of one street are one step, until the way turns where one could go otherwise. Streets are told
    apart by their names, those without one by what they are.
    """
    pieces = _pieces(snapshot, way)
    roads = snapshot.network.roads
    steps: list[Step] = []
    before: _Piece | None = None
    for piece in pieces:
        if before is not None and not _begins(snapshot, before, piece):
            steps[-1].metres += piece.metres
            steps[-1].seconds += piece.seconds
            if piece.over is Over.ROUNDABOUT:
                steps[-1].exit += _exits(snapshot, before)
        else:
            if before is not None and before.over is Over.ROUNDABOUT and piece.over is not Over.ROUNDABOUT:
                steps[-1].exit += _exits(snapshot, before)
            turn = Turn.DEPART if before is None else turn_of(piece.turn_deg)
            steps.append(
                Step(
                    turn,
                    piece.over,
                    str(roads.road_class[piece.road]),
                    roads.name[piece.road],
                    roads.name_en[piece.road],
                    (float(piece.line[0, 0]), float(piece.line[0, 1])),
                    piece.metres,
                    piece.seconds,
                    gate=piece.gate,
                    stays=before is not None and _street(snapshot, before) == _street(snapshot, piece),
                    bearing_deg=_compass_deg(piece.line[0], _ahead(piece.line, LOOK_M)),
                )
            )
        before = piece
    if not steps:
        steps.append(_nowhere(snapshot, way, start))
    _with_ends(steps, start, goal, pieces)
    return steps


def turn_of(degrees: float) -> Turn:
    """Return the turn for degrees from straight on, -180 to 180, to the left where positive."""
    size = abs(degrees)
    if size <= _STRAIGHT_DEG:
        return Turn.STRAIGHT
    if size > _SHARP_DEG:
        return Turn.U_TURN
    left = degrees > 0
    if size <= _SLIGHT_DEG:
        return Turn.SLIGHT_LEFT if left else Turn.SLIGHT_RIGHT
    if size <= _PLAIN_DEG:
        return Turn.LEFT if left else Turn.RIGHT
    return Turn.SHARP_LEFT if left else Turn.SHARP_RIGHT


def _pieces(snapshot: Snapshot, way: Way) -> list[_Piece]:
    """Return the stretches of a way that have a length; gates, which have none, are told to those behind."""
    cut = snapshot.network.cut
    xy, begins = way_line(snapshot, way)
    ends = np.r_[begins[1:], len(xy) - 1]
    pieces: list[_Piece] = []
    before_at, gate, waited_s = 0, False, 0.0
    for edge, ahead, first, last, seconds in zip(
        way.edge.tolist(),
        way.ahead.tolist(),
        begins.tolist(),
        ends.tolist(),
        way.edge_s.tolist(),
        strict=True,
    ):
        metres = _length_m(xy[first : last + 1])
        gate |= bool(cut.gate[edge] >= 0)
        if cut.gate[edge] >= 0 or metres < _TINY_M:
            waited_s += seconds
            continue
        road = int(cut.road[edge])
        pieces.append(
            _Piece(
                edge,
                road,
                xy[first : last + 1],
                metres,
                seconds + waited_s,
                _over(snapshot, road),
                int(cut.head[edge] if ahead else cut.tail[edge]),
                gate,
                _turn_deg(xy, first, metres, before_at) if pieces else 0.0,
            )
        )
        before_at, gate, waited_s = first, False, 0.0
    if pieces:
        pieces[-1].seconds += waited_s
    return pieces


def _over(snapshot: Snapshot, road: int) -> Over:
    roads = snapshot.network.roads
    if roads.road_class[road] == JOINT:
        return Over.JOINT
    if roads.stairs[road]:
        return Over.STAIRS
    return Over.ROUNDABOUT if _is_roundabout(snapshot, road) else Over.STREET


def _is_roundabout(snapshot: Snapshot, road: int) -> bool:
    """Say whether a road is drawn as a ring that cars go round one way."""
    roads = snapshot.network.roads
    line = roads.line[road]
    if not line.is_closed or roads.car_forward[road] == roads.car_backward[road]:
        return False
    ground = shapely.Polygon(line).area
    return bool(line.length <= _ROUND_MAX_M and 4 * np.pi * ground >= _ROUND * line.length**2)


def _street(snapshot: Snapshot, piece: _Piece) -> tuple[object, ...]:
    """Return what is equal for stretches of one street."""
    roads = snapshot.network.roads
    name = roads.name[piece.road] or roads.name_en[piece.road]
    if piece.over is Over.ROUNDABOUT:
        return piece.over, piece.road
    return (piece.over, name) if name else (piece.over, None, called(str(roads.road_class[piece.road])))


def _begins(snapshot: Snapshot, before: _Piece, piece: _Piece) -> bool:
    """Say whether a stretch begins a step."""
    if piece.gate or _street(snapshot, before) != _street(snapshot, piece):
        return True
    if piece.over is Over.ROUNDABOUT or abs(piece.turn_deg) <= _SLIGHT_DEG:
        return False
    return bool(_ways_on(snapshot, before.leaves_by) - {before.edge, piece.edge})


def _ways_on(snapshot: Snapshot, node: int) -> set[int]:
    """Return the edges by which such a traveller may leave a node."""
    cut = snapshot.network.cut
    edges = snapshot.network.edges_at(node)
    seconds = np.where(cut.tail[edges] == node, snapshot.there[edges], snapshot.back[edges])
    return set(edges[np.isfinite(seconds)].tolist())


def _exits(snapshot: Snapshot, before: _Piece) -> int:
    """Return how many exits (0 or 1) of a roundabout there are where a stretch of it ends."""
    road = snapshot.network.cut.road
    return int(any(road[edge] != before.road for edge in _ways_on(snapshot, before.leaves_by)))


def _turn_deg(xy: Floats, at: int, metres: float, before_at: int) -> float:
    """Return by how much a way turns to the left at a vertex, -180 to 180 degrees."""
    back = xy[at::-1]
    forth = xy[at:]
    behind = _ahead(back, min(LOOK_M, max(_length_m(xy[before_at : at + 1]), _SHORT_M)))
    ahead = _ahead(forth, min(LOOK_M, max(metres, _SHORT_M)))
    into, out = xy[at] - behind, ahead - xy[at]
    turn = np.arctan2(into[0] * out[1] - into[1] * out[0], into @ out)
    return float(np.degrees(turn))


def _length_m(line: Floats) -> float:
    return float(np.hypot(*np.diff(line, axis=0).T).sum())


def _ahead(line: Floats, metres: float) -> Floats:
    """Return the place so far along a line of shape (k, 2), or its end."""
    along = np.r_[0.0, np.cumsum(np.hypot(*np.diff(line, axis=0).T))]
    return np.array([np.interp(metres, along, line[:, axis]) for axis in (0, 1)])


def _compass_deg(here: Floats, there: Floats) -> float:
    east, north = there - here
    return float(np.degrees(np.arctan2(east, north)) % 360.0)


def _nowhere(snapshot: Snapshot, way: Way, start: Places) -> Step:
    """Return the step of a way that ends on the road where it begins."""
    roads, road = snapshot.network.roads, int(snapshot.network.cut.road[way.edge[0]])
    x, y = snapshot.network.lines[way.edge[0]].interpolate(start.along[0], normalized=True).coords[0]
    kind = _over(snapshot, road)
    return Step(Turn.DEPART, kind, str(roads.road_class[road]), roads.name[road], roads.name_en[road], (x, y))


def _with_ends(steps: list[Step], start: Places, goal: Places, pieces: list[_Piece]) -> None:
    """Add what is walked beside the road to the first step, and the arrival; in place."""
    first, last = steps[0], steps[-1]
    first.beside_m = float(start.beside_m[0])
    first.metres += first.beside_m
    first.seconds += float(beside_s(start)[0])
    beside = float(goal.beside_m[0])
    at = pieces[-1].line[-1] if pieces else np.array(first.xy)
    steps.append(
        Step(
            Turn.ARRIVE,
            last.over,
            last.road_class,
            last.name,
            last.name_en,
            (float(at[0]), float(at[1])),
            beside,
            float(beside_s(goal)[0]),
            beside_m=beside,
            side=_side(pieces[-1].line, goal.xy[0]) if pieces and beside > SIDE_M else None,
        )
    )


def _side(line: Floats, goal: Floats) -> str:
    """Return on which side of the end of a line a place lies."""
    behind = _ahead(line[::-1], LOOK_M)
    into, out = line[-1] - behind, goal - line[-1]
    return "left" if into[0] * out[1] - into[1] * out[0] > 0 else "right"
