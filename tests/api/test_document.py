"""The OpenAPI document, and what is written about it, tell of every route what the code declares."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from api.access.permissions import (
    BY_PARTNER,
    BY_SENDER,
    OWN_ACCOUNT,
    OWN_WORKER,
    PUBLIC,
    SIGNED_IN,
    permission_of,
)
from api.document import REFUSALS
from api.main import create_app
from api.open311.terms import PREFIX as OPEN311
from api.open311.terms import STATUS
from api.routes import ROUTERS
from api.settings import Settings
from twin.access.roles import DataClass

MANUAL = Path(__file__).parents[2] / "docs" / "http-api.md"
ROUTES = {
    f"{method} {route.path_format}": route
    for router in ROUTERS
    for route in router.routes
    for method in route.methods
    if method != "HEAD"
}
NOBODY_ELSE = {
    PUBLIC: "nobody",
    SIGNED_IN: "signed in",
    OWN_ACCOUNT: "own account",
    OWN_WORKER: "own worker",
    BY_SENDER: "a device or gateway",
    BY_PARTNER: "a partner, signed",
}
IN_DOCUMENT = [name for name, route in ROUTES.items() if route.include_in_schema]


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    folder = tmp_path_factory.mktemp("document")
    settings = Settings(
        database_url="postgresql+psycopg://nobody@127.0.0.1:9/none", data_dir=folder, web_dir=folder
    )
    return create_app(settings).openapi()


def operation(document, name: str) -> dict:
    method, path = name.split()
    return document["paths"][path][method.lower()]


def test_every_route_is_in_the_document(document):
    told = {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}
    assert told == set(IN_DOCUMENT)


@pytest.mark.parametrize("name", IN_DOCUMENT)
def test_a_route_says_what_it_is_for_who_may_ask_and_how_it_refuses(document, name):
    told, route = operation(document, name), ROUTES[name]
    permission = permission_of(route)
    assert told["summary"]
    assert told["description"].endswith("."), "a sentence: the docstring of the route"
    assert told["tags"]
    assert bool(told["security"]) is not permission.public
    assert all(answer["description"] for answer in told["responses"].values())
    expected = {"414", "421", "429", "431", "503"}
    expected |= {"401", "403"} if not permission.public else set()
    expected |= {"400", "403", "408", "413", "422"} if "requestBody" in told else set()
    expected |= {"422"} if told.get("parameters") else set()
    of_open311 = route.path.startswith(OPEN311)
    if of_open311:  # it knows other statuses, and a form of its own
        expected = {str(STATUS.get(int(status), int(status))) for status in expected} | {"404"}
    refusals = {status: answer for status, answer in told["responses"].items() if status >= "400"}
    assert expected <= set(refusals)
    assert set(refusals) - expected <= {"400", "401", "404", "409", "410", "501", "507"}, (
        "these stand at the routes that give them"
    )
    for status, answer in refusals.items():
        if of_open311 and status not in {"414", "431"}:  # before it is known where a request goes
            assert list(answer["content"]) == ["application/json", "text/xml"]
            assert answer["content"]["application/json"]["schema"]["items"]["$ref"].endswith("/ErrorAnswer")
            continue
        assert list(answer["content"]) == ["application/problem+json"]
        assert answer["content"]["application/problem+json"]["schema"]["$ref"].endswith("Problem")
        assert ("Retry-After" in answer.get("headers", {})) is (status in {"429", "503"})
    done = [status for status in told["responses"] if status < "400"]
    assert done, "what comes when all is well"


def test_every_refusal_is_one_of_some_route(document):
    given = {status for name in IN_DOCUMENT for status in operation(document, name)["responses"]}
    assert {str(refusal.status) for refusal in REFUSALS} <= given


def written() -> dict[str, str]:
    """Return what the manual's table says each route asks of its caller."""
    rows = [
        line.split(" | ")
        for line in MANUAL.read_text(encoding="utf-8").splitlines()
        if line.startswith("| `")
    ]
    return {
        route.partition("?")[0]: row[1] for row in rows for route in re.findall(r"`(\w+ /[^`]*)`", row[0])
    }


def test_the_manual_names_every_route_and_no_other():
    assert set(written()) == set(ROUTES)


@pytest.mark.parametrize("name", ROUTES)
def test_the_manual_says_what_a_route_asks(name):
    asks, permission = written()[name], permission_of(ROUTES[name])
    if permission.act is not None:
        act, _, where = asks.partition("`, ")
        assert act.rstrip("`") == f"act `{permission.act.value}"
        assert ("worker" in where) is permission.as_worker
    elif permission.reads:
        words = set(re.findall(r"[a-z]+", asks.partition(":")[0]))
        assert {data for data in DataClass if data.value in words} == permission.reads
        assert ("counts" in words) is permission.counts
    else:
        assert asks == NOBODY_ELSE[permission]
