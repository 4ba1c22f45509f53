"""Look at a hub without a network: every byte that is sent is read, and nothing is believed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import orjson

from api.live.client import Bbox, State
from api.live.frames import BlockKind, Frame, decode_frame
from api.live.hub import SKIP_BYTES, Hub
from twin.access.grants import Grants

Look = tuple[Bbox, float, tuple[str, ...]]


class Wire:
    """A connection that keeps what is sent; a stalled one takes it and says that it waits."""

    def __init__(self) -> None:
        self.texts: list[dict[str, Any]] = []
        self.frames: list[tuple[bytes, Frame]] = []
        self.stalled = False
        self.closed: int | None = None

    def push_text(self, message: bytes) -> None:
        self.texts.append(orjson.loads(message))

    def push_framed(self, framed: bytes) -> None:
        length, start = framed[1], 2
        if length >= 126:
            start = 4 if length == 126 else 10
            length = int.from_bytes(framed[2:start], "big")
        payload = framed[start:]
        assert len(payload) == length
        if framed[0] & 15 == 1:
            self.push_text(payload)
        else:
            self.frames.append((framed, decode_frame(payload)))

    def waiting_bytes(self) -> int:
        return SKIP_BYTES + 1 if self.stalled else 0

    def close(self, code: int, _reason: str) -> None:
        self.closed = code


@dataclass(eq=False)
class Watcher:
    """One client that holds what it was sent, comes back after cuts, and checks the order of frames."""

    hub: Hub
    grants: Grants
    look: Look
    state: State = field(default_factory=State)
    wire: Wire = field(default_factory=Wire)
    tick: int = 0
    epoch: int = 0
    held: tuple[int, Look] | None = None
    resumed: bool = False
    points: bool = True
    rooms: int = 0
    connected: bool = False
    _answered: Look | None = None
    _begins: bool = False

    def connect(self) -> None:
        self.wire = Wire()
        self.viewer = self.hub.join(self.wire, self.grants, uuid4(), uuid4())
        (hello,) = self.wire.texts
        self.epoch = hello["epoch"]
        self._answered = None
        self.connected = True
        self.subscribe()

    def cut(self) -> None:
        self.connected = False
        self.hub.leave(self.viewer)

    def subscribe(self) -> None:
        bbox, zoom, layers = self.look
        request: dict[str, Any] = {"op": "subscribe", "bbox": bbox, "zoom": zoom, "layers": layers}
        if self.held is not None:
            epoch, (held_bbox, held_zoom, held_layers) = self.held
            request["resume"] = {
                "epoch": epoch,
                "tick": self.tick,
                "bbox": held_bbox,
                "zoom": held_zoom,
                "layers": held_layers,
            }
        self.hub.receive(self.viewer, orjson.dumps(request).decode())
        answer = self.wire.texts[-1]
        assert answer["type"] == "subscribed", answer
        self.resumed, self.points, self.rooms = answer["resumed"], answer["mode"] == "points", answer["rooms"]
        self._answered = self.look
        self._begins = not self.resumed
        if self._begins:
            self.state.clear()
            self.held = None

    def take(self) -> list[Frame]:
        """Read the frames that came, and return them."""
        frames = [frame for _, frame in self.wire.frames]
        self.wire.frames.clear()
        for frame in frames:
            assert frame.epoch == self.epoch != 0
            assert frame.from_tick == (0 if self._begins else self.tick)
            kinds = [block.kind is BlockKind.LEFT for block in frame.blocks]
            assert kinds == sorted(kinds, reverse=True), "what left comes first"
            for block in frame.blocks:
                self.state.apply(block)
            self.tick, self._begins = frame.tick, False
            if self._answered is not None:
                self.held, self._answered = (frame.epoch, self._answered), None
        return frames
