"""Read what clients ask on a live socket, and build the text messages they get."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from api.live.cells import POINT_ZOOM, ROOM_RESOLUTION, Viewport
from api.live.ledger import LAYERS
from twin.errors import InvalidError, TwinError
from twin.live.ages import LayerAge
from twin.store.journal import Event

PROTOCOL: Final = 1
_U32: Final = 2**32 - 1
_I64: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Look:
    """What a client looks at."""

    viewport: Viewport
    zoom: float
    layers: tuple[bool, bool]


@dataclass(frozen=True, slots=True)
class Resume:
    """What a client says it holds: its epoch, tick and journal, and where it looked then."""

    epoch: int
    tick: int
    journal: int | None
    held: Look | None


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Look here from now on."""

    look: Look
    resume: Resume | None


@dataclass(frozen=True, slots=True)
class Pong:
    """Answer to a ping."""

    t: float


def parse_request(text: str) -> Subscribe | Pong:
    """Read one request.

    Raises
    ------
    InvalidError
        Saying which field is wrong.
    """
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidError(
            "this is not JSON", where="message", hint="send one object; JSON has no NaN, Infinity or 1e999"
        ) from error
    if not isinstance(message, dict):
        raise InvalidError("a message is a JSON object", where="message")
    match message.get("op"):
        case "subscribe":
            resume = message.get("resume")
            look = _look(message, "")
            return Subscribe(look, None if resume is None else _resume(resume, look))
        case "pong":
            return Pong(_number(message, "t", -math.inf, math.inf))
        case other:
            raise InvalidError(
                f"there is no request {str(other)[:40]!r}", where="op", hint="it is subscribe or pong"
            )


def _look(message: dict[str, Any], prefix: str) -> Look:
    layers = message.get("layers", list(LAYERS))
    if not isinstance(layers, list) or not all(isinstance(name, str) and name in LAYERS for name in layers):
        raise InvalidError(
            "a layer is not known", where=f"{prefix}layers", hint=f"layers: {', '.join(LAYERS)}"
        )
    zoom = _number(message, "zoom", 0.0, 30.0, prefix)
    return Look(
        Viewport.parse(message.get("bbox"), f"{prefix}bbox"), zoom, ("devices" in layers, "workers" in layers)
    )


def _resume(value: object, look: Look) -> Resume:
    if not isinstance(value, dict):
        raise InvalidError("resume is an object", where="resume")
    journal = value.get("journal")
    held = _look({"layers": _names(look.layers)} | value, "resume.") if "bbox" in value else None
    return Resume(
        _integer(value, "epoch", _U32),
        _integer(value, "tick", _U32),
        None if journal is None else _integer(value, "journal", _I64),
        held,
    )


def _names(layers: tuple[bool, bool]) -> list[str]:
    return [name for name, shown in zip(LAYERS, layers, strict=True) if shown]


def _number(message: dict[str, Any], name: str, low: float, high: float, prefix: str = "") -> float:
    value = message.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidError("this must be a finite number", where=prefix + name)
    if not low <= value <= high:
        raise InvalidError(f"this must be from {low:g} to {high:g}", where=prefix + name)
    return float(value)


def _integer(message: dict[str, Any], name: str, high: int) -> int:
    value = message.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= high:
        raise InvalidError(f"this must be a whole number from 0 to {high}", where=f"resume.{name}")
    return value


def hello(epoch: int, tick: int, journal: int) -> bytes:
    """Return the first message on a socket."""
    return _dump(
        {
            "type": "hello",
            "protocol": PROTOCOL,
            "epoch": epoch,
            "tick": tick,
            "journal": journal,
            "room_resolution": ROOM_RESOLUTION,
            "point_zoom": POINT_ZOOM,
        }
    )


def subscribed(*, points: bool, rooms: int, resolution: int, resumed: bool, tick: int) -> bytes:
    """Return the answer to a subscription."""
    return _dump(
        {
            "type": "subscribed",
            "mode": "points" if points else "cells",
            "rooms": rooms,
            "resolution": resolution,
            "resumed": resumed,
            "tick": tick,
        }
    )


def event(row: Event) -> bytes:
    """Return one journal row."""
    return _dump(
        {
            "type": "event",
            "journal": row.seq,
            "at": row.at,
            "kind": row.kind,
            "area_code": row.area_code,
            "subject": row.subject,
            "data": row.data,
        }
    )


def gap(journal: int) -> bytes:
    """Return the notice that events were missed, up to this one."""
    return _dump({"type": "gap", "journal": journal})


def ages(layers: dict[str, LayerAge], parts: dict[str, str]) -> bytes:
    """Return the age of each layer's data and the state of each part."""
    return _dump({"type": "ages", "at": datetime.now(UTC), "layers": layers, "parts": parts})


def tiles(layer: str, version: int, bbox: tuple[float, float, float, float]) -> bytes:
    """Return the notice that tiles changed."""
    return _dump({"type": "tiles", "layer": layer, "version": version, "bbox": bbox})


def ping(t: float) -> bytes:
    """Return a ping; the client answers with the same `t`."""
    return _dump({"type": "ping", "t": t})


def error(problem: TwinError) -> bytes:
    """Return what was wrong with a request."""
    return _dump({"type": "error", "code": "bad_request", "detail": str(problem)})


def _dump(message: dict[str, Any]) -> bytes:
    return orjson.dumps(message, option=orjson.OPT_SERIALIZE_NUMPY)
