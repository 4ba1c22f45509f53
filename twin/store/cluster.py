"""Run a private PostgreSQL with PostGIS and pgRouting in a data folder of our own.

The cluster listens on a unix socket in a folder only its owner can enter, so it needs no password
and no port. It is started from the main thread, because the kernel ties the parent-death signal
that stops an orphaned server to the thread that forked it. It is never stopped by the terminal's
Ctrl-C (own session) but by us, last of all parts, with SIGINT: PostgreSQL's fast shutdown.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
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
from twin.store.folder_lock import FolderLock
from twin.store.postgres_binaries import EXTENSIONS, PostgresBinaries, get_postgres
from twin.store.sockets import free_tcp_port, socket_folder

ROLE = "gridtwin"
DATABASE = "gridtwin"
_SOCKET_PORT = 5432
_NEW_CLUSTER_MIB = 1024
_OLD_CLUSTER_MIB = 256
_START_TIMEOUT_S = 600.0  # recovery after a power cut replays the log, which takes its time
_FAST_STOP_S = 30.0
_SMALL_SHM_BYTES = 64 * 2**20

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
        self.attached = False
        self.tcp_port: int | None = None
        self._attach = attach
        self._tcp = tcp
        self._settings = dict(settings or {})
        self._tcp_password = ""
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
        return self.attached and self._running_pid() is not None

    @property
    def pid(self) -> int | None:
        """Process id of the server; None when it does not run."""
        if self._process is not None and self._process.poll() is None:
            return self._process.pid
        return self._running_pid() if self.attached else None

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
        lines = _pid_lines(cluster.pg_dir)
        if len(lines) < 8 or lines[7].strip() != "ready" or cluster._running_pid() is None:
            raise UnavailableError(
                "no database runs in this data folder", where=str(data_dir), hint="start it with gridtwin up"
            )
        cluster._follow(lines)
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
            _end(process)
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
        new = not (self.pg_dir / "PG_VERSION").is_file()
        require_free_space(self.data_dir, _NEW_CLUSTER_MIB if new else _OLD_CLUSTER_MIB)
        require_traversable(self.data_dir, account)
        binaries = get_postgres(None if new else _major_of(self.pg_dir))
        if new:
            progress("making the database")
            self._initdb(binaries, account)
        else:
            self._clear_remains()
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
            lines = _pid_lines(self.pg_dir)
            if len(lines) >= 8 and lines[7].strip() == "ready" and self._running_pid() is not None:
                self._follow(lines)
                self.attached = True
                self._wait_for_database(deadline)
                return
            time.sleep(0.05)
        raise UnavailableError(
            f"process {owner.pid} holds this data folder, but its database does not answer",
            where=str(self.data_dir),
            hint=f"see what {owner.command} is doing, or stop it",
        )

    def _follow(self, lines: list[str]) -> None:
        """Take the socket folder and port from the lines of ``postmaster.pid``."""
        self._socket_dir = Path(lines[4].strip())
        self.tcp_port = int(lines[3]) if int(lines[3]) != _SOCKET_PORT else None

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

    def _initdb(self, binaries: PostgresBinaries, account: Account) -> None:
        """Make the cluster beside its place and move it there: half a cluster is never seen."""
        if self.pg_dir.exists():
            raise SetupError(
                "the folder of the database exists but holds no database",
                where=str(self.pg_dir),
                hint="move it away, or choose another --data-dir",
            )
        unfinished = self.data_dir / "pg.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        account.own(unfinished)
        done = subprocess.run(
            [
                *account.prefix("KILL"),
                str(binaries.bin_dir / "initdb"),
                *("-D", str(unfinished), "-U", ROLE, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"),
                "--data-checksums",
            ],
            capture_output=True,
            text=True,
            errors="replace",
            cwd="/",
            env=_ENVIRONMENT,
            start_new_session=True,
            check=False,
        )
        if done.returncode != 0:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise SetupError(
                f"the database could not be made: {_last_line(done.stderr or done.stdout)}",
                where=str(self.data_dir),
                hint="check free disk space and the rights on the data folder",
            )
        # Sockets need no password (their folder is closed to others); TCP does.
        (unfinished / "pg_hba.conf").write_text(
            "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n", encoding="ascii"
        )
        account.own(unfinished / "pg_hba.conf")
        unfinished.rename(self.pg_dir)

    def _clear_remains(self) -> None:
        """Deal with what a killed predecessor left: a server that still runs, or a stale pid file.

        We hold the folder's lock, so nobody else owns a server that still runs here. A pid file
        whose number now belongs to a stranger would make PostgreSQL refuse to start; it is removed
        only when no process at all works in the cluster's folder.
        """
        pid = self._running_pid()
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)
            deadline = time.monotonic() + _FAST_STOP_S
            while _works_in(pid, self.pg_dir) and time.monotonic() < deadline:
                time.sleep(0.05)
            if _works_in(pid, self.pg_dir):
                raise ConflictError(
                    f"an older PostgreSQL (process {pid}) still runs on this data folder and does not stop",
                    where=str(self.pg_dir),
                    hint=f"stop it with: kill -QUIT {pid}",
                )
        pid_file = self.pg_dir / "postmaster.pid"
        if pid_file.exists() and Path("/proc/self/cwd").exists():
            deadline = time.monotonic() + 10
            while (left := _workers_in(self.pg_dir)) and time.monotonic() < deadline:
                time.sleep(0.05)
            if not left:
                pid_file.unlink(missing_ok=True)

    def _spawn(self, binaries: PostgresBinaries, account: Account, progress: Progress) -> None:
        settings = {
            "jit": "off",
            "log_checkpoints": "off",
            "max_connections": "120",
            "max_locks_per_transaction": "256",
            "max_wal_size": "2GB",
            "checkpoint_timeout": "15min",
            "random_page_cost": "1.1",
            # After a checkpoint every page of the observation index is logged whole once; the older
            # method (pglz) costs 46 µs an observation then, lz4 13 (measured at 20,000/s).
            "wal_compression": "lz4" if binaries.major >= 15 else "on",
            "logging_collector": "on",
            "log_directory": "log",
            "log_filename": "postgresql-%a.log",
            "log_truncate_on_rotation": "on",
            "log_rotation_age": "1d",
            **self._settings,
            "listen_addresses": "127.0.0.1" if self.tcp_port else "",
            "port": str(self.port),
            "unix_socket_directories": str(self._socket_dir),
            "unix_socket_permissions": "0700",
            "timezone": "UTC",
            "log_timezone": "UTC",
            # A batch is acknowledged to its sender after it is committed: commit must mean "on disk".
            "fsync": "on",
            "synchronous_commit": "on",
            "full_page_writes": "on",
        }
        if _shared_memory_is_small():
            settings["dynamic_shared_memory_type"] = "mmap"
        log_file = self.data_dir / "postgresql-start.log"
        command = [*account.prefix("INT"), str(binaries.bin_dir / "postgres"), "-D", str(self.pg_dir)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with log_file.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=_ENVIRONMENT,
                start_new_session=True,
            )
        self._wait_ready(self._process, log_file, progress)

    def _wait_ready(self, process: subprocess.Popen[bytes], log_file: Path, progress: Progress) -> None:
        begun = time.monotonic()
        told = False
        while True:
            lines = _pid_lines(self.pg_dir)
            if len(lines) >= 8 and lines[0].strip() == str(process.pid) and lines[7].strip() == "ready":
                return
            if process.poll() is not None:
                raise UnavailableError(
                    f"the private database did not start: {self._reason(log_file)}",
                    where=str(self.pg_dir),
                    hint=f"the whole log is in {log_file} and {self.pg_dir / 'log'}",
                )
            waited_s = time.monotonic() - begun
            if waited_s > 3 and not told:
                progress("the database is recovering after it was cut off")
                told = True
            if waited_s > _START_TIMEOUT_S:
                raise UnavailableError("the private database does not become ready", where=str(self.pg_dir))
            time.sleep(0.02)

    def _reason(self, log_file: Path) -> str:
        """Find the line in the logs of a failed start that says why."""
        texts = [log_file.read_text(encoding="utf-8", errors="replace")]
        with contextlib.suppress(OSError):
            logs = sorted((self.pg_dir / "log").glob("*.log"), key=lambda path: path.stat().st_mtime)
            if logs:
                texts.append(logs[-1].read_text(encoding="utf-8", errors="replace")[-4000:])
        lines = [line for text in texts for line in text.splitlines() if line.strip()]
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

    def _running_pid(self) -> int | None:
        lines = _pid_lines(self.pg_dir)
        if not lines or not lines[0].strip().isdigit():
            return None
        pid = int(lines[0])
        return pid if _works_in(pid, self.pg_dir) else None


# Nothing of the caller's environment (PGDATA, PGPORT, LANG, ...) may steer the server.
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def _end(process: subprocess.Popen[bytes]) -> None:
    """Stop a server: fast, then at once, then by force."""
    for number, patience_s in ((signal.SIGINT, _FAST_STOP_S), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0)):
        if process.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)


def _pid_lines(pg_dir: Path) -> list[str]:
    try:
        return (pg_dir / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _works_in(pid: int, folder: Path) -> bool:
    """Whether a process lives and has this folder as its working folder, as PostgreSQL does."""
    proc = Path("/proc") / str(pid)
    if not Path("/proc/self").exists():  # no /proc on this system: only ask whether it lives
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True
    try:
        return (proc / "cwd").readlink() == folder.resolve()
    except PermissionError:
        # Another user's process: PostgreSQL would be ours.
        return False
    except OSError:
        return False


def _workers_in(folder: Path) -> list[int]:
    return [
        int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit() and _works_in(int(p.name), folder)
    ]


def _major_of(pg_dir: Path) -> int:
    text = (pg_dir / "PG_VERSION").read_text(encoding="ascii", errors="replace").strip()
    if not text.isdigit():
        raise SetupError("the database folder is damaged: PG_VERSION holds no number", where=str(pg_dir))
    return int(text)


def _shared_memory_is_small() -> bool:
    try:
        numbers = os.statvfs("/dev/shm")  # noqa: S108 (asked for its size, not written)
    except OSError:
        return True
    return numbers.f_blocks * numbers.f_frsize < _SMALL_SHM_BYTES or not os.access("/dev/shm", os.W_OK)  # noqa: S108


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if "error" in line.lower() or "could not" in line.lower()]
    return (telling or lines or ["it said nothing"])[-1]
