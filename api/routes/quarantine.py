"""Show what could not be taken, and take it again after what was wrong has been put right."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from api.access.caller import Caller
from api.access.permissions import does, needs, reads
from api.errors import NOT_FOUND
from api.routes.answers import GivenMoment
from api.routes.refusal_words import RefusalWords, refusal_words
from api.runtime import Running, Runtime
from ingest.replay import MOST, Replayed
from twin.access.record import Entry, write
from twin.access.roles import Act, DataClass
from twin.errors import NotFoundError
from twin.store import refused
from twin.store.refused import RefusedMessage

router = APIRouter(tags=["operation"])

Reader = Annotated[Caller, needs(reads(DataClass.SYSTEM))]
Manager = Annotated[Caller, needs(does(Act.MANAGE_SYSTEM))]
Words = Annotated[str, Query(max_length=200, pattern="^[^\\x00]*$")]

_FEED: Final = "^([a-z][a-z0-9-]{1,39})?$"
_BEGINNING: Final = datetime.fromtimestamp(0, UTC)


class RoomAnswer(BaseModel):
    """How much the quarantine holds and may hold, and how many were refused since the start and not kept."""

    bytes: int
    most_bytes: int
    is_full: bool
    not_kept: int


class RefusedAnswer(BaseModel):
    """A refused message, or one reading of it. ``words`` say what ``detail`` says, in both languages.

    They are null of what an earlier version of the server kept. ``replayed_at`` is when it was taken after
    all.
    """

    id: int
    received_at: datetime
    source: str
    reason: str
    detail: str
    words: RefusalWords | None
    bytes: int
    replayed_at: datetime | None


class RefusedWholeAnswer(RefusedAnswer):
    """The same with its bytes: ``encoding`` is text where they are text, else base64."""

    payload: str
    encoding: str


class RefusedListAnswer(BaseModel):
    """What was refused, the newest first, and how much of it there is by reason, of the newest 100,000."""

    by_reason: dict[str, int]
    messages: list[RefusedAnswer]
    room: RoomAnswer


class ReplayRequest(BaseModel):
    """Which messages shall be taken again; what is left out chooses all."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(default="", max_length=64, pattern="^[a-z_]*$")
    source: str = Field(default="", max_length=200, pattern="^[^\\x00]*$")
    feed: str = Field(default="", pattern=_FEED, description="name of a way in")
    since: GivenMoment = _BEGINNING
    id: int = Field(default=0, ge=0, le=2**63 - 1, strict=True)
    after: int = Field(default=0, ge=0, le=2**63 - 1, strict=True)


@router.get("/api/quarantine", responses=NOT_FOUND)
async def list_quarantine(
    caller: Reader,
    running: Running,
    reason: Words = "",
    source: Annotated[Words, Query(description="a text that the source holds")] = "",
    feed: Annotated[str, Query(pattern=_FEED, description="name of a way in")] = "",
    since: GivenMoment = _BEGINNING,
    replayed: Annotated[bool, Query(description="also those that were taken since")] = False,
    before: Annotated[int, Query(ge=1, le=2**63 - 1, description="messages older than this one")] = 2**63 - 1,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> RefusedListAnswer:
    """Return what was refused, the newest first, without its bytes."""
    chosen = refused.Filter(reason, source, since, waiting=not replayed, pattern=_pattern(running, feed))
    async with caller.transaction() as connection:
        rows = await refused.list_refused(connection, chosen, limit, before)
        counts = await refused.count_refused(connection, chosen)
    kept = running.twin.quarantine
    room = RoomAnswer(
        bytes=kept.held_bytes, most_bytes=kept.most_bytes, is_full=kept.is_full, not_kept=kept.dropped
    )
    return RefusedListAnswer(
        by_reason=counts, messages=[RefusedAnswer(**_told(row)) for row in rows], room=room
    )


@router.get("/api/quarantine/{id}", responses=NOT_FOUND)
async def get_refused(
    caller: Reader, number: Annotated[int, Path(alias="id", ge=1, le=2**63 - 1)]
) -> RefusedWholeAnswer:
    """Return one refused message with its bytes; that it was read is on the record."""
    async with caller.transaction() as connection:
        found = await refused.find_refused(connection, number)
        if found is None:
            raise NotFoundError(f"there is no refused message {number}", where="id")
        await write(connection, caller.actor, Entry("quarantine.read", f"quarantine/{number}"))
    return RefusedWholeAnswer(**_told(found))


@router.post("/api/replays", responses=NOT_FOUND)
async def replay_quarantine(caller: Manager, running: Running, asked: ReplayRequest) -> Replayed:
    """Take refused messages again, the oldest first, 2,000 at most; each reading is stored once."""
    pattern = _pattern(running, asked.feed)
    chosen = refused.Filter(asked.reason, asked.source, asked.since, id=asked.id, pattern=pattern)
    done = await running.ingest.replay.run(chosen, after=asked.after, most=MOST)
    detail = {**chosen.parameters(), "feed": asked.feed, **dataclasses.asdict(done)}
    del detail["pattern"]  # the name of the way in says it
    async with caller.transaction() as connection:
        await write(connection, caller.actor, Entry("quarantine.replayed", "quarantine", detail=detail))
    return done


def _told(message: RefusedMessage) -> dict[str, Any]:
    told = dataclasses.asdict(message)
    return {**told, "words": refusal_words(told.pop("said"))}


def _pattern(running: Runtime, feed: str) -> str:
    """Return what the sources of a way in look like, "" where none is chosen."""
    if not feed:
        return ""
    found = running.ingest.feeds.get(feed)
    if found is None:
        raise NotFoundError("there is no such way in", where=feed)
    return found.source_pattern
