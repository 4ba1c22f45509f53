"""List the devices that are in a state, such as those that fell silent."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Query
from pydantic import BaseModel

from api.access.caller import Caller
from api.access.permissions import needs, reads
from api.routes.answers import Names, device_names, moment, state_name
from twin.access.roles import DataClass
from twin.live.sight import WORKERS
from twin.states import State

router = APIRouter(tags=["devices"])

Reader = Annotated[Caller, needs(reads(DataClass.PLACE))]
StateName = Literal["normal", "unknown", "offline", "warning", "alarm", "critical"]


class DeviceInState(BaseModel):
    """A device in short. It was last heard at ``last_seen``, null for never, and should be heard so often."""

    id: int
    uid: str
    kind: str
    name: Names
    state: str
    last_seen: datetime | None
    expected_interval_s: float


class DevicesInState(BaseModel):
    """Devices of the asked state, and how many there are in all."""

    total: int
    devices: list[DeviceInState]


@router.get("/api/devices")
async def list_devices(
    caller: Reader,
    state: Annotated[StateName, Query(description="offline: silent for three times its interval")],
    kind: Annotated[str, Query(max_length=64, description="only of this kind")] = "",
    limit: Annotated[int, Query(ge=1, le=2_000)] = 200,
) -> DevicesInState:
    """Return the devices in a state, those that were not heard for longest first; people are no devices."""
    board, catalog = caller.running.twin.board, caller.running.twin.catalog
    n = board.count
    wanted = (
        (board.device_id[:n] != 0) & (board.layer[:n] != WORKERS) & (board.state[:n] == State[state.upper()])
    )
    if kind:
        code = catalog.by_name[kind].code if kind in catalog.by_name else 0
        wanted &= board.kind[:n] == code
    rows = np.flatnonzero(wanted)
    rows = rows[caller.sees(rows)]
    chosen = rows[np.lexsort((board.device_id[rows], board.heard_us[rows]))][:limit]
    ids = [int(board.device_id[row]) for row in chosen]
    found = await caller.fetch("SELECT id, name, name_en FROM device WHERE id = ANY(:ids)", ids=ids)
    named = {row["id"]: row for row in found}
    devices = []
    for row, device_id in zip(chosen.tolist(), ids, strict=True):
        of_kind, own = catalog.by_code[int(board.kind[row])], named.get(device_id, {})
        devices.append(
            DeviceInState(
                id=device_id,
                uid=board.uid[row],
                kind=of_kind.name,
                name=device_names(catalog, of_kind.name, board.uid[row], own.get("name"), own.get("name_en")),
                state=state_name(int(board.state[row])),
                last_seen=moment(int(board.heard_us[row])),
                expected_interval_s=float(board.expected_s[row]),
            )
        )
    return DevicesInState(total=len(rows), devices=devices)
