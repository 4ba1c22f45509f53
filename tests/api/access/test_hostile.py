"""What no honest client sends, in every parameter, field, body and header: never an error of ours."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import Sequence
from urllib.parse import quote

import httpx
import pytest

from api.access.permissions import Permission, permission_of
from api.connections import NO_HTTP
from api.open311.terms import PREFIX as OPEN311
from tests.api.access.test_contract import LEFT_OUT, ROUTES, lets_in

pytestmark = [pytest.mark.postgis, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

ROLES = ("manager", "security_admin", "auditor", "resident_channel")

GOOD = {
    "name": "test-1", "key": "open_alarms", "layers": "building", "z": "14", "x": "12000", "y": "6000",
    "q": "water", "uid": "water_level-510101001001001", "size": "original", "form": "json",
    "client_id": "0b8f3f0e-7a55-4d5e-9e9c-1a3f7d1b2c3d",
}  # fmt: skip
"""A value of a required parameter that is right, while another one is not."""

IN_ADDRESS = (
    ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e308"],
    ["0x10", "1_0", "١", "𝟗", "-0", "0.1"],
    ["-1", "0"],
    [str(2**31), str(2**53)],
    [str(2**63), str(2**64), "9" * 400],
    ["\x00", "a\x00b"],
    ["a" * 8000, "字" * 2000],
    ["", "null", "[]"],
    ["\u202e", "💥"],
    ["\r\nSet-Cookie: a=b"],
    ["' OR 1=1 --"],
    ["%", "_", "\\"],
    ["../../etc/passwd", "{{7*7}}", "${jndi:x}", "%s%n", "<script>"],
)
"""By what they break: a parameter meets one of each kind, the next one the next, and with --all every one."""

RAW_IN_ADDRESS = (["%ED%A0%80", "%FF%FE"], ["%2e%2e%2f", "%252e"])
"""Half a surrogate, no UTF-8, escapes of escapes."""

DEEP = 100_000
IN_JSON = (
    ["NaN", "Infinity", "-Infinity", "[NaN]"],
    ["1e999", "-1e999", "[1e999]", '"1e999"'],
    ["9" * 5000, "-" + "9" * 400],
    ["1e-999", "0.1", "true"],
    ["null", "[null]", '""'],
    ["[]", "{}"],
    ['"\\u0000"'],
    ['"\\ud800"', '"\\udc00\\ud800"'],
    ['"' + "a" * 100_000 + '"', '"' + "字" * 100_000 + '"', "[" + ",".join(["1"] * 50_000) + "]"],
    ["[" * DEEP, '{"a":' * DEEP, "[" * 400 + "]" * 400],
    ['"\\r\\nSet-Cookie: a=b"', '"\\u202e\\u0007"'],
)
"""By what they break, as above, for a field."""

BODIES = [
    b"", b"\x00", b"\xff\xfe\x00", b"\xef\xbb\xbf{}", b"null", b"[]", b'"x"', b"{", b"{}x", b"1e999", b"NaN",
    b"[" * DEEP, b'{"a":' * DEEP, b'{"":1}', b'{"a":1,"a":2}', b'{"__proto__":{}}', b"a=b&c=d",
    b"\x1f\x8b\x08",
]  # fmt: skip
TYPES = [
    "application/json",
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    ";;;",
    "a/b;" * 50,
]

HEADERS = [
    ("authorization", "Bearer " + "é" * 40), ("authorization", "Bearer"), ("authorization", "\x80\xff"),
    ("authorization", "Basic Og=="), ("cookie", "gridtwin_session=" + "a" * 8000), ("cookie", ";;;=;=;"),
    ("cookie", 'gridtwin_session="\\"; gridtwin_session=x'), ("cookie", "gridtwin_session=\xe9\xff"),
    ("origin", "null"), ("origin", "http://["), ("origin", "\xff"), ("referer", "http://[::1"),
    ("sec-fetch-site", "\xff"), ("accept", "*/*;q=1e999"), ("accept-encoding", "gzip;q=nan, \xff"),
    ("accept-language", "a" * 8000), ("if-none-match", '"' * 999), ("if-none-match", "*"),
    ("if-modified-since", "Thu, 99 Xxx 99999 99:99:99 GMT"), ("range", "bytes=-0"),
    ("range", "bytes=99999999999999999999-"), ("range", "bytes=0-0," * 500), ("content-length", "0"),
    ("content-encoding", "gzip"), ("expect", "200-nothing"), ("x-forwarded-for", "\xff,,,1e999"),
    ("x-forwarded-proto", "javascript"), ("forwarded", "for=" + "a" * 4000),
    ("x-http-method-override", "DELETE"),
    ("user-agent", "\x80\xff" * 500), ("user-agent", ""), ("upgrade", "h2c"), ("host", "127.0.0.1:99999999"),
    ("host", "[::1"), ("host", "\xff"), ("host", "127.0.0.1:x"), ("date", "\x80"), ("te", "trailers, \xff"),
]  # fmt: skip

BY_HAND = [
    "/api/search?q=%", "/api/search?q=%0", "/api/search?q=%zz", "/api/search?q=%ff", "/api/devices/%",
    "/api/devices/%zz",
    "/api/../api/scene", "/api/./scene", "//api/scene", "/api//scene", "/api/scene/", "/API/scene",
    "/api/scene%00",
    "/api/scene?limit=1#x", "*", "http://127.0.0.1/api/scene", "/api/devices/1/history?hours=1e999&hours=NaN",
    "/tiles/building/14/../../14/12000/6000.mvt", "/tiles/building/14/12000/6000.mvt/..",
    "/tiles//14/1/1.mvt",
    "/tiles/building/%31%34/12000/6000.mvt", "/tiles/building,,/14/1/1.mvt", "/tiles/x%00/14/1/1.mvt",
    "/a" * 20_000,
]  # fmt: skip
"""Addresses that a client library would not send as they are."""

SECRET = "what lies beside the pages"
CLIMBS = [
    "/../secret.txt", "/assets/../../secret.txt", "/assets/%2e%2e/%2e%2e/secret.txt", "/..%2fsecret.txt",
    "/assets/..%2f..%2fsecret.txt", "/assets/..%5c..%5csecret.txt", "/assets//../../secret.txt",
    "/%2e%2e/secret.txt",
    "/assets/%252e%252e/%252e%252e/secret.txt", "/assets/....//....//secret.txt", "/..;/secret.txt",
    "/assets/link.txt", "/assets/%2e%2e%2f%2e%2e%2fsecret.txt%00.js", "//secret.txt",
    "/docs/..%2f..%2fsecret.txt",
    "/docs/%2e%2e%2fpyproject.toml", "/docs/..%2faccess.md", "/assets/" + "..%2f" * 12 + "etc%2fpasswd",
    "/assets//etc/passwd", "/%2fetc%2fpasswd", "/assets/file:%2f%2f%2fetc%2fpasswd",
    "/assets/%c0%ae%c0%ae%2fsecret.txt",
]  # fmt: skip


def schema_of(document: dict, schema: dict) -> dict:
    name = schema.get("$ref", "").rpartition("/")[2]
    return document["components"]["schemas"][name] if name else schema


def filled(document: dict, path: str, parameters: list[dict], wrong: str = "", raw: str = "") -> str:
    """Write the address of a route with one value as given and the required others right."""
    query = []
    for parameter in parameters:
        name = parameter["name"]
        if name != wrong and not parameter["required"]:
            continue
        value = (
            raw
            if name == wrong
            else GOOD.get(name) or schema_of(document, parameter["schema"]).get("enum", "1")[0]
        )
        if parameter["in"] == "path":
            path = path.replace(f"{{{name}}}", value)
        else:
            query.append(f"{name}={value}")
    return f"{path}?{'&'.join(query)}" if query else path


def dealt(kinds: Sequence[list[str]], turn: int | None) -> list[str]:
    """Give one value of each kind, those that it is the turn of; without a turn all."""
    return [value for kind in kinds for value in (kind if turn is None else kind[turn % len(kind) :][:1])]


def addresses(document: dict, everything: bool) -> list[tuple[str, str]]:
    """Method and address, with hostile values of every kind in every parameter."""
    found = []
    kinds = [[quote(value, safe="") for value in kind] for kind in IN_ADDRESS] + [*RAW_IN_ADDRESS]
    turns = itertools.count()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            parameters = operation.get("parameters", [])
            for parameter in parameters:
                turn = None if everything else next(turns)
                found += [
                    (method, filled(document, path, parameters, parameter["name"], raw))
                    for raw in dealt(kinds, turn)
                ]
            found += [
                (method, filled(document, path, parameters) + odd)
                for odd in ("?" + "a=b&" * 2000, "?%00", "?&&=;")
            ]
    return found


def bodies(document: dict, everything: bool) -> list[tuple[str, str, bytes]]:
    """Method, address and body, with hostile values of every kind in every field."""
    found = []
    turns = itertools.count()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if "requestBody" not in operation:
                continue
            address = filled(document, path, operation.get("parameters", []))
            found += [(method, address, body) for body in BODIES]
            as_json = operation["requestBody"]["content"].get("application/json", {"schema": {}})
            fields = schema_of(document, as_json["schema"]).get("properties", {})
            for wrong in fields:
                others = {
                    name: [1] if "items" in fields[name] else "test-1" for name in fields if name != wrong
                }
                text = json.dumps(others)[:-1] + (", " if others else "")
                turn = None if everything else next(turns)
                found += [
                    (method, address, f'{text}"{wrong}": {value}}}'.encode())
                    for value in dealt(IN_JSON, turn)
                ]
    return found


def _is_list_of_errors(answer: httpx.Response) -> bool:
    if answer.headers.get("content-type") != "application/json; charset=utf-8":
        return False
    return [set(error) for error in answer.json()] == [{"code", "description"}]


class Hostile:
    """A client that notes each answer that is an error of ours, or says what is wrong in another form."""

    def __init__(self, http: httpx.AsyncClient, role: str) -> None:
        self.http, self.role = http, role
        self.wrong: list[str] = []
        self.asked = 0

    async def send(self, method: str, address: str, **more) -> None:
        url = httpx.URL(self.http.base_url, raw_path=address.encode())
        try:
            answer = await self.http.request(method, url, **more)
        except httpx.RemoteProtocolError as error:
            self.wrong.append(f"{method} {address[:200]} {str(more)[:200]}: {error}")
            return
        self.asked += 1
        what = f"{method} {address[:200]} {str(more)[:200]}: {answer.status_code} {answer.text[:200]}"
        if answer.status_code >= 500 or "set-cookie" in answer.headers:
            self.wrong.append(what)
        kind = answer.headers.get("content-type", "")
        is_ours = kind == "application/problem+json"
        if address.startswith(OPEN311) and answer.status_code >= 400:  # which refuses in a form of its own
            is_ours = "<errors>" in answer.text if kind.startswith("text/xml") else _is_list_of_errors(answer)
        # Before it is known where a request goes; and the server of files answers a range that no file has.
        is_theirs = NO_HTTP in answer.text or answer.status_code in (414, 416, 431)
        if answer.status_code >= 400 and not is_ours and not is_theirs:
            self.wrong.append(what)

    async def send_all(self, cases: list[tuple]) -> None:
        """Send cases, a few at a time."""
        waiting = iter(cases)

        async def one() -> None:
            for method, address, more in waiting:
                await self.send(method, address, **more)

        await asyncio.gather(*(one() for _ in range(8)))
        assert self.wrong == [], f"{len(self.wrong)}:\n" + "\n".join(self.wrong[:20])
        assert (await self.http.get("/api/account")).status_code == 200, "the asker was shut out on the way"


@pytest.fixture(params=ROLES)
async def hostile(ground, request):
    token, _ = await ground.asker(request.param)
    headers = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=ground.served.url, timeout=30.0, headers=headers) as http:
        yield Hostile(http, request.param)


async def document_of(hostile: Hostile) -> dict:
    document = (await hostile.http.get("/api/openapi.json")).json()
    for name, route in ROUTES.items():
        method, path = name.split()
        if name in LEFT_OUT or not asks(hostile.role, permission_of(route)):
            del document["paths"][path][method.lower()]
    return document


def asks(role: str, permission: Permission) -> bool:
    """Say whether a role tries a route: the first every one, the others what they alone may."""
    return role == ROLES[0] or (lets_in(permission, role) and not lets_in(permission, ROLES[0]))


dealt_or_everything = pytest.mark.parametrize(
    "everything",
    [pytest.param(False, id="dealt"), pytest.param(True, id="everything", marks=pytest.mark.slow)],
)


async def test_every_value_is_dealt_to_somebody(ground):
    """A sample of each kind for each parameter leaves no value out: there are enough of them."""
    document = ground.served.app.openapi()
    told = {part for _, address in addresses(document, False) for part in re.split("[/?&=]", address)}
    values = {quote(value, safe="") for value in itertools.chain(*IN_ADDRESS)}
    assert values.union(*RAW_IN_ADDRESS) - told == set()
    sent = [body for _, _, body in bodies(document, False)]
    ends = [f": {value}}}".encode() for value in itertools.chain(*IN_JSON)]
    assert [end[:50] for end in ends if not any(body.endswith(end) for body in sent)] == []


@dealt_or_everything
async def test_no_value_of_a_parameter_breaks_a_route(hostile, everything):
    document = await document_of(hostile)
    cases = addresses(document, everything)
    await hostile.send_all([(method, address, {}) for method, address in cases])
    assert hostile.asked >= len(IN_ADDRESS)


@dealt_or_everything
async def test_no_body_breaks_a_route(hostile, everything):
    document = await document_of(hostile)
    cases = bodies(document, everything)
    json_type = {"headers": {"content-type": "application/json"}}
    await hostile.send_all(
        [(method, address, {"content": body, **json_type}) for method, address, body in cases]
    )
    few = BODIES[:6]
    odd = [
        (method, address, {"content": body, "headers": {"content-type": kind}})
        for turn, (method, address) in enumerate({case[:2]: None for case in cases})
        for n, kind in enumerate(TYPES)
        for body in (few if everything else [few[(turn + n) % len(few)]])
    ]
    await hostile.send_all(odd)
    assert hostile.asked >= len(cases)


async def test_no_header_breaks_a_route(hostile):
    addresses = ("/api/scene", "/api/catalog", "/tiles/building/14/12000/6000.mvt", "/", "/docs")
    cases = [("GET", a, {"headers": {n: v.encode("latin-1")}}) for a in addresses for n, v in HEADERS]
    cases += [("POST", "/api/live/ticket", {"headers": {n: v.encode("latin-1")}}) for n, v in HEADERS]
    await hostile.send_all(cases)


async def by_hand(served, address: str, extra: bytes = b"") -> tuple[int, bytes]:
    """Send an address as it is written; return status and answer."""
    reader, writer = await asyncio.open_connection(served.host, served.port)
    writer.write(
        b"GET "
        + address.encode()
        + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        + extra
        + b"\r\n"
    )
    answer = await asyncio.wait_for(reader.read(), 20.0)
    writer.close()
    return int(answer[9:12]), answer


async def test_no_address_breaks_a_route_or_gets_round_the_door(ground):
    token, _ = await ground.asker("manager")
    known = f"Authorization: Bearer {token}\r\n".encode()
    for address in BY_HAND:
        status, answer = await by_hand(ground.served, address, known)
        assert status < 500, (address[:100], answer[:300])
        status, answer = await by_hand(ground.served, address)
        assert 300 <= status < 500, (address[:100], answer[:300])


async def test_no_file_beside_the_pages_is_served(ground):
    dist = ground.served.runtime.settings.web_dir
    (dist / "assets").mkdir(exist_ok=True)
    (dist / "assets" / "here.js").write_text("served")
    outside = dist.parent / "secret.txt"
    outside.write_text(SECRET)
    (dist / "assets" / "link.txt").symlink_to(outside)
    assert (await by_hand(ground.served, "/assets/here.js"))[0] == 200
    for address in CLIMBS:
        status, answer = await by_hand(ground.served, address)
        assert 300 <= status < 500, (address, answer[:300])
        for found in (SECRET.encode(), b"root:", b"[project]", b"three siblings", b"# Access"):
            assert found not in answer, address
