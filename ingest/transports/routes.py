"""Know what a topic is: by which feed its messages come, who publishes there, and whether it is a status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple

from ingest.counters import FeedCounters
from ingest.feeds import Feed
from ingest.flood import Flood
from ingest.transports.topics import STATUS_TOPICS, publisher_in

_ROUTES_KEPT: Final = 500_000

Form = Literal["observations", "status", "none"]


class Route(NamedTuple):
    """What a topic is.

    Parameters
    ----------
    form
        What its messages are; ``none`` for a topic nobody asked for.
    feed
        By which its messages come.
    kind, name
        Who publishes there, ``device`` or ``gateway``, and its name.
    number
        Of the publisher, for the limits.
    counters
        Of the feed.
    """

    form: Form
    feed: Feed
    kind: str
    name: str
    number: int
    counters: FeedCounters

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
    feeds
        Those of one connection; addresses are topic filters in which the first ``+`` is the publisher.
    counters
        Of the feeds, by name.
    """

    def __init__(self, feeds: Sequence[Feed], counters: Mapping[str, FeedCounters], flood: Flood) -> None:
        self._counters = counters
        self._flood = flood
        self._known: dict[bytes, Route] = {}
        self._addresses: list[tuple[str, Form, Feed]] = []
        self._addresses += [(feed.address, "observations", feed) for feed in feeds]
        self._addresses += [
            (STATUS_TOPICS[feed.sender], "status", feed) for feed in feeds if feed.format == "device_schema"
        ]
        self._any = feeds[0]

    def filters(self) -> list[tuple[str, Form]]:
        """Return the topic filters to subscribe to, and the form of what comes there."""
        return [(address, form) for address, form, _ in self._addresses]

    def of(self, topic: bytes) -> Route:
        """Return what a topic is."""
        found = self._known.get(topic)
        if found is None:
            if len(self._known) >= _ROUTES_KEPT:
                self._known.clear()
            found = self._known[topic] = self._find(topic.decode("utf-8", "replace"))
        return found

    def _find(self, topic: str) -> Route:
        for address, form, feed in self._addresses:
            name = publisher_in(address, topic)
            if name is not None:
                number = self._flood.number_of(feed.sender, name)
                return Route(form, feed, feed.sender, name, number, self._counters[feed.name])
        return Route("none", self._any, "", "", 0, self._counters[self._any.name])
