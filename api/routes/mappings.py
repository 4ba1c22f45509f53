"""Let system administrators say where foreign platforms write what; every version is kept."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.convertors import StringConvertor, register_url_convertor

from api.access.caller import Caller
from api.access.permissions import does, needs, reads
from api.errors import CONFLICT, NOT_FOUND
from api.routes.answers import Names
from api.routes.flows import FlowAnswer, flow_of
from ingest.counters import Heard
from ingest.decoders.mapping import Mapping, read_mapping
from ingest.transports.topics import FOREIGN
from twin.access.record import Entry, write
from twin.access.roles import Act, DataClass
from twin.errors import ConflictError, InvalidError
from twin.store import feed_mappings
from twin.store.feed_mappings import KeptMapping

router = APIRouter(tags=["operation"])

Reader = Annotated[Caller, needs(reads(DataClass.SYSTEM))]
Manager = Annotated[Caller, needs(does(Act.MANAGE_SYSTEM))]
_NAME: Final = "^[a-z][a-z0-9-]{1,31}$"
_ACTS: Final = ("try", "fields")
Name = Annotated[str, Path(alias="mapping", pattern=_NAME, description="name of the mapping")]
Title = Annotated[str, Field(min_length=1, max_length=80, pattern="^[^\\x00]*$")]
Version = Annotated[int, Field(ge=1, le=2**31 - 1, strict=True)]


class _NoAct(StringConvertor):
    """Takes what is no act on mappings (`api.routes.mapping_trials`), so that both have their own methods."""

    regex = rf"(?!(?:{'|'.join(_ACTS)})(?:/|$))[^/]+"


register_url_convertor("mapping", _NoAct())


class MappedFlowAnswer(FlowAnswer):
    """How messages come by a mapping, whatever the way in, counted from ``since`` to ``taken_at``."""

    since: datetime
    taken_at: datetime


class MappingRowAnswer(BaseModel):
    """A mapping in the list: its newest version, who made that and when, and where messages are sent to.

    ``topics`` are of MQTT, for gateways and for devices; ``+`` stands for the name of the sender's account.
    By one that is ``retired`` no message is read.
    """

    name: str
    title: Names
    version: int
    retired: bool
    changed_by: str
    changed_at: datetime
    path: str
    topics: list[str]
    flow: MappedFlowAnswer


class ChangeAnswer(BaseModel):
    """A version, who made it and when; ``restored`` is the old one that it puts back.

    One that is ``retired`` ended the use of the mapping.
    """

    version: int
    changed_by: str
    changed_at: datetime
    restored: int | None
    retired: bool


class MappingAnswer(MappingRowAnswer):
    """A mapping in one version, and all its versions, the newest first."""

    mapping: dict[str, Any]
    restored: int | None
    versions: list[ChangeAnswer]


class _Content(BaseModel):
    model_config = ConfigDict(extra="forbid")

    zh: Title
    en: Title
    mapping: dict[str, Any] = Field(description="where what lies; see docs/ingest.md")


class NewMappingRequest(_Content):
    """A new mapping. Its name is part of its addresses and stays."""

    name: str = Field(pattern=_NAME)


class MappingRequest(_Content):
    """A mapping as it shall be; ``version`` is the newest one, which was changed."""

    version: Version


class RestoreRequest(BaseModel):
    """Which old version shall be valid again; ``newest`` is the newest one there is."""

    model_config = ConfigDict(extra="forbid")

    version: Version
    newest: Version


class RetireRequest(BaseModel):
    """Which version is the newest, as whoever retires the mapping knows it."""

    model_config = ConfigDict(extra="forbid")

    newest: Version


@router.get("/api/sources/mappings")
async def list_mappings(caller: Reader) -> list[MappingRowAnswer]:
    """Return the newest version of every mapping, by name, and what came by each."""
    async with caller.transaction() as connection:
        return [
            MappingRowAnswer(**_row(caller, kept)) for kept in await feed_mappings.list_newest(connection)
        ]


@router.get("/api/sources/mappings/{mapping:mapping}", responses=NOT_FOUND)
async def get_mapping(
    caller: Reader,
    name: Name,
    version: Annotated[int, Query(ge=0, le=2**31 - 1, description="0 for the newest")] = 0,
) -> MappingAnswer:
    """Return a mapping, in its newest version or an old one."""
    async with caller.transaction() as connection:
        return await _answer(caller, connection, await feed_mappings.get_mapping(connection, name, version))


@router.post("/api/sources/mappings", status_code=201, responses=CONFLICT)
async def create_mapping(caller: Manager, asked: NewMappingRequest) -> MappingAnswer:
    """Make a mapping; from now on messages may come by it."""
    if asked.name in _ACTS:
        raise InvalidError(f"no mapping can be called “{asked.name}”", where="body.name")
    return await _add(caller, "created", asked.name, 1, (asked.zh, asked.en), asked.mapping)


@router.put("/api/sources/mappings/{mapping:mapping}", responses=NOT_FOUND | CONFLICT)
async def change_mapping(caller: Manager, name: Name, asked: MappingRequest) -> MappingAnswer:
    """Change a mapping, where nobody else has meanwhile; the old version is kept.

    One that was retired is put back first.
    """
    await _require_used(caller, name)
    titles = asked.zh, asked.en
    return await _add(caller, "changed", name, asked.version + 1, titles, asked.mapping)


@router.post("/api/sources/mappings/{mapping:mapping}/restore", responses=NOT_FOUND | CONFLICT)
async def restore_mapping(caller: Manager, name: Name, asked: RestoreRequest) -> MappingAnswer:
    """Put an old version of a mapping back, as a new one; one that was retired is used again."""
    async with caller.transaction() as connection:
        old = await feed_mappings.get_mapping(connection, name, asked.version)
    if asked.version == asked.newest:
        raise InvalidError(f"version {asked.version} is the newest", where="version")
    titles = old.zh, old.en
    return await _add(caller, "restored", name, asked.newest + 1, titles, old.content, restored=old.version)


@router.post("/api/sources/mappings/{mapping:mapping}/retire", responses=NOT_FOUND | CONFLICT)
async def retire_mapping(caller: Manager, name: Name, asked: RetireRequest) -> MappingAnswer:
    """Use a mapping no more; its versions stay. What still comes is refused, and kept to be replayed."""
    last = await _require_used(caller, name)
    titles = last.zh, last.en
    return await _add(caller, "retired", name, asked.newest + 1, titles, last.content, retired=True)


async def _require_used(caller: Caller, name: str) -> KeptMapping:
    async with caller.transaction() as connection:
        newest = await feed_mappings.get_mapping(connection, name)
    if newest.retired:
        raise ConflictError(
            f"the mapping “{name}” is retired", where="retired", hint="put one of its versions back first"
        )
    return newest


async def _add(
    caller: Caller,
    act: str,
    name: str,
    version: int,
    titles: tuple[str, str],
    content: dict[str, Any],
    restored: int | None = None,
    *,
    retired: bool = False,
) -> MappingAnswer:
    mapping = read_mapping(content)
    async with caller.transaction() as connection:
        if version > 1:
            await feed_mappings.get_mapping(connection, name)
        kept = await feed_mappings.add_version(
            connection, name, version, titles, content, caller.identity.name, restored, retired=retired
        )
        answer = await _answer(caller, connection, kept)
        # What the version says is in its row; the record proves that nobody wrote that anew.
        detail = {"version": version, "restored": restored, "sha256": _digest(mapping)}
        await write(connection, caller.actor, Entry(f"mapping.{act}", f"mapping/{name}", detail=detail))
    with contextlib.suppress(Exception):  # it is changed; whoever did not hear of it will
        await caller.running.ingest.delivery.mappings.refresh()
    return answer


def _digest(mapping: Mapping) -> str:
    return hashlib.sha256(msgspec.json.encode(mapping, order="deterministic")).hexdigest()


def _row(caller: Caller, kept: KeptMapping) -> dict[str, Any]:
    running = caller.running
    counters = running.ingest.delivery.mappings.counters(kept.name) or Heard()
    return {
        "name": kept.name,
        "title": Names(zh=kept.zh, en=kept.en),
        "version": kept.version,
        "retired": kept.retired,
        "changed_by": kept.changed_by,
        "changed_at": kept.changed_at,
        "path": f"/ingest/v1/mapped/{kept.name}",
        "topics": [f"{FOREIGN}/{senders}/+/{kept.name}" for senders in ("gateways", "devices")],
        "flow": MappedFlowAnswer(
            **dict(flow_of(counters)),
            since=running.started_at,
            taken_at=datetime.now(UTC),
        ),
    }


async def _answer(caller: Caller, connection: AsyncConnection, kept: KeptMapping) -> MappingAnswer:
    changes = await feed_mappings.list_changes(connection, kept.name)
    return MappingAnswer(
        **_row(caller, kept),
        mapping=kept.content,
        restored=kept.restored,
        versions=[ChangeAnswer(**dataclasses.asdict(change)) for change in changes],
    )
