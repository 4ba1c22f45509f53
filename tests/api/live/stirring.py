"""Fill a stage, let its things change, and wait for what that does to clients."""

import asyncio

import numpy as np
from tests_live import LAT, LON, Stage
from websockets.exceptions import ConnectionClosed

from api.live.client import LiveClient
from twin.store.journal import Event


def fill(stage: Stage, n: int, seed: int = 0, spread: float = 0.004) -> np.ndarray:
    random = np.random.default_rng(seed)
    first = stage.board.count + 1
    stage.place(
        list(range(first, first + n)), LON + random.normal(0, spread, n), LAT + random.normal(0, spread, n)
    )
    return stage.live_rows()


def shake(stage: Stage, rows: np.ndarray, seed: int) -> None:
    random = np.random.default_rng(seed)
    stage.observe(rows, random.normal(0, 10, len(rows)), random.integers(0, 6, len(rows)))


def events(first: int, last: int) -> list[Event]:
    return [Event("alarm.raised", "device/1", {"n": n}, seq=n) for n in range(first, last + 1)]


async def closed_with(client: LiveClient, timeout_s: float = 10.0) -> int:
    async with asyncio.timeout(timeout_s):
        while True:
            try:
                await client.receive()
            except ConnectionClosed as error:
                return error.rcvd.code if error.rcvd else 1006
