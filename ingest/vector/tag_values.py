"""Read numbers, lengths, directions and names out of free-text tags."""

from __future__ import annotations

import math
import re

Tags = dict[str, str]

_NUMBER = re.compile(r"[+-]?\d{1,6}(?:[.,]\d{1,6})?")
_LENGTH = re.compile(
    r"^\s*(\d{1,6}(?:[.,]\d{1,6})?)\s*(m|metres?|meters?|米|km|ft|feet|'|cm)?\s*$", re.IGNORECASE
)
_FEET_INCHES = re.compile(r"^\s*(\d{1,4})'\s*(\d{1,2}(?:\.\d+)?)\"\s*$")
_UNITS_M = {"": 1.0, "m": 1.0, "米": 1.0, "km": 1000.0, "ft": 0.3048, "feet": 0.3048, "'": 0.3048, "cm": 0.01}
_COMPASS = {
    name: i * 22.5
    for i, name in enumerate("N NNE NE ENE E ESE SE SSE S SSW SW WSW W WNW NW NNW".split())  # noqa: SIM905
}
_COMPASS |= {
    "NORTH": 0.0,
    "NORTHEAST": 45.0,
    "EAST": 90.0,
    "SOUTHEAST": 135.0,
    "SOUTH": 180.0,
    "SOUTHWEST": 225.0,
    "WEST": 270.0,
    "NORTHWEST": 315.0,
    "北": 0.0,
    "东北": 45.0,
    "东": 90.0,
    "东南": 135.0,
    "南": 180.0,
    "西南": 225.0,
    "西": 270.0,
    "西北": 315.0,
}
TAG_LENGTH_MAX = 4096


def number(text: str | None) -> float | None:
    """Return a plain finite number (decimal point or comma), None for anything else."""
    if text is None or not _NUMBER.fullmatch(text.strip()):
        return None
    return float(text.strip().replace(",", "."))


def metres(text: str | None) -> float | None:
    """Return metres from ``12``, ``12 m``, ``12,5``, ``40'``, ``6'3"``; None for anything else."""
    if text is None:
        return None
    if match := _FEET_INCHES.match(text):
        return float(match[1]) * 0.3048 + float(match[2]) * 0.0254
    if not (match := _LENGTH.match(text)):
        return None
    unit = (match[2] or "").lower()
    factor = 1.0 if unit.startswith(("met",)) else _UNITS_M[unit]
    return float(match[1].replace(",", ".")) * factor


def speed_kmh(text: str | None) -> float | None:
    """Return a speed limit in km/h from ``50``, ``50 km/h`` or ``30 mph``; None for words like ``walk``."""
    if text is None:
        return None
    match = re.fullmatch(r"\s*(\d{1,3})\s*(km/h|kmh|kph|mph)?\s*", text, re.IGNORECASE)
    if not match:
        return None
    return float(match[1]) * (1.609344 if (match[2] or "").lower() == "mph" else 1.0)


def _one_direction(text: str) -> float | None:
    word = text.strip().upper()
    if word in _COMPASS:
        return _COMPASS[word]
    degrees = number(word.rstrip("°"))
    if degrees is None or not -360.0 <= degrees <= 720.0:
        return None
    return degrees % 360.0


def direction(text: str | None) -> tuple[float, float | None] | None:
    """Return (bearing in degrees clockwise from north, width of the range in degrees or None).

    Takes degrees, compass words (``NNE``, ``south``, ``东北``) and clockwise ranges of either (``90-180``,
    ``N-E``); of several directions (``90;270``) the first one counts. None for anything else.
    """
    if text is None:
        return None
    first = text.split(";", 1)[0].strip()
    whole = _one_direction(first)
    if whole is not None:
        return whole, None
    match = re.fullmatch(r"\s*([^-–~]+?)\s*[-–~]\s*([^-–~]+?)\s*", first)
    if not match:
        return None
    low, high = _one_direction(match[1]), _one_direction(match[2])
    if low is None or high is None:
        return None
    width = (high - low) % 360.0 or 360.0
    return math.fmod(low + width / 2.0, 360.0), width


def clean(text: str | None) -> str | None:
    """Return text that the database can hold (no NUL, not endless), None for nothing."""
    if text is None:
        return None
    kept = text.replace("\x00", "").strip()[:TAG_LENGTH_MAX]
    return kept or None


def clean_tags(tags: Tags) -> Tags:
    """Return tags that the database can hold."""
    return {k.replace("\x00", "")[:255]: v.replace("\x00", "")[:TAG_LENGTH_MAX] for k, v in tags.items()}


def name_of(tags: Tags) -> str | None:
    """Return the local name: Chinese where it is given, else the plain name."""
    return clean(
        tags.get("name:zh") or tags.get("name") or tags.get("name:zh-Hans") or tags.get("official_name")
    )


def english_name_of(tags: Tags) -> str | None:
    """Return the English name, falling back to romanisation."""
    return clean(
        tags.get("name:en")
        or tags.get("int_name")
        or tags.get("name:zh_pinyin")
        or tags.get("name:zh-Latn-pinyin")
    )
