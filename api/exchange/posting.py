"""Ask a partner over HTTP: only at allowed addresses, never farther than asked, within a time and a size."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

import httpcore2

from twin.address_ranges import Host, Ranges, literal
from twin.errors import InvalidError
from twin.exchange.owing import Failed
from twin.exchange.partners import MOST
from twin.exchange.retrying import GONE, Failure, asked_wait_s

ANSWER_S: Final = 15.0
"""Longest time from connecting to the end of an answer; who drips is cut off then."""

MOST_BYTES: Final = 64 << 10
"""Of an answer that is read."""

REST_S: Final = 2.0
"""Longest wait for the body of an answer of which only the status counts."""

_CUT_OFF: Final = (TimeoutError, httpcore2.NetworkError, httpcore2.ProtocolError)
_LONGEST_ADDRESS: Final = 500
_KEPT_OPEN_S: Final = 20.0
_AGENT: Final = "GridTwin"


class _OutsideError(Exception):
    """The address lies outside the allowed ranges."""


class _NameError(Exception):
    """The name of the host is not known."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What a partner answered: a status from 200 to 299, and the beginning of the body."""

    status: int
    body: bytes = field(repr=False)
    whole: bool


def read_address(address: str) -> str:
    """Return the address of a partner as it is kept.

    Raises
    ------
    InvalidError
        It is none of the web, or holds a user or a fragment; it is not repeated, it may hold a secret.
    """
    text = address.strip()
    try:
        parts = urlsplit(text)
        good = bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if (
        not good
        or parts.scheme not in ("https", "http")
        or parts.username is not None
        or parts.fragment
        or len(text) > _LONGEST_ADDRESS
        or not text.isascii()
        or any(not sign.isprintable() or sign in " <>\"'`\\" for sign in text)
    ):
        raise InvalidError(
            "this is no address at which a partner can be told",
            where="address",
            hint="https://host/path without user, password and #; http:// only in networks of your own",
        )
    return text


class Posting:
    """Opens lines to partners; one for all of them, since it holds the authorities that certificates are of.

    Parameters
    ----------
    ranges
        Which addresses may be connected to. Plain http is spoken only to networks that are written down.
    """

    def __init__(self, ranges: Ranges) -> None:
        self._ranges = ranges
        self._tls = ssl.create_default_context()
        # Threads of its own, one a partner: a name server that does not answer holds up nobody else.
        self._resolving = ThreadPoolExecutor(MOST, thread_name_prefix="partner-names")

    def close(self) -> None:
        """Take the threads down; whoever still waits for a name waits alone."""
        self._resolving.shutdown(wait=False, cancel_futures=True)

    @contextlib.asynccontextmanager
    async def line(self, address: str) -> AsyncIterator[Line]:
        """Give a line to one partner, on which one request at a time goes out."""
        backend = _Checked(self._ranges, self._resolving, plain=address.startswith("http://"))
        async with httpcore2.AsyncConnectionPool(
            ssl_context=self._tls,
            max_connections=1,
            keepalive_expiry=_KEPT_OPEN_S,
            network_backend=backend,
        ) as pool:
            yield Line(pool)


class Line:
    """One partner; see `Posting.line`."""

    def __init__(self, pool: httpcore2.AsyncConnectionPool) -> None:
        self._pool = pool

    async def ask(
        self,
        method: str,
        address: str,
        headers: Mapping[str, str],
        body: bytes | None,
        *,
        reads: bool = False,
    ) -> Answered | Failed:
        """Send a request and return what came of it; no redirect is followed.

        Parameters
        ----------
        reads
            Whether the body of the answer is needed; else its status is enough.
        """
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self._ask(method, address, headers, body, reads)
        except TimeoutError:
            return Failed(Failure.TIMEOUT)
        except _OutsideError:
            return Failed(Failure.NOT_ALLOWED)
        except _NameError:
            return Failed(Failure.UNKNOWN_HOST)
        except httpcore2.TimeoutException:
            return Failed(Failure.TIMEOUT)
        except httpcore2.ConnectError as error:
            return Failed(Failure.CERTIFICATE if _is_of_tls(error) else Failure.UNREACHABLE)
        except (httpcore2.NetworkError, httpcore2.ProtocolError, ssl.SSLError, OSError):
            return Failed(Failure.BROKEN)

    async def _ask(
        self, method: str, address: str, headers: Mapping[str, str], body: bytes | None, reads: bool
    ) -> Answered | Failed:
        sent = {
            "host": urlsplit(address).netloc,
            "user-agent": _AGENT,
            "accept": "application/json",
            **headers,
        }
        if body is not None:
            sent["content-length"] = str(len(body))
        request = httpcore2.Request(
            method, address, headers=[(n.encode(), v.encode()) for n, v in sent.items()], content=body
        )
        async with contextlib.aclosing(await self._pool.handle_async_request(request)) as answer:
            status = answer.status
            if not 200 <= status < 300:
                return _failed(status, {n.lower(): v for n, v in answer.headers})
            read, whole = bytearray(), False
            # What comes after the status of a message that was taken is waited for only to keep the line.
            with contextlib.suppress(*(() if reads else _CUT_OFF)):
                async with asyncio.timeout(None if reads else REST_S):
                    async for part in answer.aiter_stream():
                        read += part
                        if len(read) > MOST_BYTES:
                            break
                    else:
                        whole = True
            return Answered(status, bytes(read[:MOST_BYTES]), whole)


def _failed(status: int, headers: Mapping[bytes, bytes]) -> Failed:
    retry_after = headers.get(b"retry-after")
    asked_s = asked_wait_s(None if retry_after is None else retry_after.decode("latin-1"), datetime.now(UTC))
    if status == GONE:
        return Failed(Failure.GONE, status)
    return Failed(Failure.REDIRECTED if 300 <= status < 400 else Failure.STATUS, status, asked_s)


def _is_of_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False


class _Checked(httpcore2.AsyncNetworkBackend):
    """Connects to just the address that was looked at: a name may lead elsewhere the next time."""

    def __init__(self, ranges: Ranges, resolving: ThreadPoolExecutor, *, plain: bool) -> None:
        self._allows = ranges.names if plain else ranges.allows
        self._resolving = resolving
        self._connecting = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # of the base class
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        hosts = [found for found in await self._hosts(host, port) if self._allows(found)]
        if not hosts:
            raise _OutsideError
        return await self._connecting.connect_tcp(str(hosts[0]), port, timeout, local_address, socket_options)

    async def _hosts(self, host: str, port: int) -> list[Host]:
        written = literal(host)
        if written is not None:
            return [written]

        def resolve() -> list[str]:
            return [str(row[4][0]) for row in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]

        try:
            names = await asyncio.get_running_loop().run_in_executor(self._resolving, resolve)
        except (OSError, UnicodeError) as error:
            raise _NameError from error
        found = (literal(name.split("%", maxsplit=1)[0]) for name in names)
        return list(dict.fromkeys(one for one in found if one is not None))
