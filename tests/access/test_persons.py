"""Persons are sealed where they lie, open only on the record, and go when their time is over."""

from __future__ import annotations

from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.access.world import KEY, box, centre
from twin.access import persons
from twin.access.grants import grants_of
from twin.access.persons import ITEMS, STORE, Person, normal_phone, sealed_row
from twin.access.record import COMMAND_LINE, Actor
from twin.access.scope import EVERYWHERE, Scope
from twin.access.sealing import Sealer
from twin.errors import InvalidError, NotFoundError, SetupError, TooManyError
from twin.store.engine import create_async_engine
from twin.store.journal import Event, append
from twin.store.roles import APP, AUTH, TWIN, role_url
from twin.store.scoped import scoped

pytestmark = pytest.mark.postgis

SEALER = Sealer(KEY)
CODE = 510101001001001
PHONE, IDENTITY_NUMBER = "15400001234", "990000196001011234"
ZHANG = Person("张三丰", PHONE, IDENTITY_NUMBER, "陕西街 1 号 3 栋 2 单元 1501 室")
ACTOR = Actor("li.na", uuid4(), ("dispatcher",), "::1")


@pytest.mark.parametrize(
    "same",
    ["154 0000 1234", "+86 154-0000-1234", "008615400001234", "１５４００００１２３４", "15400001234转8"],
)
def test_a_number_is_the_same_however_it_is_written(same) -> None:
    assert normal_phone(same) == PHONE
    assert normal_phone("(028) 8666 5555") == normal_phone("+86 028-86665555") == "02886665555"


@pytest.mark.parametrize("part", ["", "1234", "154****1234", "154x00001234", "1" * 16, "张三"])
def test_a_part_of_a_number_is_no_number(part) -> None:
    with pytest.raises(InvalidError, match="whole phone number"):
        normal_phone(part)


def test_blank_items_are_left_out_and_nobody_at_all_is_refused() -> None:
    row = sealed_row(SEALER, uuid4(), Person(name=" 李四 ", phone="  "))
    assert (row["name_masked"], row["phone_masked"], row["phone_sealed"]) == ("李*", None, None)
    for wrong in (Person(), Person(name=" "), Person(name="x" * 501), Person(name="a\x00b")):
        with pytest.raises(InvalidError):
            sealed_row(SEALER, uuid4(), wrong)


