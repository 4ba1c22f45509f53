"""The areas a role can be held at are found by their tree and by words."""

from __future__ import annotations

import psycopg
import pytest

from twin.access import areas

pytestmark = pytest.mark.postgis

_IN_A_TREE = """
    UPDATE area SET parent_id = p.id
    FROM area AS p JOIN (VALUES ('city', 'district', 4), ('district', 'street', 6),
                                ('street', 'community', 9),
                                ('community', 'responsibility_grid', 12)) AS l (above, level, digits)
        ON p.level = l.above
    WHERE area.level = l.level AND left(area.code, l.digits) = left(p.code, l.digits)"""


@pytest.fixture
def siblings(new_world):
    return new_world()


@pytest.fixture
def fresh(siblings):
    return siblings[0]


@pytest.fixture
async def found(auth, siblings):
    fresh, world = siblings
    with psycopg.connect(fresh.url.replace("+psycopg", "")) as connection:
        connection.execute(_IN_A_TREE)

    async def ask(words=None, under=None, limit=500):
        async with auth.connect() as connection:
            if words is not None:
                return await areas.list_matching(connection, words, limit)
            return await areas.list_inside(connection, under, limit)

    return world, ask


async def test_the_tree_leads_from_the_city_to_every_grid_and_to_nothing_else(found):
    world, ask = found
    seen: dict[str, set[str]] = {}
    ahead: list[str | None] = [None]
    while ahead:
        code = ahead.pop()
        for area in await ask(under=code):
            seen.setdefault(area.level, set()).add(area.code)
            inside = len(await ask(under=area.code)) if area.level != "responsibility_grid" else 0
            assert area.inside == inside, "the number of areas within is what opening shows"
            if area.inside:
                ahead.append(area.code)
    assert len(await ask()) == 1, "one city"
    assert seen == {level: set(codes) for level, codes in world.areas.items() if level != "unit_grid"}


async def test_words_and_the_beginning_of_a_code_find_the_greater_area_first(found):
    world, ask = found
    street = world.areas["street"][0]
    by_code = await ask(words=f"{street[:6]} {street[6:9]}")
    assert by_code[0].code == street
    assert {area.code[:9] for area in by_code} == {street[:9]}
    assert [len(area.above) for area in by_code] == sorted(len(area.above) for area in by_code)
    by_name = await ask(words=by_code[0].name)
    assert street in {area.code for area in by_name}
    assert by_code[0].above[0][0] == (await ask())[0].name


@pytest.mark.parametrize("words", ["%", "c_ty", "\\", "' OR 1=1", "无此地"])
async def test_signs_of_patterns_find_nothing_by_themselves(found, words):
    assert await found[1](words=words) == []
