"""Open the database of the settings, private or not, migrated, for as long as a command runs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from sqlalchemy import Engine

from api.settings import Settings
from twin.errors import NotFoundError, UnavailableError
from twin.store.cluster import PrivateCluster
from twin.store.cluster_folder import holds_cluster
from twin.store.engine import create_engine
from twin.store.external import ExternalDatabase
from twin.store.migrations.runner import current_revision, upgrade

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


def require_installation(settings: Settings) -> None:
    """Check that there is a database of ours already, and make nothing.

    Raises
    ------
    NotFoundError
        There is none in the data folder, or the database of the settings holds no tables of ours.
    UnavailableError
        The database of the settings cannot be reached.
    """
    if settings.database_url is None:
        folder = settings.data_dir.expanduser().absolute()
        if not holds_cluster(folder / "pg"):
            raise NotFoundError(
                "there is no GridTwin in this data folder",
                where=str(folder),
                hint="give the --data-dir of gridtwin up, or make one there with gridtwin up",
            )
        return
    database = ExternalDatabase(settings.database_url.get_secret_value())
    try:
        revision = current_revision(database.url)
    except UnavailableError as error:
        hint = "check --database-url, and that the server runs and lets you in"
        raise UnavailableError(error.what, where=database.where, hint=hint) from error
    if revision is None:
        raise NotFoundError(
            "this database holds no GridTwin",
            where=database.where,
            hint="check --database-url, or make one there with gridtwin up --database-url",
        )


@contextlib.contextmanager
def opened_database(settings: Settings, say: Say, *, create: bool = True) -> Iterator[Engine]:
    """Start or join the database, migrate it, give an engine, and leave things as they were found.

    Parameters
    ----------
    settings
        Where it is.
    say
        Takes a line for a person.
    create
        Whether to make one where there is none.

    Raises
    ------
    NotFoundError
        There is none, and none shall be made.
    TwinError
        The database cannot be started, reached or migrated.
    """
    if not create:
        require_installation(settings)
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
