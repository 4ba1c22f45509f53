"""Decode the status messages of devices: online, or offline by their own or the broker's word."""

from __future__ import annotations

from typing import Literal

import msgspec

from ingest.decoders.misread import UNREADABLE
from ingest.decoders.readings import DecodeError


class _Status(msgspec.Struct):
    status: Literal["online", "offline"]


_STATUS = msgspec.json.Decoder(_Status)


def decode_status(payload: bytes) -> bool:
    """Return True for online, False for offline; ``online``, ``offline`` or ``{"status": ...}``.

    Raises
    ------
    DecodeError
        It is neither.
    """
    if payload == b"online":
        return True
    if payload == b"offline":
        return False
    if len(payload) > 1024:
        raise DecodeError("status_too_long", bytes=len(payload))
    try:
        return _STATUS.decode(payload).status == "online"
    except msgspec.ValidationError as error:
        raise DecodeError("status_of_wrong_type", error=str(error)[:200]) from error
    except UNREADABLE as error:
        raise DecodeError("no_status", error=str(error)[:200]) from error
