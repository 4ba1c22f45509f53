"""Find the way between two places: its line, what it takes, and where to turn."""

from __future__ import annotations

import asyncio
import itertools
from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Query
from pydantic import BaseModel

from api.access.caller import Caller
from api.access.permissions import SIGNED_IN, needs
from api.routes.answers import Names
from api.routes.way_places import (
    REFUSALS,
    Ground,
    PlaceText,
    ProfileName,
    Spot,
    SpotAnswer,
    find_place,
    ground_of,
    profile_names,
    put_spot,
    traveller_of,
)
from twin.dispatch.network.turn_words import street_of, words_of
from twin.dispatch.network.turns import Step, steps_of
from twin.dispatch.network.unreached import no_way
from twin.dispatch.network.way import find_way, way_line
from twin.errors import ConflictError

router = APIRouter(tags=["dispatch"])

# Roads are public ground: whoever is signed in may ask for ways. Cases and workers are not, so that the
# database and the board are asked for them as the caller.
Asker = Annotated[Caller, needs(SIGNED_IN)]


class LineAnswer(BaseModel):
    """A GeoJSON line in lon/lat."""

    type: Literal["LineString"] = "LineString"
    coordinates: list[tuple[float, float]]


class StepAnswer(BaseModel):
    """One step of a way: what to do where it begins, and how far it goes from there.

    ``street`` has the name, or what a road without one is called; ``named`` tells which. ``over`` is
    ``joint`` where nobody drew the road. ``exit`` is that of a roundabout, null elsewhere. Metres and
    seconds are with what is walked beside the road, in the first and the last step.
    """

    turn: str
    over: str
    street: Names
    named: bool
    words: Names
    metres: float
    seconds: float
    lon: float
    lat: float
    gate: bool
    exit: int | None
    side: str | None


class WayAnswer(BaseModel):
    """The quickest way between two places for one who travels so.

    ``line`` runs on roads only; ``metres`` and ``seconds`` are with the ``beside_m`` that are walked between
    the places and their roads. ``joints`` counts links on it that nobody drew, ``joints_m`` is how long they
    are. ``network_version`` counts up with everything that changes what a way takes.
    """

    profile: str
    profile_name: Names
    network_version: int
    seconds: float
    metres: float
    beside_m: float
    joints: int
    joints_m: float
    start: SpotAnswer
    goal: SpotAnswer
    line: LineAnswer
    steps: list[StepAnswer]


@router.get("/api/ways", responses=REFUSALS)
async def get_way(
    caller: Asker,
    start: Annotated[PlaceText, Query(alias="from")],
    goal: Annotated[PlaceText, Query(alias="to")],
    profile: ProfileName = "",
) -> WayAnswer:
    """Return the quickest way from one place to another; a worker passes the gates they have keys for."""
    begins, ends = await find_place(caller, start, "from"), await find_place(caller, goal, "to")
    ground = await ground_of(caller, traveller_of(begins.worker, profile))
    one, other = put_spot(ground, begins, "from"), put_spot(ground, ends, "to")
    # How far the search goes is not known before: it must not hold up who else is served.
    return await asyncio.to_thread(_answer, ground, one, other)


def _answer(ground: Ground, start: Spot, goal: Spot) -> WayAnswer:
    snapshot = ground.snapshot
    way = find_way(snapshot, start.place, goal.place)
    if way is None:
        words = no_way(snapshot, start.place, goal.place)
        raise ConflictError(words.en, where="to", zh=words.zh)
    steps = steps_of(snapshot, way, start.place, goal.place)
    xy, _ = way_line(snapshot, way)
    joint = snapshot.network.is_joint[way.edge]
    on_joints = abs(way.end - way.begin) * snapshot.network.length_m[way.edge]
    beside = float(start.place.beside_m[0] + goal.place.beside_m[0])
    return WayAnswer(
        profile=snapshot.profile.name,
        profile_name=profile_names(snapshot),
        network_version=ground.version,
        seconds=round(way.seconds, 1),
        metres=round(sum(step.metres for step in steps), 1),
        beside_m=round(beside, 1),
        joints=int(joint.sum()),
        joints_m=round(float(on_joints[joint].sum()), 1),
        start=start.answer(ground),
        goal=goal.answer(ground),
        line=LineAnswer(coordinates=_line(ground.degrees(xy))),
        steps=[_step(ground, step) for step in steps],
    )


def _line(places: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return a line without places said twice, but never with fewer than the two that GeoJSON asks for."""
    once = [place for place, _ in itertools.groupby(places)]
    return once if len(once) > 1 else once * 2


def _step(ground: Ground, step: Step) -> StepAnswer:
    street, words = street_of(step), words_of(step)
    ((lon, lat),) = ground.degrees(np.array([step.xy]))
    return StepAnswer(
        turn=step.turn.value,
        over=step.over.value,
        street=Names(zh=street.zh, en=street.en),
        named=bool(step.name or step.name_en),
        words=Names(zh=words.zh, en=words.en),
        metres=round(step.metres, 1),
        seconds=round(step.seconds, 1),
        lon=lon,
        lat=lat,
        gate=step.gate,
        exit=step.exit or None,
        side=step.side,
    )
