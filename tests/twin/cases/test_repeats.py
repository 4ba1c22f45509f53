"""The open cases that a case may repeat are those that looking at every case finds; sure ones are linked."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from tests.access.world import LAT, LON, STEP
from tests.twin.cases.test_acting import (
    MONDAY,
    do,
    grants,
    new_case,
    owner,
    stored,
    told_by_journal,
)
from twin.access.scope import EVERYWHERE
from twin.cases.likeness import Said, likeness, load_terms
from twin.cases.repeats import _NEAR, MOST_OFFERED, find_repeats, link_if_sure
from twin.errors import NotFoundError
from twin.store.scoped import scoped

pytestmark = pytest.mark.postgis

KINDS = ("06010", "06011", "06028", "08001", "51005")
WORDS = (None, "垃圾堆在路边没人收", "路边的垃圾没有人来收", "半夜施工太吵", "噪音太大，睡不着")
M = 1 / 111_195


def brute_force(rows: list[Any], case: Any) -> list[int]:
    """Hold a case against every other one, without an index and without SQL."""
    terms, found = load_terms(), []
    for other in rows:
        kinds = terms.kinds_like(case.category_code, [other.category_code])
        earlier = (other.opened_at, other.id) < (case.opened_at, case.id)
        stands = other.outcome is None and other.linked_to is None and other.simulated == case.simulated
        if not (kinds and earlier and stands):
            continue
        like = likeness(
            *(Said(r.category_code, r.lon, r.lat, r.opened_at, r.description) for r in (case, other)), terms
        )
        if like is not None and like.score >= terms.score.offer:
            found.append((-like.score, other.id))
    return [number for _, number in sorted(found)][:MOST_OFFERED]


def _end(database, case: int) -> None:
    with owner(database) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "UPDATE case_file SET outcome = 'rejected', closed_at = opened_at WHERE id = %s", [case]
        )


async def every_case(engine) -> list[Any]:
    async with scoped(engine, grants("dispatcher", scope=EVERYWHERE)) as connection:
        rows = await connection.execute(
            text(
                "SELECT c.id, category_code, ST_X(geom) AS lon, ST_Y(geom) AS lat, opened_at, outcome, "
                "linked_to, simulated, description FROM case_file AS c "
                "LEFT JOIN case_report AS r ON r.case_id = c.id"
            )
        )
        return list(rows)


async def test_what_is_found_is_what_looking_at_all_cases_finds(engine, server, world_database):
    chance = random.Random(311)
    mine = [
        await new_case(
            engine,
            category_code=chance.choice(KINDS),
            lon=LON + STEP / 2 + chance.uniform(-45, 45) * M,
            lat=LAT + STEP / 2 + chance.uniform(-45, 45) * M,
            description=chance.choice(WORDS),
            simulated=chance.random() < 0.2,
        )
        for _ in range(60)
    ]
    parent, *others = mine
    for number, case in enumerate(chance.sample(others, 12)):
        if number % 2:
            await do(engine, case, 1, "link", linked_to=parent)
        else:
            _end(world_database, case)
    rows = await every_case(engine)
    offered = 0
    for row in rows:
        async with server.connect() as connection:
            found = [one.row.id for one in await find_repeats(connection, row.id)]
        is_open = row.outcome is None and row.linked_to is None
        assert found == (brute_force(rows, row) if is_open else []), row
        offered += len(found)
    assert offered > 40


async def test_a_sure_repeat_is_linked_with_its_reason_once_and_not_after_it_was_unlinked(
    engine,
    server,
    world_database,
):
    place = {"category_code": "53003", "lat": LAT + STEP / 2, "description": "地下车库渗水"}
    parent = await new_case(engine, **place)
    child = await new_case(engine, **place | {"lat": place["lat"] + 3 * M})
    async with server.begin() as connection:
        linked = await link_if_sure(connection, child, now=MONDAY + timedelta(minutes=1))
        assert linked is not None
    assert stored(world_database, child).linked_to == parent
    assert stored(world_database, parent).repeats == 1
    for case in (parent, child):
        assert stored(world_database, case) == told_by_journal(world_database, case)
    with owner(world_database) as connection:
        actor, told = connection.execute(
            "SELECT actor, data -> 'told' FROM journal WHERE subject = %s AND kind = 'case.linked'",
            [f"case/{child}"],
        ).fetchone()
    assert actor == "system"
    assert told["linked_to"] == parent
    assert "相距 3 米" in told["reason"]
    assert "3 m apart" in told["reason"]
    await do(engine, child, 2, "unlink", reason="another leak")
    async with server.begin() as connection:
        assert await link_if_sure(connection, child, now=MONDAY) is None
        assert [one.row.id for one in await find_repeats(connection, child)] == [parent]
    assert stored(world_database, child).linked_to is None


async def test_what_a_sensor_raised_and_what_lies_in_another_area_is_offered_only(
    engine,
    server,
    world_database,
):
    edge = {"category_code": "53002", "lat": LAT + STEP / 2}
    await new_case(engine, **edge, lon=LON + STEP - 4 * M)
    beyond = await new_case(engine, **edge, lon=LON + STEP + 4 * M)
    sensor = await new_case(engine, **edge, lon=LON + STEP - 4 * M, source="sensor")
    for case in (beyond, sensor):
        async with server.begin() as connection:
            found = await find_repeats(connection, case)
            assert found[0].sure
            assert await link_if_sure(connection, case, now=MONDAY) is None


async def test_nobody_is_offered_what_they_do_not_see(engine):
    case = await new_case(engine)
    async with scoped(engine, grants("resident_channel")) as connection:
        with pytest.raises(NotFoundError):
            await find_repeats(connection, case)


async def test_the_index_of_open_cases_answers(engine, world_database):
    with owner(world_database) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "INSERT INTO case_file (number, title, category_code, source, geom, stage, outcome, closed_at, "
            "opened_at) SELECT 'old-' || n, 'x', '06010', 'patrol', "
            "ST_SetSRID(ST_MakePoint(104 + n * 1e-6, 30.0005), 4326), 'rated', "
            "'closed', now(), now() FROM generate_series(1, 3000) AS n"
        )
        connection.execute("ANALYZE case_file")
        values = {
            "west": LON, "east": LON + 0.001, "south": LAT, "north": LAT + 0.001, "lon": LON, "lat": LAT,
            "opened_at": MONDAY, "id": 1, "kinds": ["06010"], "simulated": False,
        }  # fmt: skip
    async with scoped(engine, grants("operator", scope=EVERYWHERE)) as connection:
        rows = await connection.execute(text("EXPLAIN " + _NEAR.text), values)
        plan = "\n".join(row[0] for row in rows)
    assert "ix_case_file_open_place" in plan, plan
