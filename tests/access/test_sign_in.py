from __future__ import annotations

import asyncio
import statistics
import time

import pyotp
import pytest
from sqlalchemy import text

from twin.access import accounts, credentials, linking
from twin.access.credentials import CredentialKind
from twin.access.record import COMMAND_LINE, verify
from twin.access.sign_in import MOST_FAILURES, SecondStep, SignedIn, SignIn, SignInRefusedError
from twin.errors import ConflictError, InvalidError, NotFoundError

pytestmark = pytest.mark.postgis

GOOD = "Regen-Schirm-27"


@pytest.fixture
def door(auth, passwords, sealer) -> SignIn:
    return SignIn(auth, passwords, sealer)


async def person(auth, passwords, name="li.na", role="operator", password=GOOD):
    async with auth.begin() as connection:
        made = await accounts.create(connection, COMMAND_LINE, name, name)
        await accounts.set_password(connection, COMMAND_LINE, made, password, passwords, must_change=False)
        if role:
            await accounts.grant(connection, COMMAND_LINE, made, role)
    return made


async def identity_of(auth, secret, kind=CredentialKind.SESSION):
    async with auth.begin() as connection:
        return await credentials.find_identity(connection, secret, kind)


async def test_right_password_opens_a_session_with_the_roles_of_the_account(auth, passwords, door):
    await person(auth, passwords)
    opened = await door.by_password(" LI.NA ", GOOD, "10.0.0.1", "test")
    assert isinstance(opened, SignedIn)
    identity = await identity_of(auth, opened.secret)
    assert identity is not None
    assert (identity.name, identity.grants.roles) == ("li.na", ("operator",))


@pytest.mark.parametrize("case", ["wrong", "unknown", "disabled", "kiosk", "unused"])
async def test_every_refusal_is_the_same(auth, passwords, door, case):
    made = await person(auth, passwords)
    name, password = "li.na", GOOD
    async with auth.begin() as connection:
        if case == "wrong":
            password = "Other-Words-99"
        elif case == "unknown":
            name = "nobody"
        elif case == "disabled":
            await accounts.disable(connection, COMMAND_LINE, name)
        elif case == "unused":
            await connection.execute(
                text("UPDATE account SET used_at = now() - interval '91 days' WHERE id = :id"), {"id": made}
            )
        else:
            await accounts.create(connection, COMMAND_LINE, "wall-1", "wall", kind="kiosk")
            name = "wall-1"
    with pytest.raises(SignInRefusedError, match="the name, the password or the code is wrong"):
        await door.by_password(name, password, "", None)


async def test_account_is_locked_after_five_wrong_tries_even_for_the_right_password(auth, passwords, door):
    made = await person(auth, passwords)
    for _ in range(MOST_FAILURES):
        with pytest.raises(SignInRefusedError):
            await door.by_password("li.na", "Wrong-Words-11", "", None)
    with pytest.raises(SignInRefusedError):
        await door.by_password("li.na", GOOD, "", None)
    async with auth.begin() as connection:
        await connection.execute(
            text("UPDATE account SET locked_until = now() - interval '1 second' WHERE id = :id"), {"id": made}
        )
    assert isinstance(await door.by_password("li.na", GOOD, "", None), SignedIn)


async def test_unknown_name_takes_as_long_as_a_wrong_password(auth, passwords, door):
    await person(auth, passwords)
    took: dict[str, list[float]] = {"li.na": [], "nobody": []}
    for _ in range(4):
        for name, times in took.items():
            begun = time.perf_counter()
            with pytest.raises(SignInRefusedError):
                await door.by_password(name, "Wrong-Words-11", "", None)
            times.append(time.perf_counter() - begun)
    # Both hash once: without that an unknown name is answered ten times sooner.
    assert statistics.median(took["nobody"]) > 0.3 * statistics.median(took["li.na"])


