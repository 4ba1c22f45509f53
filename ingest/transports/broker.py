"""Run a private MQTT broker (mosquitto) with its own port, accounts, rights and limits.

mosquitto's own limits would lose data here: 20 messages in flight starve a subscriber that
acknowledges only after commit, and 1,000 queued messages are all an outage may cost before it drops
silently. Both are set, and what the queue may take of memory is bounded.

Whoever connects is known by their user name alone: it is taken for the client id too, so that nobody takes
over another's session. Our own two user names have a dot, which no publisher's name has.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ingest.feeds import load_feeds
from ingest.transports.accounts import Kind, mqtt_hash
from ingest.transports.saving import Saving
from ingest.transports.topics import FOREIGN, OWNTRACKS, ROOT, addresses_of, observations_of, status_of
from twin.errors import InvalidError, SetupError, UnavailableError
from twin.store.account import Account, require_free_space, require_traversable, service_account
from twin.store.bounded_log import BoundedLog
from twin.store.sockets import free_tcp_port, is_port_free

DEFAULT_PORT = 18830
USERNAME = "gridtwin.server"
_PROBE = "gridtwin.probe"
_CREDENTIALS = "broker.json"
_SAVED = "mosquitto.db"
_NEEDED_MIB = 128
_READY_S = 15.0
_STOP_S = 10.0
_MAX_QUEUED_MESSAGES = 2_000_000  # 100 s of 20,000/s while the server is away
_MAX_QUEUED_BYTES = 1 << 30
SESSION_DAYS = 7
"""For how long the broker keeps what comes for a session that is away, or paused."""
_MAX_PACKET_BYTES = (1 << 18) + 512  # 256 KiB of payload, and its topic
_USER_NAME = re.compile(r"[0-9A-Za-z_-]{4,64}(\.2)?", re.ASCII)
_MQTT_HASH = re.compile(r"\$7\$[0-9A-Za-z+/=$]+", re.ASCII)


@dataclass(frozen=True)
class BrokerAddress:
    """Where a broker is, and who we are there."""

    host: str
    port: int
    username: str
    password: str


@dataclass(frozen=True, slots=True)
class Admitted:
    """A secret of a device or gateway, as the broker knows it; it may publish on the topics of ``name``."""

    user_name: str
    name: str
    kind: Kind
    mqtt_hash: str


def user_of_feed(username: str, feed: str) -> str:
    """Return the user name of the server's session for a feed: the broker takes user names for client ids.

    Each feed has a session of its own, so that one that is paused holds up no other.
    """
    return f"{username}.{feed}"


class Broker:
    """A mosquitto of our own; use it as a context manager or call `start` and `stop`.

    Parameters
    ----------
    data_dir
        Folder of this installation; the broker keeps ``broker/`` and ``broker.json`` in it.
    port
        TCP port on `host`; 0 takes a free one.
    host
        Address to listen on.
    websockets_port
        Also speak MQTT over websockets there (0 takes a free one); None does not.
    everywhere
        Let publishers publish on any topic, and ourselves read all: for tests of what they would do.
    """

    def __init__(
        self,
        data_dir: Path,
        port: int = DEFAULT_PORT,
        *,
        host: str = "127.0.0.1",
        websockets_port: int | None = None,
        everywhere: bool = False,
    ) -> None:
        self._everywhere = everywhere
        self.data_dir = data_dir.expanduser().absolute()
        self.folder = self.data_dir / "broker"
        self.log = BoundedLog(self.data_dir / "log" / "broker.log")
        self.host = host
        self.port = port or free_tcp_port()
        self.websockets_port = free_tcp_port() if websockets_port == 0 else websockets_port
        self.username = USERNAME
        self.password = ""  # nosec B105  # made at the start
        self._admitted: tuple[Admitted, ...] = ()
        self._lock = threading.RLock()
        self._process: subprocess.Popen[bytes] | None = None
        self._saving: Saving | None = None

    @property
    def address(self) -> BrokerAddress:
        """Where it is and how to sign in."""
        return BrokerAddress(self.host, self.port, self.username, self.password)

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Process id; None when it does not run."""
        return self._process.pid if self._process is not None and self.alive else None

    def start(self) -> None:
        """Write the configuration, start the broker, wait until it lets us in.

        Raises
        ------
        SetupError
            mosquitto is missing, or the folder cannot be used.
        UnavailableError
            The port is taken, or the broker does not start.
        """
        with self._lock:
            self._start()

    def _start(self) -> None:
        if self.alive:
            return
        program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
        if program is None:
            raise SetupError("mosquitto is not installed", hint="run ./gridtwin up, which installs it")
        account = service_account("mosquitto", "nobody", purpose="the broker")
        for port in (self.port, self.websockets_port):
            if port is not None:
                require_free_port(port, self.host)
        self._prepare(account)
        with self.log.pipe() as log:
            self._process = subprocess.Popen(
                [*account.prefix("TERM"), program, "-c", str(self.folder / "mosquitto.conf")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
                start_new_session=True,
            )
        try:
            self._wait_ready(self._process)
        except BaseException:
            self.stop()
            raise
        self._saving = Saving(self._process, self.folder / _SAVED)

    def stop(self) -> None:
        """Stop the broker; it writes waiting messages of lasting sessions to disk."""
        process, self._process = self._process, None
        saving, self._saving = self._saving, None
        if saving is not None:
            saving.stop()
        if process is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            if process.poll() is not None:
                return
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_S)

    def admit(self, accounts: Sequence[Admitted]) -> None:
        """Let these publishers in and nobody else; whoever is connected and is not among them must leave.

        Raises
        ------
        InvalidError
            A user name or a hash is none; nothing is changed.
        """
        for account in accounts:
            if not (_USER_NAME.fullmatch(account.user_name) and _MQTT_HASH.fullmatch(account.mqtt_hash)):
                raise InvalidError(f"“{account.user_name[:80]}” cannot be admitted to the broker")
        with self._lock:
            if tuple(accounts) == self._admitted:
                return
            self._admitted = tuple(accounts)
            if self._process is not None and self.alive:
                self._write_accounts(service_account("mosquitto", "nobody", purpose="the broker"))
                self._process.send_signal(signal.SIGHUP)  # it reads both files anew

    def __enter__(self) -> Broker:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def _prepare(self, account: Account) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        require_free_space(self.data_dir, _NEEDED_MIB)
        require_traversable(self.data_dir, account)
        self.folder.chmod(0o700)
        account.own(self.folder)
        self.password = self._kept_password()
        self._write_accounts(account)
        _write_private(self.folder / "mosquitto.conf", self._configuration(), owner=account)
        _write_private(self.data_dir / _CREDENTIALS, json.dumps(asdict(self.address), indent=2) + "\n")

    def _write_accounts(self, owner: Account) -> None:
        # A user name without rights may do nothing, so the order of the two files gives nobody anything.
        rights = [f"user {self.username}", f"topic read {'#' if self._everywhere else f'{ROOT}/#'}"]
        names = [self.username, _PROBE]
        for feed in load_feeds().values():
            if feed.transport == "mqtt":
                names.append(user_of_feed(self.username, feed.name))
                rights.append(f"user {names[-1]}")
                rights += [f"topic read {address}" for address in addresses_of(feed)]
        passwords = [f"{name}:{mqtt_hash(self.password)}" for name in names]
        for one in self._admitted:
            sender = "devices" if one.kind == "device" else "gateways"
            topics = [observations_of(sender, one.name), status_of(sender, one.name)]
            topics.append(f"{FOREIGN}/{sender}/{one.name}/+")
            if one.kind == "device":
                topics += [f"{OWNTRACKS}/{name}/#" for name in sorted({one.name, one.user_name})]
            rights.append(f"user {one.user_name}")
            rights += [f"topic write {topic}" for topic in (["#"] if self._everywhere else topics)]
            passwords.append(f"{one.user_name}:{one.mqtt_hash}")
        _write_private(self.folder / "rights", "\n".join(rights) + "\n", owner=owner)
        _write_private(self.folder / "passwords", "\n".join(passwords) + "\n", owner=owner)

    def _kept_password(self) -> str:
        with contextlib.suppress(UnavailableError):
            return read_address(self.data_dir).password
        return secrets.token_urlsafe(24)

    def _configuration(self) -> str:
        lines = [
            "# Written by GridTwin at each start; changes here are lost.",
            "per_listener_settings false",
            "allow_anonymous false",
            f"password_file {self.folder / 'passwords'}",
            f"acl_file {self.folder / 'rights'}",
            f"listener {self.port} {self.host}",
            "protocol mqtt",
            "use_username_as_clientid true",
        ]
        if self.websockets_port is not None:
            lines += [
                f"listener {self.websockets_port} {self.host}",
                "protocol websockets",
                "use_username_as_clientid true",
            ]
        lines += [
            # 0 = as many as the client's own receive maximum allows (MQTT 5: up to 65,535).
            "max_inflight_messages 0",
            f"max_queued_messages {_MAX_QUEUED_MESSAGES}",
            f"max_queued_bytes {_MAX_QUEUED_BYTES}",
            f"max_packet_size {_MAX_PACKET_BYTES}",
            "max_keepalive 3600",
            "set_tcp_nodelay true",
            # Sessions and waiting messages outlive a restart. They are written at stop and when `Saving`
            # asks, not at each message; the interval is for a broker whose supervisor was killed.
            "persistence true",
            f"persistence_location {self.folder}/",
            f"persistence_file {_SAVED}",
            "autosave_interval 300",
            f"persistent_client_expiration {SESSION_DAYS}d",
            "log_dest stderr",
            "log_type error",
            "log_type warning",
            "log_timestamp_format %Y-%m-%dT%H:%M:%S",
            # Under test it is told who was not let in.
            *(("log_type notice",) if self._everywhere else ("connection_messages false",)),
        ]
        return "\n".join(lines) + "\n"

    def _wait_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _READY_S
        while True:
            if process.poll() is not None:
                lines = self.log.last_lines(wait_s=2.0)
                telling = [line for line in lines if "rror" in line] or lines or ["it said nothing"]
                raise UnavailableError(f"the broker did not start: {telling[-1]}", where=str(self.log.path))
            with contextlib.suppress(OSError):
                # Not as ourselves: that would end the session of a server that is there already.
                answer = sign_in(replace(self.address, username=_PROBE))
                if answer == 0:
                    return
                raise UnavailableError(
                    f"the broker refuses our own account (code {answer})",
                    where=f"{self.host}:{self.port}",
                    hint=f"remove {self.data_dir / _CREDENTIALS} and start again",
                )
            if time.monotonic() > deadline:
                raise UnavailableError(
                    "the broker does not answer",
                    where=f"{self.host}:{self.port}",
                    hint=f"its log says why: {self.log.path}",
                )
            time.sleep(0.02)


