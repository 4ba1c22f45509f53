"""Check one-time codes of an authenticator (RFC 6238: SHA-1, 30 s, six digits), each at most once."""

from __future__ import annotations

import hmac
import time
from typing import Final

import pyotp

STEP_S: Final = 30
_DRIFT: Final = (0, -1, 1)  # a phone's clock may be half a minute off


def make_secret() -> str:
    """Make a new secret, base32, 160 bits."""
    return pyotp.random_base32()


def enrolment_uri(secret: str, name: str) -> str:
    """Return the ``otpauth://`` address that an authenticator reads from a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name="GridTwin")


def matched_step(secret: str, code: str, last_step: int | None, now_s: float | None = None) -> int | None:
    """Return the step a code belongs to, None when it is wrong or was used before.

    Parameters
    ----------
    secret
        Base32.
    code
        Six digits; blanks are left out.
    last_step
        Newest step a code of this account was taken for.
    now_s
        Unix time; the clock's when left out.
    """
    digits = code.replace(" ", "")
    if len(digits) != 6 or not digits.isascii() or not digits.isdigit():
        return None
    present = int((time.time() if now_s is None else now_s) // STEP_S)
    totp = pyotp.TOTP(secret)
    for drift in _DRIFT:
        step = present + drift
        if hmac.compare_digest(totp.at(step * STEP_S), digits):
            return step if last_step is None or step > last_step else None
    return None
