"""Tell which accounts there are, and what roles each holds where."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True)
class Held:
    """A role of an account at an area; the code of zeros is the whole installation."""

    id: int
    role: str
    area_code: str
    area_level: str
    area_name: str | None
    area_name_en: str | None


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An account as an administrator sees it."""

    id: UUID
    name: str
    display_name: str
    kind: str
    demo: bool
    disabled: bool
    locked: bool
    second_factor: bool
    held: tuple[Held, ...]


async def list_accounts(connection: AsyncConnection) -> list[AccountRow]:
    """Return all accounts with the roles they hold now, by name."""
    rows = (
        await connection.execute(
            text(
                """
                SELECT a.id, a.name, a.display_name, a.kind, a.demo, a.disabled_at IS NOT NULL AS disabled,
                       coalesce(a.locked_until > now(), false) AS locked,
                       a.totp_secret IS NOT NULL AS second_factor,
                       coalesce((SELECT jsonb_agg(jsonb_build_array(m.id, m.role, m.area_code, m.area_level,
                                        p.name, p.name_en) ORDER BY m.id)
                                 FROM membership AS m
                                 LEFT JOIN area AS p ON p.code = m.area_code AND p.level = m.area_level
                                      AND p.valid_to IS NULL
                                 WHERE m.account_id = a.id AND m.valid_to IS NULL),
                                '[]') AS held
                FROM account AS a ORDER BY a.name
                """
            )
        )
    ).all()
    return [
        AccountRow(
            row.id,
            row.name,
            row.display_name,
            row.kind,
            row.demo,
            row.disabled,
            row.locked,
            row.second_factor,
            tuple(Held(*held) for held in row.held),
        )
        for row in rows
    ]
