"""Show how each way in does, pause and resume it, and show what a device sent as it came."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from api.access.caller import Caller
from api.access.permissions import does, needs, reads
from api.errors import CONFLICT, NOT_FOUND
from api.ingest import Source
from api.routes.answers import DeviceId
from api.routes.flows import FlowAnswer, flow_of
from api.routes.refusal_words import RefusalWords, refusal_words
from api.runtime import Runtime
from api.sent_messages import SentMessage, sent_by
from ingest import pauses
from twin.access.record import Entry, write
from twin.access.roles import Act, DataClass
from twin.errors import NotFoundError

router = APIRouter(tags=["operation"])

Reader = Annotated[Caller, needs(reads(DataClass.SYSTEM))]
Manager = Annotated[Caller, needs(does(Act.MANAGE_SYSTEM))]
Integrator = Annotated[Caller, needs(does(Act.MANAGE_DEVICES))]
FeedName = Annotated[
    str, Path(alias="source", pattern="^[a-z][a-z0-9-]{1,39}$", description="name of the feed")
]


class SourceAnswer(FlowAnswer):
    """A way in. ``is_silent`` says that nothing came for longer than is usual there."""

    id: str
    protocol: Literal["mqtt", "http", "websocket"]
    format: str
    address: str
    name_zh: str
    name_en: str
    state: Literal["running", "paused", "down", "off"]
    paused_at: datetime | None
    paused_by: str | None
    pause_reason: str | None
    is_silent: bool | None


class SourcesAnswer(BaseModel):
    """Every way in, in the order of the table of feeds; ``since`` is when the counts began."""

    taken_at: datetime
    since: datetime
    sources: list[SourceAnswer]


class PauseRequest(BaseModel):
    """Why nothing shall be taken; it is shown on the page and goes on the record."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=500, pattern="^[^\\x00]*$")


class SentAnswer(BaseModel):
    """A message as it came. ``payload`` is null where it may not be shown; ``withheld`` says why.

    Of a ``refused`` one ``id`` is its number in the quarantine, ``reason`` why and ``detail`` what to do;
    ``words`` say that in both languages.
    """

    id: int | None
    received_at: datetime
    source: str | None
    address: str
    outcome: Literal["stored", "refused"]
    reason: str | None
    detail: str | None
    words: RefusalWords | None
    payload: str | None
    encoding: Literal["text", "base64"] | None
    withheld: Literal["other_areas", "refused_in_part", "persons"] | None


class SentListAnswer(BaseModel):
    """The newest messages of a device, the newest first."""

    uid: str
    messages: list[SentAnswer]


@router.get("/api/sources")
async def list_sources(caller: Reader) -> SourcesAnswer:
    """Return how every way in does."""
    now, running = datetime.now(UTC), caller.running
    return SourcesAnswer(
        taken_at=now,
        since=running.started_at,
        sources=[_answer(source, now) for source in running.ingest.sources()],
    )


@router.post("/api/sources/{source}/pause", responses={**NOT_FOUND, **CONFLICT})
async def pause_source(caller: Manager, name: FeedName, asked: PauseRequest) -> SourceAnswer:
    """Take nothing more of a source until it is resumed, by any server, also after a restart."""
    running = caller.running
    _find(running, name)
    async with caller.transaction() as connection:
        await pauses.pause(connection, name, caller.identity.name, asked.reason)
        await write(connection, caller.actor, Entry("source.paused", f"source/{name}", reason=asked.reason))
    await running.ingest.pauses.refresh()
    return _answer(_find(running, name), datetime.now(UTC))


@router.post("/api/sources/{source}/resume", responses={**NOT_FOUND, **CONFLICT})
async def resume_source(caller: Manager, name: FeedName) -> SourceAnswer:
    """Take again what comes, and what the broker has kept."""
    running = caller.running
    _find(running, name)
    async with caller.transaction() as connection:
        await pauses.resume(connection, name)
        await write(connection, caller.actor, Entry("source.resumed", f"source/{name}"))
    await running.ingest.pauses.refresh()
    return _answer(_find(running, name), datetime.now(UTC))


@router.get("/api/sources/devices/{id}/messages", responses=NOT_FOUND)
async def list_messages(
    caller: Integrator, device_id: DeviceId, limit: Annotated[int, Query(ge=1, le=100)] = 20
) -> SentListAnswer:
    """Return what a device sent lately, as it came; a look at where persons are is on the record."""
    uid, messages = await sent_by(caller, device_id, limit)
    return SentListAnswer(uid=uid, messages=[_sent(one) for one in messages])


def _find(running: Runtime, name: str) -> Source:
    for source in running.ingest.sources():
        if source.feed.name == name:
            return source
    raise NotFoundError("there is no such source", where=name)


def _answer(source: Source, now: datetime) -> SourceAnswer:
    feed, counters, pause = source.feed, source.counters, source.pause
    flow = flow_of(counters)
    silent = None
    if feed.silent_s is not None and flow.last_message_at is not None and source.state == "running":
        silent = (now - flow.last_message_at).total_seconds() > feed.silent_s
    return SourceAnswer(
        **dict(flow),
        id=feed.name,
        protocol=feed.transport,
        format=feed.format,
        address=feed.address,
        name_zh=feed.zh,
        name_en=feed.en,
        state=source.state,
        paused_at=None if pause is None else pause.at,
        paused_by=None if pause is None else pause.by,
        pause_reason=None if pause is None else pause.reason,
        is_silent=silent,
    )


def _sent(one: SentMessage) -> SentAnswer:
    return SentAnswer(
        id=one.id,
        received_at=one.received_at,
        source=one.feed,
        address=one.source,
        outcome=one.outcome,
        reason=one.reason,
        detail=one.detail,
        words=refusal_words(one.said),
        payload=one.payload,
        encoding=one.encoding,
        withheld=one.withheld,
    )
