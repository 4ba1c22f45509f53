"""Read the path of a resource: sets, ids, links, properties."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from api.sensorthings.entities import ENTITIES
from api.sensorthings.shape import Entity
from twin.errors import NotFoundError

_SEGMENT: Final = re.compile(r"([A-Za-z$]+)(?:\((-?\d{1,18}|'(?:[^']|''){1,60}')\))?", re.ASCII)
_LONGEST: Final = 12


@dataclass(frozen=True, slots=True)
class Step:
    """A set of entities or, with an ``id``, one of it; ``link`` names the way to it, "" at the root."""

    entity: Entity
    link: str
    id: int | str | None
    many: bool


@dataclass(frozen=True, slots=True)
class Resource:
    """What a path names: the steps to a set or an entity, and what of it is asked.

    ``part`` is "", ``$ref``, ``$count`` or the name of a property, where ``raw`` says that its bare
    value is meant.
    """

    steps: tuple[Step, ...]
    part: str = ""
    raw: bool = False

    @property
    def entity(self) -> Entity:
        """What the last step is of."""
        return self.steps[-1].entity

    @property
    def is_one(self) -> bool:
        """Whether one entity is named rather than a set."""
        return self.steps[-1].id is not None or not self.steps[-1].many


def parse_path(path: str) -> Resource:
    """Read a path below the root of the service.

    Raises
    ------
    NotFoundError
        There is no such resource.
    """
    segments = path.strip("/").split("/")
    if len(segments) > _LONGEST:
        raise NotFoundError(f"a path has at most {_LONGEST} steps", where=path[:200])
    steps: list[Step] = []
    for i, segment in enumerate(segments):
        match = _SEGMENT.fullmatch(segment)
        name = match[1] if match else ""
        given = _id(match[2]) if match and match[2] else None
        if not steps:
            if name not in ENTITIES:
                raise _nothing(path)
            steps.append(Step(ENTITIES[name], "", given, many=True))
            continue
        last = steps[-1]
        one = last.id is not None or not last.many
        link = last.entity.links.get(name)
        if link is not None and one:
            if given is not None and not link.many:
                raise _nothing(path)
            steps.append(Step(ENTITIES[link.target], name, given, link.many))
            continue
        return _part(steps, segments[i:], path, one=one)
    return Resource(tuple(steps))


def _part(steps: list[Step], rest: list[str], path: str, *, one: bool) -> Resource:
    name = rest[0]
    if name == "$ref" and len(rest) == 1:
        return Resource(tuple(steps), "$ref")
    if name == "$count" and len(rest) == 1 and not one:
        return Resource(tuple(steps), "$count")
    name = "id" if name == "@iot.id" else name
    if one and name in steps[-1].entity.properties and rest[1:] in ([], ["$value"]):
        return Resource(tuple(steps), name, raw=len(rest) == 2)
    raise _nothing(path)


def _id(written: str) -> int | str:
    return written[1:-1].replace("''", "'") if written.startswith("'") else int(written)


def _nothing(path: str) -> NotFoundError:
    return NotFoundError(
        "there is no such resource", where=path[:200], hint="the root of the service lists the sets"
    )
