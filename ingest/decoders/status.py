"""Decode the status messages of devices: online, or offline by their own or the broker's word."""

from __future__ import annotations

from typing import Literal

import msgspec

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
        raise DecodeError("too_large", f"a status of {len(payload)} bytes; at most 1024 are read")
    try:
        return _STATUS.decode(payload).status == "online"
    except RecursionError as error:
        raise DecodeError("malformed", "the JSON is nested too deeply") from error
    except msgspec.ValidationError as error:
        raise DecodeError("wrong_type", f"not a status: {error}", hint="send online or offline") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DecodeError("malformed", f"not a status: {error}", hint="send online or offline") from error
