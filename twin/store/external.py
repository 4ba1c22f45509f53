"""Use a PostgreSQL that somebody else runs, after checking that it keeps our promises."""

from __future__ import annotations

import psycopg
from psycopg import sql

from twin.errors import SetupError, UnavailableError
from twin.store.durability import DURABLE, require_durable
from twin.store.engine import async_url, asyncpg_dsn, sync_url
from twin.store.postgres_binaries import EXTENSIONS
from twin.store.roles import require_roles

OLDEST_POSTGIS = (3, 3)


class ExternalDatabase:
    """A database given by ``--database-url``; has the same face as `PrivateCluster`.

    Parameters
    ----------
    url
        ``postgresql://user:password@host:port/database``.
    """

    attached = True

    def __init__(self, url: str) -> None:
        self._dsn = asyncpg_dsn(url)
        self.url = sync_url(url).render_as_string(hide_password=False)
        self.async_url = async_url(url).render_as_string(hide_password=False)
        self.where = sync_url(url).set(drivername="postgresql").render_as_string(hide_password=True)

    def start(self) -> None:
        """Check the database and add the extensions and roles that are missing.

        Raises
        ------
        UnavailableError
            It cannot be reached.
        SetupError
            PostGIS is missing or too old, pgRouting is missing, a commit would not be durable, or this
            account may not make the roles of the server.
        """
        try:
            with psycopg.connect(self._dsn, autocommit=True, connect_timeout=10) as connection:
                self._check_durability(connection)
                self._check_encoding(connection)
                self._make_extensions(connection)
                self._check_postgis(connection)
                require_roles(connection, self.where)
        except psycopg.OperationalError as error:
            raise UnavailableError(
                f"the database cannot be reached: {str(error).splitlines()[-1].strip()}",
                where=self.where,
                hint="check --database-url, and that the server runs and lets you in",
            ) from error

    def stop(self) -> None:
        """Leave it running: it is not ours."""

    @property
    def alive(self) -> bool:
        """Whether it can be reached now."""
        try:
            psycopg.connect(self._dsn, connect_timeout=3).close()
        except psycopg.OperationalError:
            return False
        return True

    def _check_durability(self, connection: psycopg.Connection) -> None:
        for name in DURABLE:
            row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
            require_durable(name, str(row[0]) if row else "unknown", self.where)

    def _check_encoding(self, connection: psycopg.Connection) -> None:
        encoding = connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            raise SetupError(
                f"the database stores text as {encoding}, Chinese names need UTF8",
                where=self.where,
                hint="make the database with ENCODING 'UTF8'",
            )

    def _make_extensions(self, connection: psycopg.Connection) -> None:
        for name in EXTENSIONS:
            try:
                connection.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(sql.Identifier(name)))
            except psycopg.errors.InsufficientPrivilege as error:
                raise SetupError(
                    f"the database lacks the extension {name}, and this account may not add it",
                    where=self.where,
                    hint=f"let an administrator run: CREATE EXTENSION {name};",
                ) from error
            except psycopg.Error as error:
                raise SetupError(
                    f"the database server lacks the extension {name}",
                    where=self.where,
                    hint="install PostGIS and pgRouting on that server",
                ) from error

    def _check_postgis(self, connection: psycopg.Connection) -> None:
        row = connection.execute("SELECT postgis_lib_version()").fetchone()
        text = str(row[0]) if row else "0"
        parts = text.split(".")
        version = (int(parts[0]), int("".join(c for c in parts[1] if c.isdigit()) or 0))
        if version < OLDEST_POSTGIS:
            raise SetupError(
                f"the database has PostGIS {text}, at least 3.3 is needed",
                where=self.where,
                hint="update PostGIS there, or leave out --database-url",
            )
