from __future__ import annotations

import pytest
from sqlalchemy import text

from twin.errors import InvalidError, SetupError, UnavailableError
from twin.store.engine import create_engine
from twin.store.external import ExternalDatabase

pytestmark = pytest.mark.postgis


def test_takes_a_good_database(database):
    external = ExternalDatabase(database.fresh().url)
    external.start()
    assert external.alive
    external.stop()


@pytest.mark.parametrize("setting", ["synchronous_commit"])
def test_refuses_a_database_that_may_lose_what_it_confirmed(database, setting):
    fresh = database.fresh()
    engine = create_engine(fresh.url)
    with engine.begin() as connection:
        connection.execute(text(f'ALTER DATABASE "{fresh.name}" SET {setting} = off'))
    engine.dispose()
    with pytest.raises(SetupError, match=f"{setting} = off"):
        ExternalDatabase(fresh.url).start()


def test_refuses_another_encoding(database):
    engine = create_engine(database.url).execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(
            text("CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
        )
    engine.dispose()
    with pytest.raises(SetupError, match="LATIN1"):
        ExternalDatabase(database.cluster.database_url("latin")).start()


def test_unreachable_database_hides_the_password():
    external = ExternalDatabase("postgresql://me:secret@127.0.0.1:1/none")
    with pytest.raises(UnavailableError) as caught:
        external.start()
    assert "secret" not in str(caught.value)
    assert not external.alive


@pytest.mark.parametrize("url", ["mysql://a@b/c", "not a url", ""])
def test_other_urls_are_refused(url):
    with pytest.raises(InvalidError, match="database URL"):
        ExternalDatabase(url)
