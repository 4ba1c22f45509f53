"""Link accounts to the persons an identity provider knows; each act is on the record."""

from __future__ import annotations

from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.access import credentials
from twin.access.record import Actor, Entry, write
from twin.errors import ConflictError, NotFoundError

_LINK: Final = text(
    "UPDATE account SET oidc_issuer = :issuer, oidc_subject = :subject "
    "WHERE name = :name AND kind = 'person' RETURNING id"
)
_UNLINK: Final = text(
    "UPDATE account SET oidc_issuer = NULL, oidc_subject = NULL "
    "WHERE name = :name AND oidc_issuer IS NOT NULL RETURNING id"
)


async def link(connection: AsyncConnection, by: Actor, name: str, issuer: str, subject: str) -> None:
    """Let a person whom an identity provider knows by this subject sign in as an account.

    Raises
    ------
    NotFoundError
        There is no such account of a person.
    ConflictError
        Another account is linked to this person.
    """
    name, issuer = name.strip().lower(), issuer.rstrip("/")
    try:
        done = await connection.execute(_LINK, {"name": name, "issuer": issuer, "subject": subject})
    except IntegrityError as error:
        raise ConflictError("another account is linked to this person", where="subject") from error
    if done.first() is None:
        raise NotFoundError(f"there is no person’s account “{name[:80]}”", where="name")
    detail = {"issuer": issuer, "subject": subject}
    await write(connection, by, Entry("account.linked", f"account/{name}", detail=detail))


async def unlink(connection: AsyncConnection, by: Actor, name: str) -> None:
    """Let nobody sign in as an account by an identity provider any more; all its sessions end.

    Raises
    ------
    NotFoundError
        There is no such account, or it is not linked.
    """
    name = name.strip().lower()
    account_id = (await connection.execute(_UNLINK, {"name": name})).scalar_one_or_none()
    if account_id is None:
        raise NotFoundError(f"nobody of an identity provider is linked to “{name[:80]}”", where="name")
    await credentials.revoke_all(connection, account_id)
    await write(connection, by, Entry("account.unlinked", f"account/{name}"))
