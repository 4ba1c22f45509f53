"""Read addresses of cameras, and connect to them only where that is allowed.

An address is typed by whoever installs cameras, and a name may resolve to something else tomorrow. So where
it leads is looked at when it is connected to, and the connection goes to just the address that was looked at.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from ingest.cameras.errors import Reason, StreamError
from twin.address_ranges import Host, Ranges, literal
from twin.errors import InvalidError

PORTS: Final = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
"""Schemes and their usual ports."""

DEFAULT_RANGES: Final = "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7"
"""Private networks (RFC 1918, RFC 4193). Not this machine, and not link-local, where clouds keep secrets."""

READ_LIMIT: Final = 64 << 10
_LONGEST: Final = 2_000
_VISIBLE: Final = re.compile(r"[!-~]*")

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True, repr=False)
class CameraAddress:
    """Where a camera is asked for pictures. ``target`` is path and query; it may hold secrets too."""

    scheme: str
    host: str
    port: int
    target: str
    user: str
    password: str

    def __repr__(self) -> str:
        return f"<CameraAddress {self.shown}>"

    @property
    def shown(self) -> str:
        """Scheme, host and port: what may be told to whoever runs the installation."""
        return f"{self.scheme}://{self._netloc}"

    @property
    def url(self) -> str:
        """The whole address without user name and password, as it goes over the wire."""
        return f"{self.scheme}://{self._netloc}{self.target}"

    @property
    def secret(self) -> str:
        """Everything, to be sealed; `read_address` reads it."""
        signed = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}@" if self.user else ""
        return f"{self.scheme}://{signed}{self._netloc}{self.target}"

    @property
    def _netloc(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def read_address(text: str, user: str = "", password: str = "") -> CameraAddress:  # nosec B107  # none
    """Read the address of a camera.

    Parameters
    ----------
    text
        ``rtsp://``, ``rtsps://``, ``http://`` or ``https://``, with or without user name and password.
    user, password
        Where they are not part of it.

    Raises
    ------
    InvalidError
        It cannot be an address; does not repeat it, because it may hold a password.
    """
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError:
        raise _wrong("it cannot be read") from None
    if parts.scheme not in PORTS:
        raise _wrong("it begins with none of rtsp://, rtsps://, http://, https://")
    target = quote(parts.path or "/", safe="/%:=&;,+@!$'()*~[]") + (
        f"?{quote(parts.query, safe='/%:=&;,+@!$()*~?[]')}" if parts.query else ""
    )
    host = parts.hostname or ""
    user, password = user or unquote(parts.username or ""), password or unquote(parts.password or "")
    if not host or port == 0 or len(text) > _LONGEST or parts.fragment:
        raise _wrong("it has no host, no possible port, is too long or has a # in it")
    if not (_VISIBLE.fullmatch(host) and _VISIBLE.fullmatch(target)) or any(
        ord(sign) < 32 or ord(sign) == 127 for sign in user + password
    ):
        raise _wrong("there are signs in it that no address has")
    return CameraAddress(parts.scheme, host, port or PORTS[parts.scheme], target, user, password)


def _wrong(why: str) -> InvalidError:
    return InvalidError(
        f"this is no address of a camera: {why}",
        where="address",
        hint="for example rtsp://10.1.2.3:554/stream1; write / ? # @ of a password as %2F %3F %23 %40",
    )


async def _resolve(address: CameraAddress) -> list[Host]:
    written = literal(address.host)
    if written is not None:
        return [written]
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise StreamError(Reason.UNKNOWN_HOST) from error
    hosts = (literal(str(row[4][0]).split("%", maxsplit=1)[0]) for row in found)
    return list(dict.fromkeys(host for host in hosts if host is not None))


@contextlib.asynccontextmanager
async def connected(address: CameraAddress, ranges: Ranges) -> AsyncIterator[Streams]:
    """Connect to a camera for as long as the context lasts; the caller sets the time limit.

    Raises
    ------
    StreamError
        It lies outside the ranges, its name is not known, or it refuses.
    """
    hosts = [host for host in await _resolve(address) if ranges.allows(host)]
    if not hosts:
        raise StreamError(Reason.NOT_ALLOWED)
    secure = address.scheme in {"rtsps", "https"}
    try:
        reader, writer = await asyncio.open_connection(
            str(hosts[0]),
            address.port,
            limit=READ_LIMIT,
            ssl=ssl.create_default_context() if secure else None,
            server_hostname=address.host if secure else None,
        )
    except OSError as error:
        raise StreamError(Reason.REFUSED) from error
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
