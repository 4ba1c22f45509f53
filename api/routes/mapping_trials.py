"""Try a mapping on a message before it is used, and list the fields of a message to choose from."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from api.access.caller import Caller
from api.access.permissions import does, needs
from api.routes.answers import Names
from api.runtime import Running
from ingest.decoders.fields import Kind, TimeForm, fields_of
from ingest.decoders.mapped import parse
from ingest.decoders.misfit import MisfitError
from twin.access.roles import Act
from twin.errors import InvalidError

router = APIRouter(tags=["operation"])

Manager = Annotated[Caller, needs(does(Act.MANAGE_SYSTEM))]
Payload = Annotated[str | dict[str, Any] | list[Any], Field(description="a message: its text, or its JSON")]


class FieldsRequest(BaseModel):
    """A message of a foreign platform."""

    model_config = ConfigDict(extra="forbid")

    payload: Payload


class TrialRequest(FieldsRequest):
    """A mapping as it would be saved, and a message to try it on."""

    mapping: dict[str, Any]


class FieldAnswer(BaseModel):
    """A field of a message. ``items`` is the list whose items hold it: "" the message, null for no list.

    ``path`` is where it lies in an item; ``samples`` are the first different values, as JSON; ``count`` says
    in how many items it lies, ``time_form`` which form of a time it looks like.
    """

    path: str
    items: str | None
    types: list[Kind]
    samples: list[str]
    count: int
    time_form: TimeForm | None


class ListAnswer(BaseModel):
    """A list of objects in a message, "" for the message itself, and how long it is."""

    path: str
    length: int


class FieldsAnswer(BaseModel):
    """What a message holds; ``left_out`` is how many fields at least are not told."""

    fields: list[FieldAnswer]
    lists: list[ListAnswer]
    left_out: int


class TriedAnswer(BaseModel):
    """An observation that would be made by an item, in the unit that is declared for the property."""

    item: int
    device: str
    property: str
    value: float
    unit: str
    at: datetime
    lon: float | None
    lat: float | None


class WrongAnswer(BaseModel):
    """What would be refused: in which item, at which path, what was found, why, and what to do.

    Where the mapping itself is wrong ``reason`` is ``mapping`` and ``path`` its field.
    """

    item: int | None
    device: str
    path: str
    found: str
    reason: str
    what: Names
    hint: Names


class TrialAnswer(BaseModel):
    """What a message would become: the first hundred observations and refusals, and how many there are."""

    observations: list[TriedAnswer]
    wrong: list[WrongAnswer]
    observed: int
    refused: int


@router.post("/api/sources/mappings/try")
async def try_mapping(_caller: Manager, running: Running, asked: TrialRequest) -> TrialAnswer:
    """Say what a message would become under a mapping, and what is wrong with which field; store nothing."""
    trial = running.trials.run(asked.mapping, _bytes(asked.payload))
    return TrialAnswer.model_validate(trial, from_attributes=True)


@router.post("/api/sources/mappings/fields")
async def list_fields(_caller: Manager, asked: FieldsRequest) -> FieldsAnswer:
    """Return the fields of a message with their types and samples, to choose paths from; store nothing."""
    try:
        found = fields_of(parse(_bytes(asked.payload)))
    except MisfitError as misfit:
        raise InvalidError(misfit.what, where="body.payload", hint=misfit.hint) from misfit
    return FieldsAnswer(
        fields=[FieldAnswer.model_validate(one, from_attributes=True) for one in found.fields],
        lists=[ListAnswer(path=path, length=length) for path, length in found.lists.items()],
        left_out=found.left_out,
    )


def _bytes(payload: str | dict[str, Any] | list[Any]) -> bytes:
    if isinstance(payload, str):
        return payload.encode("utf-8", "surrogatepass")
    try:
        return msgspec.json.encode(payload)
    except (UnicodeEncodeError, RecursionError) as error:
        raise InvalidError("the message is no JSON that can be sent", where="body.payload") from error
