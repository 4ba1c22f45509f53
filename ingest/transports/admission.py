"""Keep a broker's list of who may come in, and what they may publish, in step with the accounts."""

from __future__ import annotations

import logging
import threading

import psycopg

from ingest.transports.accounts import CHANNEL, user_name
from ingest.transports.broker import Admitted, Broker

log = logging.getLogger(__name__)

_LOOK_AGAIN_S = 60.0  # for secrets that end without anybody doing anything
_RETRY_S = 1.0
_STOP_S = 5.0
_ACCOUNTS = """
    SELECT p.name, p.kind, s.slot, s.mqtt_hash
    FROM publisher AS p JOIN publisher_secret AS s ON s.publisher = p.name
    WHERE p.disabled_at IS NULL AND (s.valid_to IS NULL OR s.valid_to > now())
    ORDER BY p.name, s.slot
"""


class Admission:
    """Tell a broker at once of accounts that are made, changed or closed; use it as a context manager.

    Parameters
    ----------
    broker
        Whoever comes to it; it may be started later and again.
    database_url
        URL of the database's owner: only the owner reads secrets' hashes.
    """

    def __init__(self, broker: Broker, database_url: str) -> None:
        self._broker = broker
        self._dsn = database_url.replace("postgresql+psycopg://", "postgresql://")
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Admit who may come in now, and follow from here; a broker started after this knows them at once.

        Raises
        ------
        psycopg.OperationalError
            The database does not answer.
        """
        with self._connect() as connection:
            self._read(connection)
        self._thread = threading.Thread(target=self._follow, name="admission", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Follow no more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_STOP_S)

    def __enter__(self) -> Admission:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(
            self._dsn, autocommit=True, connect_timeout=5, application_name="gridtwin admission"
        )

    def _read(self, connection: psycopg.Connection) -> None:
        rows = connection.execute(_ACCOUNTS).fetchall()
        self._broker.admit([Admitted(user_name(name, slot), name, kind, h) for name, kind, slot, h in rows])

    def _follow(self) -> None:
        while not self._stop.is_set():
            try:
                with self._connect() as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    while not self._stop.is_set():
                        self._read(connection)
                        self._wait(connection)
            except psycopg.Error as error:
                log.debug("accounts of publishers cannot be read: %s", error)
                self._stop.wait(_RETRY_S)
            except Exception:
                log.exception("accounts of publishers could not be handed to the broker")
                self._stop.wait(_RETRY_S)

    def _wait(self, connection: psycopg.Connection) -> None:
        """Wait for a notification, a minute, or the end."""
        waited_s = 0.0
        while waited_s < _LOOK_AGAIN_S and not self._stop.is_set():
            if list(connection.notifies(timeout=1.0, stop_after=1)):
                return
            waited_s += 1.0
