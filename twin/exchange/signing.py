"""Sign messages, and know those that are signed: Standard Webhooks 1.0.0.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from typing import Final

from twin.errors import InvalidError, SignInNeededError

ID: Final = "webhook-id"
TIMESTAMP: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"

WINDOW_S: Final = 300
"""A message whose time lies farther off than this is not taken."""

_PREFIX: Final = "whsec_"
_SECRET_BYTES: Final = 32
_LEAST_BYTES: Final = 24
_MOST_SIGNATURES: Final = 10
_ID_SIGNS: Final = re.compile(r"[0-9A-Za-z_-]{1,128}")
_NUMBER: Final = re.compile(r"[0-9]{1,12}")


def new_secret() -> str:
    """Return a secret of 32 random bytes, as the specification writes them."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not secret.startswith(_PREFIX) or len(key) < _LEAST_BYTES:
        raise InvalidError(
            f"a secret is {_PREFIX} and at least {_LEAST_BYTES} bytes in Base64", where="secret"
        )
    return key


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the signature of a message: HMAC-SHA256 over its id, its time and its body, parted by dots.

    Parameters
    ----------
    secret
        As `new_secret` makes them.
    message_id
        Without a dot.
    timestamp
        Unix time of sending, s.

    Raises
    ------
    InvalidError
        It is no secret.
    """
    signed = hmac.new(_key(secret), f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return "v1," + base64.b64encode(signed.digest()).decode()


def headers(secret: str, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers that a message is sent with; errors as of `signature`."""
    return {
        ID: message_id,
        TIMESTAMP: str(timestamp),
        SIGNATURE: signature(secret, message_id, timestamp, body),
    }


def verify(secret: str, given: Mapping[str, str], body: bytes, now: float) -> str:
    """Return the id of a message that was signed with a secret, a short time ago.

    Parameters
    ----------
    given
        Headers, by names in small letters.
    now
        Unix time, s.

    Raises
    ------
    SignInNeededError
        A header is missing, the time is too far off, or no signature is that of the secret.
    """
    message_id, timestamp = given.get(ID, ""), given.get(TIMESTAMP, "")
    if not _ID_SIGNS.fullmatch(message_id):
        raise SignInNeededError(
            "a message has an id of letters, digits, _ and -", where=ID, hint="at most 128 of them"
        )
    if not _NUMBER.fullmatch(timestamp) or abs(int(timestamp) - now) > WINDOW_S:
        raise SignInNeededError(
            f"the time of the message is more than {WINDOW_S} s off", where=TIMESTAMP, hint="check the clock"
        )
    wanted = signature(secret, message_id, int(timestamp), body).encode()
    found = given.get(SIGNATURE, "").split(" ")[:_MOST_SIGNATURES]
    # All are compared, each in the same time.
    if not any([hmac.compare_digest(one.encode(), wanted) for one in found]):  # noqa: C419
        raise SignInNeededError("the signature is not that of this partner", where=SIGNATURE)
    return message_id
