"""Close roads and open them again, and say which are closed and what that cuts off."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from api.access.caller import Caller
from api.access.permissions import does, needs, reads
from api.errors import CONFLICT, NOT_FOUND
from api.routes.answers import RowId
from api.routes.polygon import PolygonBody
from twin.access.record import Entry, write
from twin.access.roles import Act, DataClass
from twin.dispatch import closing
from twin.dispatch.closing import AROUND_CASE_M, ToClose, close_roads, reopen_roads
from twin.dispatch.network.gates import NETWORKS, Network

router = APIRouter(tags=["dispatch"])

Reader = Annotated[Caller, needs(reads(DataClass.PLACE))]
Dispatcher = Annotated[Caller, needs(does(Act.CLOSE_ROADS))]

_Number = Annotated[int, Field(ge=1, le=2**53 - 1)]
_Layer = Annotated[int, Field(ge=-5, le=5)]

READ_WAIT_S: Final = 5.0
"""How long is waited for the streets to be read after a start."""


class CutOffAnswer(BaseModel):
    """A part of the streets that no way leads to: metres, a place on it, names of its longest streets."""

    metres: float
    lon: float
    lat: float
    streets: list[str]


class ClosureAnswer(BaseModel):
    """Roads that are closed: where, to whom, why, by whom, from when until when (null: until ended).

    ``geometry`` is GeoJSON; a polygon closes what it meets on its ``layers``, else ``road_ids`` are closed.
    ``cut_off`` is what it left without a way when it was made, by network.
    """

    id: int
    geometry: dict[str, Any]
    layers: list[int] | None
    road_ids: list[int] | None
    networks: list[Network]
    reason: str
    made_by: str
    made_at: datetime
    begins_at: datetime
    ends_at: datetime | None
    case_id: int | None
    cut_off: dict[Network, list[CutOffAnswer]]
    ended_at: datetime | None
    ended_by: str | None
    may_reopen: bool


class ClosuresAnswer(BaseModel):
    """Closures that hold or are to come, and what those that hold now leave without a way, all together."""

    closures: list[ClosureAnswer]
    cut_off: dict[Network, list[CutOffAnswer]]


class CloseRequest(BaseModel):
    """What to close: a polygon (on ``layers``), roads, or what lies ``around_m`` of a case; one of them.

    A case beside a polygon or roads is what they are closed for: with the case the closure ends.
    """

    model_config = ConfigDict(extra="forbid")

    polygon: PolygonBody | None = None
    layers: Annotated[list[_Layer], Field(min_length=1, max_length=11)] = Field(default_factory=lambda: [0])
    road_ids: Annotated[list[_Number], Field(max_length=1000)] = Field(default_factory=list)
    case_id: _Number | None = None
    around_m: Annotated[float, Field(ge=1, le=1000, allow_inf_nan=False)] = AROUND_CASE_M
    networks: Annotated[list[Network], Field(min_length=1, max_length=3)] = Field(
        default_factory=lambda: list[Network](NETWORKS)
    )
    begins_at: AwareDatetime | None = None
    ends_at: AwareDatetime | None = None
    reason: Annotated[str, Field(max_length=2 * closing.REASON_LETTERS)]


@router.get("/api/closures")
async def list_closures(caller: Reader) -> ClosuresAnswer:
    """Return the closures the caller sees, and what is cut off by all that hold now."""
    streets = caller.running.twin.streets
    await streets.wait_read(READ_WAIT_S)
    rows = await caller.fetch(closing.LIST)
    cut: dict[Network, list[CutOffAnswer]] = {}
    for network in NETWORKS:
        if parts := closing.told(await streets.cut_now(network), streets.frame):
            cut[network] = [CutOffAnswer(**part) for part in parts]
    return ClosuresAnswer(closures=[_closure(row) for row in rows], cut_off=cut)


@router.post("/api/closures", status_code=201, responses={**NOT_FOUND, **CONFLICT})
async def close(caller: Dispatcher, body: CloseRequest) -> ClosureAnswer:
    """Close roads: at once or from a time on, until a time or until they are opened again."""
    now = datetime.now(UTC)
    wish = ToClose(
        None if body.polygon is None else body.polygon.model_dump(),
        body.layers,
        body.road_ids,
        body.case_id,
        body.around_m,
        body.networks,
        body.begins_at or now,
        body.ends_at,
        body.reason,
    )
    streets = caller.running.twin.streets
    await streets.wait_read(READ_WAIT_S)
    async with caller.transaction() as connection:
        row = await close_roads(connection, streets, wish, by=caller.shown_name, now=now)
        detail = {"networks": list(row.networks), "case": row.case_id, "roads": row.road_ids}
        entry = Entry("road.closed", f"closure/{row.id}", reason=row.reason, detail=detail)
        await write(connection, caller.actor, entry)
        return _closure(row._mapping)


@router.post("/api/closures/{id}/reopen", responses=NOT_FOUND)
async def reopen(caller: Dispatcher, closure_id: RowId) -> ClosureAnswer:
    """Open again what a closure shut; what another closure shuts too stays shut."""
    async with caller.transaction() as connection:
        row = await reopen_roads(connection, closure_id, by=caller.shown_name)
        await write(connection, caller.actor, Entry("road.reopened", f"closure/{row.id}"))
        return _closure(row._mapping)


def _closure(row: Any) -> ClosureAnswer:
    told = {name: row[name] for name in ClosureAnswer.model_fields}
    return ClosureAnswer(**told | {"geometry": json.loads(row["geometry"]), "cut_off": row["cut_off"] or {}})
