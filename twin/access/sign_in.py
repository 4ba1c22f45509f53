"""Sign people in by password, and by a second factor where a role asks for one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from twin.access import credentials
from twin.access.credentials import CredentialKind, Identity
from twin.access.passwords import Passwords
from twin.access.record import Actor, Entry, write
from twin.access.sealing import Sealer
from twin.access.second_factor import enrolment_uri, make_secret, matched_step
from twin.errors import SignInNeededError

MOST_FAILURES: Final = 5
LOCKED_MINUTES: Final = 15

_ACCOUNT = text(
    """
    SELECT id, name, kind, must_change_password, password_hash, totp_secret, totp_step,
           disabled_at IS NOT NULL AS disabled,
           coalesce(locked_until > now(), false) AS locked,
           coalesce(used_at, created_at) < now() - CAST(:unused AS interval) AS unused
    FROM account WHERE name = :name
    """
)
# Counted in the database, so that tries at several servers, or many at once, are counted together.
_FAILED = text(
    f"""
    UPDATE account SET failures = CASE WHEN failures + 1 >= {MOST_FAILURES} THEN 0 ELSE failures + 1 END,
        locked_until = CASE WHEN failures + 1 >= {MOST_FAILURES}
            THEN now() + interval '{LOCKED_MINUTES} minutes' ELSE locked_until END
    WHERE id = :id RETURNING coalesce(locked_until > now(), false) AS locked
    """
)
_WORKED = text(
    "UPDATE account SET failures = 0, locked_until = NULL, used_at = now(), "
    "password_hash = coalesce(:rehashed, password_hash) WHERE id = :id"
)
_OF_PROVIDER = text(
    "SELECT id, name, must_change_password FROM account "
    "WHERE oidc_issuer = :issuer AND oidc_subject = :subject AND disabled_at IS NULL"
)
_STEP = text(
    "UPDATE account SET totp_step = :step WHERE id = :id AND (totp_step IS NULL OR totp_step < :step) "
    "RETURNING id"
)
_KEEP_PENDING = text("UPDATE credential SET note = :sealed WHERE id = :id")
_PENDING = text("SELECT note FROM credential WHERE id = :id")
_SPENT = text("DELETE FROM credential WHERE id = :id")
_SECRET = text("UPDATE account SET totp_secret = :sealed, totp_step = :step WHERE id = :id")


class SignInRefusedError(SignInNeededError):
    """The name or the password is wrong, or the account is locked or closed: nobody is told which."""


@dataclass(frozen=True, slots=True)
class _Person:
    """Whose account it is that somebody signs in to."""

    id: UUID
    name: str
    must_change_password: bool
    roles: tuple[str, ...]
    privileged: bool


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new session: its secret, shown this once."""

    secret: str
    account_id: UUID
    must_change_password: bool


@dataclass(frozen=True, slots=True)
class SecondStep:
    """The password was right and a code is asked for.

    ``secret`` belongs to the answer; ``enrolment`` is set where the account has no authenticator yet: the
    address for it, and with the first right code it is kept.
    """

    secret: str
    enrolment: str | None


