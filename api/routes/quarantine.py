"""Show what could not be taken, and take it again after what was wrong has been put right."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from api.access.caller import Caller
from api.access.permissions import does, needs, reads
from api.errors import NOT_FOUND
from api.routes.answers import GivenMoment
from api.runtime import Running
from ingest.replay import MOST
from twin.access.record import Entry, write
from twin.access.roles import Act, DataClass
from twin.errors import NotFoundError
from twin.store import refused

router = APIRouter(tags=["operation"])

Reader = Annotated[Caller, needs(reads(DataClass.SYSTEM))]
Manager = Annotated[Caller, needs(does(Act.MANAGE_SYSTEM))]
Words = Annotated[str, Query(max_length=200, pattern="^[^\\x00]*$")]

_BEGINNING: Final = datetime.fromtimestamp(0, UTC)


class RefusedAnswer(BaseModel):
    """A message, or one reading of it, that was refused. ``replayed_at`` is when it was taken after all."""

    id: int
    received_at: datetime
    source: str
    reason: str
    detail: str
    bytes: int
    replayed_at: datetime | None


class RefusedListAnswer(BaseModel):
    """What was refused, the newest first, and how much of it there is by reason, of the newest 100,000."""

    by_reason: dict[str, int]
    messages: list[RefusedAnswer]


class RefusedDetailAnswer(RefusedAnswer):
    """A refused message with its bytes, as text where they are text, else in base64."""

    payload: str
    encoding: str


class ReplayRequest(BaseModel):
    """Which messages shall be taken again; what is left out chooses all."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(default="", max_length=64, pattern="^[a-z_]*$")
    source: str = Field(default="", max_length=200, pattern="^[^\\x00]*$")
    since: GivenMoment = _BEGINNING
    id: int = Field(default=0, ge=0, le=2**63 - 1, strict=True)
    after: int = Field(default=0, ge=0, le=2**63 - 1, strict=True)


class ReplayAnswer(BaseModel):
    """What became of messages that were taken again.

    Where there is ``more``, ask again with ``after`` set to ``last``.
    """

    messages: int
    taken: int
    stored: int
    duplicate: int
    again: dict[str, int]
    last: int
    more: bool


@router.get("/api/quarantine")
async def list_quarantine(
    caller: Reader,
    reason: Words = "",
    source: Annotated[Words, Query(description="a text that the source holds")] = "",
    since: GivenMoment = _BEGINNING,
    replayed: Annotated[bool, Query(description="also those that were taken since")] = False,
    before: Annotated[int, Query(ge=1, le=2**63 - 1, description="messages older than this one")] = 2**63 - 1,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> RefusedListAnswer:
    """Return what was refused, the newest first, without its bytes."""
    chosen = refused.Filter(reason, source, since, waiting=not replayed)
    async with caller.transaction() as connection:
        rows = await refused.list_refused(connection, chosen, limit, before)
        counts = await refused.count_refused(connection, chosen)
    return RefusedListAnswer(
        by_reason=counts, messages=[RefusedAnswer(**dataclasses.asdict(row)) for row in rows]
    )


@router.get("/api/quarantine/{id}", responses=NOT_FOUND)
async def get_refused(
    caller: Reader, number: Annotated[int, Path(alias="id", ge=1, le=2**63 - 1)]
) -> RefusedDetailAnswer:
    """Return one refused message with its bytes; that it was read is on the record."""
    async with caller.transaction() as connection:
        found = await refused.find_refused(connection, number)
        if found is None:
            raise NotFoundError(f"there is no refused message {number}", where="id")
        await write(connection, caller.actor, Entry("quarantine.read", f"quarantine/{number}"))
    row, payload = found
    words, encoding = refused.shown(payload)
    return RefusedDetailAnswer(**dataclasses.asdict(row), payload=words, encoding=encoding)


@router.post("/api/replays")
async def replay_quarantine(caller: Manager, running: Running, asked: ReplayRequest) -> ReplayAnswer:
    """Take refused messages again, the oldest first, 2,000 at most; each reading is stored once."""
    chosen = refused.Filter(asked.reason, asked.source, asked.since, id=asked.id)
    done = await running.ingest.replay.run(chosen, after=asked.after, most=MOST)
    answer = ReplayAnswer(**dataclasses.asdict(done))
    async with caller.transaction() as connection:
        entry = Entry(
            "quarantine.replayed", "quarantine", detail={**chosen.parameters(), **answer.model_dump()}
        )
        await write(connection, caller.actor, entry)
    return answer
