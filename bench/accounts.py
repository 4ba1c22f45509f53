"""Make accounts in a benchmark's own database: the server lets nobody in without one."""

from __future__ import annotations

import asyncio
import itertools
from typing import Final

from api.access.door import COOKIE
from twin.access import account_list, accounts, credentials
from twin.access.credentials import CredentialKind
from twin.access.record import COMMAND_LINE
from twin.store.engine import create_async_engine

_ROLES: Final = {
    CredentialKind.TOKEN: ("program", "operator"),
    CredentialKind.KIOSK: ("kiosk", "wall"),
    CredentialKind.SESSION: ("person", "operator"),
}
_numbers = itertools.count(1)


def make_tokens(url: str, count: int, role: str = "") -> list[str]:
    """Make so many programs that see the whole installation, or hold a role there; return their tokens."""
    return asyncio.run(_make(url, CredentialKind.TOKEN, count, role))


def make_cookie(url: str, page_url: str, kind: CredentialKind = CredentialKind.KIOSK) -> dict[str, str]:
    """Make a wall screen, or an operator, of the whole installation; return the cookie playwright takes."""
    (secret,) = asyncio.run(_make(url, kind, 1))
    return {"name": COOKIE, "value": secret, "url": page_url}


async def _make(url: str, kind: CredentialKind, count: int, other_role: str = "") -> list[str]:
    account_kind, role = _ROLES[kind]
    engine = create_async_engine(url, application_name="gridtwin bench", pool_size=1)
    secrets = []
    try:
        async with engine.begin() as connection:
            existing = {row.name for row in await account_list.list_accounts(connection)}
            free = (name for number in _numbers if (name := f"bench-{number}") not in existing)
            for name in itertools.islice(free, count):
                shown = "演示" if account_kind == "person" else name
                made = await accounts.create(connection, COMMAND_LINE, name, shown, kind=account_kind)
                await accounts.grant(connection, COMMAND_LINE, made, other_role or role)
                secret, _ = await credentials.issue(connection, made, kind)
                secrets.append(secret)
    finally:
        await engine.dispose()
    return secrets
