"""Hash and check passwords, at most two at once, and say which ones are good enough."""

from __future__ import annotations

import asyncio
import secrets
import string
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from twin.errors import InvalidError

LEAST_LENGTH: Final = 10
MOST_LENGTH: Final = 200
REMEMBERED: Final = 5
"""The newest this many passwords of an account must differ."""

AT_ONCE: Final = 2
"""A hash takes 64 MiB and a good part of a second: many at once would stop everything else."""

_WORN: Final = (
    "password",
    "passw0rd",
    "12345678",
    "qwerty",
    "admin",
    "gridtwin",
    "woaini",
    "abcd1234",
    "iloveyou",
)
# Left out are the signs that are taken for one another when a password is read from a sheet of paper.
_CLEAR: Final = "".join(sorted(set(string.ascii_letters + string.digits) - set("0O1lI")))


def check_password(password: str, name: str) -> None:
    """Check a new password of an account.

    Raises
    ------
    InvalidError
        Too short or too long, fewer than three of four kinds of signs, or easily guessed.
    """
    if not LEAST_LENGTH <= len(password) <= MOST_LENGTH:
        raise InvalidError(
            f"a password has {LEAST_LENGTH} to {MOST_LENGTH} signs",
            where="password",
            hint="take several words that have nothing to do with each other",
        )
    kinds = (
        any(c.islower() for c in password),
        any(c.isupper() for c in password),
        any(c.isdigit() for c in password),
        any(not c.isalnum() for c in password) or any(ord(c) > 127 for c in password),
    )
    if sum(kinds) < 3:
        raise InvalidError(
            "a password needs three of: small letters, capitals, digits, other signs", where="password"
        )
    low = password.lower()
    if name.lower() in low or any(worn in low for worn in _WORN) or len(set(low)) < 5:
        raise InvalidError(
            "this password is easily guessed",
            where="password",
            hint="it must not hold the account's name or a well-known password",
        )


def make_password() -> str:
    """Make a password to be shown once: 20 signs, about 116 bits, in groups that can be read aloud."""
    while True:
        groups = ["".join(secrets.choice(_CLEAR) for _ in range(5)) for _ in range(4)]
        made = "-".join(groups)
        if (
            any(c.islower() for c in made)
            and any(c.isupper() for c in made)
            and any(c.isdigit() for c in made)
        ):
            return made


class Passwords:
    """Hashes with argon2id, the library's defaults (RFC 9106, second choice), off the event loop."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._turn = asyncio.Semaphore(AT_ONCE)
        # Checked where there is no account of a name, so that both answers take as long.
        self._nobody: str | None = None

    async def hash(self, password: str) -> str:
        """Return the hash of a password, with its salt and parameters."""
        async with self._turn:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def fits(self, hashed: str | None, password: str) -> bool:
        """Say whether a password fits; a missing hash takes as long and never fits."""
        async with self._turn:
            return await asyncio.to_thread(self._check, hashed, password)

    def _check(self, hashed: str | None, password: str) -> bool:
        if self._nobody is None:
            self._nobody = self._hasher.hash(secrets.token_urlsafe(24))
        try:
            return self._hasher.verify(hashed or self._nobody, password) and hashed is not None
        except (VerificationError, InvalidHashError):
            return False

    def outdated(self, hashed: str) -> bool:
        """Say whether a hash was made with weaker parameters than today's."""
        return self._hasher.check_needs_rehash(hashed)
