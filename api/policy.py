"""Say what a page of ours may load: nothing that is not of this server."""

from __future__ import annotations

import base64
import hashlib
from typing import Final

POLICY: Final = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; worker-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
"""Content-Security-Policy of every answer that does not bring its own."""


def policy_with_style(style: str) -> str:
    """Return the policy of a page that carries one style sheet inside, known by its hash."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return POLICY.replace("style-src 'self'", f"style-src 'sha256-{digest}'")
