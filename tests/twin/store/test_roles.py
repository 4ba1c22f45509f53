from __future__ import annotations

import json
import os
import signal

import psycopg
import pytest
from sqlalchemy.engine import make_url

from twin.errors import SetupError
from twin.store.cluster import PrivateCluster
from twin.store.external import ExternalDatabase
from twin.store.migrations.runner import upgrade
from twin.store.postgres_binaries import EXTENSIONS
from twin.store.roles import APP, AUDIT, LOGINS, TWIN, ensure_logins, read_passwords, role_url

pytestmark = pytest.mark.postgis


@pytest.fixture
def foreign(server_dir, tmp_path):
    """A server that asks everybody for a password, as one of somebody else does."""
    cluster = PrivateCluster(server_dir / tmp_path.name[:16], tcp=True)
    cluster.start()
    yield cluster
    os.kill(cluster.pid, signal.SIGQUIT)
    cluster.stop()


def administrator(cluster: PrivateCluster, database: str = "gridtwin") -> psycopg.Connection:
    return psycopg.connect(
        make_url(cluster.tcp_url).set(database=database).render_as_string(False), autocommit=True
    )


def test_the_owners_password_is_not_a_roles_password():
    assert role_url("postgresql://me:secret@h/x", APP) == f"postgresql://{APP}@h/x"
    assert role_url("postgresql://me:secret@h/x", APP, "p@ss") == f"postgresql://{APP}:p%40ss@h/x"


def test_roles_get_passwords_once_and_sign_in_with_them(foreign, tmp_path):
    ExternalDatabase(foreign.tcp_url).start()
    upgrade(foreign.tcp_url)
    path = tmp_path / "database-roles.json"
    made = ensure_logins(foreign.tcp_url, path)
    assert set(made) == set(LOGINS)
    assert len(set(made.values())) == len(LOGINS)
    assert path.stat().st_mode & 0o777 == 0o600
    for role, password in made.items():
        with psycopg.connect(role_url(foreign.tcp_url, role, password)) as connection:
            assert connection.execute("SELECT current_user").fetchone() == (role,)
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(role_url(foreign.tcp_url, role, password + "x"))
    with administrator(foreign) as connection:
        kept = connection.execute(
            "SELECT rolname, rolpassword FROM pg_authid WHERE rolname LIKE 'gridtwin\\_%' ORDER BY 1"
        ).fetchall()
    assert {name for name, verifier in kept if str(verifier).startswith("SCRAM-SHA-256$")} == set(LOGINS)
    assert (AUDIT, None) in kept
    assert ensure_logins(foreign.tcp_url, path) == made == read_passwords(path)

    other = tmp_path / "other" / "database-roles.json"
    other.parent.mkdir()
    with pytest.raises(SetupError, match="another installation") as caught:
        ensure_logins(foreign.tcp_url, other)
    assert str(path) in str(caught.value)
    assert ensure_logins(foreign.tcp_url, path) == made, "the first one still comes in"
    other.write_bytes(path.read_bytes())
    other.chmod(0o600)
    assert ensure_logins(foreign.tcp_url, other) == made


def test_no_password_is_made_where_none_is_asked_for(database, tmp_path):
    path = tmp_path / "database-roles.json"
    assert ensure_logins(database.url, path) == {}
    assert not path.exists()


def test_an_owner_without_rights_is_told_what_an_administrator_must_run(foreign, tmp_path):
    with administrator(foreign) as connection:
        connection.execute("CREATE ROLE plain LOGIN PASSWORD 'plain'")
        connection.execute("CREATE DATABASE plain OWNER plain")
    with administrator(foreign, "plain") as connection:
        for name in EXTENSIONS:
            connection.execute(f"CREATE EXTENSION {name}")
    url = (
        make_url(foreign.tcp_url)
        .set(username="plain", password="plain", database="plain")
        .render_as_string(False)
    )

    with pytest.raises(SetupError, match="may not make the roles") as caught:
        ExternalDatabase(url).start()
    with administrator(foreign, "plain") as connection:
        assert connection.execute(
            "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'gridtwin\\_%'"
        ).fetchone() == (0,)
        connection.execute(caught.value.hint.partition(": ")[2])
        connection.execute(f"ALTER ROLE {TWIN} NOBYPASSRLS")
    with pytest.raises(SetupError) as caught:
        ExternalDatabase(url).start()
    assert caught.value.hint.endswith(f': ALTER ROLE "{TWIN}" BYPASSRLS;')
    with administrator(foreign, "plain") as connection:
        connection.execute(caught.value.hint.partition(": ")[2])

    ExternalDatabase(url).start()
    upgrade(url)
    path = tmp_path / "database-roles.json"
    with pytest.raises(SetupError, match="may not set the passwords") as caught:
        ensure_logins(url, path)
    script = path.with_suffix(".sql")
    assert str(script) in caught.value.hint
    assert not any(password in script.read_text() for password in json.loads(path.read_text()).values())
    with administrator(foreign, "plain") as connection:
        connection.execute(script.read_text())
    assert set(ensure_logins(url, path)) == set(LOGINS)


@pytest.mark.parametrize("content", ["{", "[]", '{"gridtwin_app": 1}'])
def test_a_damaged_file_of_passwords_is_refused(tmp_path, content):
    path = tmp_path / "database-roles.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(SetupError, match="damaged"):
        read_passwords(path)


def test_passwords_that_others_can_read_are_refused(tmp_path):
    path = tmp_path / "database-roles.json"
    path.write_text("{}")
    path.chmod(0o644)
    with pytest.raises(SetupError, match="read by others"):
        read_passwords(path)
