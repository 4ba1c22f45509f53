"""Near, soon after, and in the same words: a report is more like a case the more of these hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from twin.cases.categories import load_categories
from twin.cases.likeness import DEFAULT_FILE, Said, likeness, load_terms, words_alike
from twin.errors import InvalidError

TERMS = load_terms()
AT = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
M = 1 / 111_195
"""A metre northwards in degrees."""


def said(metres: float = 0.0, hours: float = 0.0, words: str | None = None, kind: str = "06010") -> Said:
    return Said(kind, 104.06, 30.66 + metres * M, AT + timedelta(hours=hours), words)


def score(report: Said, other: Said) -> float:
    found = likeness(report, other, TERMS)
    return -1.0 if found is None else found.score


def test_the_same_again_is_surely_a_repeat_and_says_why():
    found = likeness(said(2, 0.1, "3 栋楼下垃圾没人收"), said(words="楼下垃圾没有人收，3栋"), TERMS)
    assert found is not None
    assert found.score > TERMS.score.sure
    assert found.reasons() == (
        f"同类案件，相距 2 米，相隔 6 分钟，文字相似 {found.words:.0%}",
        f"same kind, 2 m apart, 6 min between, words alike {found.words:.0%}",
    )


def test_what_lies_beyond_the_radius_of_its_kind_is_no_repeat():
    for kind in ("06010", "06028", "01101", "51002"):
        radius = TERMS.radius_m(kind)
        assert score(said(radius - 1, kind=kind), said(kind=kind)) >= 0
        assert score(said(radius + 1, kind=kind), said(kind=kind)) == -1


@given(some.floats(0, 50), some.floats(0, 50), some.floats(0, 200), some.floats(0, 200))
def test_nearer_and_sooner_is_never_less_like(near, far, soon, late):
    near, far = sorted((near, far))
    soon, late = sorted((soon, late))
    assert score(said(near, soon), said()) >= score(said(far, soon), said())
    assert score(said(near, soon), said()) >= score(said(near, late), said())


@given(some.text(max_size=40), some.text(max_size=40))
def test_words_are_alike_both_ways_and_at_most_the_same(one, other):
    alike = words_alike(one, other)
    assert alike == words_alike(other, one)
    assert alike is None or 0 <= alike <= 1
    assert words_alike(one, one) in {None, 1.0}


def test_other_words_make_less_of_it_and_no_words_nothing():
    dark = said(words="路灯不亮，整条街漆黑")
    none, same, other = (
        score(said(10, words=words), dark) for words in (None, "路灯不亮 整条街漆黑", "井盖丢失")
    )
    assert other < none < same


def test_related_kinds_are_looked_at_and_count_less():
    every = load_categories().by_code
    assert set(TERMS.kinds_like("06010", every)) >= {"06010", "06011", "06035"}
    assert TERMS.kinds_like("51005", every) == ["51005"]
    assert "08001" in TERMS.kinds_like("06028", every)
    assert "06028" in TERMS.kinds_like("08001", every)
    related = likeness(said(kind="06010"), said(kind="06011"), TERMS)
    assert related is not None
    assert related.score == pytest.approx(TERMS.score.related)
    assert not related.same_kind


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("[[radius]]\nm = 60\n", "", "radius"),
        ("\n[score]\n", "\n[score]\nbonus = 2\n", "bonus"),
        ("offer = ", "offer = 1.0 #", "below"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path, old, new, what):
    content = DEFAULT_FILE.read_text(encoding="utf-8")
    assert old in content
    file = tmp_path / "repeats.toml"
    file.write_text(content.replace(old, new), encoding="utf-8")
    with pytest.raises(InvalidError) as error:
        load_terms(file)
    assert what in f"{error.value} {error.value.where}"