async def test_signing_in_without_a_second_step_makes_no_secret_but_the_session(
    auth, passwords, door, monkeypatch
):
    made, kinds, issue = await person(auth, passwords), [], credentials.issue

    async def noted(connection, account_id, kind, **more):
        kinds.append(kind)
        return await issue(connection, account_id, kind, **more)

    monkeypatch.setattr(credentials, "issue", noted)
    await door.by_password("li.na", GOOD, "", None)
    async with auth.begin() as connection:
        await linking.link(connection, COMMAND_LINE, "li.na", "https://login.example/", "person-1")
    opened = await door.by_provider("https://login.example", "person-1", "", None)
    assert (opened.account_id, (await identity_of(auth, opened.secret)).name) == (made, "li.na")
    assert kinds == [CredentialKind.SESSION, CredentialKind.SESSION]


async def test_unlinked_account_is_opened_by_nobody_of_the_provider(auth, passwords, door):
    await person(auth, passwords)
    async with auth.begin() as connection:
        await linking.link(connection, COMMAND_LINE, "li.na", "https://login.example", "person-1")
    opened = await door.by_provider("https://login.example", "person-1", "", None)
    async with auth.begin() as connection:
        await linking.unlink(connection, COMMAND_LINE, "Li.Na")
        with pytest.raises(NotFoundError):
            await linking.unlink(connection, COMMAND_LINE, "li.na")
    assert await identity_of(auth, opened.secret) is None
    with pytest.raises(SignInRefusedError):
        await door.by_provider("https://login.example", "person-1", "", None)


async def test_privileged_role_needs_a_code_and_no_code_counts_twice(auth, passwords, door):
    await person(auth, passwords, role="dispatcher")
    first = await door.by_password("li.na", GOOD, "", None)
    assert isinstance(first, SecondStep)
    assert first.enrolment is not None
    secret = pyotp.parse_uri(first.enrolment).secret
    assert await identity_of(auth, first.secret) is None  # half a sign-in opens nothing
    with pytest.raises(SignInRefusedError):
        await door.by_code(first.secret, "000000", "", None)
    code = pyotp.TOTP(secret).now()
    opened = await door.by_code(first.secret, code, "", None)
    assert await identity_of(auth, opened.secret) is not None
    with pytest.raises(SignInRefusedError):
        await door.by_code(first.secret, code, "", None)  # the first step is spent
    again = await door.by_password("li.na", GOOD, "", None)
    assert isinstance(again, SecondStep)
    assert again.enrolment is None
    with pytest.raises(SignInRefusedError):
        await door.by_code(again.secret, code, "", None)  # the code is spent


async def test_of_many_who_bring_one_code_one_is_let_in(auth, passwords, door):
    await person(auth, passwords, role="manager")
    first = await door.by_password("li.na", GOOD, "", None)
    assert isinstance(first, SecondStep)
    secret = pyotp.parse_uri(str(first.enrolment)).secret
    await door.by_code(first.secret, pyotp.TOTP(secret).at(time.time() - 30), "", None)
    steps = [await door.by_password("li.na", GOOD, "", None) for _ in range(4)]
    code = pyotp.TOTP(secret).now()
    done = await asyncio.gather(
        *(door.by_code(s.secret, code, "", None) for s in steps), return_exceptions=True
    )
    assert sum(isinstance(d, SignedIn) for d in done) == 1


async def test_ticket_opens_once_and_only_for_its_kind(auth, passwords):
    made = await person(auth, passwords)
    async with auth.begin() as connection:
        session, session_id = await credentials.issue(connection, made, CredentialKind.SESSION)
        ticket, _ = await credentials.issue(connection, made, CredentialKind.TICKET, parent_id=session_id)
    assert await identity_of(auth, ticket) is None

    async def use():
        async with auth.begin() as connection:
            return await credentials.consume(connection, ticket, CredentialKind.TICKET)

    used = await asyncio.gather(*(use() for _ in range(5)))
    assert sum(u is not None for u in used) == 1
    assert await identity_of(auth, session) is not None