@pytest.fixture
def city(fresh):
    """One grid, a worker and a case in it, both with a person."""
    with psycopg.connect(fresh.url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(
            "INSERT INTO dataset (name, kind, declared_crs) VALUES ('t', 'osm', 'EPSG:4326');"
            "INSERT INTO area (dataset_id, source_ref, content_hash, code, level, name, geom, label_point, "
            "  made_by, area_m2) "
            f"VALUES (1, 'g', '', '{CODE}', 'responsibility_grid', 'g', '{box(0, 0)}', '{centre(0)}', "
            "'drawn', 1)"
        )
    return fresh


@pytest.fixture
async def owner(city):
    engine = create_async_engine(city.url)
    yield engine
    await engine.dispose()


@pytest.fixture
async def app(city):
    engine = create_async_engine(role_url(city.url, APP))
    yield engine
    await engine.dispose()


async def report(
    owner, number: str, person: Person | None, closed_days: float | None = None
) -> tuple[int, object]:
    """File a case that a person reported; return both numbers."""
    made = uuid4()
    async with owner.begin() as connection:
        if person is not None:
            await connection.execute(STORE, sealed_row(SEALER, made, person))
            await connection.execute(text("UPDATE person SET created_at = now() - interval '900 days'"))
        case = await connection.execute(
            text(
                "INSERT INTO case_file (number, title, category_code, source, geom, reporter_id, opened_at, "
                "  closed_at, outcome) "
                "VALUES (:number, '漏水', '01101', 'hotline', CAST(:at AS text)::geometry, :person, "
                "  now() - interval '900 days', now() - make_interval(secs => :closed), "
                "  CASE WHEN :closed IS NOT NULL THEN 'void' END) RETURNING id"
            ),
            {
                "number": number,
                "at": centre(0),
                "person": made if person else None,
                "closed": None if closed_days is None else closed_days * 86_400.0,
            },
        )
        return case.scalar_one(), made


async def employ(owner, person: Person) -> object:
    made = uuid4()
    async with owner.begin() as connection:
        await connection.execute(STORE, sealed_row(SEALER, made, person))
        await connection.execute(
            text(
                "INSERT INTO worker (code, name, responsibility_grid_id, person_id) "
                "SELECT 'w', '王五', id, :person FROM area"
            ),
            {"person": made},
        )
    return made


def as_role(role: str, scope: Scope = EVERYWHERE):
    return grants_of([(role, scope)])


async def reveal(app, person, grants=None, sealer=SEALER, about="case/1", actor=ACTOR, reason="回访"):
    async with scoped(app, grants or as_role("dispatcher")) as connection:
        revealed = await persons.reveal(
            connection, sealer, actor, person, about=about, items=ITEMS, reason=reason
        )
    return revealed.told()


async def record(owner, *actions: str) -> list[tuple[object, ...]]:
    async with owner.connect() as connection:
        rows = await connection.execute(
            text(
                "SELECT action, object, result, reason, detail FROM audit WHERE action = ANY(:a) ORDER BY seq"
            ),
            {"a": list(actions)},
        )
        return [tuple(row) for row in rows]


async def everything(owner) -> str:
    """All rows of all tables, as text."""
    async with owner.connect() as connection:
        tables = await connection.execute(
            text(
                "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') "
                "AND relnamespace = 'public'::regnamespace"
            )
        )
        rows = [
            await connection.execute(text(f'SELECT t::text FROM "{name}" AS t')) for name in tables.scalars()
        ]
        return "\n".join(value for found in rows for value in found.scalars())


async def test_nothing_of_a_person_lies_in_clear(city, owner, app) -> None:
    case, person = await report(owner, "A-1", ZHANG)
    await employ(owner, Person(phone="15400009999"))
    async with owner.begin() as connection:
        data = {"title": f"漏水，电话 {PHONE}", "by": [IDENTITY_NUMBER], "number": "A-1", "case_id": case}
        await append(connection, [Event("case.reported", f"case/{case}", data)])
    await reveal(app, person)
    async with scoped(app, as_role("dispatcher")) as connection:
        assert (await persons.find_cases(connection, SEALER, ACTOR, PHONE)).told() == [case]
    dump = await everything(owner)
    for secret in (PHONE, IDENTITY_NUMBER, "15400009999", "三丰", "1501 室"):
        assert secret not in dump, secret
        assert secret.encode().hex() not in dump, secret
    assert "A-1" in dump
    assert "154****1234" in dump
    assert "990***********1234" in dump


async def test_only_the_key_and_the_own_row_open_what_is_sealed(owner, app) -> None:
    _, first = await report(owner, "A-1", ZHANG)
    _, second = await report(owner, "A-2", Person("李四", "15400005678"))
    assert await reveal(app, first) == ZHANG
    with pytest.raises(SetupError, match="key of this installation"):
        await reveal(app, first, sealer=Sealer(b"x" * 32))
    async with owner.begin() as connection:
        await connection.execute(
            text(
                "UPDATE person AS p SET phone_sealed = o.phone_sealed FROM person AS o "
                "WHERE p.id = :first AND o.id = :second"
            ),
            {"first": first, "second": second},
        )
    with pytest.raises(SetupError, match=f"person.phone/{first}"):
        await reveal(app, first)
    async with owner.begin() as connection:
        await connection.execute(
            text(
                "UPDATE person SET phone_sealed = name_sealed, phone_index = phone_index WHERE id = :second"
            ),
            {"second": second},
        )
    with pytest.raises(SetupError):  # nor in another column of the own row
        await reveal(app, second)
    assert len(await record(owner, "person.revealed")) == 1, "what was not opened is not on the record"


@pytest.mark.parametrize("role", [APP, AUTH, TWIN])
async def test_no_role_of_the_server_reads_what_is_sealed(city, owner, role) -> None:
    await report(owner, "A-1", ZHANG)
    engine = create_async_engine(role_url(city.url, role))
    for column in (
        "*",
        "phone_sealed",
        "name_sealed",
        "identity_number_sealed",
        "address_sealed",
        "phone_index",
    ):
        with pytest.raises(DBAPIError, match="permission denied"):
            async with scoped(engine, as_role("manager")) as connection:
                await connection.execute(text(f"SELECT {column} FROM person"))
    with pytest.raises(DBAPIError, match="permission denied"):
        async with scoped(engine, as_role("manager")) as connection:
            await connection.execute(text("DELETE FROM person"))
    await engine.dispose()


async def test_the_database_reveals_where_the_right_holds_and_nowhere_else(owner, app) -> None:
    _, person = await report(owner, "A-1", ZHANG)
    worker = await employ(owner, Person(phone="15400009999"))
    beside = Scope.of_area("510101001002000", "community")
    here_to_see = grants_of([("operator", EVERYWHERE), ("dispatcher", beside)])
    for grants in (as_role("operator"), as_role("planner"), as_role("dispatcher", beside), here_to_see):
        for somebody in (person, worker, uuid4()):
            with pytest.raises(NotFoundError):
                await reveal(app, somebody, grants)
        async with scoped(app, grants) as connection:
            assert (await persons.find_cases(connection, SEALER, ACTOR, PHONE)).told() == []
    assert await record(owner, "person.revealed") == []
    assert (await reveal(app, worker, about="worker/1")).phone == "15400009999"


async def test_a_phone_finds_its_cases_by_the_whole_number_only(owner, app) -> None:
    first, _ = await report(owner, "A-1", ZHANG)
    second, _ = await report(owner, "A-2", Person("张女士", "+86 154-0000-1234"), closed_days=3)
    await report(owner, "A-3", Person("李四", "15400001235"))
    await report(owner, "A-4", None)
    async with scoped(app, as_role("dispatcher")) as connection:
        found = (await persons.find_cases(connection, SEALER, ACTOR, "154 0000 1234")).told()
        assert sorted(found) == [first, second]
        for other in ("5400001234", "1540000123", "15400001236"):
            assert (await persons.find_cases(connection, SEALER, ACTOR, other)).told() == []
    (_, about, _, _, detail), *_ = await record(owner, "person.searched")
    assert about == "phone"
    assert detail == {"phone": "154****1234", "cases": found}


async def test_a_reveal_is_on_the_record_and_too_many_are_refused_and_on_it_once(
    owner, app, monkeypatch
) -> None:
    monkeypatch.setattr(persons, "REVEALS_PER_HOUR", 3)
    _, person = await report(owner, "A-1", ZHANG)
    for _ in range(3):
        await reveal(app, person)
    for _ in range(2):
        with pytest.raises(TooManyError) as refused:
            await reveal(app, person)
        assert 3500 < refused.value.wait_s <= 3600
    told = await record(owner, "person.revealed")
    assert told[0] == ("person.revealed", "case/1", "done", "回访", {"fields": list(ITEMS)})
    assert [result for _, _, result, *_ in told] == ["done"] * 3 + ["refused"]
    assert await reveal(app, person, actor=Actor("wang.wu", uuid4())) == ZHANG, "each account has its own"
    async with scoped(app, as_role("dispatcher")) as connection:
        assert (await persons.find_cases(connection, SEALER, ACTOR, PHONE)).told(), "and so has each act"


@pytest.mark.parametrize("reason", ["", "  "])
async def test_nobody_is_revealed_without_a_reason(owner, app, reason) -> None:
    _, person = await report(owner, "A-1", ZHANG)
    with pytest.raises(InvalidError, match="reason"):
        await reveal(app, person, reason=reason)


async def test_who_reports_cases_stores_persons_and_who_does_not_may_not(app) -> None:
    for role in ("operator", "dispatcher", "manager"):
        async with scoped(app, as_role(role)) as connection:
            await connection.execute(STORE, sealed_row(SEALER, uuid4(), ZHANG))
    for role in ("department", "worker", "planner", "wall"):
        with pytest.raises(DBAPIError, match="row-level security"):
            async with scoped(app, as_role(role)) as connection:
                await connection.execute(STORE, sealed_row(SEALER, uuid4(), ZHANG))


async def test_a_masked_form_that_is_none_is_refused_by_the_database(owner) -> None:
    row = sealed_row(SEALER, uuid4(), ZHANG)
    for column, value in (("phone_masked", PHONE), ("name_masked", IDENTITY_NUMBER), ("phone_index", b"")):
        with pytest.raises(DBAPIError, match="check constraint"):
            async with owner.begin() as connection:
                await connection.execute(STORE, {**row, column: value})


async def test_a_person_is_erased_and_the_case_stays(owner) -> None:
    await report(owner, "A-1", ZHANG)
    await report(owner, "A-2", Person("张女士", PHONE))
    await report(owner, "A-3", Person("李四", "15400005678"))
    worker = await employ(owner, Person(phone=PHONE))
    async with owner.begin() as connection:
        erase = persons.erase
        assert await erase(connection, SEALER, COMMAND_LINE, number="A-3", reason="本人申请") == 1
        assert await erase(connection, SEALER, COMMAND_LINE, phone="154 0000 1234", reason="本人申请") == 2
        for gone in ({"number": "A-3"}, {"number": "none"}, {"phone": PHONE}):
            with pytest.raises(NotFoundError):
                await erase(connection, SEALER, COMMAND_LINE, reason="x", **gone)
        for wrong in ({}, {"number": "A-1", "phone": PHONE}, {"phone": "1234"}):
            with pytest.raises(InvalidError):
                await erase(connection, SEALER, COMMAND_LINE, reason="x", **wrong)
        assert (await connection.execute(text("SELECT id FROM person"))).scalars().all() == [worker]
        assert (
            await connection.execute(text("SELECT count(*), count(reporter_id) FROM case_file"))
        ).one() == (3, 0)
    assert await record(owner, "person.erased") == [
        ("person.erased", "case A-3", "done", "本人申请", {"persons": 1}),
        ("person.erased", "phone", "done", "本人申请", {"persons": 2, "phone": "154****1234"}),
    ]


async def test_persons_of_cases_long_closed_expire_and_nobody_else(city, owner) -> None:
    _, long_closed = await report(owner, "A-1", ZHANG, closed_days=181)
    _, lately = await report(owner, "A-2", ZHANG, closed_days=179)
    _, still_open = await report(owner, "A-3", ZHANG)
    _, both = await report(owner, "A-4", ZHANG, closed_days=181)
    worker = await employ(owner, Person(phone=PHONE))
    async with owner.begin() as connection:
        await connection.execute(
            text("UPDATE case_file SET reporter_id = :both WHERE number = 'A-2'"), {"both": both}
        )
        await connection.execute(text("UPDATE person SET created_at = now() - interval '900 days'"))
        await connection.execute(STORE, sealed_row(SEALER, uuid4(), ZHANG))  # whose case is not filed yet
    own = create_async_engine(role_url(city.url, TWIN))
    assert [await persons.expire(own, 180) for _ in range(2)] == [2, 0]
    await own.dispose()
    async with owner.connect() as connection:
        left = set((await connection.execute(text("SELECT id FROM person"))).scalars())
        assert len(left) == 4
        assert left > {still_open, both, worker}
        assert not left & {long_closed, lately}, "the first is too old, and nothing names the other any more"
        assert (await connection.execute(text("SELECT count(*) FROM case_file"))).scalar_one() == 4
    [(_, about, _, _, detail)] = await record(owner, "person.expired")
    assert (about, detail) == ("persons", {"persons": 2, "days": 180})
