"""Take observations of devices and gateways over HTTP; each answer says what became of every reading."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request

from api.access.permissions import needs_sender
from api.errors import NOT_FOUND
from api.runtime import Running
from ingest.decoders.envelope import Envelope
from ingest.feeds import Feed
from ingest.intake import Sender
from ingest.receipt import Receipt
from twin.errors import ForbiddenError, InvalidError, NotFoundError

router = APIRouter(tags=["ingest"])

Uid = Annotated[str, Path(pattern="^[0-9A-Za-z_-]{4,64}$", description="number of the device in the world")]
Name = Annotated[str, Path(pattern="^[0-9A-Za-z_-]{4,64}$", description="name of the gateway")]
MappingName = Annotated[
    str, Path(alias="mapping", pattern="^[a-z][a-z0-9-]{1,31}$", description="name of the mapping")
]

_BODY = {
    "requestBody": {
        "required": True,
        "description": "Readings of the device schema (docs/device-schema.md): one, a list, or columns.",
        "content": {"application/json": {"schema": {"anyOf": [{"type": "object"}, {"type": "array"}]}}},
    }
}

_ANY_BODY = {
    "requestBody": {
        "required": True,
        "description": "JSON as the platform writes it; the mapping says what lies where (docs/ingest.md).",
        "content": {"application/json": {"schema": {"anyOf": [{"type": "object"}, {"type": "array"}]}}},
    }
}


@router.post("/ingest/v1/devices/{uid}/observations", openapi_extra=_BODY)
async def take_of_device(
    running: Running, request: Request, uid: Uid, sender: Annotated[Sender, needs_sender()]
) -> Receipt:
    """Take what a device observed; answered once it is committed."""
    if (sender.kind, sender.name) != ("device", uid):
        raise ForbiddenError("a device reports only for itself", where=uid)
    return await take(running, request, running.ingest.feeds["device-http"], sender, uid)


@router.post("/ingest/v1/gateways/{name}/observations", openapi_extra=_BODY)
async def take_of_gateway(
    running: Running, request: Request, name: Name, sender: Annotated[Sender, needs_sender()]
) -> Receipt:
    """Take what the devices of a gateway observed; answered once it is committed."""
    if (sender.kind, sender.name) != ("gateway", name):
        raise ForbiddenError("a gateway reports under its own name", where=name)
    return await take(running, request, running.ingest.feeds["gateway-http"], sender, None)


@router.post("/ingest/v1/mapped/{mapping}", responses=NOT_FOUND, openapi_extra=_ANY_BODY)
async def take_of_platform(
    running: Running, request: Request, name: MappingName, sender: Annotated[Sender, needs_sender()]
) -> Receipt:
    """Take a message of a foreign platform, read by a mapping; answered once it is committed."""
    mappings = running.ingest.delivery.mappings
    if not await mappings.require(name):
        raise NotFoundError(
            f"there is no mapping “{name}”", where="mapping", hint="make it on the page of sources"
        )
    feed = running.ingest.feeds["mapped-http"]
    return await take(running, request, feed, sender, sender.own_uid, name)


async def take(
    running: Running,
    request: Request,
    feed: Feed,
    sender: Sender,
    uid: str | None,
    mapping: str = "",
) -> Receipt:
    """Hand the body of a request to the intake, and return what became of its readings.

    Parameters
    ----------
    mapping
        Name of the one that a foreign message is read by.

    Raises
    ------
    InvalidError
        None of them could be taken; says what is wrong with the first.
    UnavailableError
        The database is away; the message may be sent again.
    """
    message = Envelope(await request.body(), uid)
    source = f"{feed.name} {sender.name} {mapping}".rstrip()
    receipt = await running.ingest.intake.take(feed, message, sender, source)
    if receipt.told and not receipt.stored and not receipt.duplicate:
        first = receipt.told[0]
        raise InvalidError(
            f"nothing of {receipt.refused} could be taken; the first: {first.reason}: {first.what}",
            where=first.reading,
            hint=first.hint,
        )
    return receipt
