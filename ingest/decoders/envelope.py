"""Hold one message as it came, with what its way in says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message.

    Parameters
    ----------
    payload
        Its bytes.
    uid
        The device that speaks for itself; None where a gateway speaks for others and names them.
    parameters
        What stands in the address of the request beside the path, for formats that use it.
    content_type
        As the sender says, lower case, without parameters; "" where it says nothing.
    mapping
        Where the fields lie, for the format ``mapped``.
    received_us
        When it came, Unix µs, for formats that may leave the time out.
    """

    payload: bytes
    uid: str | None = None
    parameters: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    content_type: str = ""
    mapping: object = None
    received_us: int = 0
