"""Say when a message that did not arrive is tried again, and when no more."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Final

FIRST_S: Final = 2.0
"""About what is waited after the first try; after each further one twice as long."""

LONGEST_S: Final = 900.0
LONGEST_ASKED_S: Final = 86_400.0
"""Longest wait that a partner may ask for (Retry-After)."""

OLDEST: Final = timedelta(days=3)
"""What is older than this when a try fails is parked."""

REFUSED: Final = frozenset({400, 413, 415, 422})
"""Statuses by which a partner says that this message is wrong, and not that it is not well itself."""

REFUSED_TRIES: Final = 5
"""So often a message is sent to a partner that says it is wrong; then it is parked, and the next one sent."""

GONE: Final = 410
"""Status by which a partner says that nothing more shall be sent there."""


class Failure(StrEnum):
    """Why a message did not arrive."""

    UNKNOWN_HOST = "unknown_host"
    NOT_ALLOWED = "not_allowed"
    UNREACHABLE = "unreachable"
    CERTIFICATE = "certificate"
    TIMEOUT = "timeout"
    BROKEN = "broken"
    REDIRECTED = "redirected"
    STATUS = "status"
    GONE = "gone"
    NOT_UNDERSTOOD = "not_understood"


FAILURE_WORDS: Final[dict[Failure, tuple[str, str]]] = {
    Failure.UNKNOWN_HOST: ("域名无法解析", "the name of the host is not known"),
    Failure.NOT_ALLOWED: ("地址不在允许的网段内", "the address lies outside the allowed ranges"),
    Failure.UNREACHABLE: ("连接被拒绝或网络不可达", "the connection is refused, or there is no way there"),
    Failure.CERTIFICATE: ("证书无效", "the certificate is not good"),
    Failure.TIMEOUT: ("对方超时未应答", "there was no answer in time"),
    Failure.BROKEN: ("应答不是有效的 HTTP", "the answer is no good HTTP"),
    Failure.REDIRECTED: ("对方要求跳转，不予跟随", "it sends elsewhere, which is not followed"),
    Failure.STATUS: ("对方返回错误", "it answered with an error"),
    Failure.GONE: ("对方已停用此地址", "it says that nothing more shall be sent there"),
    Failure.NOT_UNDERSTOOD: ("应答内容无法识别", "what it answered cannot be understood"),
}
"""In Chinese and English."""


def wait_s(tries: int, asked_s: float | None, chance: Callable[[], float]) -> float:
    """Return how long to wait after so many tries.

    Twice as long each time, up to `LONGEST_S`, of which chance takes up to a half, so that not all come back
    at one moment; never less than the partner asked for.

    Parameters
    ----------
    tries
        That failed one after the other, at least 1.
    asked_s
        What the partner asked for; None where it asked for nothing.
    chance
        Gives numbers from 0 to 1.
    """
    usual = min(FIRST_S * 2.0 ** min(tries - 1, 30), LONGEST_S) * (1 - chance() / 2)
    return max(usual, min(asked_s or 0.0, LONGEST_ASKED_S))


def asked_wait_s(retry_after: str | None, now: datetime) -> float | None:
    """Read the header Retry-After: seconds, or a moment (RFC 9110 10.2.3); None where it says nothing."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isdecimal() and text.isascii():
        return float(text[:9])
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (until - now).total_seconds())
