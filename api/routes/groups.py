"""Tell how many devices of each group are online, abnormal and lost, and list them."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Path, Query
from numpy.typing import NDArray
from pydantic import BaseModel

from api.access.caller import Caller
from api.access.permissions import needs, reads
from api.errors import NOT_FOUND
from api.routes.answers import state_name
from api.routes.stats import ColumnAnswer, ListAnswer
from api.statistics.devices import DEVICE_COLUMNS, device_rows
from twin.access.roles import DataClass
from twin.errors import NotFoundError
from twin.states import State

router = APIRouter(tags=["devices"])

Reader = Annotated[Caller, needs(reads(DataClass.PLACE))]


class GroupAnswer(BaseModel):
    """Devices of one group by how they do.

    Online are those with a fresh reading, the abnormal among them included; the rest are offline or unknown.
    ``worst`` is the worst state among the abnormal; None where there are none.
    """

    name: str
    zh: str
    en: str
    devices: int
    online: int
    abnormal: int
    offline: int
    unknown: int
    worst: str | None
    list: str


def _rows_of(caller: Caller, group: str) -> NDArray[np.intp]:
    """Return the board's rows of the devices (no workers) of a group that the caller sees."""
    board, catalog = caller.running.twin.board, caller.running.twin.catalog
    n = board.count
    codes = [kind.code for kind in catalog.by_code.values() if kind.group == group and kind.layer == 0]
    rows = np.flatnonzero(
        (board.device_id[:n] != 0) & (board.layer[:n] == 0) & np.isin(board.kind[:n], codes)
    )
    return rows[caller.sees(rows)]


@router.get("/api/groups")
async def list_groups(caller: Reader) -> list[GroupAnswer]:
    """Return the groups that have devices, in the order of the catalogue; people are no devices."""
    answers = []
    twin = caller.running.twin
    for group in twin.catalog.groups.values():
        state = twin.board.state[_rows_of(caller, group.name)]
        if not len(state):
            continue
        worst = state.max()
        offline, unknown = int((state == State.OFFLINE).sum()), int((state == State.UNKNOWN).sum())
        answers.append(
            GroupAnswer(
                name=group.name,
                zh=group.zh,
                en=group.en,
                devices=len(state),
                online=len(state) - offline - unknown,
                abnormal=int((state >= State.WARNING).sum()),
                offline=offline,
                unknown=unknown,
                worst=state_name(int(worst)) if worst >= State.WARNING else None,
                list=f"/api/groups/{group.name}/list",
            )
        )
    return answers


@router.get("/api/groups/{name}/list", responses=NOT_FOUND)
async def list_group_devices(
    caller: Reader,
    name: Annotated[str, Path(max_length=40)],
    limit: Annotated[int, Query(ge=1, le=2_000)] = 200,
) -> ListAnswer:
    """Return the devices of a group, the worst first: abnormal, then lost, then the rest."""
    groups = caller.running.twin.catalog.groups
    if name not in groups:
        raise NotFoundError(f"there is no group “{name}”", where="name", hint=", ".join(groups))
    board = caller.running.twin.board
    rows = _rows_of(caller, name)
    state = board.state[rows].astype(np.int64)
    # The codes of unknown and offline lie between normal and warning, so the code is the order.
    chosen = rows[np.lexsort((board.device_id[rows], -state))][:limit]
    return ListAnswer(
        columns=[ColumnAnswer(key=key, zh=zh, en=en) for key, zh, en in DEVICE_COLUMNS],
        rows=await device_rows(caller, chosen.tolist()),
        total=len(rows),
    )
