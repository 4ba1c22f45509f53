"""Gatherings on a real PostGIS: found, told as alarms of a cell, marked as simulated, and never of a few."""

from __future__ import annotations

import time

import h3.api.basic_int as h3
import numpy as np
import psycopg
import pytest

from tests.reading import rows
from tests.twin import observing
from tests.twin.observing import batch
from tests.twin.rules.switching import open_alarms, said, switch_on
from tests.waiting import until
from twin.catalog import load_catalog
from twin.errors import InvalidError
from twin.rules import crowds
from twin.rules.crowd_history import try_crowd
from twin.rules.density import HOURS, USUAL
from twin.rules.rule import read_rule
from twin.states import State
from twin.store.rules import add_version, get_rule
from twin.twin import Twin

pytestmark = pytest.mark.postgis

CARS = {f"car-{n:02}": "vehicle" for n in range(14)} | {f"walker-{n}": "worker" for n in range(4)}
COUNTERS = {f"count-{n}": "people_counter" for n in range(2)}
HERE = 104.061, 30.6601
CELL = h3.latlng_to_cell(HERE[1], HERE[0], 10)
CROWD = {"type": "density", "of": ["vehicle"], "at_least": 10, "hold_s": 60, "quiet_s": 60}
MIN = 60_000_000


@pytest.fixture(autouse=True)
def _quiet(monkeypatch) -> None:
    monkeypatch.setattr(crowds, "LOOK_S", 1e12)  # the tests look, and not the server's own clock between


@pytest.fixture(scope="module")
def installed(database, install_devices):
    fresh = database.fresh()
    install_devices(fresh, CARS | COUNTERS)
    return fresh


async def crowded(city, condition=CROWD, cars=12, area=None) -> tuple[int, int]:
    """Switch a rule on that knows ten empty days, and park some at one place; return the rule and now."""
    twin, database, engine = city
    text = said(condition, kinds=("gathering",), observed="excess", state=State.WARNING, area=area)
    rule = await switch_on(engine, text, twin)
    empty = np.zeros(1, USUAL)
    empty["cell"], empty["days"] = h3.latlng_to_cell(30.7, 104.1, 10), np.full(HOURS, 10)
    counted = f"{','.join(sorted(condition['of']))} 10 0"
    with psycopg.connect(database.url.replace("+psycopg", "")) as connection:
        connection.execute(
            "INSERT INTO gathering_usual (rule_id, version, counted, learned) VALUES (%s, 2, %s, %s)",
            [rule, counted, empty.tobytes()],
        )
    there = [(uid, "speed", -5, 0.0, *HERE) for uid in sorted(CARS)[:cars]]
    await twin.observe(batch(twin, *there))
    return rule, observing.now_us


def gatherings(database) -> list[tuple]:
    return rows(
        database,
        "SELECT uid, name, simulated, round(ST_X(geom)::numeric, 3)::float FROM device "
        "WHERE kind = 'gathering' AND valid_to IS NULL",
    )


async def test_gathering_is_an_alarm_of_its_cell_and_ends(city) -> None:
    twin, database, _ = city
    rule, now = await crowded(city)
    await twin.gatherings.look(now)
    assert gatherings(database) == []
    await twin.gatherings.look(now + MIN)
    uid = f"gathering-{rule}-{CELL:x}"
    assert gatherings(database) == [(uid, "夜间偏高", True, round(h3.cell_to_latlng(CELL)[1], 3))]
    await until(lambda: open_alarms(database) == [(uid, 1, 3, 2)])
    row = twin.board.row_of_uid[uid]
    assert twin.board.values[row, :2].tolist() == [12, 12]
    assert rows(database, "SELECT simulated FROM alarm WHERE rule_id IS NOT NULL") == [(True,)]
    away = [(u, "speed", -1, 9.0, 104.07 + 0.004 * n, 30.68) for n, u in enumerate(sorted(CARS)[:12])]
    await twin.observe(batch(twin, *away))
    await twin.gatherings.look(now + 2 * MIN)
    await twin.gatherings.look(now + 3 * MIN)
    await until(lambda: open_alarms(database) == [])
    assert twin.board.values[row, :2].tolist() == [0, 0]


async def test_gatherings_of_a_rule_that_is_switched_off_are_closed(city) -> None:
    twin, database, engine = city
    rule, now = await crowded(city)
    for n in range(2):
        await twin.gatherings.look(now + n * MIN)
    await until(lambda: len(open_alarms(database)) == 1)
    async with engine.begin() as connection:
        kept = await get_rule(connection, rule)
        await add_version(connection, rule, kept.version, kept.said, "张三", enabled=False, reason="试")
    await until(lambda: open_alarms(database) == [])
    await twin.gatherings.look(now + 2 * MIN)
    assert gatherings(database) == []
    await until(lambda: f"gathering-{rule}-{CELL:x}" not in twin.board.row_of_uid)
    # Switched on again it is the same gathering.
    async with engine.begin() as connection:
        await add_version(connection, rule, kept.version + 1, kept.said, "张三", enabled=True)
    await until(lambda: [one.id for one in twin.rules.rules] == [rule])
    for n in range(3, 6):
        await twin.gatherings.look(now + n * MIN)
    assert len(gatherings(database)) == 1