class SignIn:
    """The door for people.

    Parameters
    ----------
    engine
        Signed in as the role that sees accounts.
    passwords, sealer
        How secrets are checked and kept.
    """

    def __init__(self, engine: AsyncEngine, passwords: Passwords, sealer: Sealer) -> None:
        self._engine = engine
        self.passwords = passwords
        self._sealer = sealer

    async def by_password(
        self, name: str, password: str, address: str, agent: str | None
    ) -> SignedIn | SecondStep:
        """Take a name and a password.

        Raises
        ------
        SignInRefusedError
            Always the same, and after the same work, whatever was wrong.
        """
        name = name.strip().lower()[:64]
        async with self._engine.begin() as connection:
            row = (
                await connection.execute(_ACCOUNT, {"name": name, "unused": credentials.UNUSED_ACCOUNT})
            ).first()
        usable = row is not None and row.kind == "person" and not (row.disabled or row.locked or row.unused)
        # Outside of any transaction: a hash takes long, and a connection is worth more than that.
        fits = await self.passwords.fits(row.password_hash if row is not None else None, password)
        actor = Actor(name or "?", row.id if row is not None else None, (), address)
        if row is None or not usable or not fits:
            await self._refuse(actor, row.id if row is not None and usable else None, "password")
        assert row is not None
        rehashed = await self.passwords.hash(password) if self.passwords.outdated(row.password_hash) else None
        async with self._engine.begin() as connection:
            person = await _person(connection, row)
            if person.privileged or row.totp_secret is not None:
                step, step_id = await credentials.issue(
                    connection, row.id, CredentialKind.SECOND, address=address, agent=agent
                )
                enrolment = None
                if row.totp_secret is None:
                    made = make_secret()
                    sealed = self._sealer.seal(made, _place(row.id)).hex()
                    await connection.execute(_KEEP_PENDING, {"id": step_id, "sealed": sealed})
                    enrolment = enrolment_uri(made, row.name)
                return SecondStep(step, enrolment)
            await connection.execute(_WORKED, {"id": row.id, "rehashed": rehashed})
            return await self._session(connection, person, address, agent)

    async def by_code(self, secret: str, code: str, address: str, agent: str | None) -> SignedIn:
        """Take the code of an authenticator after the password.

        Raises
        ------
        SignInRefusedError
            The code is wrong or was used before, or the password was given too long ago.
        """
        async with self._engine.begin() as connection:
            identity = await credentials.find_identity(connection, secret, CredentialKind.SECOND, touch=False)
            if identity is not None:
                row = (
                    await connection.execute(
                        _ACCOUNT, {"name": identity.name, "unused": credentials.UNUSED_ACCOUNT}
                    )
                ).one()
                sealed, enrolling = row.totp_secret, row.totp_secret is None
                if enrolling:
                    pending = await connection.execute(_PENDING, {"id": identity.credential_id})
                    sealed = bytes.fromhex(pending.scalar_one() or "") or None
                step = None
                if sealed is not None and not row.locked:
                    opened = self._sealer.open(sealed, _place(identity.account_id))
                    step = matched_step(opened, code, row.totp_step)
                if step is not None:
                    if enrolling:
                        await connection.execute(
                            _SECRET, {"id": identity.account_id, "sealed": sealed, "step": step}
                        )
                        fresh = True
                    else:
                        taken = await connection.execute(_STEP, {"id": identity.account_id, "step": step})
                        fresh = taken.first() is not None  # of two who bring one code, one is too late
                    if fresh:
                        await connection.execute(_WORKED, {"id": identity.account_id, "rehashed": None})
                        # The secret of the first step must not open a second session.
                        await connection.execute(_SPENT, {"id": identity.credential_id})
                        person = await _person(connection, row)
                        return await self._session(connection, person, address, agent)
        actor = Actor(
            identity.name if identity else "?", identity.account_id if identity else None, (), address
        )
        await self._refuse(actor, identity.account_id if identity else None, "code")
        raise AssertionError

    async def knows_password(self, account_id: UUID, password: str) -> bool:
        """Say whether this is the password an account has now."""
        async with self._engine.connect() as connection:
            hashed = (
                await connection.execute(
                    text("SELECT password_hash FROM account WHERE id = :id"), {"id": account_id}
                )
            ).scalar_one_or_none()
        return await self.passwords.fits(hashed, password)

    async def by_provider(self, issuer: str, subject: str, address: str, agent: str | None) -> SignedIn:
        """Open a session for whom an identity provider vouches; its own second factor is trusted.

        Raises
        ------
        SignInRefusedError
            No open account belongs to this person.
        """
        async with self._engine.begin() as connection:
            row = (await connection.execute(_OF_PROVIDER, {"issuer": issuer, "subject": subject})).first()
            if row is not None:
                await connection.execute(_WORKED, {"id": row.id, "rehashed": None})
                return await self._session(connection, await _person(connection, row), address, agent)
        await self._refuse(Actor(f"{subject[:64]}", None, (), address), None, "provider")
        raise AssertionError

    async def sign_out(self, identity: Identity, address: str) -> None:
        """End a session, with its tickets and sockets."""
        async with self._engine.begin() as connection:
            await credentials.revoke(connection, identity.credential_id)
            actor = Actor(identity.name, identity.account_id, identity.grants.roles, address)
            await write(connection, actor, Entry("session.ended", f"account/{identity.name}"))

    async def _session(
        self, connection: AsyncConnection, person: _Person, address: str, agent: str | None
    ) -> SignedIn:
        secret, _ = await credentials.issue(
            connection, person.id, CredentialKind.SESSION, address=address, agent=agent
        )
        actor = Actor(person.name, person.id, person.roles, address)
        await write(connection, actor, Entry("session.begun", f"account/{person.name}"))
        return SignedIn(secret, person.id, person.must_change_password)

    async def _refuse(self, actor: Actor, account_id: UUID | None, what: str) -> None:
        async with self._engine.begin() as connection:
            locked = False
            if account_id is not None:
                locked = bool((await connection.execute(_FAILED, {"id": account_id})).scalar_one())
            entry = Entry(
                "session.refused", f"account/{actor.name}", "refused", detail={"step": what, "locked": locked}
            )
            await write(connection, actor, entry)
        raise SignInRefusedError(
            "the name, the password or the code is wrong",
            hint=f"after {MOST_FAILURES} wrong tries an account is closed for {LOCKED_MINUTES} minutes",
        )


async def _person(connection: AsyncConnection, row: Row[tuple[Any, ...]]) -> _Person:
    grants = await credentials.grants_of_account(connection, row.id)
    return _Person(row.id, row.name, row.must_change_password, grants.roles, grants.privileged)


def _place(account_id: UUID) -> str:
    return f"account.totp/{account_id}"
