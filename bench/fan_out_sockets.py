"""Look at servers of the live stream from real websockets, one server for each kind of scopes, in turns."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from api.live.frames import FRAME_HEADER
from bench.live.child import Child
from bench.live.plan import make_plan, place_viewers
from bench.live.viewers import GridtwinViewer
from bench.live.websocket import BINARY, make_socket
from bench.report import spread_ms
from twin.errors import InvalidError

KINDS: Final = {
    "all see everything": "",
    "desks see their street": "street",
    "desks see their community": "community",
}
_TICKS_A_TURN: Final = 20
_READY_S: Final = 60.0


class _Recipient(GridtwinViewer):
    """Keeps of each frame how long after its tick began it was here whole."""

    def __init__(self, host: str, port: int, bbox: list[float], zoom: float, token: str) -> None:
        super().__init__(host, port, bbox, zoom, token)
        self.late_s: list[float] = []

    def on_message(self, opcode: int, payload: bytes) -> None:
        super().on_message(opcode, payload)
        self.kept.clear()
        if opcode == BINARY:
            *_, sent_s = FRAME_HEADER.unpack_from(payload)
            self.late_s.append(self.arrived_s[-1] - sent_s)


def measure_sockets(
    *,
    devices: int,
    changes: int,
    viewers: int,
    walls: int,
    turns: int,
    folder: Path,
    progress: Callable[[str], None],
) -> dict[str, dict[str, Any]]:
    """Give processor time of the server a tick, and the delay of frames, for each kind of scopes.

    Parameters
    ----------
    devices, changes
        On the board, and a tick, ten ticks a second.
    viewers, walls
        See `bench.live.plan.place_viewers`.
    turns
        Each kind has so many, of two seconds; the first only warms up.
    folder
        For logs.
    progress
        Is told what goes on.

    Raises
    ------
    InvalidError
        A viewer lost its connection.
    """
    common = {"devices": devices, "changes": changes, "viewers": viewers, "walls": walls}
    with contextlib.ExitStack() as stack:
        servers = {
            name: stack.enter_context(
                Child.python(
                    f"fan-out-{level or 'whole'}", "bench.fan_out_server", {**common, "level": level}, folder
                )
            )
            for name, level in KINDS.items()
        }
        progress(f"access: {turns} turns of {_TICKS_A_TURN} ticks to {viewers} sockets of each server")
        return asyncio.run(_look(servers, common, turns))


async def _look(servers: dict[str, Child], common: dict[str, int], turns: int) -> dict[str, dict[str, Any]]:
    places = place_viewers(make_plan(common["devices"], 1, 1), common["viewers"], common["walls"])
    loop = asyncio.get_running_loop()
    recipients: dict[str, list[_Recipient]] = {}
    for name, server in servers.items():
        port = int(await asyncio.to_thread(server.answer, _READY_S))
        recipients[name] = []
        for number, place in enumerate(places):

            def make(number: int = number, place: Any = place, port: int = port) -> _Recipient:
                return _Recipient("127.0.0.1", port, list(place.bbox), 15.0, str(number))

            _, made = await loop.create_connection(make, sock=make_socket("127.0.0.1", port))
            recipients[name].append(made)
        await asyncio.wait_for(asyncio.gather(*(made.ready for made in recipients[name])), _READY_S)
    cpu_s: dict[str, list[float]] = {name: [] for name in servers}
    late_s: dict[str, list[np.ndarray[Any, Any]]] = {name: [] for name in servers}
    for turn in range(turns + 1):
        for name, server in servers.items():
            for recipient in recipients[name]:
                recipient.late_s.clear()
            server.order(f"go {_TICKS_A_TURN}")
            taken_s = float(await asyncio.to_thread(server.answer, _READY_S))
            await asyncio.sleep(0.1)
            if turn:
                cpu_s[name].append(taken_s / _TICKS_A_TURN)
                late_s[name].append(np.array([late for one in recipients[name] for late in one.late_s]))
    for made in (one for many in recipients.values() for one in many):
        if made.closed is not None:
            raise InvalidError(f"a viewer lost its connection: {made.closed}")
        made.close()
    first = next(iter(servers))
    return {
        name: {
            "cpu_ms": round(statistics.median(cpu_s[name]) * 1e3, 3),
            "cpu_times": round(float(np.median(np.divide(cpu_s[name], cpu_s[first]))), 3),
            "delay": spread_ms(np.concatenate(late_s[name])),
            "delay_times": round(
                statistics.median(
                    float(np.median(mine) / np.median(of_first))
                    for mine, of_first in zip(late_s[name], late_s[first], strict=True)
                ),
                3,
            ),
        }
        for name in servers
    }
