from __future__ import annotations

import asyncio
import contextlib
import json
from datetime import timedelta

import psycopg
import pytest
from typer.testing import CliRunner

from api.access.heads import HEADS_FILE, HeadKeeper
from api.cli.__main__ import make_app
from twin.access import credentials
from twin.access.credentials import CredentialKind
from twin.access.passwords import Passwords
from twin.access.sealing import Sealer, open_sealer
from twin.access.sign_in import SignedIn, SignIn, SignInRefusedError
from twin.errors import ConflictError, InvalidError, NotFoundError
from twin.store.engine import create_async_engine
from twin.store.roles import APP, AUTH, role_url

pytestmark = pytest.mark.postgis
STREET = "510105001000000"


@pytest.fixture
def fresh(database):
    made = database.fresh()
    with psycopg.connect(made.url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(
            "INSERT INTO dataset (name, kind, declared_crs) VALUES ('t', 'osm', 'EPSG:4326');"
            "INSERT INTO area (dataset_id, source_ref, content_hash, code, level, name, geom, label_point, "
            "  made_by, area_m2, code_source) "
            "  SELECT 1, 's', '\\x00', %s, 'street', '西御河街道', ST_Multi(g), "
            "  ST_Centroid(g), 'imported', 1, 'provisional' "
            "  FROM ST_MakeEnvelope(104, 30, 104.1, 30.1, 4326) AS g".replace("%s", f"'{STREET}'")
        )
    return made


@pytest.fixture
def cli(fresh, tmp_path):
    """Run a command on the database; give what it answers, raise what it raises."""

    def run(*arguments: str, code: int = 0):
        where = ["--database-url", fresh.url, "--data-dir", str(tmp_path), "--json"]
        done = CliRunner().invoke(make_app(), [*arguments, *where])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == code, done.output
        return json.loads(done.stdout.splitlines()[0])

    return run


def ask(fresh, work):
    async def go():
        engine = create_async_engine(role_url(fresh.url, AUTH))
        try:
            return await work(engine)
        finally:
            await engine.dispose()

    return asyncio.run(go())


def sign_in(fresh, name, password):
    return ask(
        fresh,
        lambda engine: SignIn(engine, Passwords(), Sealer(b"k" * 32)).by_password(
            name, password, "::1", None
        ),
    )


def identity(fresh, secret, kind):
    async def work(engine):
        async with engine.begin() as connection:
            return await credentials.find_identity(connection, secret, kind)

    return ask(fresh, work)


def test_a_person_signs_in_with_the_printed_password_and_must_change_it(cli, fresh):
    made = cli("user", "add", "Li.Na", "--display-name", "李娜", "--role", "operator")
    assert made["name"] == "li.na"
    done = sign_in(fresh, "li.na", made["password"])
    assert isinstance(done, SignedIn)
    assert done.must_change_password

    new = cli("user", "password", "li.na")["password"]
    with pytest.raises(SignInRefusedError):
        sign_in(fresh, "li.na", made["password"])
    assert sign_in(fresh, "li.na", new).must_change_password
    with pytest.raises(InvalidError, match="account of a person"):
        cli("user", "token", "li.na")
    with pytest.raises(ConflictError, match="already"):
        cli("user", "add", "li.na")


def test_nothing_is_kept_of_an_account_whose_role_is_wrong(cli):
    with pytest.raises(InvalidError, match="no role “emperor”"):
        cli("user", "add", "li.na", "--role", "emperor")
    with pytest.raises(InvalidError, match="no present area"):
        cli("user", "add", "li.na", "--role", "operator", "--area", "110000000000000")
    with pytest.raises(ConflictError, match="beside"):
        cli("user", "add", "li.na", "--role", "operator", "--role", "auditor")
    with pytest.raises(InvalidError, match="do not fit together"):
        cli("user", "add", "li.na", "--role", "operator", "--area", STREET, "--area", STREET)
    assert cli("user", "list") == {"accounts": []}


def test_a_program_gets_a_token_and_a_screen_a_code(cli, fresh):
    program = cli("user", "add", "gateway", "--kind", "program", "--role", "operator", "--area", STREET)
    found = identity(fresh, program["token"], CredentialKind.TOKEN)
    assert found.name == "gateway"
    assert [scope.ranges for scope in found.grants.reads.values()] == [
        ((510105001000000, 510105001999999),)
    ] * 4
    screen = cli("user", "add", "wall-1", "--kind", "kiosk", "--role", "wall")
    assert identity(fresh, screen["code"], CredentialKind.ENROLMENT).name == "wall-1"
    assert screen["expires_s"] == 900
    again = cli("user", "token", "wall-1")["code"]
    assert again != screen["code"]
    with pytest.raises(InvalidError, match="account of a kiosk"):
        cli("user", "password", "wall-1")


def test_roles_are_given_and_taken(cli):
    cli("user", "add", "li.na", "--role", "operator", "--role", "planner", "--area", STREET)
    cli("user", "grant", "li.na", "operator")

    def held():
        (row,) = cli("user", "list")["accounts"]
        return sorted((one["role"], one["area_level"]) for one in row["held"])

    assert held() == [("operator", "street"), ("operator", "whole"), ("planner", "street")]
    assert cli("user", "revoke", "li.na", "operator", "--area", STREET)["areas"] == [STREET]
    assert held() == [("operator", "whole"), ("planner", "street")]
    cli("user", "grant", "li.na", "operator", "--area", STREET)
    assert len(cli("user", "revoke", "li.na", "operator")["areas"]) == 2
    assert held() == [("planner", "street")]
    with pytest.raises(NotFoundError, match="does not hold operator"):
        cli("user", "revoke", "li.na", "operator")
    with pytest.raises(NotFoundError, match="no account"):
        cli("user", "grant", "nobody", "operator")


def test_a_closed_account_is_out_at_once_and_comes_back(cli, fresh):
    token = cli("user", "add", "gateway", "--kind", "program", "--role", "operator")["token"]
    assert identity(fresh, token, CredentialKind.TOKEN) is not None
    cli("user", "disable", "gateway", "--reason", "lost")
    assert identity(fresh, token, CredentialKind.TOKEN) is None
    assert cli("user", "list")["accounts"][0]["disabled"]
    cli("user", "enable", "gateway")
    assert not cli("user", "list")["accounts"][0]["disabled"]
    with pytest.raises(NotFoundError):
        cli("user", "disable", "nobody")


def test_what_people_read_names_the_account_and_its_roles(fresh, tmp_path):
    where = ["--database-url", fresh.url, "--data-dir", str(tmp_path)]
    line = CliRunner().invoke(
        make_app(), ["user", "add", "li.na", "--role", "operator", "--area", STREET, *where]
    )
    assert "li.na signs in with the password" in line.stdout
    assert "shown only now" in line.stdout
    listed = CliRunner().invoke(make_app(), ["user", "list", *where]).stdout
    assert listed.split() == ["li.na", "li.na", "(person):", "operator", "at", STREET, "西御河街道"]


def keep_head(fresh, secrets_dir):
    async def go():
        engine = create_async_engine(role_url(fresh.url, APP))
        try:
            sealer = open_sealer(secrets_dir)
            with contextlib.suppress(TimeoutError):  # cancelled in its sleep, as when the server ends
                await asyncio.wait_for(HeadKeeper(engine, secrets_dir, sealer).run(), 1.0)
        finally:
            await engine.dispose()

    asyncio.run(go())


def test_the_record_is_verified_against_what_lies_outside_the_database(cli, fresh, tmp_path):
    secrets_dir = tmp_path / "secrets"
    secrets_dir.mkdir()
    cli("user", "add", "li.na", "--role", "operator")
    keep_head(fresh, secrets_dir)
    assert len((secrets_dir / HEADS_FILE).read_text().splitlines()) == 1
    cli("user", "add", "wang.wu")
    keep_head(fresh, secrets_dir)
    told = cli("audit", "verify")
    assert (told["rows"], told["heads"], told["faults"]) == (5, 2, [])

    with (secrets_dir / HEADS_FILE).open("a") as file:
        file.write("2026-01-01T00:00:00+00:00 9 00 00\n")
    assert "1 line was not written" in cli("audit", "verify", code=1)["faults"][0]
    (secrets_dir / HEADS_FILE).write_text(
        "".join((secrets_dir / HEADS_FILE).read_text().splitlines(keepends=True)[:2])
    )
    with psycopg.connect(fresh.url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("DELETE FROM audit WHERE seq = 5")
    (fault,) = cli("audit", "verify", code=1)["faults"]
    assert fault.startswith("row 5 stood at the end")
    (secrets_dir / "key").unlink()
    assert "key is missing" in cli("audit", "verify", code=1)["faults"][0]


def test_the_record_is_pruned_not_before_its_time_and_that_is_recorded(cli, fresh):
    cli("user", "add", "li.na")
    with pytest.raises(InvalidError, match="at least 185 days"):
        cli("audit", "prune", "--days", "184")
    assert cli("audit", "prune", "--days", "185") == {"deleted": 0}
    with psycopg.connect(fresh.url.replace("+psycopg", ""), autocommit=True) as connection:
        # Hashes no longer fit; prune looks at times only.
        connection.execute("UPDATE audit SET at = at - %s WHERE seq = 1", [timedelta(days=200)])
    assert cli("audit", "prune", "--days", "185") == {"deleted": 1}
    with psycopg.connect(fresh.url.replace("+psycopg", "")) as connection:
        rows = connection.execute("SELECT seq, action, actor, detail FROM audit ORDER BY seq").fetchall()
    assert rows[-1][1:] == ("record.pruned", "command line", {"days": 185, "rows": 1})
    assert [row[0] for row in rows] == [2, 3]


def test_an_account_is_linked_to_a_person_of_the_provider_and_unlinked(cli, fresh):
    for name in ("li.na", "wang.wu"):
        cli("user", "add", name, "--role", "operator")
    where = ("--issuer", "https://login.example/", "--subject", "person-1")
    cli("user", "link", "li.na", *where)
    with pytest.raises(ConflictError, match="another account"):
        cli("user", "link", "wang.wu", *where)
    with pytest.raises(InvalidError, match="issuer and a subject"):
        cli("user", "link", "wang.wu", "--subject", "person-2")
    with pytest.raises(NotFoundError):
        cli("user", "link", "nobody", *where)
    cli("user", "unlink", "li.na")
    with pytest.raises(NotFoundError):
        cli("user", "unlink", "li.na")
    cli("user", "link", "wang.wu", *where)
    with psycopg.connect(fresh.url.replace("+psycopg", "")) as connection:
        linked = connection.execute(
            "SELECT name, oidc_issuer, oidc_subject FROM account WHERE oidc_issuer IS NOT NULL"
        ).fetchall()
        acts = connection.execute(
            "SELECT action, object FROM audit WHERE action LIKE '%linked' ORDER BY seq"
        ).fetchall()
    assert linked == [("wang.wu", "https://login.example", "person-1")]
    assert acts == [
        ("account.linked", "account/li.na"),
        ("account.unlinked", "account/li.na"),
        ("account.linked", "account/wang.wu"),
    ]
