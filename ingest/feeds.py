"""Read the table of feeds: every way in, and what the bytes that come there mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final, Literal

import msgspec

from ingest.decoders import FORMATS
from twin.data_tables import DATA_FOLDER, read_table
from twin.errors import InvalidError

DEFAULT_FILE: Final = DATA_FOLDER / "feeds.toml"

STANDARDS: Final = ("sensorthings",)
"""Formats that are read where their whole standard is spoken: they say more than readings."""

Name = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9-]{1,39}$")]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=80)]


class Feed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One way in.

    Parameters
    ----------
    name
        Key of the row.
    zh, en
        Its name for people.
    transport
        How its messages arrive.
    address
        Topic filter of MQTT, or path of the server.
    format
        Key of `ingest.decoders.FORMATS`, or one of `STANDARDS`.
    sender
        Who sends: a device for itself, or a gateway for the devices of its area.
    silent_s
        After how many seconds without a message it counts as silent; None where silence is nothing unusual.
    """

    name: Name
    zh: Text
    en: Text
    transport: Literal["mqtt", "http", "websocket"]
    address: Text
    format: str
    sender: Literal["device", "gateway"]
    silent_s: Annotated[float, msgspec.Meta(gt=0)] | None = None

    @property
    def source_pattern(self) -> str:
        """A regular expression of the sources of what is refused of it, as the quarantine tells them."""
        if self.transport != "mqtt":
            return f"^{re.escape(self.name)} "
        parts = ("[^/]+" if part == "+" else re.escape(part) for part in self.address.split("/"))
        return f"^{'/'.join(parts)}$"


class _File(msgspec.Struct, forbid_unknown_fields=True):
    feed: list[Feed]


def load_feeds(file: Path = DEFAULT_FILE) -> Mapping[str, Feed]:
    """Read and check a table of feeds; return its rows by name, in the order of the file.

    Raises
    ------
    FileFormatError
        The file cannot be read or is not TOML.
    InvalidError
        A row is wrong; the error says which and what.
    """
    feeds: dict[str, Feed] = {}
    for feed in read_table(file, "the feeds", _File).feed:
        where = f"{file} feed “{feed.name}”"
        if feed.name in feeds:
            raise InvalidError("the name is used twice", where=where)
        formats = {*FORMATS, *STANDARDS}
        if feed.format not in formats:
            raise InvalidError(
                f"there is no format “{feed.format}”",
                where=where,
                hint="one of " + ", ".join(sorted(formats)),
            )
        if any(other.address == feed.address for other in feeds.values()):
            raise InvalidError(f"“{feed.address}” is the address of another feed too", where=where)
        feeds[feed.name] = feed
    return MappingProxyType(feeds)
