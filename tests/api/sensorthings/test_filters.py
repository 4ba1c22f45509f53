"""Conditions in SQL against the same conditions worked out over the whole JSON, which know nothing of SQL."""

# ruff: noqa: E501

from __future__ import annotations

import operator
from typing import Any

import hypothesis.strategies as st
import pytest
import shapely
from hypothesis import HealthCheck, given, settings

from api.sensorthings.syntax import DEEPEST, parse_filter
from tests.api.sensorthings.conftest import ROOT
from twin.errors import InvalidError

pytestmark = pytest.mark.postgis

EVERYTHING = (
    "/Things?$expand=Locations,Datastreams($expand=Sensor,ObservedProperty,Observations($top=1000))&$top=1000"
)
COMPARE = {
    "eq": operator.eq, "ne": operator.ne, "gt": operator.gt, "ge": operator.ge, "lt": operator.lt, "le": operator.le,
}  # fmt: skip
TEXTS = ("液位", "water-0001", "water-0002", "water", "camera", "o''", "", '天府广场 "东"', "A")
TEXT_PATHS = (
    "name", "description", "properties/kind", "properties/uid", "properties/nothing", "Datastreams/name",
    "Datastreams/ObservedProperty/name", "Datastreams/ObservedProperty/definition", "Locations/name",
    "Datastreams/unitOfMeasurement/symbol", "Datastreams/Sensor/name",
)  # fmt: skip
NUMBER_PATHS = (
    "id", "properties/height_m", "properties/bearing_deg", "properties/range_m", "Datastreams/id", "Datastreams/Observations/result",
    "Datastreams/ObservedProperty/id", "Datastreams/ObservedProperty/properties/maximum",
)  # fmt: skip
BOX = "POLYGON((104.05990 30.65990,104.06012 30.65990,104.06012 30.66012,104.05990 30.66012,104.05990 30.65990))"

text_values = st.one_of(
    st.sampled_from(TEXT_PATHS).map(lambda p: ("path", p)),
    st.sampled_from(TEXTS).map(lambda t: ("text", t)),
    st.tuples(st.sampled_from(["tolower", "toupper", "trim"]), st.sampled_from(TEXT_PATHS)).map(
        lambda x: ("call", x[0], [("path", x[1])])
    ),
    st.tuples(st.sampled_from(TEXT_PATHS), st.integers(0, 3), st.integers(0, 4)).map(
        lambda x: ("call", "substring", [("path", x[0]), ("number", x[1]), ("number", x[2])])
    ),
    st.tuples(st.sampled_from(TEXT_PATHS), st.sampled_from(TEXTS)).map(
        lambda x: ("call", "concat", [("path", x[0]), ("text", x[1])])
    ),
)
numbers = st.one_of(
    st.sampled_from(NUMBER_PATHS).map(lambda p: ("path", p)),
    st.integers(-3, 40).map(lambda n: ("number", n)),
    st.sampled_from([0.5, 2.5, 12.5, 1001, 2000]).map(lambda n: ("number", n)),
    st.sampled_from(TEXT_PATHS).map(lambda p: ("call", "length", [("path", p)])),
    st.tuples(st.sampled_from(TEXT_PATHS), st.sampled_from(TEXTS)).map(
        lambda x: ("call", "indexof", [("path", x[0]), ("text", x[1])])
    ),
    st.tuples(
        st.sampled_from(["add", "sub", "mul", "div", "mod"]),
        st.sampled_from(NUMBER_PATHS).map(lambda p: ("path", p)),
        st.integers(-2, 7).map(lambda n: ("number", n)),
    ).map(lambda x: ("sum", *x)),
    st.tuples(st.sampled_from(["round", "floor", "ceiling"]), st.sampled_from(NUMBER_PATHS)).map(
        lambda x: ("call", x[0], [("sum", "div", ("path", x[1]), ("number", 4))])
    ),
)
atoms = st.one_of(
    st.tuples(st.sampled_from(list(COMPARE)), text_values, text_values).map(lambda x: ("compare", *x)),
    st.tuples(st.sampled_from(list(COMPARE)), numbers, numbers).map(lambda x: ("compare", *x)),
    st.tuples(st.sampled_from(["eq", "ne"]), st.sampled_from(TEXT_PATHS + NUMBER_PATHS)).map(
        lambda x: ("compare", x[0], ("path", x[1]), ("null",))
    ),
    st.tuples(st.sampled_from(["startswith", "endswith"]), st.sampled_from(TEXT_PATHS), st.sampled_from(TEXTS)).map(
        lambda x: ("call", x[0], [("path", x[1]), ("text", x[2])])
    ),
    st.tuples(st.sampled_from(TEXTS), st.sampled_from(TEXT_PATHS)).map(
        lambda x: ("call", "substringof", [("text", x[0]), ("path", x[1])])
    ),
    st.sampled_from(["st_within", "st_disjoint", "geo.intersects"]).map(
        lambda name: ("call", name, [("path", "Locations/location"), ("shape", BOX)])
    ),
    st.just(("compare", "eq", ("path", "properties/simulated"), ("bool", True))),
)  # fmt: skip
conditions = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3)),
        inner.map(lambda node: ("not", node)),
    ),
    max_leaves=5,
)


