"""Name the topics of the device schema (``docs/device-schema.md``)."""

from __future__ import annotations

from typing import Final

from ingest.feeds import Feed

ROOT: Final = "gt/v1"
"""What every topic begins with."""

_STATUS: Final = {"device": f"{ROOT}/devices/+/status", "gateway": f"{ROOT}/gateways/+/status"}

OWNTRACKS: Final = "owntracks"
"""What topics of OwnTracks begin with; the account, and what it calls its device, follow."""

FOREIGN: Final = "foreign"
"""What topics of foreign platforms begin with; kind and name of the account and the mapping follow."""

SIMULATED_GATEWAY: Final = "sim-gw-"
"""What the name of a simulated gateway begins with."""


def status_address(feed: Feed) -> str | None:
    """Return the topic filter by which those who speak the device schema say whether they are there."""
    return _STATUS[feed.sender] if feed.format == "device_schema" else None


def addresses_of(feed: Feed) -> list[str]:
    """Return the topic filters of a feed."""
    status = status_address(feed)
    return [feed.address] if status is None else [feed.address, status]


def beginning_of(feed: Feed, publisher: str) -> str:
    """Return what the topics of a publisher begin with, up to what it may choose itself."""
    return feed.address.replace("+", publisher, 1).partition("+")[0]


def publisher_in(address: str, topic: str) -> str | None:
    """Return who publishes on a topic, "" where it does not say; None where it does not match a filter.

    OwnTracks puts its user name there, which has a dot and a number behind the name of the account where it
    signs in by the other one of its two secrets.

    Parameters
    ----------
    address
        Topic filter in which the first ``+`` stands for the publisher.
    """
    wanted, parts = address.split("/"), topic.split("/")
    if len(wanted) != len(parts) or any(w not in ("+", p) for w, p in zip(wanted, parts, strict=True)):
        return None
    named = next((p for w, p in zip(wanted, parts, strict=True) if w == "+"), "")
    return named.partition(".")[0]


def observations_of(sender: str, uid: str) -> str:
    """Return the topic for the observations of a sender, ``devices`` or ``gateways``."""
    return f"{ROOT}/{sender}/{uid}/observations"


def status_of(sender: str, uid: str) -> str:
    """Return the topic for the status of a sender, ``devices`` or ``gateways``."""
    return f"{ROOT}/{sender}/{uid}/status"
