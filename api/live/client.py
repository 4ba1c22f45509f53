"""Look at the live twin from Python: subscribe, hold the state as numpy columns, resume, measure."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from api.live.frames import Block, BlockKind, Frame, decode_frame
from twin.errors import ConflictError

ROW: Final = np.dtype(
    [
        ("id", "<u4"),
        ("room", "<u8"),
        ("layer", "u1"),
        ("lon_e7", "<i4"),
        ("lat_e7", "<i4"),
        ("height_m", "<f4"),
        ("value", "<f4"),
        ("device_kind", "<u2"),
        ("state", "u1"),
        ("flags", "u1"),
    ]
)
"""One thing as the client holds it."""

Bbox = tuple[float, float, float, float]


class State:
    """What a client holds: things by id in one numpy array, cells by number, kept by applying frames."""

    def __init__(self) -> None:
        self.rows: NDArray[Any] = np.zeros(1024, ROW)
        self.row_of_id: dict[int, int] = {}
        self._ids_of_room: dict[tuple[int, int], set[int]] = {}
        self._free: list[int] = list(range(len(self.rows)))
        self.cells: dict[tuple[int, int], tuple[int, int, int]] = {}
        """By layer and cell: count, abnormal, worst."""

    def __len__(self) -> int:
        return len(self.row_of_id)

    def clear(self) -> None:
        """Forget everything."""
        self.__init__()  # type: ignore[misc]

    def things(self) -> NDArray[Any]:
        """Return all things held, in the order of their ids, shape (n,) of `ROW`."""
        found = self.rows[list(self.row_of_id.values())]
        return found[np.argsort(found["id"])]

    def apply(self, block: Block) -> None:
        """Take over one block."""
        match block.kind:
            case BlockKind.SNAPSHOT:
                for gone in list(self._ids_of_room.get((block.cell, block.layer), ())):
                    self._remove(gone)
                self._put(block)
            case BlockKind.MOVED:
                self._put(block)
            case BlockKind.DELTA:
                at = [self.row_of_id[i] for i in block.columns["id"].tolist()]
                self.rows["value"][at] = block.columns["value"]
                self.rows["state"][at] = block.columns["state"]
            case BlockKind.LEFT:
                for gone in block.columns["id"].tolist():
                    at_row = self.row_of_id.get(gone)
                    if at_row is not None and int(self.rows["room"][at_row]) == block.cell:
                        self._remove(gone)
            case BlockKind.CELLS:
                columns = [block.columns[name].tolist() for name in ("cell", "count", "abnormal", "worst")]
                for cell, count, abnormal, worst in zip(*columns, strict=True):
                    if count:
                        self.cells[block.layer, cell] = (count, abnormal, worst)
                    else:
                        self.cells.pop((block.layer, cell), None)

    def _put(self, block: Block) -> None:
        ids = block.columns["id"].tolist()
        at = np.fromiter((self._place(i) for i in ids), np.intp, len(ids))
        key = (block.cell, block.layer)
        for i, row in zip(ids, at.tolist(), strict=True):
            old = (int(self.rows["room"][row]), int(self.rows["layer"][row]))
            if old != key:
                self._ids_of_room.get(old, set()).discard(i)
        self._ids_of_room.setdefault(key, set()).update(ids)
        for name, column in block.columns.items():
            self.rows[name][at] = column
        self.rows["room"][at] = block.cell
        self.rows["layer"][at] = block.layer

    def _place(self, thing_id: int) -> int:
        row = self.row_of_id.get(thing_id)
        if row is None:
            if not self._free:
                n = len(self.rows)
                self.rows = np.concatenate([self.rows, np.zeros(n, ROW)])
                self._free = list(range(n, 2 * n))
            row = self.row_of_id[thing_id] = self._free.pop()
        return row

    def _remove(self, thing_id: int) -> None:
        row = self.row_of_id.pop(thing_id)
        key = (int(self.rows["room"][row]), int(self.rows["layer"][row]))
        self._ids_of_room.get(key, set()).discard(thing_id)
        self.rows[row] = np.zeros((), ROW)
        self._free.append(row)


@dataclass(slots=True)
class Measures:
    """What came over the wire. ``delay_s`` is from the server's clock in the frame to ours, newest last."""

    frames: int = 0
    frame_bytes: int = 0
    texts: int = 0
    text_bytes: int = 0
    delay_s: deque[float] = field(default_factory=lambda: deque(maxlen=10_000))