async def test_revoking_a_session_ends_its_tickets(auth, passwords):
    made = await person(auth, passwords)
    async with auth.begin() as connection:
        session, session_id = await credentials.issue(connection, made, CredentialKind.SESSION)
        ticket, _ = await credentials.issue(connection, made, CredentialKind.TICKET, parent_id=session_id)
    async with auth.begin() as connection:
        assert await credentials.revoke(connection, session_id)
    assert await identity_of(auth, session) is None
    async with auth.begin() as connection:
        assert await credentials.consume(connection, ticket, CredentialKind.TICKET) is None


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE credential SET expires_at = now() - interval '1 second'",
        "UPDATE credential SET seen_at = now() - interval '31 minutes'",
        "UPDATE account SET disabled_at = now()",
    ],
)
async def test_session_ends_by_age_idleness_and_with_its_account(auth, passwords, change):
    made = await person(auth, passwords)
    async with auth.begin() as connection:
        session, _ = await credentials.issue(connection, made, CredentialKind.SESSION)
    assert await identity_of(auth, session) is not None
    async with auth.begin() as connection:
        await connection.execute(text(change))
    assert await identity_of(auth, session) is None


async def test_kiosk_survives_months_of_use(auth, passwords):
    async with auth.begin() as connection:
        wall = await accounts.create(connection, COMMAND_LINE, "wall-1", "wall", kind="kiosk")
        await accounts.grant(connection, COMMAND_LINE, wall, "wall")
        secret, _ = await credentials.issue(connection, wall, CredentialKind.KIOSK)
        await connection.execute(
            text(
                "UPDATE credential SET seen_at = seen_at - interval '180 days', "
                "expires_at = expires_at - interval '180 days'"
            )
        )
    identity = await identity_of(auth, secret, CredentialKind.KIOSK)
    assert identity is not None
    assert identity.grants.acts == {}


async def test_duties_are_kept_apart(auth, passwords):
    made = await person(auth, passwords, role="system_admin")
    for role in ("security_admin", "auditor", "operator"):
        async with auth.connect() as connection:
            with pytest.raises(ConflictError, match="beside the roles"):
                await accounts.grant(connection, COMMAND_LINE, made, role)


async def test_duties_are_held_for_the_whole_only(auth, passwords):
    made = await person(auth, passwords, role="")
    async with auth.connect() as connection:
        with pytest.raises(InvalidError, match="whole installation"):
            await accounts.grant(connection, COMMAND_LINE, made, "auditor", "510100000000000")


async def test_password_rules(auth, passwords):
    made = await person(auth, passwords)
    for bad in (
        "Short1!",
        "alllowercaseletters",
        "Li.Na-is-my-name-1",
        "Password-2026",
        "Aa1!Aa1!Aa1!"[:8] * 2,
        GOOD,
    ):
        async with auth.connect() as connection:
            with pytest.raises(InvalidError):
                await accounts.set_password(connection, COMMAND_LINE, made, bad, passwords, must_change=False)


async def test_new_password_ends_the_sessions(auth, passwords):
    made = await person(auth, passwords)
    async with auth.begin() as connection:
        session, _ = await credentials.issue(connection, made, CredentialKind.SESSION)
    async with auth.begin() as connection:
        await accounts.set_password(
            connection, COMMAND_LINE, made, "Neue-Worte-4711", passwords, must_change=False
        )
    assert await identity_of(auth, session) is None


async def test_names_and_accounts_that_do_not_exist(auth):
    async with auth.connect() as connection:
        for name in ("x", "王五", "a b", "-a", "a" * 65):
            with pytest.raises(InvalidError):
                await accounts.create(connection, COMMAND_LINE, name, name)
        with pytest.raises(NotFoundError):
            await accounts.disable(connection, COMMAND_LINE, "nobody")


async def test_everything_is_on_the_record(auth, passwords, door, fresh):
    await person(auth, passwords)
    await door.by_password("li.na", GOOD, "10.1.2.3", "agent")
    with pytest.raises(SignInRefusedError):
        await door.by_password("li.na", "Wrong-Words-11", "10.1.2.3", "agent")
    from twin.store.engine import create_async_engine

    owner = create_async_engine(fresh.url)
    async with owner.connect() as connection:
        actions = (await connection.execute(text("SELECT action FROM audit ORDER BY seq"))).scalars().all()
        verdict = await verify(connection)
    await owner.dispose()
    assert actions == [
        "account.created",
        "account.password_set",
        "role.granted",
        "session.begun",
        "session.refused",
    ]
    assert verdict.faults == ()
