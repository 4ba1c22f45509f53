"""Open SQLAlchemy engines on the twin's database, always in UTC."""

from __future__ import annotations

import sqlalchemy
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext import asyncio as sqlalchemy_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine

from twin.errors import InvalidError

APPLICATION_NAME = "gridtwin"


def sync_url(url: str | URL) -> URL:
    """Give the URL of a PostgreSQL database for psycopg 3.

    Raises
    ------
    InvalidError
        Not a PostgreSQL URL.
    """
    return _parsed(url).set(drivername="postgresql+psycopg")


def async_url(url: str | URL) -> URL:
    """Give the URL of a PostgreSQL database for asyncpg.

    Raises
    ------
    InvalidError
        Not a PostgreSQL URL.
    """
    return _parsed(url).set(drivername="postgresql+asyncpg")


def create_engine(
    url: str | URL,
    *,
    application_name: str = APPLICATION_NAME,
    pool_size: int = 5,
    statement_timeout_s: float = 0,
) -> Engine:
    """Open a synchronous engine (psycopg 3).

    Parameters
    ----------
    url
        ``postgresql://``, ``postgresql+psycopg://`` or ``postgresql+asyncpg://``.
    application_name
        What ``pg_stat_activity`` shows.
    pool_size
        Connections kept open.
    statement_timeout_s
        Longest run of one statement; 0 means no limit.
    """
    options = f"-c timezone=UTC -c statement_timeout={int(statement_timeout_s * 1000)}"
    return sqlalchemy.create_engine(
        sync_url(url),
        pool_size=pool_size,
        pool_pre_ping=True,
        connect_args={"options": options, "application_name": application_name, "connect_timeout": 10},
    )


def create_async_engine(
    url: str | URL,
    *,
    application_name: str = APPLICATION_NAME,
    pool_size: int = 5,
    statement_timeout_s: float = 0,
) -> AsyncEngine:
    """Open an asynchronous engine (asyncpg); parameters as in `create_engine`."""
    settings = {
        "timezone": "UTC",
        "application_name": application_name,
        "statement_timeout": str(int(statement_timeout_s * 1000)),
    }
    return sqlalchemy_asyncio.create_async_engine(
        async_url(url),
        pool_size=pool_size,
        pool_pre_ping=True,
        connect_args={"server_settings": settings, "timeout": 10},
    )


def asyncpg_dsn(url: str | URL) -> str:
    """Give the URL as plain asyncpg (without SQLAlchemy) takes it."""
    return _parsed(url).set(drivername="postgresql").render_as_string(hide_password=False)


def _parsed(url: str | URL) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise InvalidError(
            "the database URL cannot be read",
            where="--database-url",
            hint="write it as postgresql://user:password@host:5432/database",
        ) from error
    if parsed.get_backend_name() not in ("postgresql", "postgres"):
        raise InvalidError(
            f"the database URL names {parsed.get_backend_name()}, only PostgreSQL with PostGIS will do",
            where="--database-url",
            hint="write it as postgresql://user:password@host:5432/database",
        )
    return parsed