async def test_few_are_never_told_and_what_is_not_counted_does_not_count(city) -> None:
    twin, database, _ = city
    _, now = await crowded(city, cars=9)
    for n in range(3):
        await twin.gatherings.look(now + n * MIN)
    assert gatherings(database) == []
    # Old places count no more: five minutes later nobody is known to be there.
    await twin.gatherings.look(now + 10 * MIN)
    assert gatherings(database) == []


@pytest.mark.parametrize("on_duty", [True, False])
async def test_who_is_off_duty_is_not_counted(city, on_duty) -> None:
    twin, database, _ = city
    crowd = CROWD | {"of": ["vehicle", "worker"], "at_least": 12}
    _, now = await crowded(city, crowd, cars=10)
    walkers = [(f"walker-{n}", "speed", -5, 0.0, *HERE) for n in range(4)]
    await twin.observe(batch(twin, *walkers))
    if not on_duty:
        rows(database, "UPDATE duty SET ends_at = now() RETURNING id")
        hidden = [twin.board.row_of_uid[f"walker-{n}"] for n in range(4)]
        await until(lambda: not twin.board.room[hidden].any())
    for n in range(3):
        await twin.gatherings.look(now + n * MIN)
    assert len(gatherings(database)) == on_duty


async def test_people_who_were_counted_are_as_many_as_was_said(city) -> None:
    twin, database, _ = city
    crowd = CROWD | {"of": ["people_counter", "vehicle"], "at_least": 30}
    _, now = await crowded(city, crowd, cars=0)
    row = twin.board.row_of_uid["count-0"]
    twin.board.lon[row], twin.board.lat[row] = HERE
    await twin.observe(batch(twin, ("count-0", "people", -5, 29.0)))
    there = [(uid, "speed", -5, 0.0, *HERE) for uid in sorted(CARS)[:2]]
    for n in range(3):
        await twin.gatherings.look(now + n * MIN)
    assert gatherings(database) == []
    await twin.observe(batch(twin, *there))
    for n in range(3, 5):
        await twin.gatherings.look(now + n * MIN)
    ((uid, *_),) = gatherings(database)
    assert twin.board.values[twin.board.row_of_uid[uid], 0] == 31
    # A count that is old says nothing any more, and nobody else is heard of: nothing is judged or learned.
    (known,) = twin.gatherings._known.values()
    heard = known.density._heard_us
    await twin.gatherings.look(now + 20 * MIN)
    assert known.density._heard_us == heard
    assert twin.board.values[twin.board.row_of_uid[uid], 0] == 31


async def test_so_few_people_that_they_would_be_somebody_are_stored_as_nobody(city) -> None:
    twin, database, _ = city
    said_so = [(n, float(people)) for n, people in enumerate((0, 1, 4, 5, 6))]
    await twin.observe(batch(twin, *[("count-1", "people", n - 10, people) for n, people in said_so]))
    stored = rows(
        database,
        "SELECT value FROM observation JOIN device ON device.id = device_id WHERE uid = 'count-1' "
        "ORDER BY phenomenon_time",
    )
    assert stored == [(0.0,), (0.0,), (0.0,), (5.0,), (6.0,)]
    # Speeds below 5 are speeds.
    await twin.observe(batch(twin, ("car-00", "speed", -5, 3.0, *HERE)))
    assert twin.board.values[twin.board.row_of_uid["car-00"], 0] == 3.0


@pytest.mark.parametrize("inside", [True, False])
async def test_a_rule_makes_gatherings_in_its_own_area_alone(city, inside) -> None:
    twin, database, _ = city
    if inside:
        rows(
            database,
            "INSERT INTO area (dataset_id, source_ref, content_hash, code, level, name, geom, label_point, "
            "    made_by, area_m2) "
            "SELECT id, 'a', '', '510104021001001', 'responsibility_grid', 'a', "
            "    ST_Multi(ST_MakeEnvelope(104.05, 30.65, 104.07, 30.67, 4326)), "
            "    ST_SetSRID(ST_MakePoint(104.06, 30.66), 4326), 'drawn', 1000 FROM dataset RETURNING id",
        )
    _, now = await crowded(city, area="510104000000000")
    for n in range(3):
        await twin.gatherings.look(now + n * MIN)
    assert len(gatherings(database)) == inside
    await until(lambda: len(open_alarms(database)) == inside)


async def test_a_rule_that_fails_stops_no_other(city, monkeypatch) -> None:
    twin, database, engine = city
    bad = await switch_on(engine, said(CROWD, kinds=("gathering",), observed="excess"), twin)
    good, now = await crowded(city)
    whole = twin.gatherings._counted

    async def counted(rule, crowd):
        if rule.id == bad:
            raise ZeroDivisionError("broken")
        return await whole(rule, crowd)

    monkeypatch.setattr(twin.gatherings, "_counted", counted)
    for n in range(2):
        await twin.gatherings.look(now + n * MIN)
    assert [uid for uid, *_ in gatherings(database)] == [f"gathering-{good}-{CELL:x}"]


