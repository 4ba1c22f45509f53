"""Say where the web server listens: whether it can, how it is reached, whether it answers."""

from __future__ import annotations

import errno
import http.client
import json
import socket

from api.settings import LOOPBACK_NAMES
from twin.errors import SetupError, UnavailableError


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens there."""
    return host in LOOPBACK_NAMES


def url_of(host: str, port: int) -> str:
    """Give the address as a browser on this machine takes it."""
    reachable = _reachable(host)
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


def require_listenable(host: str, port: int) -> None:
    """Check that the web server could listen, before anything is started for it.

    Raises
    ------
    SetupError
        The address is none of this machine, or this user may not listen on the port.
    UnavailableError
        Another program listens there.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError) as error:
        raise SetupError(
            f"{host} is no address of this machine", where="--host", hint="try 127.0.0.1"
        ) from error
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                other = port + 1 if port < 65535 else 8080
                raise UnavailableError(
                    f"port {port} is taken by another program",
                    where=f"{host}:{port}",
                    hint=f"stop that program, or choose another port, such as --port {other}",
                ) from error
            if error.errno == errno.EACCES:
                raise SetupError(
                    f"this user may not listen on port {port}", where="--port", hint="choose one above 1023"
                ) from error
            raise SetupError(
                f"{host} is no address of this machine ({error.strerror})",
                where="--host",
                hint="try 127.0.0.1",
            ) from error


def answers(host: str, port: int) -> bool:
    """Whether /api/health answers 200; asked directly, whatever proxy the environment names."""
    connection = http.client.HTTPConnection(_reachable(host), port, timeout=2)
    try:
        connection.request("GET", "/api/health")
        answer = connection.getresponse()
        return answer.status == 200 and "status" in json.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        connection.close()


def _reachable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (compared, not bound)  # nosec B104
