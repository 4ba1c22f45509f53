"""Work out, from what viewers kept, how old each change was on arrival, what it cost and what is missing."""

from __future__ import annotations

import json
import struct
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.live import mqtt, payload
from bench.live.plan import Plan
from bench.report import spread_ms

_FRAME_BYTES = 24
_BLOCK = struct.Struct("<QBBHIQ")
_SERVER_TIME = struct.Struct("<d")
_MAGIC = 0x31565447
_SNAPSHOT, _DELTA, _MOVED = 1, 2, 3
_SAMPLED_READINGS = 150_000
"""Readings of a peer's viewer that are parsed for latency; all are counted."""

_Floats = NDArray[np.float64]
_Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Contact:
    """What one viewer saw: time, wire bytes and opcode of each message; payloads if it kept them.

    ``alarms`` are the uid of each alarm that was told as raised, and when.
    """

    wall: bool
    arrived_s: array[float]
    sizes: array[int]
    opcodes: array[int]
    kept: list[bytes]
    closed: str | None
    alarms: Sequence[tuple[str, float]] = ()


@dataclass(slots=True)
class Seen:
    """Changes one viewer received: when published, how old on arrival (seconds), and what it missed.

    ``made_age_s`` is how old they were when the server made the frame; None where a peer does not say.
    """

    published_s: _Floats
    age_s: _Floats
    made_age_s: _Floats | None = None
    expected: int = 0
    received: int = 0
    held: int = 0
    stale_at_end: int = 0
    snapshots: int = 0


def evaluate(
    specification: dict[str, Any], plan: Plan, contacts: Sequence[Contact], windows: Sequence[float]
) -> dict[str, Any]:
    """Give the figures of one contender; ``windows`` are begin, moment of the stall, end (Unix times)."""
    log = np.memmap(specification["log"], dtype=np.float64, mode="r", shape=(plan.count, plan.readings))
    published = np.asarray(log)
    protocol = specification["protocol"]
    witnesses = sorted(specification["witnesses"])
    places = specification["viewers"]
    seen: dict[int, Seen] = {}
    for index in witnesses:
        if protocol == "gridtwin":
            ids = np.load(specification["ids"])
            seen[index] = _see_frames(plan, published, ids, contacts[index])
        else:
            stream = _mqtt_bodies if protocol == "mqtt" else _plain_bodies
            rooms = places[index]["rooms"] if specification["by_room"] else None
            seen[index] = _see_bodies(plan, published, list(stream(contacts[index])), rooms)
    return {
        "traffic": {
            "walls": _traffic([c for c in contacts if c.wall], windows),
            "others": _traffic([c for c in contacts if not c.wall], windows),
            "all": _traffic(contacts, windows),
        },
        "latency": _latency(contacts, seen, windows),
        "alarms": _alarms(specification, contacts),
        "witnesses": len(witnesses),
        "readings_expected": sum(s.expected for s in seen.values()),
        "readings_received": sum(s.received for s in seen.values()),
        "stale_at_end": sum(s.stale_at_end for s in seen.values()),
        "states_held": sum(s.held for s in seen.values()),
        "held_by_walls": [s.held for i, s in seen.items() if contacts[i].wall],
        "snapshot_frames": sum(s.snapshots for s in seen.values()),
        "closed": sorted({c.closed for c in contacts if c.closed}),
        "viewers_closed": sum(1 for c in contacts if c.closed),
    }


def _traffic(contacts: Sequence[Contact], windows: Sequence[float]) -> dict[str, Any]:
    """Bytes and messages a second per viewer over both windows."""
    begin, _, end = windows
    rates: list[float] = []
    frames: list[float] = []
    for contact in contacts:
        arrived = np.frombuffer(contact.arrived_s, dtype=np.float64)
        inside = (arrived >= begin) & (arrived < end)
        sizes = np.array(contact.sizes, dtype=np.int64)
        rates.append(float(sizes[inside].sum()) / (end - begin))
        frames.append(float(np.count_nonzero(inside)) / (end - begin))
    return {
        "viewers": len(contacts),
        "bytes_per_s_mean": round(float(np.mean(rates)), 1) if rates else None,
        "bytes_per_s_median": round(float(np.median(rates)), 1) if rates else None,
        "messages_per_s_mean": round(float(np.mean(frames)), 2) if frames else None,
        "bytes_per_s_total": round(float(np.sum(rates)), 1),
    }


