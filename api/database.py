"""Open the database of the settings, private or not, migrated, for as long as a command runs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from sqlalchemy import Engine

from api.settings import Settings
from twin.store.cluster import PrivateCluster
from twin.store.engine import create_engine
from twin.store.external import ExternalDatabase
from twin.store.migrations.runner import upgrade

Database = PrivateCluster | ExternalDatabase
Say = Callable[[str], None]


def make_database(settings: Settings, *, attach: bool) -> Database:
    """Give the database of the settings, not started.

    Parameters
    ----------
    settings
        ``database_url`` decides.
    attach
        Whether to use a private cluster that another process runs already.
    """
    if settings.database_url is not None:
        return ExternalDatabase(settings.database_url.get_secret_value())
    return PrivateCluster(settings.data_dir, attach=attach)


@contextlib.contextmanager
def opened_database(settings: Settings, say: Say) -> Iterator[Engine]:
    """Start or join the database, migrate it, give an engine, and leave things as they were found.

    Raises
    ------
    TwinError
        The database cannot be started, reached or migrated.
    """
    database = make_database(settings, attach=True)
    if isinstance(database, PrivateCluster):
        database.start(say)
    else:
        database.start()
    try:
        upgrade(database.url)
        engine = create_engine(database.url, application_name="gridtwin command")
        try:
            yield engine
        finally:
            engine.dispose()
    finally:
        database.stop()
