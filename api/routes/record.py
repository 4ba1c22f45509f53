"""Show auditors the record of acts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel

from api.access.caller import Caller
from api.access.permissions import needs, reads
from twin.access.masking import mask_text
from twin.access.record import Entry, write
from twin.access.roles import DataClass

router = APIRouter(tags=["record"])


class RecordEntry(BaseModel):
    """One act."""

    seq: int
    at: datetime
    actor: str
    roles: str
    address: str
    action: str
    object: str
    result: str
    reason: str
    detail: dict[str, Any]


class RecordAnswer(BaseModel):
    """Acts, the newest first."""

    entries: list[RecordEntry]


_READ: Final = """
    SELECT seq, at, actor, roles, address, action, object, result, reason, detail FROM audit
    WHERE seq < :before AND (:actor = '' OR actor = :actor) AND (:object = '' OR object = :object)
    ORDER BY seq DESC LIMIT :limit"""


@router.get("/api/record")
async def list_record(
    caller: Annotated[Caller, needs(reads(DataClass.AUDIT))],
    before: Annotated[int, Query(ge=1, le=2**63 - 1, description="acts older than this one")] = 2**63 - 1,
    actor: Annotated[str, Query(max_length=64, pattern="^[^\\x00]*$")] = "",
    about: Annotated[str, Query(max_length=200, pattern="^[^\\x00]*$", description="its object")] = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> RecordAnswer:
    """Return acts; that the record was read is on the record too."""
    found = await caller.fetch(_READ, before=before, actor=actor, object=about, limit=limit)
    async with caller.transaction() as connection:
        await write(
            connection,
            caller.actor,
            Entry("record.read", "audit", detail={"actor": actor, "object": about, "limit": limit}),
        )
    return RecordAnswer(entries=[RecordEntry(**{**row, "reason": mask_text(row["reason"])}) for row in found])
