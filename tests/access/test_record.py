from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from twin.access import accounts, record
from twin.access.record import COMMAND_LINE, Actor, Entry, Head
from twin.errors import InvalidError
from twin.store.engine import create_async_engine
from twin.store.roles import APP, AUTH, TWIN, role_url

pytestmark = pytest.mark.postgis

KEY = b"r" * 32


@pytest.fixture
async def owner(fresh):
    engine = create_async_engine(fresh.url)
    yield engine
    await engine.dispose()


async def fill(engine, n=8):
    for i in range(n):
        async with engine.begin() as connection:
            await record.write(
                connection, Actor("li.na"), Entry("track.read", f"worker/{i}", detail={"i": i, "名": "王"})
            )


async def faults(owner, heads=()):
    async with owner.connect() as connection:
        return (await record.verify(connection, heads)).faults


async def test_whole_record_has_no_fault(auth, owner):
    await fill(auth)
    async with owner.connect() as connection:
        verdict = await record.verify(connection)
    assert (verdict.rows, verdict.first, verdict.last, verdict.faults) == (8, 1, 8, ())


TAMPERINGS = {
    "changed": "UPDATE audit SET actor = 'wang.wu' WHERE seq = 4",
    "changed in its detail": """UPDATE audit SET detail = detail || '{"i": 99}' WHERE seq = 4""",
    "another time": "UPDATE audit SET at = at - interval '1 microsecond' WHERE seq = 4",
    "removed": "DELETE FROM audit WHERE seq = 4",
    "removed and closed up": "DELETE FROM audit WHERE seq = 4; UPDATE audit SET seq = seq - 1 WHERE seq > 4",
    "reordered": "UPDATE audit SET seq = 1000 WHERE seq = 3; UPDATE audit SET seq = 3 WHERE seq = 4; "
    "UPDATE audit SET seq = 4 WHERE seq = 1000",
    "beginning removed": "DELETE FROM audit WHERE seq < 3",
    "tail removed": "DELETE FROM audit WHERE seq > 6",
    "all removed": "DELETE FROM audit",
}


@pytest.mark.parametrize("how", TAMPERINGS)
async def test_tampering_is_found(auth, owner, how):
    await fill(auth, 2)
    heads = []
    for _ in range(2):
        async with owner.connect() as connection:
            heads.append(await record.newest(connection))
        await fill(auth, 3)
    async with owner.connect() as connection:
        heads.append(await record.newest(connection))
    assert await faults(owner, tuple(heads)) == ()
    async with owner.begin() as connection:
        for statement in TAMPERINGS[how].split("; "):
            await connection.execute(text(statement))
    assert await faults(owner, tuple(heads)) != (), how


async def test_chain_that_is_written_anew_is_found_by_its_heads(auth, owner):
    """Who owns the database can make a chain that fits itself, but not the heads that lie outside."""
    await fill(auth, 3)
    async with owner.connect() as connection:
        head = await record.newest(connection)
    async with owner.begin() as connection:
        await connection.execute(text("DELETE FROM audit"))
    await fill(auth, 4)
    assert await faults(owner) == ()
    assert len(await faults(owner, (head,))) == 1


def test_heads_are_kept_in_a_file_and_forged_lines_are_told(tmp_path):
    path = tmp_path / "heads"
    head = Head(7, b"\x01" * 32, datetime.now(UTC))
    record.keep_head(path, head, KEY)
    record.keep_head(path, head, KEY)  # twice the same is once
    record.keep_head(path, Head(9, b"\x02" * 32, datetime.now(UTC)), KEY)
    heads, forged = record.read_heads(path, KEY)
    assert ([h.seq for h in heads], forged) == ([7, 9], 0)
    assert heads[0].hash == head.hash
    path.write_text(path.read_text().replace(" 7 ", " 6 "))
    heads, forged = record.read_heads(path, KEY)
    assert ([h.seq for h in heads], forged) == ([9], 1)


@pytest.mark.parametrize("role", [APP, AUTH, TWIN])
async def test_no_role_of_the_server_can_change_the_record(fresh, auth, role):
    await fill(auth, 2)
    engine = create_async_engine(role_url(fresh.url, role))
    for statement in (
        "UPDATE audit SET actor = 'x'",
        "DELETE FROM audit",
        "TRUNCATE audit",
        "INSERT INTO audit SELECT seq + 1, at, actor, account_id, roles, address, action, object, result, "
        "reason, detail, prev_hash, hash FROM audit",
        "SET ROLE gridtwin_audit",
        "ALTER TABLE audit DISABLE ROW LEVEL SECURITY",
        "CREATE OR REPLACE FUNCTION audit_append(text, uuid, text, text, text, text, text, text, jsonb) "
        "RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint'",
    ):
        async with engine.connect() as connection:
            with pytest.raises(DBAPIError):
                await connection.execute(text(statement))
    await engine.dispose()


async def test_where_the_record_cannot_be_written_the_act_fails(auth, owner):
    async with owner.begin() as connection:
        await connection.execute(text("REVOKE INSERT ON audit FROM gridtwin_audit"))
    with pytest.raises(DBAPIError):
        async with auth.begin() as connection:
            await accounts.create(connection, COMMAND_LINE, "li.na", "")
    async with owner.connect() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM account"))).scalar_one() == 0


async def test_only_what_is_old_is_deleted_and_the_rest_stays_whole(auth, owner):
    await fill(auth, 5)
    async with owner.connect() as connection:
        with pytest.raises(InvalidError, match="at least 185 days"):
            await record.prune(connection, 184)
    async with owner.begin() as connection:
        assert await record.prune(connection, 185) == 0
        # As if time had passed; the hashes of these rows no longer fit, so they are not looked at.
        await connection.execute(text("UPDATE audit SET at = at - interval '186 days' WHERE seq <= 3"))
        assert await record.prune(connection, 185) == 3
    async with owner.connect() as connection:
        verdict = await record.verify(connection)
    assert (verdict.first, verdict.rows, verdict.faults) == (4, 2, ())
    old = Head(2, b"", datetime.now(UTC) - timedelta(days=190))
    assert await faults(owner, (old,)) == ()
