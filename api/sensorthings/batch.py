"""Answer several requests in one: JSON batches of OData 4.01, as OGC 18-088 takes them over."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import unquote

import orjson
from starlette.types import ASGIApp, Message, Scope

from api.sensorthings.bodies import wrong

_MOST: Final = 100
_MOST_BYTES: Final = 32 << 20
_METHODS: Final = {"GET", "POST", "PATCH", "PUT", "DELETE"}
_REFERENCE: Final = re.compile(r"\$([0-9A-Za-z_-]{1,40})(?=$|/|\?)", re.ASCII)
_KEPT_HEADERS: Final = {
    b"host",
    b"authorization",
    b"cookie",
    b"origin",
    b"sec-fetch-site",
    b"x-forwarded-proto",
}
_MADE: Final = re.compile(r"([A-Za-z]+)\((-?\d+|'[^']+')\)$", re.ASCII)

Answer = dict[str, Any]


async def answer_batch(app: ASGIApp, scope: Scope, root: str, given: Any, *, go_on: bool) -> Answer:
    """Answer requests one after the other, each as if it had come alone.

    Parameters
    ----------
    app
        The whole server: each request is let in, counted and answered as any other.
    scope
        Of the batch; who asks is taken over from it.
    root
        Path of the service.
    go_on
        Whether to go on after a request that failed; else the answers end with it.

    Raises
    ------
    InvalidError
        This is no batch, or asks for what is not done here.
    """
    requests = given.get("requests") if isinstance(given, dict) else None
    if not isinstance(requests, list) or not 0 < len(requests) <= _MOST:
        raise wrong("requests", f"a list of 1 to {_MOST} requests is wanted")
    for i, one in enumerate(requests):
        _check(one, f"requests[{i}]", {other["id"] for other in requests[:i]})
    answers: list[Answer] = []
    made: dict[str, str] = {}
    left = _MOST_BYTES
    for one in requests:
        answer, size = await _answer(app, scope, root, one, made)
        left -= size
        if left < 0:
            answer = {"id": one["id"], "status": 413, "body": {"title": "the answers are too long for one"}}
        answers.append(answer)
        if answer["status"] >= 400 and not go_on:
            break
    return {"responses": answers}


def _check(one: Any, where: str, before: set[str]) -> None:
    if not isinstance(one, dict) or not all(isinstance(one.get(key), str) for key in ("id", "method", "url")):
        raise wrong(where, "a request has id, method and url")
    if one["id"] in before:
        raise wrong(f"{where}.id", "this id is given twice")
    if one["method"].upper() not in _METHODS:
        raise wrong(f"{where}.method", "known are " + ", ".join(sorted(_METHODS)))
    if one.get("atomicityGroup") is not None:
        raise wrong(
            f"{where}.atomicityGroup",
            "requests of a batch stand alone",
            "make what belongs together by one deep insert",
        )
    if "$batch" in unquote(one["url"]) or ".." in unquote(one["url"]):
        raise wrong(f"{where}.url", "a path below the service is wanted")
    if not isinstance(one.get("headers", {}), dict):
        raise wrong(f"{where}.headers", "an object is wanted")
    wanted = one.get("dependsOn", [])
    if not isinstance(wanted, list) or not set(map(str, wanted)) <= before:
        raise wrong(f"{where}.dependsOn", "ids of earlier requests are wanted")


async def _answer(
    app: ASGIApp, scope: Scope, root: str, one: Answer, made: dict[str, str]
) -> tuple[Answer, int]:
    """Answer one request, and say how long the answer is; ``made`` are paths of what came before, by id."""
    url, reference = one["url"], _REFERENCE.match(one["url"])
    needed = {*map(str, one.get("dependsOn", ())), *([reference[1]] if reference else [])}
    if not needed <= made.keys():
        return {"id": one["id"], "status": 424, "body": {"title": "a request that it depends on failed"}}, 0
    if reference:
        url = made[reference[1]] + url[reference.end() :]
    path, _, query = url.partition("?")
    method = one["method"].upper()
    body = b"" if method in ("GET", "DELETE") else orjson.dumps(_resolved(one.get("body"), made))
    kind = {str(k).lower(): str(v) for k, v in one.get("headers", {}).items()}.get("content-type")
    status, headers, content = await _ask(
        app,
        {
            **scope,
            "method": method,
            "path": f"{root}/{unquote(path)}",
            "raw_path": f"{root}/{path}".encode(),
            "query_string": query.encode(),
            "headers": [
                *((name, value) for name, value in scope["headers"] if name in _KEPT_HEADERS),
                (b"content-type", (kind or "application/json").encode("latin-1", "replace")),
                (b"content-length", str(len(body)).encode()),
            ],
        },
        body,
    )
    answer: Answer = {"id": one["id"], "status": status}
    location = headers.get("location", "")
    found = _MADE.search(location)
    if status < 300:
        made[one["id"]] = found[0] if found else url
    if location:
        answer["headers"] = {"location": location}
    if content:
        is_json = "json" in headers.get("content-type", "")
        answer["body"] = orjson.Fragment(content) if is_json else content.decode("utf-8", "replace")
    return answer, len(content)


def _resolved(given: Any, made: dict[str, str]) -> Any:
    """Return a body in which ``{"@iot.id": "$1"}`` names what the request 1 made."""
    if isinstance(given, list):
        return [_resolved(one, made) for one in given]
    if not isinstance(given, dict):
        return given
    resolved = {key: _resolved(value, made) for key, value in given.items()}
    reference = resolved.get("@iot.id")
    if isinstance(reference, str) and reference[:1] == "$" and reference[1:] in made:
        found = _MADE.search(made[reference[1:]])
        if found is not None:
            resolved["@iot.id"] = found[2][1:-1] if found[2].startswith("'") else int(found[2])
    return resolved


async def _ask(app: ASGIApp, scope: Scope, body: bytes) -> tuple[int, dict[str, str], bytes]:
    """Give a request to the server and return its answer."""
    status, headers, content, asked = 500, {}, bytearray(), False

    async def receive() -> Message:
        nonlocal asked
        if asked:
            return {"type": "http.disconnect"}
        asked = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status, headers
        if message["type"] == "http.response.start":
            status = message["status"]
            headers = {name.decode().lower(): value.decode("latin-1") for name, value in message["headers"]}
        elif message["type"] == "http.response.body":
            content.extend(message.get("body", b""))

    await app(scope, receive, send)
    return status, headers, bytes(content)
