"""Read the tables of `data/`: TOML of the shape that the reader names, wrong rows told with their place."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar, get_args, get_origin

import msgspec

from twin.errors import FileFormatError, InvalidError

DATA_FOLDER: Final = Path(__file__).resolve().parent.parent / "data"
"""Where the tables that come with the program lie."""

Shape = TypeVar("Shape")
_Step = str | int

_PATH: Final = re.compile(r" - at .*`\$([^`]*)`$")
_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_ANY_KEY: Final = "..."
"""What msgspec writes for a key of a dict, which it does not name."""


def read_table(file: Path, what: str, shape: type[Shape]) -> Shape:
    """Read a TOML file and check it against a shape.

    Parameters
    ----------
    file
        TOML in UTF-8.
    what
        What the file holds, for the error: “the case categories”.
    shape
        A `msgspec.Struct`, or a dict of them.

    Raises
    ------
    FileFormatError
        The file cannot be read or is not TOML.
    InvalidError
        A row is wrong: not of the shape, or not a finite number. ``where`` names the file and the place in
        it, rows by their ``name`` or ``code``; the hint says what may stand there.
    """
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise FileFormatError(f"{what} cannot be read: {error}", where=str(file)) from error
    for steps, number in _numbers(content, ()):
        if not math.isfinite(number):
            where = _place(content, steps)
            raise InvalidError(f"{what}: a number must be finite, it is {number}", where=f"{file} {where}")
    try:
        return msgspec.convert(content, shape)
    except msgspec.ValidationError as error:
        raise _told(str(error), content, file, what, shape) from error


def _numbers(content: object, steps: tuple[_Step, ...]) -> Iterator[tuple[tuple[_Step, ...], float]]:
    """Find every number with a fraction: TOML writes nan and inf, and no table means them."""
    if isinstance(content, float):
        yield steps, content
    elif isinstance(content, dict):
        for key, value in content.items():
            yield from _numbers(value, (*steps, key))
    elif isinstance(content, list):
        for index, value in enumerate(content):
            yield from _numbers(value, (*steps, index))


def _told(message: str, content: dict[str, Any], file: Path, what: str, shape: Any) -> InvalidError:
    """Say an error of msgspec with the place as a person finds it, what stands there and what may stand."""
    path = _PATH.search(message)
    steps: list[_Step] = []
    value: Any = content
    for name, inner in _STEP.findall(path[1] if path else ""):
        step: _Step = name or (inner if inner == _ANY_KEY else int(inner))
        if step == _ANY_KEY:
            step = next(key for key, row in value.items() if not _fits(row, _inner(shape, key)))
        shape, value = _inner(shape, step), value[step]
        steps.append(step)
    said = message[: path.start()] if path else message
    if not isinstance(value, dict | list) and repr(value) not in said:
        said += f", it is {value!r}"[:100]
    shape = _plain(shape)
    hint = ""
    if "unknown field" in said:
        hint = "known: " + ", ".join(field.encode_name for field in msgspec.structs.fields(shape))
    elif get_origin(shape) is Literal:
        hint = "one of " + ", ".join(map(str, get_args(shape)))
    return InvalidError(f"{what}: {said}", where=f"{file} {_place(content, steps)}".strip(), hint=hint)


def _fits(value: object, shape: Any) -> bool:
    try:
        msgspec.convert(value, shape)
    except msgspec.ValidationError:
        return False
    return True


def _plain(shape: Any) -> Any:
    """Return a type without what it is annotated with and without None beside it."""
    while get_origin(shape) is Annotated or type(None) in get_args(shape):
        shape = next(part for part in get_args(shape) if part is not type(None))
    return shape


def _inner(shape: Any, step: _Step) -> Any:
    """Return the type of what lies at a step into a value of a type."""
    shape = _plain(shape)
    parts = get_args(shape)
    if get_origin(shape) is dict:
        return parts[1]
    if parts:
        return parts[int(step)] if get_origin(shape) is tuple and ... not in parts else parts[0]
    return next(field.type for field in msgspec.structs.fields(shape) if field.encode_name == step)


def _place(content: Any, steps: Sequence[_Step]) -> str:
    """Return where something stands: keys, numbers of rows from 0, and what rows call themselves."""
    said = ""
    for step in steps:
        content = content[step]
        said += f"[{step}]" if isinstance(step, int) else f" {step}"
        if isinstance(step, int) and isinstance(content, dict):
            own = content.get("name", content.get("code"))
            said += f" “{own}”" if own is not None else ""
    return said.strip()
