"""Say what bytes from outside mean; pure functions, one file a payload format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from ingest.decoders import mapped, observations, osmand, owntracks
from ingest.decoders.envelope import Envelope
from ingest.decoders.readings import Readings

Decode = Callable[[Envelope, Readings], None]
"""Append what a message says to columns; raises `DecodeError`, and leaves them as they were, where it says
nothing that can be used."""

FORMATS: Final[Mapping[str, Decode]] = MappingProxyType(
    {
        "device_schema": observations.decode,
        "mapped": mapped.decode,
        "owntracks": owntracks.decode,
        "osmand": osmand.decode,
    }
)
"""Every payload format, by its name in ``data/feeds.toml``."""
