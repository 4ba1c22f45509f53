"""Take positions of tracking apps: OwnTracks, Traccar Client, OsmAnd.

These apps throw nothing away that is not answered with 200, and send it again before anything newer: what
cannot be used is kept in quarantine with its reason, and answered with 200 all the same.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request, Response

from api.access.permissions import content_type_of, needs_sender, needs_tracker
from api.runtime import Running
from ingest.decoders.envelope import Envelope
from ingest.decoders.osmand import named_in
from ingest.intake import Sender

router = APIRouter(tags=["ingest"])

_TRACKER_HEADER: Final = "x-limit-d"  # as OwnTracks names its device in HTTP mode
_HIDDEN: Final = "-"


@router.post("/ingest/v1/owntracks")
async def take_of_owntracks(
    running: Running, request: Request, sender: Annotated[Sender, needs_sender()]
) -> list[dict[str, Any]]:
    """Take a message of OwnTracks in HTTP mode; answered with an empty list once it is committed."""
    parameters: Mapping[str, str] = request.query_params
    if _TRACKER_HEADER in request.headers:
        parameters = {"d": request.headers[_TRACKER_HEADER], **parameters}
    message = Envelope(await request.body(), _own_uid(sender), parameters, content_type_of(request))
    feed = running.ingest.feeds["owntracks-http"]
    await running.ingest.intake.take(feed, message, sender, f"{feed.name} {sender.name}")
    return []


@router.get("/ingest/v1/osmand", response_class=Response)
async def take_of_query(
    running: Running, request: Request, sender: Annotated[Sender, needs_tracker()]
) -> Response:
    """Take a position in the address of a request, as Traccar Client, OsmAnd and many trackers send it."""
    return await _take_of_osmand(running, request, sender)


@router.post("/ingest/v1/osmand", response_class=Response)
async def take_of_form(
    running: Running, request: Request, sender: Annotated[Sender, needs_tracker()]
) -> Response:
    """Take a position in the address of a request, in a form, or in the JSON of Traccar Client."""
    return await _take_of_osmand(running, request, sender)


async def _take_of_osmand(running: Running, request: Request, sender: Sender) -> Response:
    parameters = dict(request.query_params)
    payload = await request.body() or request.url.query.encode()
    message = Envelope(
        payload, _own_uid(sender), parameters, content_type_of(request), received_us=time.time_ns() // 1000
    )
    named = named_in(message)
    if named and named != sender.name and sender.kind == "device":
        # It is the secret where no header names the sender; the quarantine must not keep it.
        hidden = payload.replace(named.encode(), _HIDDEN.encode())
        message = Envelope(
            hidden, sender.name, parameters, message.content_type, received_us=message.received_us
        )
    feed = running.ingest.feeds["osmand-http"]
    await running.ingest.intake.take(feed, message, sender, f"{feed.name} {sender.name}")
    return Response(status_code=200)


def _own_uid(sender: Sender) -> str | None:
    return sender.name if sender.kind == "device" else None
