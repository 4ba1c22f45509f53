"""Read in a test what stands in its database."""

from __future__ import annotations

from typing import Any

import psycopg


def rows(database: Any, query: str, *parameters: object) -> list[tuple]:
    """Return what a query finds, asked as the owner of a `tests.conftest.Database`."""
    with psycopg.connect(database.url.replace("+psycopg", "")) as connection:
        return connection.execute(query, parameters or None).fetchall()
