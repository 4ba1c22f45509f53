from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.access.grants import grants_of
from twin.access.roles import ROLES, Act, DataClass, Group
from twin.access.scope import EVERYWHERE, HIGHEST_CODE, NOTHING, Scope
from twin.errors import InvalidError
from twin.store.scoped import set_scope_sql

code = st.integers(0, 60)
ranges = st.lists(st.tuples(code, code).map(lambda pair: (min(pair), max(pair))), max_size=5)


def members(scope: Scope) -> set[int]:
    return {n for n in range(70) if n in scope}


@given(ranges, ranges)
def test_scopes_are_sets(a, b):
    left, right = Scope.of(a), Scope.of(b)
    plain = {n for low, high in a for n in range(low, high + 1)}
    other = {n for low, high in b for n in range(low, high + 1)}
    assert members(left) == plain
    assert members(left | right) == plain | other
    assert members(left & right) == plain & other
    assert left.covers(right) == (other <= plain)
    assert set(np.flatnonzero(left.contains(np.arange(70)))) == plain
    assert (left | right) == Scope.of([*a, *b])  # equal sets are equal scopes
    assert bool(left) == bool(plain)


@pytest.mark.parametrize(
    ("level", "low", "high"),
    [
        ("whole", 0, HIGHEST_CODE),
        ("city", 510100000000000, 510199999999999),
        ("district", 510104000000000, 510104999999999),
        ("street", 510104021000000, 510104021999999),
        ("community", 510104021003000, 510104021003999),
        ("responsibility_grid", 510104021003007, 510104021003007),
    ],
)
def test_range_of_an_area(level, low, high):
    assert Scope.of_area("510104021003007", level).ranges == ((low, high),)


def test_wrong_areas_are_refused():
    for bad, level in (("5101", "city"), ("51010402100300x", "street"), ("510104021003007", "village")):
        with pytest.raises(InvalidError):
            Scope.of_area(bad, level)
    with pytest.raises(InvalidError):
        Scope.of([(5, 4)])


def test_text_for_postgresql():
    assert NOTHING.multirange == "{}"
    assert Scope.of([(1, 2), (3, 4), (9, 9)]).multirange == "{[1,4],[9,9]}"
    assert EVERYWHERE.whole
    assert not NOTHING


@given(
    st.lists(st.tuples(st.sampled_from([role.name for role in ROLES]), ranges.map(Scope.of)), max_size=4),
    st.none() | code,
)
def test_the_statement_that_sets_a_scope_holds_words_and_ranges_of_numbers_only(held, worker_id):
    statement = set_scope_sql(grants_of(held, worker_id))
    setting = r"set_config\('gridtwin\.[a-z_]+', '(\{(\[\d+,\d+\],?)*\}|\d+|yes)?', true\)"
    assert re.fullmatch(rf"SELECT {setting}(, {setting})*", statement)


def test_no_role_reads_business_and_another_duty():
    business = {DataClass.PLACE, DataClass.ALARM, DataClass.CASE, DataClass.WORKER}
    for role in ROLES:
        if role.group in (Group.SYSTEM, Group.SECURITY, Group.AUDIT):
            assert not role.reads & business, role.name
            assert role.privileged
        else:
            assert role.reads <= business, role.name
        if {Act.REVEAL_PERSON, Act.DISPATCH_CASE, Act.APPROVE_CASE} & role.acts:
            assert role.privileged


def test_unknown_role_gives_nothing():
    assert grants_of([("king", EVERYWHERE)]).reads == {}
