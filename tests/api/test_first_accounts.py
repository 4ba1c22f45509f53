from __future__ import annotations

import asyncio

import psycopg
import pytest

from api.first_accounts import DEMO_FILE, ensure_accounts, how_to_sign_in, keep_demo_file
from twin.access import account_list, accounts, credentials
from twin.access.credentials import CredentialKind
from twin.access.passwords import Passwords
from twin.access.record import COMMAND_LINE
from twin.access.roles import DataClass
from twin.access.sealing import Sealer
from twin.access.sign_in import SecondStep, SignedIn, SignIn
from twin.store.engine import create_async_engine
from twin.store.roles import AUTH, role_url

pytestmark = pytest.mark.postgis
DEMO = {
    "demo-operator": "operator",
    "demo-dispatcher": "dispatcher",
    "demo-planner": "planner",
    "demo-worker": "worker",
    "demo-auditor": "auditor",
    "demo-system": "system_admin",
    "demo-security": "security_admin",
}


def rows(database):
    async def work(engine):
        async with engine.connect() as connection:
            return {row.name: row for row in await account_list.list_accounts(connection)}

    return ask(database, work)


def ask(database, work):
    async def go():
        engine = create_async_engine(role_url(database.url, AUTH))
        try:
            return await work(engine)
        finally:
            await engine.dispose()

    return asyncio.run(go())


def sign_in(database, name, password):
    async def work(engine):
        door = SignIn(engine, Passwords(), Sealer(b"k" * 32))
        done = await door.by_password(name, password, "::1", None)
        if isinstance(done, SecondStep):
            return done, None
        async with engine.begin() as connection:
            return done, await credentials.find_identity(connection, done.secret, CredentialKind.SESSION)

    return ask(database, work)


def test_a_new_database_gets_one_administrator_with_a_one_time_password(database):
    fresh = database.fresh()
    (made,) = ensure_accounts(fresh.url, None, demo=False, simulated=False)
    (row,) = rows(fresh).values()
    assert (row.name, row.demo, [one.role for one in row.held]) == ("admin", False, ["security_admin"])
    done, _ = sign_in(fresh, "admin", made.password)
    assert isinstance(done, SecondStep)
    assert done.enrolment.startswith("otpauth://"), "an administrator needs a second factor from the start"
    with psycopg.connect(fresh.url.replace("+psycopg", "")) as connection:
        assert connection.execute("SELECT must_change_password FROM account").fetchone() == (True,)
    assert ensure_accounts(fresh.url, None, demo=True, simulated=True) == [], "only where there is none"


@pytest.mark.parametrize(("demo", "simulated"), [(False, True), (True, False)])
def test_no_accounts_to_try_are_made_when_unwanted_or_beside_real_data(fresh_city, demo, simulated):
    ensure_accounts(fresh_city.url, None, demo=demo, simulated=simulated)
    assert list(rows(fresh_city)) == ["admin"]


def test_accounts_to_try_show_every_duty_and_their_passwords_lie_in_a_closed_file(fresh_city, tmp_path):
    made = ensure_accounts(fresh_city.url, None, demo=True, simulated=True)
    assert len({one.password for one in made}) == len(DEMO) + 1
    found = rows(fresh_city)
    assert {name: [one.role for one in found[name].held] for name in DEMO} == {
        name: [role] for name, role in DEMO.items()
    }
    for name in DEMO:
        assert found[name].demo
        assert found[name].display_name.startswith("演示")
    assert found["demo-dispatcher"].held[0].area_code == "510105001001000", (
        "the community of the worker's grid"
    )
    assert found["demo-worker"].held[0].area_code == "510105001001001"

    passwords = {one.name: one.password for one in made}
    done, identity = sign_in(fresh_city, "demo-worker", passwords["demo-worker"])
    assert isinstance(done, SignedIn)
    assert not done.must_change_password
    assert identity.grants.worker_id == 1
    assert DataClass.WORKER not in identity.grants.reads
    assert isinstance(sign_in(fresh_city, "demo-auditor", passwords["demo-auditor"])[0], SecondStep)

    path = keep_demo_file(tmp_path, made)
    assert path == tmp_path / DEMO_FILE
    assert path.stat().st_mode & 0o777 == 0o600
    assert [line.split()[:2] for line in path.read_text().splitlines()] == [
        [one.name, one.password] for one in made if one.demo
    ]
    first, *rest = how_to_sign_in(made, path)
    assert made[0].password in first
    assert all(any(passwords[name] in line for line in rest) for name in DEMO)
    assert keep_demo_file(tmp_path, []) == path
    assert how_to_sign_in([], path) == [f"sign in with your account; accounts to try are in {path}"]


def test_staff_of_a_simulated_department_may_be_tried_where_there_is_one(fresh_city):
    with psycopg.connect(fresh_city.url.replace("+psycopg", ""), autocommit=True) as connection:
        made = connection.execute(
            "INSERT INTO organisation (code, name, kind, simulated) "
            "VALUES ('SIM-D-city_management', '城市管理部门（模拟）', 'department', true) RETURNING id"
        ).fetchone()
    passwords = {
        one.name: one.password for one in ensure_accounts(fresh_city.url, None, demo=True, simulated=True)
    }
    _, identity = sign_in(fresh_city, "demo-department", passwords["demo-department"])
    assert identity.grants.organisation_id == made[0]
    assert set(identity.grants.reads) == {DataClass.PLACE}, "of cases only those of the department"


def test_accounts_to_try_are_closed_when_the_data_are_no_longer_simulated(fresh_city):
    ensure_accounts(fresh_city.url, None, demo=True, simulated=True)
    ensure_accounts(fresh_city.url, None, demo=True, simulated=True)
    assert not any(row.disabled for row in rows(fresh_city).values())
    ensure_accounts(fresh_city.url, None, demo=True, simulated=False)
    assert {name for name, row in rows(fresh_city).items() if row.disabled} == set(DEMO)


def test_a_city_without_workers_has_no_worker_to_try(database):
    fresh = database.fresh()
    made = ensure_accounts(fresh.url, None, demo=True, simulated=True)
    assert {one.name for one in made} == {"admin", *DEMO} - {"demo-worker"}


def test_accounts_that_are_there_stay_as_they_are(database):
    fresh = database.fresh()

    async def work(engine):
        async with engine.begin() as connection:
            await accounts.create(connection, COMMAND_LINE, "li.na", "李娜")

    ask(fresh, work)
    assert ensure_accounts(fresh.url, None, demo=True, simulated=True) == []
    assert list(rows(fresh)) == ["li.na"]
    assert how_to_sign_in([], None) == ["sign in with your account; gridtwin user list shows them"]