def _alarms(specification: dict[str, Any], contacts: Sequence[Contact]) -> dict[str, Any] | None:
    """Hold the alarms each viewer was told against those that were published; every viewer is told all."""
    if not specification.get("alarm_log"):
        return None
    published: dict[str, float] = json.loads(Path(specification["alarm_log"]).read_text(encoding="utf-8"))
    ages = [at_s - published[uid] for contact in contacts for uid, at_s in contact.alarms if uid in published]
    told = [len({uid for uid, _ in contact.alarms if uid in published}) for contact in contacts]
    return {
        "raised": len(published),
        "told_to_each_viewer_least": min(told, default=0),
        "told_twice": len(ages) - sum(told),
        "latency": spread_ms(ages),
    }


def _latency(
    contacts: Sequence[Contact], seen: dict[int, Seen], windows: Sequence[float]
) -> dict[str, dict[str, float | int | None]]:
    begin, stall, end = windows
    out: dict[str, dict[str, float | int | None]] = {}
    for name, first, last in (
        ("all", begin, end),
        ("before_stall", begin, stall),
        ("after_stall", stall, end),
    ):
        for group in ("", "_walls", "_others"):
            chosen = [
                s.age_s[(s.published_s >= first) & (s.published_s < last)]
                for index, s in seen.items()
                if not group or contacts[index].wall == (group == "_walls")
            ]
            out[name + group] = spread_ms(np.concatenate(chosen) if chosen else np.empty(0))
    inside = [(s, (s.published_s >= begin) & (s.published_s < end)) for s in seen.values()]
    made = [(s.made_age_s[where], s.age_s[where]) for s, where in inside if s.made_age_s is not None]
    if made:
        out["until_frame_made"] = spread_ms(np.concatenate([until for until, _ in made]))
        out["from_frame_made"] = spread_ms(np.concatenate([age - until for until, age in made]))
    return out


# -- the product's frames -------------------------------------------------------------------------