async def test_what_is_usual_is_stored_each_hour_and_goes_on_after_a_restart(city) -> None:
    twin, database, engine = city
    _, now = await crowded(city, CROWD | {"fresh_s": 3600})
    hour = now - now % (60 * MIN)
    for minute in range(0, 62, 2):
        await twin.gatherings.look(hour + minute * MIN - 60 * MIN)
    ((stored,),) = rows(database, "SELECT learned FROM gathering_usual")
    usual = np.frombuffer(stored, USUAL)
    assert CELL in usual["cell"].tolist()
    # Twelve where nobody ever was is odd, and taught nothing.
    assert usual["mean"].max() == 0
    again = await Twin.open(engine)
    try:
        await again.gatherings.look(now)
        (known,) = again.gatherings._known.values()
        assert known.density.usual["cell"].tolist() == usual["cell"].tolist()
    finally:
        await again.close()


async def test_a_rule_is_tried_on_the_places_of_the_past(city) -> None:
    twin, database, engine = city
    rows(
        database,
        "SELECT ensure_observation_partition(day::date) "
        "FROM generate_series(now() - interval '11 days', now(), interval '1 day') AS day",
    )
    # Each at a place of its own for ten days, a look every ten minutes; together for two hours of the last.
    rows(
        database,
        "INSERT INTO observation (device_id, property, phenomenon_time, received_at, value, lon, lat) "
        "SELECT d.id, 0, at, at, 0, CASE WHEN met THEN %s ELSE 104.0 + 0.01 * (d.id %% 100) END, "
        "    CASE WHEN met THEN %s ELSE 30.6 END "
        "FROM device AS d, generate_series(now() - interval '10 days', now(), interval '10 minutes') AS at, "
        "    LATERAL (SELECT at BETWEEN now() - interval '5 h' AND now() - interval '3 h' AS met) AS m "
        "WHERE d.kind = 'vehicle' RETURNING device_id",
        *HERE,
    )
    # One who stands counts a hundred for the same two hours, and nobody else.
    rows(
        database,
        "INSERT INTO observation (device_id, property, phenomenon_time, received_at, value) "
        "SELECT d.id, 0, at, at, CASE WHEN at BETWEEN now() - interval '5 h' AND now() - interval '3 h' "
        "    THEN 100 ELSE 0 END "
        "FROM device AS d, generate_series(now() - interval '10 days', now(), interval '10 minutes') AS at "
        "WHERE d.uid = 'count-0' RETURNING device_id",
    )
    crowd = CROWD | {"learn_days": 1, "fresh_s": 900}
    rule = read_rule(load_catalog(), **(GIVEN | {"condition": crowd}))
    now = time.time_ns() // 1000
    every = np.flatnonzero(twin.board.device_id[: twin.board.count]).astype(np.int32)

    async def tried(seen, limit_s=60.0, rule=rule):
        async with engine.connect() as connection:
            begin = now - 24 * 60 * MIN
            return await try_crowd(
                connection, twin.board, rule, seen, begin, now, limit_s=limit_s, gone=_stays
            )

    outcome, complete, cells = await tried(every)
    (one,) = outcome.episodes
    assert complete
    assert cells == (CELL,)
    assert (outcome.devices, outcome.fired, one.row, one.worst) == (14, 1, 0, 14)
    assert abs(one.begin_us - (now - 300 * MIN)) <= 20 * MIN
    assert abs(one.end_us - (now - 165 * MIN)) <= 25 * MIN
    # Those whom the caller does not see are not counted, and without time it says how far it came.
    assert (await tried(every[:9]))[0].fired == 0
    assert (await tried(every[:0]))[0].devices == 0
    assert (await tried(every, limit_s=0.0))[1] is False

    counting = read_rule(load_catalog(), **(GIVEN | {"condition": crowd | {"of": ["people_counter"]}}))
    outcome, _, cells = await tried(every, rule=counting)
    (one,) = outcome.episodes
    at = twin.board.row_of_uid["count-0"]
    assert cells == (h3.latlng_to_cell(float(twin.board.lat[at]), float(twin.board.lon[at]), 10),)
    assert (outcome.devices, one.worst) == (2, 100)


async def _stays() -> bool:
    return False


GIVEN = {
    "zh": "聚集",
    "en": "Gathering",
    "state": State.WARNING,
    "area": None,
    "kinds": ("gathering",),
    "observed": "excess",
    "condition": CROWD,
}


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"condition": CROWD | {"of": ["bin"]}}, "no kind that moves or counts"),
        ({"condition": CROWD | {"at_least": 4}}, "fewer than 5"),
        ({"condition": CROWD | {"of": []}}, "length >= 1"),
        ({"kinds": ("vehicle",), "observed": "speed"}, "about gatherings"),
    ],
)
def test_a_wrong_rule_is_refused(change, what):
    assert read_rule(load_catalog(), **GIVEN).condition.of == ("vehicle",)
    with pytest.raises(InvalidError, match=what):
        read_rule(load_catalog(), **(GIVEN | change))
