"""Say where a foreign message does not fit its mapping: what lies there and what to do, for people."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from ingest.decoders.paths import NOTHING, reach
from ingest.decoders.readings import DecodeError
from twin.faults import Value

_SHOWN: Final = 120


class MisfitError(DecodeError):
    """A message, or an item of it, does not fit the mapping.

    Parameters
    ----------
    code
        Of `data/faults.toml`.
    path
        Where in the item; for faults of the whole message, where in it.
    found
        What lies there, as JSON, or what lies nearest.
    """

    def __init__(self, code: str, path: str = "", found: str = "", **more: Value) -> None:
        super().__init__(code, path=path or ".", found=found[:300], **more)
        self.path, self.found = path, found


def misfit_at(code: str, content: Any, path: str, found: Any, **more: Value) -> MisfitError:
    """Return a misfit at a path of an item, saying what was found there, or how far the path goes."""
    if found is not NOTHING:
        return MisfitError(code, path, shown(found), **more)
    reached, last = reach(content, path)
    where = f"“{reached}” = " if reached else ""
    return MisfitError(code, path, f"{where}{shown(last)}", **more)


def shown(found: Any) -> str:
    """Write what was found as JSON, shortened; of an object its names, since these are what was mistaken."""
    if isinstance(found, dict):
        return _cut("{" + ", ".join(str(name)[:40] for name in list(found)[:20]) + "}")
    if isinstance(found, list):
        first = f"{shown(found[0])}, …" if found else ""
        return _cut(f"[{first}] ({len(found)})")
    try:
        return _cut(msgspec.json.encode(found).decode())
    except (UnicodeEncodeError, OverflowError):
        return _cut(repr(found))


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
