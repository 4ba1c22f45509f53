"""Count on its way in what is refused before it is read: nobody known, too large, never finished.

What was sent is not kept: nobody knows whose it was, or all of it never came.
"""

from __future__ import annotations

import re
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access.limits import INGEST
from ingest.counters import FeedCounters
from ingest.feeds import Feed

_REASONS: Final = {401: "not_known", 403: "wrong_device", 408: "unfinished", 413: "too_large"}
"""Statuses with which the edge, the door and the routes refuse before a message is decoded."""
_PLACEHOLDER: Final = re.compile(r"\\\{\w+\\\}")


class TurnedAway:
    """ASGI application around all others: sees with which status requests of senders end."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or not scope["path"].startswith(INGEST):
            await self._app(scope, receive, send)
            return

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] in _REASONS:
                counters = _counters_of(scope)
                if counters is not None:
                    counters.turn_away(_REASONS[message["status"]])
            await send(message)

        await self._app(scope, receive, send_counted)


def _counters_of(scope: Scope) -> FeedCounters | None:
    """Return the counters of the way in that a request came by; None where its path is none."""
    runtime = getattr(scope["app"].state, "runtime", None)
    if runtime is None:
        return None
    for feed in runtime.ingest.feeds.values():
        if feed.transport == "http" and _matches(feed, scope["path"]):
            found: FeedCounters | None = runtime.ingest.intake.counters.get(feed.name)
            return found
    return None


def _matches(feed: Feed, path: str) -> bool:
    return re.fullmatch(_PLACEHOLDER.sub("[^/]+", re.escape(feed.address)), path) is not None
