"""Answer on standard output, as text or JSON; tell a person the rest on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any


def answer(content: Mapping[str, Any], words: str, as_json: bool, *, indent: int | None = None) -> None:
    """Write what a command found out: its content as JSON where that was asked for, else its words.

    Parameters
    ----------
    content
        Values that JSON does not know (times, numbers of accounts) are written as text.
    words
        One or several lines for a person.
    indent
        Spaces a level of JSON; None writes one line.
    """
    written = json.dumps(content, ensure_ascii=False, default=str, indent=indent) if as_json else words
    sys.stdout.write(written + "\n")


def say(line: str) -> None:
    """Tell a person something; standard output stays free for answers."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
