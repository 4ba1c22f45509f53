"""Read and add versions of the rules by which alarms are raised, and what learned ones learned."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.errors import ConflictError, NotFoundError

CHANNEL: Final = "rules"
"""PostgreSQL notification channel: a version was added."""

MOST_RULES: Final = 500
"""Most rules of an installation."""

MOST_VERSIONS: Final = 1_000
"""Most versions of one rule."""

_COLUMNS: Final = (
    "id, version, zh, en, state, area_code, area_level, kinds, property, condition, category_code, enabled, "
    "changed_by, reason, failed, valid_from, valid_to"
)
_VALID: Final = text(f"SELECT {_COLUMNS} FROM alarm_rule WHERE valid_to IS NULL ORDER BY id")
_ONE: Final = text(
    f"SELECT {_COLUMNS} FROM alarm_rule WHERE id = :id AND (:version = 0 OR version = :version) "
    "ORDER BY version DESC LIMIT 1"
)
_VERSIONS: Final = text(f"SELECT {_COLUMNS} FROM alarm_rule WHERE id = :id ORDER BY version DESC")
_COUNT: Final = text("SELECT count(*) FROM alarm_rule WHERE valid_to IS NULL")
_CLOSE: Final = text(
    "UPDATE alarm_rule SET valid_to = now() WHERE id = :id AND version = :version AND valid_to IS NULL"
)
_NAMES: Final = (
    "zh, en, state, area_code, area_level, kinds, property, condition, category_code, enabled, changed_by, "
    "reason"
)
_VALUES: Final = (
    ":zh, :en, :state, :area_code, :area_level, :kinds, :property, CAST(:condition AS jsonb), "
    ":category_code, :enabled, :by, :reason"
)
_FIRST: Final = text(f"INSERT INTO alarm_rule (version, {_NAMES}) VALUES (1, {_VALUES}) RETURNING {_COLUMNS}")
_NEXT: Final = text(
    f"INSERT INTO alarm_rule (id, version, {_NAMES}) VALUES (:id, :version, {_VALUES}) RETURNING {_COLUMNS}"
)
# Only the server itself may say that a rule failed.
_FAILED: Final = text(
    f"INSERT INTO alarm_rule (id, version, {_NAMES}, failed) VALUES (:id, :version, {_VALUES}, :failed) "
    f"RETURNING {_COLUMNS}"
)


@dataclass(frozen=True, slots=True)
class RuleText:
    """What a version of a rule says, as it is kept; see `twin.model.rule.AlarmRule`."""

    zh: str
    en: str
    state: int
    area_code: str | None
    area_level: str | None
    kinds: list[str]
    property: str | None
    condition: dict[str, Any]
    category_code: str | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class KeptRule(RuleText):
    """One version of a rule: what it says, who made it, when it held."""

    id: int
    version: int
    enabled: bool
    changed_by: str
    reason: str | None
    failed: str | None
    valid_from: datetime
    valid_to: datetime | None

    @property
    def said(self) -> RuleText:
        """What it says."""
        return RuleText(**{name: getattr(self, name) for name in RuleText.__slots__})


async def list_valid(connection: AsyncConnection) -> list[KeptRule]:
    """Return the version of each rule that holds now, by number."""
    return [KeptRule(**row) for row in (await connection.execute(_VALID)).mappings()]


async def list_versions(connection: AsyncConnection, rule_id: int) -> list[KeptRule]:
    """Return the versions of a rule, the newest first; none where there is no such rule."""
    return [KeptRule(**row) for row in (await connection.execute(_VERSIONS, {"id": rule_id})).mappings()]


async def get_rule(connection: AsyncConnection, rule_id: int, version: int = 0) -> KeptRule:
    """Return a version of a rule, 0 for the newest.

    Raises
    ------
    NotFoundError
        There is none that the caller sees.
    """
    row = (await connection.execute(_ONE, {"id": rule_id, "version": version})).mappings().first()
    if row is None:
        wanted = f"version {version} of rule" if version else "rule"
        raise NotFoundError(f"there is no {wanted} {rule_id} that you may see", where="id")
    return KeptRule(**row)


async def add_rule(connection: AsyncConnection, said: RuleText, by: str, reason: str | None) -> KeptRule:
    """Add a rule, switched off.

    Raises
    ------
    ConflictError
        There are `MOST_RULES` already.
    """
    if (await connection.execute(_COUNT)).scalar_one() >= MOST_RULES:
        raise ConflictError(f"there are {MOST_RULES} rules already", where="rules")
    row = await connection.execute(_FIRST, _row(said, by, reason, enabled=False))
    return KeptRule(**row.mappings().one())


async def add_version(
    connection: AsyncConnection,
    rule_id: int,
    known: int,
    said: RuleText,
    by: str,
    *,
    enabled: bool,
    reason: str | None = None,
    failed: str | None = None,
) -> KeptRule:
    """Close the version that whoever changes a rule knew, and add the next one.

    Parameters
    ----------
    known
        Number of the version they changed.

    Raises
    ------
    ConflictError
        That is not the newest any more; says who changed it. Or there are too many.
    NotFoundError
        There is no such rule that the caller may change.
    """
    closed = await connection.execute(_CLOSE, {"id": rule_id, "version": known})
    if closed.rowcount != 1:
        newest = await get_rule(connection, rule_id)
        if newest.version == known:
            raise NotFoundError(f"there is no rule {rule_id} that you may change", where="id")
        raise not_newest(newest, known)
    if known >= MOST_VERSIONS:
        raise ConflictError(
            f"rule {rule_id} has {MOST_VERSIONS} versions already", where="id", hint="make a new rule"
        )
    row = _row(said, by, reason, enabled=enabled) | {"id": rule_id, "version": known + 1}
    if failed is None:
        added = await connection.execute(_NEXT, row)
    else:
        added = await connection.execute(_FAILED, row | {"failed": failed})
    return KeptRule(**added.mappings().one())


def not_newest(newest: KeptRule, known: int) -> ConflictError:
    """Return the error by which whoever changes a rule is told that they did not see its newest version."""
    return ConflictError(
        f"version {known} of rule {newest.id} is not the newest: {newest.changed_by} made version "
        f"{newest.version}",
        where="version",
        hint="read the newest version, and change that",
    )


def _row(said: RuleText, by: str, reason: str | None, *, enabled: bool) -> dict[str, Any]:
    return {
        "zh": said.zh,
        "en": said.en,
        "state": said.state,
        "area_code": said.area_code,
        "area_level": said.area_level,
        "kinds": said.kinds,
        "property": said.property,
        "condition": json.dumps(said.condition, ensure_ascii=False, allow_nan=False),
        "category_code": said.category_code,
        "by": by,
        "reason": reason,
        "enabled": enabled,
    }
