"""Take places out of a foreign message that is kept: it may say where a person is."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

_WORDS: Final = frozenset(
    {
        "lon", "lng", "long", "longitude", "lat", "latitude", "loc", "location", "gps", "geo", "geom",
        "geometry", "coord", "coords", "coordinate", "coordinates", "position", "x", "y", "jd", "wd",
    }
)  # fmt: skip
_ZH: Final = ("经度", "纬度", "坐标", "位置")
_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_PAIR: Final = re.compile(r"\d\.\d{3,}\s*[,; ]\s*-?\d{1,3}\.\d{3,}|(?i:lon|lng|lat)[a-z]*\W{1,4}\d")
_DECIMALS: Final = 3  # a hundred metres; what is coarser tells of a district


def without_places(payload: bytes) -> bytes | None:
    """Return a message with null where a place may stand, as it came where none does; None if it is no JSON.

    Looks at names (``lon``, ``gpsLat``, 经度), at pairs of numbers in lists, and at texts that hold both.
    """
    try:
        content = msgspec.json.decode(payload)
        cleaned = _clean(content)
        return payload if cleaned == content else msgspec.json.encode(cleaned)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def _clean(content: Any) -> Any:
    if isinstance(content, dict):
        return {name: _blank(inner) if _is_place(name) else _clean(inner) for name, inner in content.items()}
    if isinstance(content, list):
        return _blank(content) if _is_pair(content) else [_clean(inner) for inner in content]
    if isinstance(content, str) and _PAIR.search(content):
        return None
    return content


def _blank(content: Any) -> Any:
    """Return what lies under the name of a place, without anything that could be one."""
    if isinstance(content, dict):
        return {name: _blank(inner) for name, inner in content.items()}
    if isinstance(content, list):
        return [_blank(inner) for inner in content]
    return content if isinstance(content, bool) else None


def _is_place(name: str) -> bool:
    words = {word.lower() for word in _WORD.findall(name)}
    return not words.isdisjoint(_WORDS) or any(word in name for word in _ZH)


def _is_pair(content: list[Any]) -> bool:
    """Say whether a list begins with two numbers as exact as degrees that tell where somebody is."""
    return len(content) in (2, 3) and all(
        isinstance(number, float) and abs(number) <= 180.0 and round(number, _DECIMALS - 1) != number
        for number in content[:2]
    )
