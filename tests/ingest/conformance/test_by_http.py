"""Devices that post are tested at an address of their own, foreign servers where they are."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from ingest.conformance.bench import Bench, Sender
from ingest.conformance.by_http import Endpoint
from ingest.conformance.by_url import fetch
from ingest.conformance.watch import Watch
from tests.ingest.conformance.vendors import CATALOG, UID, failed
from twin.errors import InvalidError, UnavailableError

LISTEN_S = 1.5


def watch_of(mode: str) -> tuple[Watch, Sender]:
    sender = Sender("device", UID)
    return Watch(Bench(CATALOG, sender, {UID: CATALOG.by_name["water_level"]}, 60), mode), sender


def said(level: float = 20.0) -> bytes:
    # A time of its own for each value: what is told twice of one moment is another rule.
    return json.dumps({"t": time.time_ns() // 1_000_000 - int(level), "p": "level", "v": level}).encode()


def posted(*, auth: bool = True, again: bool = True, path: str | None = None) -> list[str]:
    """What is found of a device that posts twice."""
    watch, sender = watch_of("http")
    endpoint = Endpoint(watch, sender, "127.0.0.1", 0)
    told: list[str] = []
    running = threading.Thread(target=endpoint.listen, args=(LISTEN_S, told.append, "127.0.0.1"))
    running.start()
    with httpx.Client(
        base_url=f"http://127.0.0.1:{endpoint.port}", auth=(UID, endpoint.password if auth else "wrong")
    ) as http:
        first, statuses = said(), []
        for body in (first, first if again else said(21.0), said(22.0)):
            statuses.append(http.post(path or endpoint.path, content=body).status_code)
    running.join()
    if auth and path is None:
        assert statuses == [503, 200, 200]
    assert any(endpoint.path in line for line in told)
    return failed(watch.findings(time.time_ns() // 1000))


@pytest.mark.parametrize(
    ("how", "wrong"),
    [
        ({}, []),
        ({"auth": False}, ["sign_in"]),
        ({"again": False}, ["again"]),
        ({"path": "/ingest/v1/devices/other-0001/observations"}, ["topic"]),
    ],
)
def test_a_device_that_posts_is_tested(how, wrong):
    assert posted(**how) == wrong


def test_a_token_is_taken_and_what_is_no_request_hurts_nothing():
    watch, sender = watch_of("http")
    endpoint = Endpoint(watch, sender, "127.0.0.1", 0)
    threading.Thread(target=endpoint.listen, args=(LISTEN_S, lambda _: None, "127.0.0.1")).start()
    bearer = {"authorization": f"Bearer {endpoint.password}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{endpoint.port}") as http:
        assert http.post(endpoint.path, content=said(), headers=bearer).status_code == 503
        assert http.post(endpoint.path, content=b"x" * (2 << 20), headers=bearer).status_code == 413
        assert http.get(endpoint.path).status_code == 501
        for header in ("Basic", "Basic %%%", "Basic Og==", "Bearer", "é".encode("latin-1")):
            assert http.post(endpoint.path, content=b"", headers={"authorization": header}).status_code == 401


def stream(result: object, at: str, symbol: str, name: str = "level") -> dict:
    return {
        "name": "s",
        "unitOfMeasurement": {"symbol": symbol},
        "ObservedProperty": {"name": name},
        "Observations": [{"phenomenonTime": at, "result": result}],
    }


class Foreign:
    """A foreign server: SensorThings below /v1.1, a snapshot at /snapshot."""

    def __init__(self) -> None:
        self.streams: list[object] = []
        self.snapshot = b"{}"
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                first = {"value": [{"name": "Datastreams", "url": "http://x/v1.1/Datastreams"}]}
                body = {
                    "/v1.1": json.dumps(first).encode(),
                    "/v1.1/Datastreams": json.dumps({"value": outer.streams}).encode(),
                    "/snapshot": outer.snapshot,
                }.get(path)
                self.send_response(200 if body is not None else 404)
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def foreign() -> Iterator[Foreign]:
    made = Foreign()
    threading.Thread(target=made.server.serve_forever, daemon=True).start()
    yield made
    made.server.shutdown()
    made.server.server_close()


def fetched(url: str) -> tuple[Watch, list[str]]:
    watch, sender = watch_of("url")
    fetch(watch, sender, url)
    return watch, failed(watch.findings(time.time_ns() // 1000))


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({}, []),
        ({"symbol": "feet"}, ["unit"]),
        ({"result": "high"}, ["fields"]),
        ({"result": 1e9}, ["range"]),
        ({"at": "2026-01-01T00:00:00"}, ["time"]),
        ({"at": "2020-01-01T00:00:00Z"}, ["clock"]),
        ({"name": "pegel"}, ["property"]),
    ],
)
def test_streams_of_a_sensorthings_server_are_tested(foreign, change, wrong):
    now = datetime.now(UTC).isoformat()
    foreign.streams = [stream(**{"result": 20.0, "at": f"{now}/{now}", "symbol": "cm", **change}), 5, {}]
    watch, found = fetched(f"{foreign.url}/v1.1")
    assert found == wrong
    assert watch.messages == 1


def test_a_snapshot_is_tested_and_what_is_not_there_is_said(foreign):
    foreign.snapshot = said()
    assert fetched(f"{foreign.url}/snapshot")[1] == []
    foreign.snapshot = b"<html>"
    assert fetched(f"{foreign.url}/snapshot")[1] == ["json"]
    with pytest.raises(UnavailableError, match="404"):
        fetched(f"{foreign.url}/nothing")
    for url in ("file:///etc/passwd", "ftp://x", "x"):
        with pytest.raises(InvalidError):
            fetched(url)
