"""Fetch what a foreign server tells: a snapshot in the device schema, or the streams of SensorThings."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, Final

from ingest.conformance.bench import Sender
from ingest.conformance.watch import Message, Watch
from twin.errors import InvalidError, UnavailableError

_MOST_BYTES: Final = 5 << 20
_WAIT_S: Final = 15.0
_STREAMS: Final = (
    "Datastreams?$top=100&$expand=ObservedProperty,Observations($top=5;$orderby=phenomenonTime desc)"
)


def fetch(watch: Watch, sender: Sender, url: str) -> None:
    """Fetch a URL once, and let the watch see its readings.

    A SensorThings server is known by its first page; of each of its streams (100 at most) the five newest
    observations are readings of the device under test, with the name of the observed property and the unit.

    Raises
    ------
    InvalidError
        It is no http(s) URL.
    UnavailableError
        It does not answer, or not with 200.
    """
    body = _get(url)
    if not _is_sensorthings(body):
        watch.take(Message(body, time.time_ns() // 1000))
        return
    streams = _get(
        urllib.parse.urljoin(url.rstrip("/") + "/", urllib.parse.quote(_STREAMS, safe="?$=&,();/"))
    )
    for stream in _list(_parsed(streams).get("value")):
        readings = _readings(stream, sender)
        if readings:
            watch.take(Message(json.dumps(readings, ensure_ascii=False).encode(), time.time_ns() // 1000))


def _readings(stream: Any, sender: Sender) -> list[dict[str, Any]]:
    if not isinstance(stream, dict):
        return []
    observed, unit = stream.get("ObservedProperty"), stream.get("unitOfMeasurement")
    name = observed.get("name") if isinstance(observed, dict) else None
    symbol = unit.get("symbol") if isinstance(unit, dict) else None
    found = []
    for observation in _list(stream.get("Observations")):
        if not isinstance(observation, dict):
            continue
        told = observation.get("phenomenonTime")
        reading = {
            # Of an interval, its beginning.
            "t": told.partition("/")[0] if isinstance(told, str) else told,
            "p": name,
            "v": observation.get("result"),
        }
        if symbol:
            reading["u"] = symbol
        if sender.kind == "gateway":
            reading["d"] = stream.get("name")
        found.append(reading)
    return found


def _is_sensorthings(body: bytes) -> bool:
    return any(
        isinstance(entry, dict) and entry.get("name") == "Datastreams" and "url" in entry
        for entry in _list(_parsed(body).get("value"))
    )


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _get(url: str) -> bytes:
    if not url.lower().startswith(("http://", "https://")):
        raise InvalidError("this is no address of http or https · 不是 http 或 https 地址", where=url[:200])
    request = urllib.request.Request(url, headers={"accept": "application/json"})  # noqa: S310  (checked above)
    try:
        with urllib.request.urlopen(request, timeout=_WAIT_S) as answer:  # noqa: S310  # nosec B310
            body: bytes = answer.read(_MOST_BYTES + 1)
    except (urllib.error.URLError, TimeoutError, OSError, ValueError) as error:
        why = getattr(error, "reason", None) if not isinstance(error, urllib.error.HTTPError) else None
        raise UnavailableError(
            f"it cannot be fetched · 无法读取: {why or error}",
            where=url[:200],
            hint="see whether it runs, and whether the address is right · 看它是否在运行、地址是否正确",
        ) from error
    return body[:_MOST_BYTES]