def write(node: Any) -> str:
    match node:
        case ("path", path):
            return path
        case ("text", value):
            return f"'{value}'"
        case ("number", value):
            return str(value)
        case ("bool", value):
            return str(value).lower()
        case ("null",):
            return "null"
        case ("shape", value):
            return f"geography'{value}'"
        case ("call", name, arguments):
            return f"{name}({', '.join(write(a) for a in arguments)})"
        case ("sum", sign, left, right) | ("compare", sign, left, right):
            return f"({write(left)} {sign} {write(right)})"
        case ("not", inner):
            return f"not ({write(inner)})"
        case (word, parts):
            return "(" + f" {word} ".join(write(part) for part in parts) + ")"
    raise AssertionError(node)


LINKS = {"Locations", "Datastreams", "Sensor", "ObservedProperty", "Observations"}


def links_of(node: Any) -> set[tuple[str, ...]]:
    """The links that an expression goes over, each with those before it."""
    if node[0] == "path":
        steps = node[1].split("/")
        at = [i for i, step in enumerate(steps) if step in LINKS]
        return {tuple(steps[: i + 1]) for i in at}
    found: set[tuple[str, ...]] = set()
    for part in node[1:]:
        if isinstance(part, tuple):
            found |= links_of(part)
        elif isinstance(part, list):
            for one in part:
                found |= links_of(one)
    return found


def holds(node: Any, thing: dict[str, Any]) -> bool | None:
    """Say whether a thing fits; None where it cannot be said, as a comparison with nothing."""
    if node[0] == "or":
        truths = [holds(part, thing) for part in node[1]]
        return True if True in truths else None if None in truths else False
    if node[0] == "not":
        truth = holds(node[1], thing)
        return None if truth is None else not truth
    parts = flat(node) if node[0] == "and" else [node]
    near = [part for part in parts if part[0] in ("or", "not") or not links_of(part)]
    far = [part for part in parts if part not in near]
    truths = [holds(p, thing) if p[0] in ("or", "not") else value(p, {(): thing}) for p in near]
    if far:
        paths = sorted(set().union(*(links_of(part) for part in far)), key=len)
        truths.append(any(all(value(p, b) is True for p in far) for b in bindings(paths, {(): thing})))
    return False if False in truths else None if None in truths else True


def flat(node: Any) -> list[Any]:
    return [inner for part in node[1] for inner in (flat(part) if part[0] == "and" else [part])]


def bindings(paths: list[tuple[str, ...]], bound: dict[tuple[str, ...], Any]) -> Any:
    if not paths:
        yield bound
        return
    there = bound[paths[0][:-1]].get(paths[0][-1])
    for one in there if isinstance(there, list) else [there]:
        yield from bindings(paths[1:], {**bound, paths[0]: one})


def value(node: Any, bound: dict[tuple[str, ...], Any]) -> Any:
    match node:
        case ("path", path):
            steps = tuple(path.split("/"))
            at = max((i + 1 for i, step in enumerate(steps) if step in LINKS), default=0)
            found = bound[steps[:at]]
            for step in steps[at:]:
                found = found.get("@iot.id" if step == "id" else step) if found is not None else None
            return found
        case ("text", given):
            return given.replace("''", "'")
        case ("number", given) | ("bool", given):
            return given
        case ("null",):
            return None
        case ("shape", given):
            return shapely.from_wkt(given)
        case ("compare", sign, left, right):
            a, b = value(left, bound), value(right, bound)
            if right == ("null",):
                return (a is None) == (sign == "eq")
            return None if a is None or b is None else COMPARE[sign](a, b)
        case ("sum", sign, left, right):
            a, b = value(left, bound), value(right, bound)
            if a is None or b is None or (sign in ("div", "mod") and b == 0):
                return None
            if sign == "mod":
                return a - b * int(a / b)
            return {"add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv}[
                sign
            ](a, b)
        case ("call", name, arguments):
            given = [value(argument, bound) for argument in arguments]
            if name == "concat":
                return "".join(part or "" for part in given)
            return None if None in given else CALLS[name](*given)
    raise AssertionError(node)


