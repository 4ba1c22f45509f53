"""Groups of alarms raise one case each by themselves, and none keeps the others waiting."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event

from tests.access.world import KEY, LAT, LON, STEP
from tests.twin.rules.alarmed import CODES, HOUR
from twin.access.sealing import Sealer
from twin.cases.categories import load_categories
from twin.cases.reporting import report_by_system
from twin.catalog import load_catalog
from twin.errors import ConflictError, InvalidError, NotFoundError
from twin.rules import alarm_cases
from twin.rules.alarm_cases import Raised
from twin.rules.maintenance import Window, end_window, set_window
from twin.rules.rule import WHOLE
from twin.rules.shelving import ToShelve, bring_back, put_back, shelve
from twin.store.engine import create_async_engine
from twin.store.scoped import set_scope

pytestmark = pytest.mark.postgis


async def test_a_group_raises_one_case_and_once_only(world) -> None:
    await world.alarm(0, 5)
    await world.alarm(20, 3)
    assert await world.look() == Raised(1, 1)
    assert await world.look() == Raised()
    [(number, source, category, priority, title, stage, due, scope)] = world.rows(
        "SELECT number, source, category_code, priority, title, stage, stage_due_at IS NOT NULL, scope_code "
        "FROM case_file WHERE source = 'sensor'"
    )
    assert (source, category, priority, stage, due) == ("sensor", "54001", 1, "collected", True)
    assert title.startswith("液位计·")
    assert scope == int(CODES[0])
    [(actor, told)] = world.rows("SELECT actor, data ->> 'number' FROM journal WHERE kind = 'case.reported' "
                                 "AND data ->> 'source' = 'sensor'")  # fmt: skip
    assert (actor, told) == ("system", number)
    world.rows("UPDATE alarm SET cleared_at = now() WHERE cleared_at IS NULL")
    await world.alarm(0, 5)
    assert await world.look() == Raised()
    assert world.sensed() == [(1,)]
    assert world.rows("SELECT alarms, case_id IS NOT NULL FROM alarm_group WHERE alarms > 1") == [(2, True)]


SENSED = (
    "SELECT c.title, c.title_en, c.category_code, c.priority, r.description FROM case_file AS c "
    "JOIN case_report AS r ON r.case_id = c.id WHERE c.source = 'sensor'"
)


async def test_a_rule_about_a_whole_device_raises_the_case_it_names_where_the_device_is(world) -> None:
    row = world.board.row_of_uid[f"camera-{CODES[0]}"]
    elsewhere = world.board.row_of_uid[f"camera-{CODES[20]}"]
    world.board.lon[row], world.board.lat[row] = world.board.lon[elsewhere], world.board.lat[elsewhere]
    await world.alarm(0, 3, "camera", WHOLE, world.rule("09009"))
    assert await world.look() == Raised(1, 1)
    assert await world.look() == Raised()
    [(there,)] = world.rows("SELECT name FROM area WHERE code = %s AND valid_to IS NULL", CODES[20])
    [(title, title_en, category, priority, said)] = world.rows(SENSED)
    assert (title, category, priority) == (f"违停·{there}", "09009", 3)
    assert title_en.startswith("No parking")
    assert said == f"传感器告警 1 条。规则“违停”。摄像机 camera-{CODES[0]}。"
    assert world.said() == [(said, f"1 alarms of sensors. Rule “No parking”. Camera camera-{CODES[0]}.")]


async def test_a_rule_that_names_no_case_about_a_whole_device_raises_none(world) -> None:
    await world.alarm(0, 5, "camera", WHOLE, world.rule(None))
    assert await world.look() == Raised()


async def test_what_a_rule_names_goes_before_what_the_kind_says_from_the_state_it_raises(world) -> None:
    named = world.rule("09009")
    await world.alarm(0, 3, rule=named)
    await world.alarm(20, 3, rule=world.rule(None))
    await world.alarm(10, 4, rule=named)
    assert await world.look() == Raised(2, 2)
    for title, _, category, _, said in world.rows(SENSED):
        assert (title.split("·")[0], category) == ("违停", "09009")
        assert "液位 30.0 cm" in said


async def test_the_case_of_a_tracker_does_not_say_whose_it_is(world) -> None:
    await world.alarm(0, 3, "worker", WHOLE, world.rule("09009"))
    assert (await world.look()).raised == 1
    [row] = world.rows("SELECT description, attributes FROM case_report AS r JOIN case_file ON id = case_id "
                       "WHERE source = 'sensor'")  # fmt: skip
    assert f"worker-{CODES[0]}" not in str(row)


async def test_two_servers_that_look_at_once_raise_one_case(world) -> None:
    await world.alarm(0)
    both = await asyncio.gather(world.look(), world.look())
    assert sum(one.raised for one in both) == 1
    assert world.sensed() == [(1,)]


async def test_killed_on_the_way_it_is_raised_once_afterwards(world, monkeypatch) -> None:
    await world.alarm(0)
    report = alarm_cases.report_by_system

    async def killed(*arguments, **named):
        await report(*arguments, **named)
        raise asyncio.CancelledError

    monkeypatch.setattr(alarm_cases, "report_by_system", killed)
    with pytest.raises(asyncio.CancelledError):
        await world.look()
    assert world.sensed() == [(0,)]
    monkeypatch.setattr(alarm_cases, "report_by_system", report)
    assert (await world.look()).raised == 1
    assert world.sensed() == [(1,)]


async def test_killed_before_the_group_knows_its_case_it_gets_the_same(world) -> None:
    await world.alarm(0)
    await world.look()
    before = world.rows("SELECT id, case_id FROM alarm_group WHERE case_id IS NOT NULL")
    world.rows("UPDATE alarm_group SET case_id = NULL WHERE case_id IS NOT NULL")
    assert await world.look() == Raised(1, 1)
    assert world.rows("SELECT id, case_id FROM alarm_group WHERE case_id IS NOT NULL") == before
    assert world.sensed() == [(1,)]


async def test_reported_by_another_server_just_before_its_turn_it_is_the_same_case(world) -> None:
    """One server is killed after it reported; another, that looked before, gives the group that case."""
    await world.alarm(0)
    [row] = await world.due()

    async def report_first() -> None:
        engine = create_async_engine(world.url.replace("postgresql://", "postgresql+asyncpg://"))
        async with engine.begin() as connection:
            await set_scope(connection, alarm_cases._SYSTEM)
            report = alarm_cases.report_of(world.catalog, row)
            name = f"alarm_group/{row.id}"
            await report_by_system(connection, Sealer(KEY), report, name=name, now=datetime.now(UTC))
        await engine.dispose()

    asked: list[str] = []

    def before(_connection, _cursor, statement, *_rest) -> None:
        if "pg_try_advisory_xact_lock" in statement and not asked:
            asked.append(statement)
            other = threading.Thread(target=asyncio.run, args=(report_first(),))
            other.start()
            other.join()

    event.listen(world.engine.sync_engine, "before_cursor_execute", before)
    assert await world.look() == Raised(1, 1)
    assert asked
    assert world.sensed() == [(1,)]
    assert world.rows("SELECT count(*) FROM alarm_group WHERE no_case_why IS NOT NULL") == [(0,)]


async def test_what_went_wrong_is_told_and_tried_again_later(world, monkeypatch) -> None:
    await world.alarm(0)
    report = alarm_cases.report_by_system

    async def fails(*_arguments, **_named):
        raise RuntimeError("no seal for 13812341234\nsecond line")

    monkeypatch.setattr(alarm_cases, "report_by_system", fails)
    noted = "SELECT no_case, no_case_why FROM alarm_group WHERE no_case_at IS NOT NULL"
    assert await world.look() == Raised(1, 0, 1)
    assert await world.look() == Raised()
    assert world.rows(noted) == [("failed", "RuntimeError: no seal for 138****1234")]
    later = "UPDATE alarm_group SET no_case_at = no_case_at - interval '2 minutes'"
    world.rows(later)
    assert await world.look() == Raised(1)
    assert world.rows("SELECT data ->> 'why' FROM journal WHERE kind = 'alarm.no_case'") == [
        ("RuntimeError: no seal for 138****1234",)
    ]
    monkeypatch.setattr(alarm_cases, "report_by_system", report)
    assert await world.look() == Raised()
    world.rows(later)
    assert await world.look() == Raised(1, 1)
    assert world.rows(noted) == []
    assert world.sensed() == [(1,)]


async def test_a_database_that_refuses_says_why_without_the_statement(world, monkeypatch) -> None:
    await world.alarm(0)

    async def fails(connection, *_arguments, **_named):
        await connection.exec_driver_sql("SELECT 1 / 0")

    monkeypatch.setattr(alarm_cases, "report_by_system", fails)
    assert (await world.look()).refused == 1
    [(why,)] = world.rows("SELECT no_case_why FROM alarm_group WHERE no_case_at IS NOT NULL")
    assert "division by zero" in why
    assert "SELECT" not in why


async def test_a_place_in_no_area_is_counted_and_keeps_nobody_waiting(world) -> None:
    row = world.board.row_of_uid[f"water_level-{CODES[0]}"]
    world.board.lon[row] = 110.0
    await world.alarm(0, 5)
    await world.alarm(20)
    assert await world.look() == Raised(2, 1, 1)
    assert await world.look() == Raised()
    assert world.rows("SELECT no_case_why FROM alarm_group WHERE no_case = 'no_area'") == [
        ("this place lies in no area of this installation",)
    ]
    assert world.rows("SELECT data ->> 'no_case' FROM journal WHERE kind = 'alarm.no_case'") == [("no_area",)]


async def test_a_place_in_two_grids_is_reported_in_the_first_and_says_so(world) -> None:
    row = world.board.row_of_uid[f"water_level-{CODES[0]}"]
    world.board.lon[row], world.board.lat[row] = LON + STEP, LAT + STEP / 2
    await world.alarm(0)
    assert (await world.look()).raised == 1
    assert world.rows("SELECT scope_code FROM case_file WHERE source = 'sensor'") == [(int(CODES[0]),)]
    [(zh, en)] = world.said()
    assert "多个责任网格" in zh
    assert "several grids" in en


async def test_what_is_put_aside_raises_its_case_when_it_comes_back(world) -> None:
    await world.alarm(0)
    [(group,)] = world.rows("SELECT id FROM alarm_group WHERE no_case IS NULL")
    now = datetime.now(UTC)
    async with world.engine.begin() as connection:
        row = await shelve(connection, ToShelve(group, None, "误报", now + HOUR), by="值班员", now=now)
    assert await world.look() == Raised()
    async with world.engine.begin() as connection:
        with pytest.raises(ConflictError, match="aside already"):
            await shelve(connection, ToShelve(group, None, "误报", now + HOUR), by="x", now=now)
    async with world.engine.begin() as connection:
        await bring_back(connection, row.id, by="值班员")
    assert (await world.look()).raised == 1
    kinds = [kind for (kind,) in world.rows("SELECT kind FROM journal WHERE kind LIKE 'alarm.%shelved'")]
    assert kinds == ["alarm.shelved", "alarm.unshelved"]


async def test_it_comes_back_by_itself(world) -> None:
    await world.alarm(0)
    now = datetime.now(UTC)
    async with world.engine.begin() as connection:
        what = ToShelve(None, world.device(0), "检修", now + HOUR)
        await shelve(connection, what, by="值班员", now=now)
    assert await world.look() == Raised()
    world.rows(
        "UPDATE shelving SET begins_at = now() - interval '2 hours', until_at = now() - interval '1 s' "
        "WHERE ended_at IS NULL"
    )
    async with world.engine.begin() as connection:
        assert await put_back(connection) == 1
        assert await put_back(connection) == 0
    assert (await world.look()).raised == 1
    assert world.rows("SELECT actor FROM journal WHERE kind = 'alarm.unshelved'") == [("system",)]


@pytest.mark.parametrize(
    ("hours", "reason", "says"),
    [(-1, "x", "in the future"), (8.01, "x", "within 8 hours"), (1, "  ", "a reason is needed")],
)
async def test_what_cannot_be_put_aside_is_said(world, hours, reason, says) -> None:
    now = datetime.now(UTC)
    async with world.engine.begin() as connection:
        what = ToShelve(None, world.device(0), reason, now + hours * HOUR)
        with pytest.raises(InvalidError, match=says):
            await shelve(connection, what, by="x", now=now)
        with pytest.raises(NotFoundError):
            await shelve(connection, ToShelve(999_999, None, "x", now + HOUR), by="x", now=now)


def window(**changes: object) -> Window:
    now = datetime.now(UTC)
    plain = {"area_code": CODES[0], "polygon": None, "kind": None, "begins_at": now - HOUR}
    return Window(**{**plain, "ends_at": now + HOUR, "reason": "管网检修", **changes})


async def allowed(connection) -> None:
    await connection.exec_driver_sql(
        "SELECT set_config('gridtwin.may_rule_manage', '{[0,999999999999999]}', true)"
    )


async def test_alarms_within_maintenance_are_marked_and_raise_no_case_until_it_is_over(world) -> None:
    async with world.engine.begin() as connection:
        await allowed(connection)
        row = await set_window(connection, window(), world.catalog, by="x", now=datetime.now(UTC))
    await world.alarm(0)
    await world.alarm(20)
    assert (await world.look()).raised == 1
    assert world.rows("SELECT device_id FROM alarm WHERE maintenance_id IS NOT NULL") == [(world.device(0),)]
    async with world.engine.begin() as connection:
        await end_window(connection, row.id, by="x")
    assert (await world.look()).raised == 1


async def test_a_polygon_and_a_kind_narrow_a_window(world) -> None:
    box = [[LON, LAT], [LON + STEP / 4, LAT], [LON + STEP / 4, LAT + STEP], [LON, LAT + STEP], [LON, LAT]]
    for changes in ({"polygon": {"type": "Polygon", "coordinates": [box]}}, {"kind": "gas"}):
        async with world.engine.begin() as connection:
            await allowed(connection)
            made = window(**changes)
            await set_window(connection, made, world.catalog, by="x", now=datetime.now(UTC))
    await world.alarm(0)
    assert (await world.look()).raised == 1


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"area_code": "999999999999999"}, "there is no area"),
        ({"kind": "submarine"}, "there is no kind"),
        ({"reason": " "}, "a reason is needed"),
        ({"ends_at": datetime.now(UTC) - HOUR}, "in the future"),
        ({"ends_at": datetime.now(UTC) + timedelta(days=40)}, "at most 31 days"),
    ],
)
async def test_a_window_that_cannot_be_is_refused(world, changes, says) -> None:
    async with world.engine.begin() as connection:
        await allowed(connection)
        with pytest.raises(InvalidError, match=says):
            await set_window(connection, window(**changes), world.catalog, by="x", now=datetime.now(UTC))


def test_every_case_of_the_catalogue_is_of_a_category_that_is_open() -> None:
    known = {row.code for row in load_categories().open_at(datetime.now(UTC).date())}
    cases = [o.case for kind in load_catalog().by_code.values() for o in kind.properties if o.case]
    assert cases
    assert {case.category for case in cases} <= known
