from __future__ import annotations

import pytest
from sqlalchemy import text

from twin.errors import ConflictError, UnavailableError
from twin.model import IMPORTED_TABLES, TILE_TABLES
from twin.store.engine import create_engine
from twin.store.migrations.compare import schema_differences
from twin.store.migrations.runner import current_revision, head_revision, upgrade

pytestmark = pytest.mark.postgis


@pytest.fixture
def engine(database):
    engine = create_engine(database.fresh().url)
    yield engine
    engine.dispose()


def test_migrations_make_exactly_the_model(engine):
    with engine.connect() as connection:
        assert schema_differences(connection) == []


def test_difference_is_seen(engine):
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE building DROP COLUMN name"))
        assert any("name" in difference for difference in schema_differences(connection))


def test_second_upgrade_does_nothing(engine):
    url = engine.url.render_as_string(hide_password=False)
    assert current_revision(url) == head_revision()
    assert upgrade(url) is False


def test_every_imported_table_keeps_history_and_every_tile_table_notifies(engine):
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT tgname, tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal")
        )
        triggers = {(str(name), str(table)) for name, table in rows}
    for model in IMPORTED_TABLES:
        assert ("keep_history", model.__tablename__) in triggers
    for model in TILE_TABLES:
        assert {f"notify_tiles_{event}" for event in ("insert", "update", "delete")} <= {
            name for name, table in triggers if table == model.__tablename__
        }


def test_database_of_a_newer_build_is_refused(engine):
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConflictError, match="schema 9999"):
        upgrade(engine.url)


def test_database_of_another_program_is_refused(engine):
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE alembic_version"))
    with pytest.raises(ConflictError, match="another program"):
        upgrade(engine.url)


def test_unreachable_database():
    with pytest.raises(UnavailableError):
        upgrade("postgresql://nobody@127.0.0.1:1/none")