def require_free_port(port: int, host: str = "127.0.0.1") -> None:
    """Check that a broker could listen on a port.

    Raises
    ------
    UnavailableError
        Another program listens there.
    """
    if not is_port_free(host, port):
        raise UnavailableError(
            f"port {port} of the broker is taken by another program",
            where=f"{host}:{port}",
            hint="stop that program, or choose another with --mqtt-port",
        )


def read_address(data_dir: Path) -> BrokerAddress:
    """Read where the broker of an installation is, for programs that publish to it.

    Raises
    ------
    UnavailableError
        No broker was ever started there, or its file cannot be read.
    """
    path = data_dir.expanduser().absolute() / _CREDENTIALS
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
        return BrokerAddress(str(row["host"]), int(row["port"]), str(row["username"]), str(row["password"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnavailableError(
            "no broker is known for this data folder", where=str(path), hint="start it with gridtwin up"
        ) from error


def _write_private(path: Path, text: str, *, owner: Account | None = None) -> None:
    """Write a file that only its owner can read; a reader never sees half of it."""
    new = path.with_name(path.name + ".new")
    with contextlib.suppress(FileNotFoundError):
        new.unlink()
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    if owner is not None:
        owner.own(new)
    new.replace(path)


def sign_in(address: BrokerAddress) -> int:
    """Send one MQTT 3.1.1 CONNECT, give the code of the CONNACK (0 = welcome), and leave.

    Whoever was signed in by this user name must leave, as if their connection had broken.

    Section 3.1 of the OASIS standard; written out because it is 30 bytes and needs no event loop.
    """

    def field(text: str) -> bytes:
        data = text.encode()
        return len(data).to_bytes(2, "big") + data

    body = field("MQTT") + bytes([4, 0xC2]) + (10).to_bytes(2, "big")
    body += field(f"probe-{os.getpid()}") + field(address.username) + field(address.password)
    with socket.create_connection((address.host, address.port), timeout=5) as connection:
        connection.sendall(bytes([0x10, len(body)]) + body)
        answer = connection.recv(4)
        connection.sendall(b"\xe0\x00")
    if len(answer) < 4 or answer[0] != 0x20:
        raise UnavailableError(
            "what answers on the broker's port is not an MQTT broker", where=str(address.port)
        )
    return answer[3]