class LiveClient:
    """One live socket.

    Parameters
    ----------
    url
        ``ws://host:port/live``.
    layers
        Which layers to look at.
    token
        Token of a program's account; it goes in a header, never in the address, which servers log. None where
        `url` carries a ticket.

    Notes
    -----
    Nothing is read unless `receive`, `until` or iteration is awaited.
    """

    def __init__(
        self, url: str, layers: Sequence[str] = ("devices", "workers"), token: str | None = None
    ) -> None:
        self.url = url
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self.layers = list(layers)
        self.state = State()
        self.measures = Measures()
        self.events: list[dict[str, Any]] = []
        self.gaps: list[int] = []
        self.ages: dict[str, Any] = {}
        self.tiles: list[dict[str, Any]] = []
        self.errors: list[str] = []
        self.subscribed: dict[str, Any] | None = None
        self.epoch = 0
        self.tick = 0
        self.journal: int | None = None
        self.answer_pings = True
        self._held: tuple[Bbox, float] | None = None
        self._asked: deque[tuple[Bbox, float]] = deque()
        self._answered: tuple[Bbox, float] | None = None
        self._held_epoch = 0
        self._connection: ClientConnection | None = None

    async def connect(self, **options: Any) -> dict[str, Any]:
        """Connect and return the server's greeting; what is held from before is kept for `look`."""
        self._connection = await connect(
            self.url,
            compression=None,
            max_size=None,
            ping_interval=None,
            additional_headers=self._headers,
            **options,
        )
        self._asked.clear()
        self._answered = None
        message = await self._connection.recv()
        hello: dict[str, Any] = orjson.loads(message)
        self.epoch = hello["epoch"]
        if self.journal is None:
            self.journal = hello["journal"]
        return hello

    async def look(self, bbox: Bbox, zoom: float, *, resume: bool = True) -> None:
        """Look somewhere, keeping what is held where the server can bring it up to date."""
        request: dict[str, Any] = {
            "op": "subscribe",
            "bbox": list(bbox),
            "zoom": zoom,
            "layers": self.layers,
        }
        if resume and (self._held is not None or self.journal is not None):
            request["resume"] = {
                "epoch": self._held_epoch if self._held is not None else self.epoch,
                "tick": self.tick,
                "journal": self.journal or 0,
            }
            if self._held is not None:
                request["resume"] |= {"bbox": list(self._held[0]), "zoom": self._held[1]}
        self._asked.append((bbox, zoom))
        await self.send(request)

    async def send(self, message: object) -> None:
        """Send anything as JSON."""
        assert self._connection is not None, "connect first"
        await self._connection.send(orjson.dumps(message).decode())

    async def close(self) -> None:
        """Close the socket; what is held stays."""
        if self._connection is not None:
            await self._connection.close()

    def abort(self) -> None:
        """Cut the connection without a word, as a broken network does."""
        if self._connection is not None:
            self._connection.transport.abort()

    async def receive(self) -> Frame | dict[str, Any]:
        """Take the next message into what is held, and return it.

        Raises
        ------
        ConflictError
            A frame does not follow the one before it.
        """
        assert self._connection is not None, "connect first"
        message = await self._connection.recv()
        if isinstance(message, bytes):
            return self._take_frame(message)
        self.measures.texts += 1
        self.measures.text_bytes += len(message)
        parsed: dict[str, Any] = orjson.loads(message)
        await self._take_text(parsed)
        return parsed

    async def until(self, condition: Any, timeout_s: float = 10.0) -> None:
        """Receive until `condition()` holds."""
        async with asyncio.timeout(timeout_s):
            while not condition():
                await self.receive()

    async def drain(self, quiet_s: float = 0.4) -> None:
        """Receive until no state frame or event came for a while."""
        quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < quiet_s:
            try:
                async with asyncio.timeout(quiet_s):
                    message = await self.receive()
            except TimeoutError:
                return
            if isinstance(message, Frame) or message.get("type") in {"event", "subscribed"}:
                quiet_since = time.monotonic()

    async def __aiter__(self) -> AsyncIterator[Frame | dict[str, Any]]:
        """Yield messages until the socket closes."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                yield await self.receive()

    def _take_frame(self, message: bytes) -> Frame:
        frame = decode_frame(message)
        self.measures.frames += 1
        self.measures.frame_bytes += len(message)
        self.measures.delay_s.append(time.time() - frame.server_time_s)
        begins = self._answered is not None and self._held is None and frame.from_tick == 0
        if not begins and frame.from_tick != self.tick:
            raise ConflictError(
                f"a frame from tick {frame.from_tick} came while {self.tick} is held",
                hint="look again with resume",
            )
        for block in frame.blocks:
            self.state.apply(block)
        self.tick = frame.tick
        if self._answered is not None:
            # Only now: a cut before this frame leaves us with what the view before showed.
            self._held, self._answered = self._answered, None
            self._held_epoch = frame.epoch
        return frame

    async def _take_text(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "subscribed":
                self.subscribed = message
                self._answered = self._asked.popleft()
                if not message["resumed"]:
                    self.state.clear()
                    self._held = None
            case "event":
                self.events.append(message)
                self.journal = message["journal"]
            case "gap":
                self.gaps.append(message["journal"])
                self.journal = message["journal"]
            case "ages":
                self.ages = message
            case "tiles":
                self.tiles.append(message)
            case "error":
                self.errors.append(message["detail"])
            case "ping":
                if self.answer_pings:
                    await self.send({"op": "pong", "t": message["t"]})
