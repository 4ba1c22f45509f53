"""Answer a camera that asks for user name and password: Basic (RFC 7617) and Digest (RFC 7616)."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Callable, Sequence
from typing import Final

_PAIR: Final = re.compile(r'([A-Za-z]+)\s*=\s*(?:"([^"]*)"|([^\s,"]+))')
_HASHES: Final[dict[str, Callable[[bytes], str]]] = {
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
}
"""The strongest first. Cameras know MD5; the standards ask for it."""


def answer_to(challenges: Sequence[str], method: str, target: str, user: str, password: str) -> str | None:
    """Return the value of ``Authorization``; None where nothing that was asked for can be answered.

    Parameters
    ----------
    challenges
        Values of ``WWW-Authenticate``.
    method, target
        Of the request it goes with.
    """
    offered: dict[str, dict[str, str]] = {}
    for challenge in challenges:
        scheme, _, rest = challenge.strip().partition(" ")
        pairs = {name.lower(): quoted or plain for name, quoted, plain in _PAIR.findall(rest)}
        name = pairs.get("algorithm", "MD5").upper() if scheme.lower() == "digest" else scheme.lower()
        offered.setdefault(name, pairs)
    for name, hashed in _HASHES.items():
        if name in offered:
            return _digest(name, hashed, offered[name], method, target, user, password)
    if "basic" in offered:
        return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    return None


def _digest(
    name: str,
    hashed: Callable[[bytes], str],
    asked: dict[str, str],
    method: str,
    target: str,
    user: str,
    password: str,
) -> str:
    realm, nonce = asked.get("realm", ""), asked.get("nonce", "")
    who = hashed(f"{user}:{realm}:{password}".encode())
    what = hashed(f"{method}:{target}".encode())
    quoted_user = user.replace("\\", "\\\\").replace('"', '\\"')
    parts = [f'username="{quoted_user}"', f'realm="{realm}"', f'nonce="{nonce}"', f'uri="{target}"']
    if "auth" in re.split(r"[\s,]+", asked.get("qop", "")):
        own, count = secrets.token_hex(8), "00000001"
        response = hashed(f"{who}:{nonce}:{count}:{own}:auth:{what}".encode())
        parts += ["qop=auth", f"nc={count}", f'cnonce="{own}"']
    else:
        response = hashed(f"{who}:{nonce}:{what}".encode())
    parts.append(f'response="{response}"')
    if "algorithm" in asked:
        parts.append(f"algorithm={name}")
    if "opaque" in asked:
        parts.append(f'opaque="{asked["opaque"]}"')
    return "Digest " + ", ".join(parts)
