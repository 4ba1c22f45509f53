"""Start all parts in order, keep them running, stop them in the reverse order."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import time
import webbrowser
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType

from api.child import Child, wait_until
from api.city import city_is_current, has_simulated_devices
from api.database import Database, make_database
from api.default_city import default_city
from api.first_accounts import Made, ensure_accounts, how_to_sign_in, keep_demo_file
from api.listening import answers, is_loopback, require_listenable, url_of
from api.revival import Kept, Revival
from api.settings import Settings
from ingest.transports.admission import Admission
from ingest.transports.broker import DEFAULT_PORT, Broker, require_free_port
from twin.errors import FileFormatError, SetupError, UnavailableError
from twin.store.bounded_log import BoundedLog
from twin.store.cluster import PrivateCluster
from twin.store.folder_lock import FolderLock
from twin.store.migrations.runner import upgrade
from twin.store.roles import AUTH, PASSWORDS_FILE, ensure_logins
from twin.store.sockets import is_port_free

Say = Callable[[str], None]
Waiting = Callable[[], contextlib.AbstractContextManager[None]]
_READY_TIMEOUT_S = 120.0
_WATCH_S = 0.25
_INTERRUPTED = 130
_MQTT_PORTS = 20
_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Plan:
    """What a supervisor shall run beside database, broker and server.

    Parameters
    ----------
    city
        File to import first; None takes the default city when the database holds none.
    default_city
        Whether there is a default city at all.
    simulator
        Whether simulated devices report.
    browser
        Whether to open a browser when all is ready.
    """

    city: Path | None
    default_city: bool
    simulator: bool
    browser: bool


class Supervisor:
    """Runs a whole GridTwin until it is told to stop.

    Parameters
    ----------
    settings
        Where and how.
    plan
        What.
    say
        Takes a line for a person.
    waiting
        Shows that something is going on, while its context lasts.
    """

    def __init__(
        self, settings: Settings, plan: Plan, say: Say, waiting: Waiting = contextlib.nullcontext
    ) -> None:
        self._settings = settings
        self._plan = plan
        self._say = say
        self._waiting = waiting
        self._database: Database = make_database(settings, attach=False)
        self._broker: Broker | None = None
        self._admission: Admission | None = None
        self._children: list[Child] = []
        self._role_passwords: dict[str, str] = {}
        self._accounts_made: list[Made] = []
        self._demo_file: Path | None = None
        self._folder_lock = FolderLock(settings.data_dir.expanduser().absolute() / "up.lock")

    def run(self) -> int:
        """Run until Ctrl-C or SIGTERM; gives the exit code: 130 where that came before all was ready.

        Raises
        ------
        TwinError
            Something is not as it must be; whatever had been started is stopped again.
        """
        self._check_before_anything_heavy()
        ready = False
        with _signals_interrupt():
            try:
                self._start()
                ready = True
                self._announce()
                self._watch()
            except KeyboardInterrupt:
                self._say("stopping ...")
            finally:
                _ignore_signals()
                self._stop()
        if ready:
            self._say("stopped; all data is kept")
            return 0
        self._say("stopped before it was ready; the next start goes on from here")
        return _INTERRUPTED

    # -- start -----------------------------------------------------------------------------------

    def _check_before_anything_heavy(self) -> None:
        host, port = self._settings.host, self._settings.port
        require_listenable(host, port)
        if self._settings.mqtt_port is not None:
            require_free_port(self._settings.mqtt_port)
        if not is_loopback(host):
            self._say(
                f"WARNING: {host} can be reached from other machines, and what goes there is not encrypted: "
                "let a proxy with TLS stand before it, or passwords can be read on the way"
            )
        if self._plan.city is not None:
            _require_city_file(self._plan.city)
        # PostgreSQL, the server and thousands of devices need more open files than the usual 1,024.
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < hard:
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536), hard))

    def _start(self) -> None:
        self._start_database()
        changed = self._load_city()
        if self._plan.simulator:
            self._site_devices(changed)
        self._start_broker()
        server = self._child("the server", ["serve", "--attach"])
        self._children.append(server)
        server.start()
        self._wait_for_health(server)
        self._make_accounts()
        if self._plan.simulator:
            simulator = self._child("the simulator", ["simulate"])
            self._children.append(simulator)
            simulator.start()

    def _start_database(self) -> None:
        with self._step("starting the database"):
            if isinstance(self._database, PrivateCluster):
                self._database.start(self._say)
            else:
                self._settings.data_dir.mkdir(parents=True, exist_ok=True)
                if not self._folder_lock.acquire():
                    raise SetupError(
                        f"this data folder is in use by process {self._folder_lock.owner().pid}",
                        where=str(self._settings.data_dir),
                        hint="stop that one first, or choose another --data-dir",
                    )
                self._database.start()
            upgrade(self._database.url)
            if not isinstance(self._database, PrivateCluster):
                path = self._settings.secrets_dir / PASSWORDS_FILE
                self._role_passwords = ensure_logins(self._database.url, path)

    def _load_city(self) -> bool:
        """Import the city when it is not there yet; gives whether anything was imported."""
        city = self._plan.city
        if city is None:
            if not self._plan.default_city or city_is_current(self._database.url, None):
                return False
            with self._step("fetching the default city"):
                city = default_city(self._settings.data_dir)
        elif city_is_current(self._database.url, city):
            return False
        # In a process of its own: an import takes hundreds of megabytes that this one would keep for days.
        self._say(f"loading {city.name}")
        begun = time.monotonic()
        command = [*_cli(), "import", "osm", str(city.absolute()), "--summary-only"]
        done = subprocess.run(command, env=self._environment(), stdout=sys.stderr, check=False)
        if done.returncode != 0:
            raise FileFormatError(
                "the city could not be loaded (the reason is above)",
                where=str(city),
                hint="nothing of it was kept; give another file with --city, or none with --no-demo",
            )
        self._say(f"loading {city.name}: done in {time.monotonic() - begun:.0f} s")
        return True

    def _site_devices(self, city_changed: bool) -> None:
        """Put simulated devices into the city before the server reads what there is."""
        wanted = self._settings.devices is not None or city_changed
        if not wanted and has_simulated_devices(self._database.url):
            return
        with self._step("placing simulated devices"):
            done = subprocess.run(
                [*_cli(), "simulate", "--site-only"],
                env=self._environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                check=False,
            )
            for line in done.stdout.splitlines():
                self._say(line)
        if done.returncode != 0:
            raise SetupError(
                "simulated devices could not be placed (the reason is above)",
                hint="start with --no-demo to run without them",
            )

    def _make_accounts(self) -> None:
        """Make the first accounts as late as can be: their passwords are shown once, and soon from here."""
        self._accounts_made = ensure_accounts(
            self._database.url,
            self._role_passwords.get(AUTH),
            demo=self._plan.default_city,
            simulated=has_simulated_devices(self._database.url),
        )
        self._demo_file = keep_demo_file(self._settings.secrets_dir, self._accounts_made)

    def _start_broker(self) -> None:
        with self._step("starting the broker"):
            self._broker = Broker(self._settings.data_dir, self._mqtt_port())
            self._admission = Admission(self._broker, self._database.url)
            self._admission.start()
            self._broker.start()

    def _mqtt_port(self) -> int:
        """Choose the broker's port: the one asked for, the usual one, or the next that is free."""
        if self._settings.mqtt_port is not None:
            return self._settings.mqtt_port
        for port in range(DEFAULT_PORT, DEFAULT_PORT + _MQTT_PORTS):
            if is_port_free("127.0.0.1", port):
                return port
        return 0

    def _child(self, name: str, arguments: list[str]) -> Child:
        log = self._settings.data_dir.expanduser().absolute() / "log" / f"{name.removeprefix('the ')}.log"
        return Child(name, [*_cli(), *arguments], self._environment(), log)

    def _environment(self) -> dict[str, str]:
        """Give the children's environment: ours, and the settings as decided here."""
        settings = self._settings
        decided = {
            "GRIDTWIN_DATA_DIR": str(settings.data_dir.expanduser().absolute()),
            "GRIDTWIN_DATABASE_URL": self._database.url,
            "GRIDTWIN_HOST": settings.host,
            "GRIDTWIN_PORT": str(settings.port),
            "GRIDTWIN_SIMULATOR": str(self._plan.simulator).lower(),
            "PYTHONPATH": os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH")))),
            "PYTHONUNBUFFERED": "1",
        }
        if settings.devices is not None:
            decided["GRIDTWIN_DEVICES"] = str(settings.devices)
        return {**os.environ, **decided}

    def _wait_for_health(self, server: Child) -> None:
        with self._step("starting the server"):
            ready = wait_until(
                lambda: not server.alive or answers(self._settings.host, self._settings.port),
                _READY_TIMEOUT_S,
            )
            if not server.alive:
                raise UnavailableError(
                    f"the server did not start ({server.how_it_ended}): {server.last_words()}",
                    where=str(server.log.path),
                )
            if not ready:
                raise UnavailableError(
                    f"the server does not answer within {_READY_TIMEOUT_S:.0f} s",
                    where=url_of(self._settings.host, self._settings.port),
                    hint=f"its log says why: {server.log.path}",
                )

    def _announce(self) -> None:
        url = url_of(self._settings.host, self._settings.port)
        how, *accounts = how_to_sign_in(self._accounts_made, self._demo_file)
        self._accounts_made = []
        sys.stdout.write("".join(f"{line}\n" for line in (f"ready {url}  ({how})", *accounts)))
        sys.stdout.flush()
        if self._broker is not None:
            mqtt = f"mqtt://127.0.0.1:{self._broker.port}"
            self._say(f"devices connect to {mqtt} (accounts: gridtwin device token, gridtwin gateway add)")
            self._say("Ctrl-C stops everything")
        has_screen = (
            sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
        )
        if self._plan.browser and has_screen:
            with contextlib.suppress(webbrowser.Error):
                webbrowser.open(f"{url}/wall")

    @contextlib.contextmanager
    def _step(self, name: str) -> Iterator[None]:
        """Say the name of a step when it begins, and how long it took when that was over two seconds."""
        self._say(name)
        begun = time.monotonic()
        with self._waiting():
            yield
        took_s = time.monotonic() - begun
        if took_s > 2:
            self._say(f"{name}: done in {took_s:.0f} s")

    # -- keep running ----------------------------------------------------------------------------

    def _watch(self) -> None:
        revival = Revival(self._say)
        if isinstance(self._database, PrivateCluster):  # another's is not ours to start
            cluster = self._database
            revival.keep(
                Kept("the database", lambda: cluster.alive, self._restart_database, _see(cluster.log))
            )
        if self._broker is not None:
            broker = self._broker
            revival.keep(Kept("the broker", lambda: broker.alive, broker.start, _see(broker.log)))
        for child in self._children:
            revival.keep(Kept(child.name, partial(getattr, child, "alive"), child.start, child.why_it_ended))
        while True:
            revival.look()
            time.sleep(_WATCH_S)

    def _restart_database(self) -> None:
        self._database.stop()
        if isinstance(self._database, PrivateCluster):
            self._database.start(self._say)

    # -- stop ------------------------------------------------------------------------------------

    def _stop(self) -> None:
        """Stop what runs: simulator, server, broker, database."""
        for child in reversed(self._children):
            child.stop(10.0)
        if self._admission is not None:
            self._admission.stop()
        if self._broker is not None:
            self._broker.stop()
        self._database.stop()
        self._folder_lock.release()


def _cli() -> list[str]:
    return [sys.executable, "-P", "-m", "api.cli"]


def _see(log: BoundedLog) -> Callable[[], str]:
    """Give what says the last line of a log and where it is."""
    return lambda: f"{(log.last_lines(wait_s=1.0) or ['it said nothing'])[-1]} · at {log.path}"


def _require_city_file(path: Path) -> None:
    if not path.is_file():
        raise FileFormatError("there is no such file", where=str(path), hint="give an OpenStreetMap extract")
    if not path.name.lower().endswith((".pbf", ".osm", ".osm.gz", ".osm.bz2")):
        raise FileFormatError(
            "a city comes as OpenStreetMap data (.osm.pbf or .osm)",
            where=str(path),
            hint="other files are read with: gridtwin import vector FILE",
        )


@contextlib.contextmanager
def _signals_interrupt() -> Iterator[None]:
    """Make SIGTERM and SIGHUP do what Ctrl-C does; put all back at the end."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in _STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore_signals() -> None:
    """Once stopping, stop in order: an impatient second Ctrl-C must not leave half of it running."""
    for number in _STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
