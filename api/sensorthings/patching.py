"""Apply a JSON Patch (RFC 6902) to a value, which is left as it was."""

from __future__ import annotations

import copy
import re
from typing import Any, Final

from twin.errors import ConflictError, InvalidError

_MOST: Final = 1000
_BAD_ESCAPE: Final = re.compile("~(?![01])")


def patched(document: dict[str, Any], operations: Any) -> dict[str, Any]:
    """Return a value after some operations.

    Raises
    ------
    InvalidError
        An operation cannot be understood, or names what is not there.
    ConflictError
        A test failed.
    """
    if not isinstance(operations, list) or len(operations) > _MOST:
        raise InvalidError(f"a JSON Patch is a list of at most {_MOST} operations", where="body")
    made: Any = copy.deepcopy(document)
    for i, operation in enumerate(operations):
        where = f"operation {i}"
        if not isinstance(operation, dict) or not isinstance(operation.get("path"), str):
            raise InvalidError("an operation has “op” and “path”", where=where)
        path, op = _steps(operation["path"], where), operation.get("op")
        if op in ("add", "replace", "test") and "value" not in operation:
            raise InvalidError("“value” is missing", where=where)
        if op in ("move", "copy"):
            source = _steps(operation.get("from"), where)
            value = _find(made, source, where)
            if op == "move":
                if path[: len(source)] == source and path != source:
                    raise InvalidError("a value cannot be moved into itself", where=where)
                made = _change(made, source, "remove", None, where)
            made = _change(made, path, "add", copy.deepcopy(value), where)
        elif op == "test":
            if not _same(_find(made, path, where), operation["value"]):
                raise ConflictError("the value is another one", where=where)
        elif op in ("add", "replace", "remove"):
            made = _change(made, path, op, copy.deepcopy(operation.get("value")), where)
        else:
            raise InvalidError(f"there is no operation {str(op)[:20]!r}", where=where)
    if not isinstance(made, dict):
        raise InvalidError("an object must remain", where="body")
    return made


def _same(one: Any, other: Any) -> bool:
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _steps(pointer: Any, where: str) -> list[str]:
    if not isinstance(pointer, str) or (pointer and not pointer.startswith("/")):
        raise InvalidError("a pointer is a text that begins with “/”", where=where)
    if _BAD_ESCAPE.search(pointer):
        raise InvalidError("in a pointer ~ is followed by 0 or 1", where=where)
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def _index(step: str, length: int, where: str) -> int:
    if (
        not step.isascii()
        or not step.isdecimal()
        or (len(step) > 1 and step[0] == "0")
        or int(step[:9]) >= length
    ):
        raise InvalidError(f"the list has no place {step[:20]!r}", where=where)
    return int(step)


def _find(value: Any, path: list[str], where: str) -> Any:
    for step in path:
        if isinstance(value, list):
            value = value[_index(step, len(value), where)]
        elif isinstance(value, dict) and step in value:
            value = value[step]
        else:
            raise InvalidError(f"there is no {step[:40]!r}", where=where)
    return value


def _change(document: Any, path: list[str], op: str, value: Any, where: str) -> Any:
    if not path:
        return value
    parent, last = _find(document, path[:-1], where), path[-1]
    if isinstance(parent, list):
        if op == "add":
            at = len(parent) if last == "-" else _index(last, len(parent) + 1, where)
            parent.insert(at, value)
        elif op == "remove":
            del parent[_index(last, len(parent), where)]
        else:
            parent[_index(last, len(parent), where)] = value
    elif isinstance(parent, dict):
        if op != "add" and last not in parent:
            raise InvalidError(f"there is no {last[:40]!r}", where=where)
        if op == "remove":
            del parent[last]
        else:
            parent[last] = value
    else:
        raise InvalidError("this has no members", where=where)
    return document
