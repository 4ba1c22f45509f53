"""Say what is wrong with bytes that are no JSON, or JSON of another form than is read."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from ingest.decoders.readings import DecodeError

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What reading bytes as JSON raises; one of another form is a `msgspec.ValidationError`."""

# As msgspec writes them.
_TYPE: Final = re.compile(r"Expected `(?P<expected>[^`]+)`, got `(?P<got>[^`]+)`(?: - at `(?P<at>[^`]*)`)?")
_MISSING: Final = re.compile(r"Object missing required field `(?P<field>[^`]+)`(?: - at `(?P<at>[^`]*)`)?")
_BEYOND: Final = re.compile(r"Number out of range(?: - at `(?P<at>[^`]*)`)?")
_BYTE: Final = re.compile(r".*\(byte (?P<byte>\d+)\)")


def misread(error: Exception) -> DecodeError:
    """Return what reading bytes as JSON found wrong with them.

    Parameters
    ----------
    error
        One of `UNREADABLE`.
    """
    said = str(error)
    if isinstance(error, RecursionError):
        return DecodeError("too_deep")
    if isinstance(error, UnicodeDecodeError) or "utf-8" in said.lower():
        return DecodeError("not_text")
    if found := _BEYOND.fullmatch(said):
        return DecodeError("no_such_number", place=_place(found["at"]))
    if isinstance(error, msgspec.ValidationError):
        return _of_another_form(said)
    if said == "Input data was truncated":
        return DecodeError("cut_off")
    found = _BYTE.fullmatch(said)
    if found is None:
        return DecodeError("not_json", error=said[:200])
    return DecodeError("not_json_at", byte=int(found["byte"]))


def _of_another_form(said: str) -> DecodeError:
    if found := _TYPE.fullmatch(said):
        return DecodeError(
            "wrong_type_at", place=_place(found["at"]), expected=found["expected"], got=found["got"]
        )
    if found := _MISSING.fullmatch(said):
        return DecodeError("missing_at", place=_place(found["at"]), field=found["field"])
    return DecodeError("not_of_the_form", error=said[:200])


def _place(at: str | None) -> str:
    """Write a place as people write paths: ``v[2]`` for ``$.v[2]``; of the whole message ``JSON``."""
    path = (at or "").removeprefix("key in ").removeprefix("$").replace("[...]", "").removeprefix(".")
    return f"“{path}” " if path else "JSON "
