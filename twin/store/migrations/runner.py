"""Run the migrations inside this process, one process at a time."""

from __future__ import annotations

from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, inspect, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from twin.errors import ConflictError, UnavailableError
from twin.store.engine import create_engine
from twin.store.locks import Lock


def head_revision() -> str:
    """Give the newest revision this build knows."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise ConflictError("this build holds no migrations", where=str(Path(__file__).parent / "versions"))
    return head


def current_revision(url: str | URL) -> str | None:
    """Give the revision a database is at; None when it is empty.

    Raises
    ------
    UnavailableError
        The database cannot be reached.
    """
    engine = create_engine(url, pool_size=1)
    try:
        with engine.connect() as connection:
            return _revision_of(connection)
    except DBAPIError as error:
        raise UnavailableError(f"the database cannot be reached: {_first_line(error)}") from error
    finally:
        engine.dispose()


def upgrade(url: str | URL, revision: str = "head") -> bool:
    """Bring a database to a revision; all steps in one transaction, or none.

    Returns
    -------
    bool
        Whether anything had to be done.

    Raises
    ------
    ConflictError
        The database was made by a newer build, or holds tables of another program.
    UnavailableError
        The database cannot be reached or a step failed.
    """
    engine = create_engine(url, pool_size=1)
    try:
        with engine.connect() as guard:
            # Held on a connection of its own, so that two builds starting together take turns.
            guard.execute(text(f"SELECT pg_advisory_lock({Lock.MIGRATIONS})"))
            before = _revision_of(guard)
            wanted = head_revision() if revision == "head" else revision
            guard.rollback()
            if before == wanted:
                return False
            if before is not None:
                _require_known(before)
            elif _has_foreign_tables(guard):
                raise ConflictError(
                    "the database already holds tables of another program",
                    hint="give an empty database with --database-url",
                )
            with engine.connect() as connection:
                command.upgrade(_config(connection), revision)
                connection.commit()
            return True
    except DBAPIError as error:
        raise UnavailableError(
            f"the database's schema could not be brought up to date: {_first_line(error)}",
            hint="nothing was changed; the whole reason is in the database's log",
        ) from error
    finally:
        engine.dispose()


def new_revision(url: str | URL, message: str, revision: str | None = None) -> None:
    """Write a migration for what the model has and the database at `url` has not (for developers)."""
    engine = create_engine(url, pool_size=1)
    try:
        with engine.connect() as connection:
            command.revision(_config(connection), message=message, autogenerate=True, rev_id=revision)
    finally:
        engine.dispose()


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    config.attributes["connection"] = connection
    return config


def _revision_of(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _require_known(revision: str) -> None:
    try:
        ScriptDirectory.from_config(_config()).get_revision(revision)
    except CommandError as error:
        raise ConflictError(
            f"the database has schema {revision}, which this build (schema {head_revision()}) does not know",
            hint="a newer build made it: update GridTwin, or use another --data-dir or --database-url",
        ) from error


def _has_foreign_tables(connection: Connection) -> bool:
    """Whether `public` holds tables that no extension owns."""
    count = connection.execute(
        text(
            """
            SELECT count(*) FROM pg_class c
            WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
              AND c.relname <> 'alembic_version'
              AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
            """
        )
    ).scalar_one()
    return bool(count)


def _first_line(error: DBAPIError) -> str:
    origin = error.orig
    message = origin.diag.message_primary if isinstance(origin, psycopg.Error) else None
    return (message or str(origin or error)).strip().splitlines()[0]


__all__ = ["current_revision", "head_revision", "new_revision", "upgrade"]
