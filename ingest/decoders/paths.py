"""Say where a value lies in JSON, and find what lies there."""

from __future__ import annotations

import functools
import re
from typing import Annotated, Any, Final

import msgspec

MAX_SIGNS: Final = 200
"""Longest path."""

_NAME: Final = r"[^.\[\]]+"
_PLACE: Final = r"\[\d{1,4}\]"
_QUOTED: Final = r'\["[^"]+"\]'
_PLAIN: Final = re.compile(_NAME)
_STEP: Final = re.compile(rf'\["([^"]+)"\]|\[(\d{{1,4}})\]|({_NAME})')

Path = Annotated[
    str,
    msgspec.Meta(
        pattern=rf"^({_NAME}|{_PLACE}|{_QUOTED})(\.{_NAME}|{_PLACE}|{_QUOTED})*$", max_length=MAX_SIGNS
    ),
]
"""Where a value lies in an object: names with dots between them, places in lists in brackets.

A name that holds dots or brackets itself is written in brackets and quotes: ``tank["level.m"]``.
"""


class _Nothing:
    def __repr__(self) -> str:
        return "nothing"


NOTHING: Final = _Nothing()
"""What is found where nothing lies; null is something."""


@functools.lru_cache(maxsize=4096)
def _steps(path: str) -> tuple[str | int, ...]:
    return tuple(int(place) if place else quoted or name for quoted, place, name in _STEP.findall(path))


def find(content: Any, path: str) -> Any:
    """Return what lies at a path, or `NOTHING`."""
    for step in _steps(path):
        if isinstance(step, int):
            if not isinstance(content, list) or step >= len(content):
                return NOTHING
        elif not isinstance(content, dict) or step not in content:
            return NOTHING
        content = content[step]
    return content


def reach(content: Any, path: str) -> tuple[str, Any]:
    """Follow a path as far as something lies there; return how far that is, "" for not at all, and what."""
    reached = ""
    for step in _steps(path):
        found = find(content, below("", step))
        if found is NOTHING:
            break
        reached, content = below(reached, step), found
    return reached, content


def below(path: str, step: str | int) -> str:
    """Return the path of a member, or of a place in a list, of what lies at a path; "" is the whole.

    A name that holds a quotation mark beside a dot or bracket cannot be written: then what is returned is no
    `Path`.
    """
    if isinstance(step, int):
        return f"{path}[{step}]"
    if not _PLAIN.fullmatch(step):
        return f'{path}["{step}"]'
    return f"{path}.{step}" if path else step
