"""Devices of vendors: one that does all as it should, and others that each do one thing wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace

from ingest.conformance.bench import Bench, Sender
from ingest.conformance.watch import Finding, Message, Watch
from ingest.transports.topics import observations_of, status_of
from twin.catalog import load_catalog

UID = "vendor-0001"
START_US = 1_800_000_000_000_000
S = 1_000_000
INTERVAL_S, LISTEN_S, BREAK_S = 10, 120, 60
CATALOG = load_catalog()

Change = Callable[[int, dict, Message], Message | None]
"""What a vendor does with its n-th reading: given as an object and as the message that was to be sent."""


def reading(at_us: int, level: float) -> dict:
    return {"t": at_us // 1000, "p": "level", "v": level, "u": "cm"}


def packed(content: object, message: Message) -> Message:
    return replace(message, payload=json.dumps(content).encode())


def good(change: Change | None = None) -> Iterator[Message]:
    """The messages of a device that reports every ten seconds, is cut off in the middle and comes back."""
    topic, status = observations_of("devices", UID), status_of("devices", UID)
    yield Message(b"online", START_US + 1, status, 1, retained=True)
    for n, at_s in enumerate(range(1, LISTEN_S, INTERVAL_S)):
        at_us = START_US + at_s * S
        if n == 6:
            yield Message(b"offline", START_US + BREAK_S * S + 1, status, 1, retained=True)
            yield Message(b'{"status":"online"}', START_US + (BREAK_S + 4) * S, status, 1, retained=True)
            at_us += 4 * S
        said = reading(at_us - S // 2, 20.0 + n)
        sent = packed(said, Message(b"", at_us, topic, 1))
        changed = sent if change is None else change(n, said, sent)
        if changed is not None:
            yield changed
        if n == 7 and changed is sent:
            yield replace(sent, received_us=at_us + S)  # once more, as it was


def found(
    messages: Iterator[Message], *, kind: str = "water_level", sender: Sender | None = None
) -> list[Finding]:
    sender = sender or Sender("device", UID)
    watch = Watch(Bench(CATALOG, sender, {UID: CATALOG.by_name[kind]}, INTERVAL_S), "mqtt")
    watch.begin(START_US)
    broken = False
    for message in messages:
        if not broken and message.received_us > START_US + BREAK_S * S:
            broken = True
            watch.break_off(START_US + BREAK_S * S)
            watch.open_again(START_US + (BREAK_S + 3) * S)
        watch.take(message)
    return watch.findings(START_US + LISTEN_S * S)


def failed(findings: list[Finding]) -> list[str]:
    return [finding.rule.key for finding in findings if finding.outcome == "fail"]


def changed(**fields: object) -> Change:
    """Replace fields of one reading; None takes one away."""

    def change(n: int, said: dict, sent: Message) -> Message:
        if n != 3:
            return sent
        return packed({k: v for k, v in {**said, **fields}.items() if v is not None}, sent)

    return change


def only(which: int, make: Callable[[dict, Message], Message | None]) -> Change:
    return lambda n, said, sent: make(said, sent) if n == which else sent


def without(*payloads: bytes) -> Iterator[Message]:
    return (message for message in good() if message.payload not in payloads)


def unkept() -> Iterator[Message]:
    return (replace(m, retained=False) if m.payload == b"online" else m for m in good())


def flooded() -> Iterator[Message]:
    for message in good():
        yield message
        if message.received_us == START_US + 31 * S:
            at_ms = message.received_us // 1000
            many = {"t": [at_ms - 9_000 + n for n in range(4_500)], "p": "level", "v": [20.0] * 4_500}
            yield packed(many, message)


WRONG: dict[str, tuple[Callable[[], Iterator[Message]], str]] = {
    "another topic": (
        lambda: good(only(3, lambda _, m: replace(m, topic="vendor/data"))), "topic"
    ),
    "of another device": (
        lambda: good(only(3, lambda _, m: replace(m, topic=observations_of("devices", "other-1")))), "topic"
    ),
    "no JSON": (lambda: good(only(3, lambda _, m: replace(m, payload=b"level=20"))), "json"),
    "NaN": (lambda: good(changed(v=float("nan"))), "json"),
    "not UTF-8": (lambda: good(only(3, lambda _, m: replace(m, payload="水位".encode("gbk")))), "json"),
    "no time": (lambda: good(changed(t=None)), "fields"),
    "value as text": (lambda: good(changed(v="23.0")), "fields"),
    "lists of two lengths": (lambda: good(changed(t=[1, 2, 3], v=[1.0, 2.0])), "fields"),
    "nothing": (lambda: good(only(3, lambda _, m: replace(m, payload=b"[]"))), "fields"),
    "too much": (lambda: good(only(3, lambda r, m: packed([r] * 5_001, m))), "size"),
    "no zone": (lambda: good(changed(t="2027-01-15T08:00:31")), "time"),
    "no date": (lambda: good(changed(t="15/01/2027 08:00")), "time"),
    "seconds": (lambda: good(changed(t=START_US // S)), "clock"),
    "clock ahead": (lambda: good(changed(t=START_US // 1000 + 3_600_000)), "clock"),
    "clock behind": (
        lambda: good(lambda _, r, m: packed({**r, "t": r["t"] - 900_000}, m)), "clock"
    ),
    "another name": (lambda: good(changed(d="other-0001")), "device"),
    "unknown property": (lambda: good(changed(p="water")), "property"),
    "unknown unit": (lambda: good(changed(u="feet")), "unit"),
    "another quantity": (lambda: good(changed(u="Cel")), "unit"),
    "no data as -999": (lambda: good(changed(v=-999)), "range"),
    "a place": (lambda: good(changed(lon=104.06, lat=30.66)), "place"),
    "half a place": (lambda: good(changed(lon=104.06)), "place"),
    "too seldom": (lambda: good(lambda n, _, m: None if n in (2, 3, 4) else m), "interval"),
    "too much at once": (flooded, "rate"),
    "another value": (
        lambda: good(only(3, lambda r, m: packed({**r, "t": r["t"] - 10_000}, m))), "repeat"
    ),
    "QoS 0": (lambda: good(lambda _, __, m: replace(m, qos=0)), "qos"),
    "kept": (lambda: good(lambda _, __, m: replace(m, retained=True)), "retain"),
    "no status": (lambda: without(b"online", b'{"status":"online"}'), "status"),
    "status not kept": (unkept, "status"),
    "another status": (
        lambda: (replace(m, payload=b"alive") if m.payload == b"online" else m for m in good()), "status"
    ),
    "no last will": (lambda: without(b"offline"), "will"),
    "does not come back": (lambda: good(lambda n, _, m: m if n < 6 else None), "reconnect"),
}  # fmt: skip