def shape(given: Any) -> Any:
    return shapely.geometry.shape(given) if isinstance(given, dict) else given


CALLS = {
    "tolower": str.lower,
    "toupper": str.upper,
    "trim": lambda a: a.strip(" \t\r\n"),
    "substring": lambda a, b, c: a[b : b + c],
    "length": len,
    "indexof": lambda a, b: a.find(b),
    "startswith": str.startswith,
    "endswith": str.endswith,
    "substringof": lambda a, b: a in b,
    "round": lambda a: int(abs(a) + 0.5) * (1 if a >= 0 else -1),
    "floor": lambda a: a // 1,
    "ceiling": lambda a: -(-a // 1),
    "st_within": lambda a, b: shape(a).within(b),
    "st_disjoint": lambda a, b: shape(a).disjoint(b),
    "geo.intersects": lambda a, b: shape(a).intersects(b),
}


async def test_conditions_say_what_they_say_over_the_whole_json(reader, ask):
    things = (await ask(EVERYTHING))["value"]
    assert len(things) == 4
    asked: list[tuple[str, list[int]]] = []

    @settings(max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(conditions)
    def choose(node: Any) -> None:
        asked.append((write(node), [thing["@iot.id"] for thing in things if holds(node, thing) is True]))

    choose()
    for written, expected in asked:
        answer = await reader.get(ROOT + "/Things", params={"$filter": written, "$select": "id"})
        assert answer.status_code == 200, (written, answer.text)
        assert [thing["@iot.id"] for thing in answer.json()["value"]] == expected, written
    assert sum(0 < len(expected) < 4 for _, expected in asked) > 15  # or they would prove little


NAMED = [
    ("/Things?$filter=Datastreams/Observations/result gt 12 and Datastreams/unitOfMeasurement/symbol eq 'cm'", [1]),
    # One datastream must be both: levels have results, and batteries are measured in percent.
    ("/Things?$filter=Datastreams/Observations/result gt 2 and Datastreams/unitOfMeasurement/symbol eq '%25'", []),
    ("/Things?$filter=Datastreams/Observations/result gt 2 and not (Datastreams/unitOfMeasurement/symbol ne '/s')", [4]),
    ("/Things?$filter=Datastreams/unitOfMeasurement/symbol eq '%25' and (Datastreams/Observations/result gt 2 or id eq 0)", [1, 2]),
    ("/Things?$filter=not (Datastreams/Observations/result gt 0)", [3]),
    ("/Things?$filter=geo.distance(Locations/location, geography'POINT(104.0601 30.6601)') lt 0.0001", [2]),
    ("/Things?$filter=geo.distance(Locations/location, geography'POINT(104.0601 30.6601)') lt 0.0002", [1, 2]),
    ("/Things?$filter=geo.length(geography'LINESTRING(0 0,3 4)') eq 5 and id eq 1", [1]),
    ("/Things?$filter=st_relate(Locations/location, geography'POINT(104.06 30.66)', '0FFFFFFF2')", [1]),
    ("/Datastreams?$filter=Thing/Locations/location eq geography'POINT(104.06 30.66)'", [1000, 1001]),
    ("/Datastreams?$filter=id eq 1001 or id eq 4000", [1001, 4000]),
    ("/Datastreams?$filter=id ne 1001 and Thing/id eq 1", [1000]),
    ("/Datastreams?$filter=st_within(observedArea, geography'" + BOX + "') and Thing/@iot.id eq 2", [2000, 2001]),
    ("/Datastreams?$filter=phenomenonTime gt 2020-01-01T00:00:00Z", [1000, 2000, 4000]),
    ("/Datastreams?$filter=phenomenonTime lt 2020-01-01T00:00:00Z/2021-01-01T00:00:00Z", []),
    ("/Sensors?$filter=Datastreams/Thing/name eq '液位计一号'", [4]),
    ("/ObservedProperties?$filter=definition eq 'urn:gridtwin:property:camera:frame_rate'", [1000]),
    ("/Locations?$filter=geo.intersects(location, geography'" + BOX + "')", [1, 2]),
    ("/Things?$filter=Datastreams/Observations/phenomenonTime gt now() sub duration'PT5M' and id lt 2", [1]),
    ("/Things?$filter=(now() sub duration'P1D') lt now() and id eq 3", [3]),
    ("/Things?$filter=year(now()) gt 2020 and month(now()) le 12 and time(now()) ge 00:00:00 and id eq 3", [3]),
    ("/Things?$filter=date(2020-02-03T23:30:00-02:00) eq 2020-02-04 and id eq 3", [3]),
    ("/Things?$filter=hour(2020-02-03T23:30:05.25Z) eq 23 and minute(2020-02-03T23:30:05.25Z) eq 30 and "
     "second(2020-02-03T23:30:05.25Z) eq 5 and fractionalseconds(2020-02-03T23:30:05.25Z) eq 0.25 and id eq 3", [3]),
    ("/Things?$filter=mindatetime() lt now() and maxdatetime() gt now() and totaloffsetminutes(now()) eq 0 and id eq 3",
     [3]),
    ("/Things?$filter=round(2.5) eq 3 and round(-2.5) eq -3 and 7 mod 4 eq 3 and 1 div 0 eq null and id eq 3", [3]),
    ("/Things?$filter=substring(name, 2) eq 'ter-0002'", [2]),
    ("/HistoricalLocations?$filter=time lt now() and Thing/id eq 2", [2]),
    ("/Things?$filter=null eq null and null ne 1 and id eq 3", [3]),
    ("/Things?$filter=null ne null", []),
    ("/Things?$filter=geo.distance(null, Locations/location) lt 1 or year(null) eq 1 or date(null) eq 2020-01-01",
     []),
    ("/Things?$filter=null gt null", None),
    ("/Things?$filter=st_within(Locations/location, geography'CURVEPOLYGON((0 0,1 1,1 0,0 0))')", None),
    ("/Observations?$filter=phenomenonTime gt 2021-01-01T00:00:00Z/2020-01-01T00:00:00Z", None),
    ("/Things?$orderby=Datastreams/id", None),
    ("/Datastreams?$orderby=Thing/name desc,id&$top=1", [1000]),
]  # fmt: skip


async def test_what_each_function_says(reader):
    for path, expected in NAMED:
        answer = await reader.get(ROOT + path)
        if expected is None:
            assert answer.status_code == 400, path
            continue
        assert answer.status_code == 200, (path, answer.text)
        assert [one["@iot.id"] for one in answer.json()["value"]] == expected, path


INJECTED = (
    "'; DROP TABLE device; --",
    "' OR '1'='1",
    "\\'; SELECT 1",
    "a') OR 1=1 --",
    "$1",
    ":kinds",
    "%(x)s",
)


async def test_nothing_of_a_condition_becomes_a_statement(reader, observed):
    for text in INJECTED:
        for params in (
            {"$filter": f"name eq '{text.replace(chr(39), chr(39) * 2)}'"},
            {"$filter": f"properties/{text} eq 1"},
            {"$orderby": text},
            {"$select": text},
            {"$expand": text},
        ):
            answer = await reader.get(ROOT + "/Things", params=params)
            assert answer.status_code in (200, 400), (params, answer.text)
            if answer.status_code == 200:
                assert answer.json()["value"] == [], params
    assert await observed.run_sql("SELECT count(*) FROM device") == [(5,)]


@settings(max_examples=400, deadline=None)
@given(
    st.one_of(
        st.text(max_size=60),
        st.lists(
            st.sampled_from(
                ["name", "(", ")", "eq", "and", "or", "not", "'a'", "1", "-", "/", ",", "geography'POINT(1 1)'",
                 "2020-01-01T00:00:00Z", "duration'P1D'", "length", "null", "true", "add", "div", "@iot.id", "'"]
            ),
            max_size=14,
        ).map(" ".join),
    )
)  # fmt: skip
def test_any_text_is_a_condition_or_an_error_of_ours(text):
    try:
        parse_filter(text)
    except InvalidError as error:
        assert error.where == "$filter"  # noqa: PT017


def test_the_deepest_that_is_read():
    deep = DEEPEST - 1
    parse_filter("(" * deep + "id eq 1" + ")" * deep)
    with pytest.raises(InvalidError, match="deep"):
        parse_filter("(" * (deep + 1) + "id eq 1" + ")" * (deep + 1))
