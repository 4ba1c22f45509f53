"""Read topics of SensorThings (OGC 18-088, 14): a set, an entity or a property below the version."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from api.sensorthings.options import parse_options
from api.sensorthings.paths import Resource, parse_path
from api.sensorthings.shape import Entity
from twin.errors import InvalidError, NotFoundError

VERSION: Final = "v1.1/"
_LONGEST: Final = 1000


@dataclass(frozen=True, slots=True)
class Topic:
    """What somebody follows: entities of ``resource``, of each only ``select`` where that is given."""

    written: str
    resource: Resource
    select: frozenset[str] | None

    @property
    def entity(self) -> Entity:
        """Of which set the entities are."""
        return self.resource.entity

    @property
    def key(self) -> tuple[Any, ...] | None:
        """What the key of an entity that is followed begins with; None where that cannot be told by keys.

        A Datastream's key is the beginning of those of its Observations.
        """
        first, *more = self.resource.steps
        is_stream = first.entity.name == "Datastreams" and [step.link for step in more] == ["Observations"]
        if first.id is None or (more and not (is_stream and more[0].id is None)):
            return None
        return first.entity.key_of(first.id)

    @property
    def is_a_set(self) -> bool:
        """Whether all entities of a set are followed."""
        return len(self.resource.steps) == 1 and not self.resource.is_one

    @property
    def is_searched(self) -> bool:
        """Whether the database must be asked which entities are meant."""
        return self.key is None and not self.is_a_set

    def told(self, entity: dict[str, Any]) -> dict[str, Any]:
        """Return what is told of an entity that changed."""
        if self.select is None:
            return entity
        shown = {}
        for name, value in entity.items():
            bare = "id" if name in ("@iot.id", "@iot.selfLink") else name.partition("@")[0]
            if bare in self.select:
                shown[name] = value
        return shown


def parse_topic(written: str) -> Topic:
    """Read a topic that somebody wants to follow.

    Raises
    ------
    InvalidError, NotFoundError
        There is nothing of this name to follow.
    """
    path, _, query = written.partition("?")
    if not path.startswith(VERSION) or len(written) > _LONGEST or {"+", "#"} & set(path):
        raise NotFoundError(
            "there is no such topic",
            where=written[:200],
            hint="v1.1/Datastreams(1)/Observations is one",
        )
    resource = parse_path(path.removeprefix(VERSION))
    options = parse_options(query, resource.entity)
    if set(options.written) - {"$select"}:
        raise InvalidError("a topic may say $select, nothing else", where=written[:200])
    if resource.part.startswith("$") or resource.raw:
        raise InvalidError("this can be asked for, not followed", where=written[:200])
    select = options.select
    if resource.part:
        select = [resource.part]
    return Topic(written, resource, None if select is None else frozenset(select))


def names_of(topics: Iterable[Topic]) -> set[str]:
    """Return the sets that topics are of."""
    return {topic.entity.name for topic in topics}
