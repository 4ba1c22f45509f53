"""Know what a topic of a feed is: who publishes there, and whether it is a status."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from ingest.feeds import Feed
from ingest.flood import Flood
from ingest.transports.topics import publisher_in, status_address

_ROUTES_KEPT: Final = 500_000

Form = Literal["observations", "status", "none"]


class Route(NamedTuple):
    """What a topic is.

    Parameters
    ----------
    form
        What its messages are; ``none`` for a topic nobody asked for.
    kind, name
        Who publishes there, ``device`` or ``gateway``, and its name.
    number
        Of the publisher, for the limits.
    """

    form: Form
    kind: str
    name: str
    number: int

    @property
    def uid(self) -> str | None:
        """The device that speaks for itself; None where a gateway speaks of others."""
        return self.name if self.kind == "device" else None

    @property
    def who(self) -> str:
        """Who publishes, for people; "" where nobody knows."""
        return f"{self.kind} {self.name[:64]}" if self.form != "none" else ""


class Routes:
    """Look topics up, each once.

    Parameters
    ----------
    feed
        Its address is a topic filter in which the first ``+`` is the publisher.
    flood
        Numbers publishers.
    """

    def __init__(self, feed: Feed, flood: Flood) -> None:
        self._sender = feed.sender
        self._flood = flood
        self._known: dict[bytes, Route] = {}
        self.filters: list[tuple[str, Form]] = [(feed.address, "observations")]
        """Topic filters to subscribe to, and the form of what comes there."""
        status = status_address(feed)
        if status is not None:
            self.filters.append((status, "status"))

    def of(self, topic: bytes) -> Route:
        """Return what a topic is."""
        found = self._known.get(topic)
        if found is None:
            if len(self._known) >= _ROUTES_KEPT:
                self._known.clear()
            found = self._known[topic] = self._find(topic.decode("utf-8", "replace"))
        return found

    def _find(self, topic: str) -> Route:
        for address, form in self.filters:
            name = publisher_in(address, topic)
            if name is not None:
                return Route(form, self._sender, name, self._flood.number_of(self._sender, name))
        return Route("none", "", "", 0)