def frame_changes(frame: bytes) -> tuple[NDArray[np.uint32], NDArray[np.float32], bool]:
    """Give the ids and values a state frame carries, and whether it holds snapshots."""
    words: NDArray[np.uint32] = np.frombuffer(frame, dtype="<u4", count=len(frame) // 4)
    if words[0] != _MAGIC:
        raise ValueError("not a state frame")
    id_at: list[int] = []
    value_at: list[int] = []
    counts: list[int] = []
    snapshots = False
    cursor = _FRAME_BYTES
    end = len(frame)
    while cursor < end:
        _, kind, _, _, count, size = _BLOCK.unpack_from(frame, cursor)
        body = cursor + _BLOCK.size
        cursor = body + size
        if kind == _DELTA:
            skip = (count + 1) // 2 * 8
        elif kind in (_SNAPSHOT, _MOVED):
            skip = 4 * ((count + 1) // 2 * 8)
            snapshots = snapshots or kind == _SNAPSHOT
        else:
            continue
        id_at.append(body // 4)
        value_at.append((body + skip) // 4)
        counts.append(count)
    if not counts:
        return np.empty(0, np.uint32), np.empty(0, np.float32), snapshots
    many = np.array(counts)
    within = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
    ids = words[np.repeat(np.array(id_at), many) + within]
    values = words[np.repeat(np.array(value_at), many) + within].view(np.float32)
    return ids, values, snapshots


def _see_frames(plan: Plan, published: _Floats, ids: _Ints, contact: Contact) -> Seen:
    row_of_id = np.full(int(ids.max()) + 1, -1, dtype=np.int64)
    row_of_id[ids] = np.arange(ids.size)
    newest = np.full(plan.count, -1, dtype=np.int64)
    held = np.zeros(plan.count, dtype=bool)
    times: list[_Floats] = []
    ages: list[_Floats] = []
    made_ages: list[_Floats] = []
    snapshots = 0
    for arrived_s, opcode, frame in zip(contact.arrived_s, contact.opcodes, contact.kept, strict=True):
        if opcode != 2:
            continue
        frame_ids, values, has_snapshot = frame_changes(frame)
        snapshots += has_snapshot
        known = frame_ids < row_of_id.size
        rows = row_of_id[frame_ids[known]]
        ours = rows >= 0
        rows, values = rows[ours], values[known][ours]
        held[rows] = True
        numbers = plan.number(rows, values.astype(np.float64))
        fresh = numbers > newest[rows]
        rows, numbers = rows[fresh], numbers[fresh]
        newest[rows] = numbers
        at_s = published[rows, numbers]
        times.append(at_s)
        ages.append(arrived_s - at_s)
        made_ages.append(_SERVER_TIME.unpack_from(frame, 16)[0] - at_s)
    last = _last_number(published)
    reported = held & (last >= 0)
    joined = [np.concatenate(parts) if parts else np.empty(0) for parts in (times, ages, made_ages)]
    seen = Seen(joined[0], joined[1], joined[2])
    seen.expected = int(np.count_nonzero(~np.isnan(published[held])))
    seen.received = int(seen.age_s.size)
    seen.held = int(held.sum())
    seen.stale_at_end = int(np.count_nonzero(newest[reported] != last[reported]))
    seen.snapshots = snapshots
    return seen


def _last_number(published: _Floats) -> _Ints:
    """Give the number of each device's last reading, -1 for none."""
    there = ~np.isnan(published)
    last = published.shape[1] - 1 - np.argmax(there[:, ::-1], axis=1)
    return np.where(there.any(axis=1), last, -1)


# -- the peers' messages --------------------------------------------------------------------------


def _plain_bodies(contact: Contact) -> Iterator[tuple[float, bytes | memoryview]]:
    yield from zip(contact.arrived_s, contact.kept, strict=True)


def _mqtt_bodies(contact: Contact) -> Iterator[tuple[float, bytes | memoryview]]:
    """Give arrival time and body of each PUBLISH; packets may be cut anywhere by websocket messages."""
    stream = memoryview(b"".join(contact.kept))
    ends = np.cumsum([len(part) for part in contact.kept])
    arrived = np.frombuffer(contact.arrived_s, dtype=np.float64)
    for first, begin, end in mqtt.packets(stream):
        if first & 0xF0 == mqtt.PUBLISH:
            topic_bytes = int.from_bytes(stream[begin : begin + 2], "big")
            body = begin + 2 + topic_bytes + (2 if first & 0x06 else 0)
            yield float(arrived[np.searchsorted(ends, end)]), stream[body:end]


def _see_bodies(
    plan: Plan,
    published: _Floats,
    bodies: list[tuple[float, bytes | memoryview]],
    rooms: Sequence[str] | None,
) -> Seen:
    counts = [bytes(body).count(payload.READING_MARK) for _, body in bodies]
    received = sum(counts)
    every = max(1, received // _SAMPLED_READINGS)
    row_of_uid = {uid: row for row, uid in enumerate(plan.uid.tolist())}
    rows: list[int] = []
    values: list[float] = []
    arrived: list[float] = []
    # A whole run of messages is skipped at random, so that no gateway's turn is always the one sampled.
    chosen = np.flatnonzero(np.random.default_rng(1).random(len(bodies)) < 1 / every)
    for index in chosen.tolist():
        at_s, body = bodies[index]
        for uid, value in payload.read_back(body):
            rows.append(row_of_uid[uid])
            values.append(value)
            arrived.append(at_s)
    row = np.array(rows, dtype=np.int64)
    number = plan.number(row, np.array(values)) if rows else row
    ours = number >= 0
    at = published[row[ours], number[ours]]
    seen = Seen(at, np.array(arrived)[ours] - at)
    seen.received = received
    if rooms is None:
        inside = np.ones(plan.count, dtype=bool)
    else:
        wanted = np.array([int(room, 16) for room in rooms], dtype=np.uint64)
        inside = np.isin(plan.room, wanted)
    seen.expected = int(np.count_nonzero(~np.isnan(published[inside])))
    seen.held = int(inside.sum())
    return seen
