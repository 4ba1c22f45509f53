"""Read and add versions of the mappings of foreign feeds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.errors import ConflictError, NotFoundError

CHANNEL: Final = "mappings"
"""PostgreSQL notification channel: a version was added."""

MOST_NAMES: Final = 200
"""Most mappings of an installation."""

MOST_VERSIONS: Final = 1_000
"""Most versions of one mapping."""

_COLUMNS: Final = "name, version, zh, en, content, changed_by, changed_at, restored, retired"
_NEWEST: Final = text(f"SELECT DISTINCT ON (name) {_COLUMNS} FROM feed_mapping ORDER BY name, version DESC")
_ONE: Final = text(
    f"SELECT {_COLUMNS} FROM feed_mapping WHERE name = :name AND (:version = 0 OR version = :version) "
    "ORDER BY version DESC LIMIT 1"
)
_VERSIONS: Final = text(
    "SELECT version, changed_by, changed_at, restored, retired FROM feed_mapping WHERE name = :name "
    "ORDER BY version DESC"
)
_COUNT: Final = text("SELECT count(DISTINCT name) FROM feed_mapping")
_ADD: Final = text(
    "INSERT INTO feed_mapping (name, version, zh, en, content, changed_by, restored, retired) "
    "VALUES (:name, :version, :zh, :en, CAST(:content AS jsonb), :by, :restored, :retired) RETURNING "
    + _COLUMNS
)


@dataclass(frozen=True, slots=True)
class KeptMapping:
    """One version of a mapping; ``restored`` is the number of the old version that it puts back.

    One that is ``retired`` ends the use of the mapping, until another is put back.
    """

    name: str
    version: int
    zh: str
    en: str
    content: dict[str, Any]
    changed_by: str
    changed_at: datetime
    restored: int | None
    retired: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """Which version there is, who made it and when."""

    version: int
    changed_by: str
    changed_at: datetime
    restored: int | None
    retired: bool = False


async def list_newest(connection: AsyncConnection) -> list[KeptMapping]:
    """Return the newest version of each mapping, by name."""
    return [KeptMapping(**row) for row in (await connection.execute(_NEWEST)).mappings()]


async def list_changes(connection: AsyncConnection, name: str) -> list[Change]:
    """Return the versions of a mapping, the newest first."""
    return [Change(**row) for row in (await connection.execute(_VERSIONS, {"name": name})).mappings()]


async def get_mapping(connection: AsyncConnection, name: str, version: int = 0) -> KeptMapping:
    """Return a version of a mapping, 0 for the newest.

    Raises
    ------
    NotFoundError
        There is none.
    """
    rows = await connection.execute(_ONE, {"name": name, "version": version})
    row = rows.mappings().first()
    if row is None:
        wanted = f"version {version} of the mapping" if version else "mapping"
        raise NotFoundError(f"there is no {wanted} “{name}”", where="version" if version else "name")
    return KeptMapping(**row)


async def add_version(
    connection: AsyncConnection,
    name: str,
    version: int,
    titles: Sequence[str],
    content: dict[str, Any],
    by: str,
    restored: int | None = None,
    *,
    retired: bool = False,
) -> KeptMapping:
    """Add a version of a mapping.

    Parameters
    ----------
    version
        Its number: 1 for a new mapping, else one more than the newest that its writer knew.
    titles
        Its name in Chinese and in English.
    content
        The mapping, checked.
    restored
        Number of the old version that this puts back.
    retired
        From now on no message is read by it.

    Raises
    ------
    ConflictError
        The newest version is another than the writer knew, the name is taken, or there are too many.
    """
    if version == 1 and (await connection.execute(_COUNT)).scalar_one() >= MOST_NAMES:
        raise ConflictError(f"there are {MOST_NAMES} mappings already", where="name")
    newest = max((change.version for change in await list_changes(connection, name)), default=0)
    if newest != version - 1:
        raise _changed(name, version, newest)
    if newest == MOST_VERSIONS:
        raise ConflictError(
            f"the mapping “{name}” has {MOST_VERSIONS} versions already",
            where="name",
            hint="make a mapping of another name",
        )
    row = {"name": name, "version": version, "zh": titles[0], "en": titles[1], "by": by}
    row |= {"restored": restored, "retired": retired}
    try:
        rows = await connection.execute(_ADD, {**row, "content": json.dumps(content, ensure_ascii=False)})
    except IntegrityError as error:  # somebody else added it meanwhile
        raise _changed(name, version, version) from error
    return KeptMapping(**rows.mappings().one())


def _changed(name: str, version: int, newest: int) -> ConflictError:
    if version == 1:
        return ConflictError(f"there is a mapping “{name}” already", where="name", hint="choose another name")
    return ConflictError(
        f"version {version - 1} of the mapping “{name}” is not the newest; that is {newest}",
        where="version",
        hint="read the newest version, and change that",
    )
