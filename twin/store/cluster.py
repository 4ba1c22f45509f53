"""Run a private PostgreSQL with PostGIS and pgRouting in a data folder of our own.

The cluster listens on a unix socket in a folder only its owner can enter, so it needs no password
and no port. It is started from the main thread, because the kernel ties the parent-death signal
that stops an orphaned server to the thread that forked it. It is never stopped by the terminal's
Ctrl-C (own session) but by us, last of all parts, with SIGINT: PostgreSQL's fast shutdown.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import psycopg
from psycopg import sql
from sqlalchemy.engine import URL

from twin.errors import ConflictError, SetupError, UnavailableError
from twin.store.account import Account, require_free_space, require_traversable, service_account
from twin.store.bounded_log import BoundedLog
from twin.store.cluster_folder import ROLE, SERVER_ENVIRONMENT, holds_cluster, major_of, make_cluster
from twin.store.folder_lock import FolderLock
from twin.store.postgres_binaries import EXTENSIONS, PostgresBinaries, get_postgres
from twin.store.postmaster import Postmaster, clear_remains, end, find_postmaster, running_pid
from twin.store.server_settings import server_settings
from twin.store.sockets import free_tcp_port, socket_folder

DATABASE = "gridtwin"
_SOCKET_PORT = 5432
_NEW_CLUSTER_MIB = 1024
_OLD_CLUSTER_MIB = 256
_START_TIMEOUT_S = 600.0  # recovery after a power cut replays the log, which takes its time

Progress = Callable[[str], None]


def _silent(_line: str) -> None:
    """Report nothing."""


class PrivateCluster:
    """A PostgreSQL server of our own; use it as a context manager or call `start` and `stop`.

    Parameters
    ----------
    data_dir
        Folder of this installation. The cluster lives in its sub-folder ``pg``.
    attach
        When another process already runs this cluster: True uses it and leaves it running,
        False raises `ConflictError`.
    tcp
        Listen on 127.0.0.1 too, on a free port and with a password, for programs that cannot use
        sockets; see `tcp_url`.
    settings
        Further server settings (``{"log_statement": "all"}``). Durability cannot be switched off.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        attach: bool = True,
        tcp: bool = False,
        settings: dict[str, str] | None = None,
    ) -> None:
        self.data_dir = data_dir.expanduser().absolute()
        self.pg_dir = self.data_dir / "pg"
        self.log = BoundedLog(self.data_dir / "log" / "database.log")
        self.attached = False
        self.tcp_port: int | None = None
        self._attach = attach
        self._tcp = tcp
        self._settings = dict(settings or {})
        self._tcp_password = ""  # nosec B105  # made at the start
        self._socket_dir: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = FolderLock(self.data_dir / "cluster.lock")

    # -- what others ask -------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """SQLAlchemy URL of the twin's database for psycopg."""
        return self.database_url(DATABASE)

    @property
    def async_url(self) -> str:
        """SQLAlchemy URL of the twin's database for asyncpg."""
        return self.database_url(DATABASE, driver="asyncpg")

    @property
    def tcp_url(self) -> str:
        """Plain ``postgresql://`` URL over TCP; only when made with ``tcp=True``."""
        if self.tcp_port is None:
            raise UnavailableError("this cluster does not listen on TCP", hint="make it with tcp=True")
        return f"postgresql://{ROLE}:{self._tcp_password}@127.0.0.1:{self.tcp_port}/{DATABASE}"

    @property
    def socket_dir(self) -> Path:
        """Folder of the unix socket, as libpq's ``host`` takes it."""
        if self._socket_dir is None:
            raise UnavailableError("the private database is not started", where=str(self.pg_dir))
        return self._socket_dir

    @property
    def port(self) -> int:
        """Number in the socket's name (and TCP port, when it listens there)."""
        return self.tcp_port or _SOCKET_PORT

    @property
    def alive(self) -> bool:
        """Whether the server process runs."""
        if self._process is not None:
            return self._process.poll() is None
        return self.attached and running_pid(self.pg_dir) is not None

    @property
    def pid(self) -> int | None:
        """Process id of the server; None when it does not run."""
        if self._process is not None and self._process.poll() is None:
            return self._process.pid
        return running_pid(self.pg_dir) if self.attached else None

    def database_url(self, database: str, *, driver: str = "psycopg") -> str:
        """Give the SQLAlchemy URL of any database of this cluster."""
        return URL.create(
            f"postgresql+{driver}",
            username=ROLE,
            database=database,
            query={"host": str(self.socket_dir), "port": str(self.port)},
        ).render_as_string(hide_password=False)

    @classmethod
    def running_url(cls, data_dir: Path) -> str:
        """Give the URL of the cluster that another process runs in a data folder, for psycopg.

        Raises
        ------
        UnavailableError
            None runs there.
        """
        cluster = cls(data_dir)
        running = find_postmaster(cluster.pg_dir)
        if running is None or not running.ready or running_pid(cluster.pg_dir) is None:
            raise UnavailableError(
                "no database runs in this data folder", where=str(data_dir), hint="start it with gridtwin up"
            )
        cluster._follow(running)
        return cluster.url

    # -- life ------------------------------------------------------------------------------------

    def start(self, progress: Progress = _silent) -> None:
        """Make the cluster if it is new, start it, wait until it answers, make the database.

        Raises
        ------
        ConflictError
            Another process owns this data folder and ``attach`` is False.
        SetupError
            Programs, rights or disk space are missing.
        UnavailableError
            The server did not start; the last line of its log says why.
        """
        if self.alive:
            return
        account = service_account("postgres", purpose="PostgreSQL")
        self._make_data_dir()
        if not self._lock.acquire():
            self._attach_to_owner()
            return
        try:
            self._start_owned(account, progress)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server (fast shutdown) and give the data folder free; an attached one stays."""
        process, self._process = self._process, None
        self.attached = False
        if process is not None:
            end(process)
            if self._socket_dir is not None:
                with contextlib.suppress(OSError):  # not empty only when the server was killed
                    self._socket_dir.rmdir()
        self._lock.release()

    def __enter__(self) -> PrivateCluster:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # -- steps -----------------------------------------------------------------------------------

    def _start_owned(self, account: Account, progress: Progress) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise SetupError(
                "the private database must be started by the main thread",
                hint="the kernel stops it when the thread that started it ends",
            )
        new = not holds_cluster(self.pg_dir)
        require_free_space(self.data_dir, _NEW_CLUSTER_MIB if new else _OLD_CLUSTER_MIB)
        require_traversable(self.data_dir, account)
        binaries = get_postgres(None if new else major_of(self.pg_dir))
        if new:
            progress("making the database")
            make_cluster(self.pg_dir, binaries, account)
        else:
            clear_remains(self.pg_dir)
        self._socket_dir = socket_folder(self.data_dir / "run", account)
        if self._tcp:
            self.tcp_port = free_tcp_port()
        self._spawn(binaries, account, progress)
        self._make_database(progress)

    def _make_data_dir(self) -> None:
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SetupError(
                f"the data folder cannot be made ({error.strerror})",
                where=str(self.data_dir),
                hint="choose another with --data-dir",
            ) from error
        if not os.access(self.data_dir, os.W_OK | os.X_OK):
            raise SetupError(
                "the data folder cannot be written",
                where=str(self.data_dir),
                hint="choose another with --data-dir, or give this user the right to write there",
            )

    def _attach_to_owner(self) -> None:
        owner = self._lock.owner()
        if not self._attach:
            raise ConflictError(
                f"this data folder is in use by process {owner.pid} ({owner.command})",
                where=str(self.data_dir),
                hint="stop that one first, or choose another --data-dir",
            )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            running = find_postmaster(self.pg_dir)
            if running is not None and running.ready and running_pid(self.pg_dir) is not None:
                self._follow(running)
                self.attached = True
                self._wait_for_database(deadline)
                return
            time.sleep(0.05)
        raise UnavailableError(
            f"process {owner.pid} holds this data folder, but its database does not answer",
            where=str(self.data_dir),
            hint=f"see what {owner.command} is doing, or stop it",
        )

    def _follow(self, running: Postmaster) -> None:
        """Use the server that another process started."""
        self._socket_dir = running.socket_dir
        self.tcp_port = running.port if running.port != _SOCKET_PORT else None

    def _wait_for_database(self, deadline: float) -> None:
        """Wait for an owner that is still making the database for the first time."""
        while True:
            with contextlib.suppress(psycopg.Error), self._connect(DATABASE) as connection:
                row = connection.execute(
                    "SELECT count(*) FROM pg_extension WHERE extname = ANY(%s)", [list(EXTENSIONS)]
                ).fetchone()
                if row is not None and row[0] == len(EXTENSIONS):
                    return
            if time.monotonic() > deadline:
                raise UnavailableError(
                    "the running database has not been made completely", where=str(self.pg_dir)
                )
            time.sleep(0.1)

    def _spawn(self, binaries: PostgresBinaries, account: Account, progress: Progress) -> None:
        settings = server_settings(
            binaries.major,
            self._settings,
            socket_dir=self.socket_dir,
            port=self.port,
            tcp=self.tcp_port is not None,
        )
        command = [*account.prefix("INT"), str(binaries.bin_dir / "postgres"), "-D", str(self.pg_dir)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with self.log.pipe() as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=SERVER_ENVIRONMENT,
                start_new_session=True,
            )
        self._wait_ready(self._process, progress)

    def _wait_ready(self, process: subprocess.Popen[bytes], progress: Progress) -> None:
        begun = time.monotonic()
        told = False
        while True:
            running = find_postmaster(self.pg_dir)
            if running is not None and running.pid == process.pid and running.ready:
                return
            if process.poll() is not None:
                raise UnavailableError(
                    f"the private database did not start: {self._reason()}",
                    where=str(self.pg_dir),
                    hint=f"the whole log is in {self.log.path}",
                )
            waited_s = time.monotonic() - begun
            if waited_s > 3 and not told:
                progress("the database is recovering after it was cut off")
                told = True
            if waited_s > _START_TIMEOUT_S:
                raise UnavailableError(
                    "the private database does not become ready",
                    where=str(self.pg_dir),
                    hint=f"its log says why: {self.log.path}",
                )
            time.sleep(0.02)

    def _reason(self) -> str:
        """Find the line of a failed start that says why."""
        lines = self.log.last_lines(wait_s=2.0)
        telling = [line for line in lines if "FATAL" in line or "PANIC" in line or "invalid" in line]
        return (telling or lines or ["it said nothing"])[-1]

    def _make_database(self, progress: Progress) -> None:
        with self._connect("postgres") as connection:
            row = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if row is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
        with self._connect(DATABASE) as connection:
            have = {str(name) for (name,) in connection.execute("SELECT extname FROM pg_extension")}
            missing = [name for name in EXTENSIONS if name not in have]
            if missing:
                progress("adding PostGIS and pgRouting")
            for name in missing:
                connection.execute(sql.SQL("CREATE EXTENSION {}").format(sql.Identifier(name)))
            if self.tcp_port is not None:
                self._tcp_password = os.urandom(18).hex()
                connection.execute(
                    sql.SQL("ALTER ROLE {} PASSWORD {}").format(
                        sql.Identifier(ROLE), sql.Literal(self._tcp_password)
                    )
                )

    def _connect(self, database: str) -> psycopg.Connection:
        return psycopg.connect(
            host=str(self._socket_dir),
            port=self.port,
            user=ROLE,
            dbname=database,
            autocommit=True,
            connect_timeout=30,
        )
