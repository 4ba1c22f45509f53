"""Tell followers what changed: read once for all who see the same, under the rights they have now."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

import orjson
from sqlalchemy.ext.asyncio import AsyncEngine

from api.access.door import Door
from api.sensorthings.entities import ENTITIES
from api.sensorthings.mqtt.packets import NOT_ALLOWED, QUOTA
from api.sensorthings.mqtt.topics import Topic, names_of
from api.sensorthings.reading import Found, Reader
from twin.access.credentials import Identity
from twin.access.roles import DataClass
from twin.errors import UnavailableError
from twin.live.fold import Observations
from twin.store.outage import is_outage
from twin.store.scoped import scoped
from twin.twin import Twin

_log = logging.getLogger("gridtwin.sensorthings")

MOST_FOLLOWERS: Final = 200
_GATHER_S: Final = 0.1
_MOST_WAITING: Final = 100_000
"""Changes that are not told yet; with more, whoever follows observations is cut off and must read anew."""
_AT_ONCE: Final = 2_000
_RETRY_S: Final = 1.0
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Key = tuple[Any, ...]
"""The values of the key columns of an entity."""


class Follower(Protocol):
    """One connection."""

    token: str
    name: str
    root: str
    topics: dict[str, Topic]

    def tell(self, topic: str, payload: bytes) -> None:
        """Send a message, later."""

    def end(self, code: int) -> None:
        """Close the connection."""


class Followers:
    """All who follow, and what changed since they were told last.

    Parameters
    ----------
    engine
        Answers callers, under row-level security.
    door
        Knows whether a token is good, and what its account may see.
    twin
        Tells of observations that were committed.
    """

    def __init__(self, engine: AsyncEngine, door: Door, twin: Twin) -> None:
        self._engine, self._door, self._twin = engine, door, twin
        self._all: dict[tuple[str, str], Follower] = {}
        self._wanted: set[str] = set()
        self._changed: dict[str, dict[Key, None]] = defaultdict(dict)
        self._wake = asyncio.Event()
        twin.stored_listener = self._observed

    def join(self, follower: Follower, client_id: str) -> Follower | None:
        """Take a follower in; return the one of the same account and client id, who must leave.

        Raises
        ------
        UnavailableError
            There are too many.
        """
        key = follower.name, client_id
        if len(self._all) >= MOST_FOLLOWERS and key not in self._all:
            raise UnavailableError("too many follow already", where="/sta/mqtt")
        former = self._all.get(key)
        self._all[key] = follower
        return former

    def leave(self, follower: Follower) -> None:
        """Forget a follower."""
        for key, known in list(self._all.items()):
            if known is follower:
                del self._all[key]
        self.look_at_topics()

    def look_at_topics(self) -> None:
        """Note what is followed, so that nothing else is kept."""
        self._wanted = names_of(topic for one in self._all.values() for topic in one.topics.values())
        for name in set(self._changed) - self._wanted:
            del self._changed[name]

    # what changed

    def changed(self, entities: Iterable[tuple[str, int | str]]) -> None:
        """Note that entities were made or changed, once that is committed."""
        for name, given in entities:
            key = ENTITIES[name].key_of(given)
            if name in self._wanted and key is not None:
                self._changed[name][key] = None
                self._wake.set()

    def _observed(self, stored: Observations) -> None:
        """Note observations that were committed a moment ago; called for every commit."""
        if "Observations" not in self._wanted:
            return
        waiting = self._changed["Observations"]
        board = self._twin.board
        devices = board.device_id[stored.row]
        of_things = board.layer[stored.row] == 0
        for device, slot, us in zip(
            devices[of_things].tolist(),
            stored.slot[of_things].tolist(),
            stored.time_us[of_things].tolist(),
            strict=True,
        ):
            waiting[device, slot, _EPOCH + timedelta(microseconds=us)] = None
        if len(waiting) > _MOST_WAITING:
            waiting.clear()
            _log.warning("followers of observations were cut off: more than %d wait", _MOST_WAITING)
            for one in list(self._all.values()):
                if "Observations" in names_of(one.topics.values()):
                    one.end(QUOTA)
        self._wake.set()

    # telling

    async def run(self) -> None:
        """Tell of changes until cancelled."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(_GATHER_S)
            self._wake.clear()
            try:
                await self._tell({name: list(keys) for name, keys in self._changed.items() if keys})
            except Exception as error:
                if not is_outage(error) and not isinstance(error, UnavailableError):
                    _log.exception("followers could not be told")
                    self._changed.clear()
                await asyncio.sleep(_RETRY_S)
                self._wake.set()

    async def _tell(self, changed: dict[str, list[Key]]) -> None:
        """Tell of changes, and forget them once all were told."""
        alike: dict[tuple[Any, ...], tuple[Identity, list[Follower]]] = {}
        for one in list(self._all.values()):
            identity = await self._door.find(one.token)
            if identity is None or identity.name != one.name or not identity.grants.scope(DataClass.PLACE):
                one.end(NOT_ALLOWED)
                continue
            alike.setdefault((one.root, identity.grants.key), (identity, []))[1].append(one)
        for name, keys in changed.items():
            for begin in range(0, len(keys), _AT_ONCE):
                part = keys[begin : begin + _AT_ONCE]
                for (root, _), (identity, followers) in alike.items():
                    await self._tell_alike(name, part, root, identity, followers)
                for key in part:
                    self._changed[name].pop(key, None)

    async def _tell_alike(
        self, name: str, keys: Sequence[Key], root: str, identity: Identity, followers: list[Follower]
    ) -> None:
        """Tell followers who see the same of entities of one set."""
        topics = {
            topic.written: topic
            for one in followers
            for topic in one.topics.values()
            if topic.entity.name == name
        }
        if not topics:
            return
        messages: dict[str, list[bytes]] = {}
        async with scoped(self._engine, identity.grants) as connection:
            reader = Reader(connection, self._twin.catalog, root)
            by_key: dict[Key, list[Topic]] = defaultdict(list)
            for topic in topics.values():
                if topic.key is not None:
                    by_key[topic.key].append(topic)
            everything = [topic for topic in topics.values() if topic.is_a_set]
            meant = keys if everything else [key for key in keys if key in by_key or key[:2] in by_key]
            entity = ENTITIES[name]
            for found in await reader.those(entity, meant) if meant else []:
                key = tuple(found.keys[column] for column in entity.key)
                mine = [topic for begin in {key, key[:2]} for topic in by_key.get(begin, [])]
                for topic in (*everything, *mine):
                    messages.setdefault(topic.written, []).append(_payload(topic, found))
            for topic in topics.values():
                if topic.is_searched:
                    for found in await reader.those(entity, keys, topic.resource.steps):
                        messages.setdefault(topic.written, []).append(_payload(topic, found))
        for one in followers:
            for written, payloads in messages.items():
                if written in one.topics:
                    for payload in payloads:
                        one.tell(written, payload)


def _payload(topic: Topic, found: Found) -> bytes:
    return orjson.dumps(topic.told(found.told))
