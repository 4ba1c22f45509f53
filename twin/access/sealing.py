"""Seal what must not be read in the database, with a key that lies outside it."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from twin.errors import SetupError

KEY_FILE: Final = "key"
"""Name of the file of an installation's secret, in its folder of secrets."""

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12


class Sealer:
    """Seals short texts with AES-256-GCM and makes blind indexes, with keys derived from one secret.

    Parameters
    ----------
    secret
        32 random bytes; who has them reads everything that was sealed.
    """

    def __init__(self, secret: bytes) -> None:
        if len(secret) != _KEY_BYTES:
            raise SetupError(f"a sealing key has {_KEY_BYTES} bytes, not {len(secret)}")
        self._cipher = AESGCM(self._derived(secret, b"seal"))
        self._index = self._derived(secret, b"index")
        self.record_key = self._derived(secret, b"record")
        """Key of the heads of the record of acts."""
        self.picture_key = self._derived(secret, b"picture")
        """Key of the addresses under which pictures of cameras are fetched."""

    @staticmethod
    def _derived(secret: bytes, purpose: bytes) -> bytes:
        return hmac.new(secret, b"gridtwin/" + purpose, hashlib.sha256).digest()

    def seal(self, text: str, place: str) -> bytes:
        """Seal a text for one place (``worker.phone/17``); it opens nowhere else."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, text.encode(), place.encode())

    def open(self, sealed: bytes, place: str) -> str:
        """Open what was sealed for a place.

        Raises
        ------
        SetupError
            Another key sealed it, it was sealed for another place, or it was changed.
        """
        nonce, body = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, body, place.encode()).decode()
        except InvalidTag as error:
            raise SetupError(
                "a sealed value cannot be opened",
                where=place,
                hint="the key of this installation must be the one it was written with",
            ) from error

    def index(self, text: str) -> bytes:
        """Return what equal texts share and nobody can turn back: to look a sealed value up."""
        return hmac.new(self._index, text.encode(), hashlib.sha256).digest()


def open_sealer(secrets_dir: Path) -> Sealer:
    """Return the sealer of an installation; its secret is made at the first start.

    Parameters
    ----------
    secrets_dir
        Its folder of secrets.

    Raises
    ------
    SetupError
        Others than its owner can read the secret, or it has another length.
    """
    return Sealer(_read_or_make_key(secrets_dir / KEY_FILE))


def _read_or_make_key(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    except FileExistsError:
        pass
    else:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
    if path.stat().st_mode & 0o077:
        raise SetupError(
            "the key of this installation can be read by others", where=str(path), hint=f"chmod 400 {path}"
        )
    key = path.read_bytes()
    if len(key) != _KEY_BYTES:
        raise SetupError(
            f"the key of this installation has {len(key)} bytes instead of {_KEY_BYTES}",
            where=str(path),
            hint="bring the file back from the backup: what it sealed cannot be opened without it",
        )
    return key
