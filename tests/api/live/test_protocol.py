"""The promise of docs/live-protocol.md: whoever holds a snapshot and every frame since sees the board."""

import asyncio
from collections import Counter

import h3.api.numpy_int as h3
import numpy as np
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests_live import HERE, LAT, LON, SENSOR, WIDE, WORKER, Stage, looking, staged

from api.live.cells import Viewport, cell_resolution
from api.live.client import LiveClient
from api.live.hub import SKIP_BYTES

LOOKS = [
    (HERE, 16.0),
    ((LON - 0.004, LAT - 0.004, LON + 0.02, LAT + 0.02), 15.0),
    ((LON - 0.02, LAT - 0.002, LON + 0.002, LAT + 0.02), 14.0),
    (WIDE, 14.5),
    (WIDE, 13.0),
    ((LON + 0.005, LAT + 0.005, LON + 0.03, LAT + 0.03), 13.0),
    (HERE, 12.0),
    (WIDE, 10.5),
    ((-10.0, -10.0, -9.0, -9.0), 16.0),
]

OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("update"), st.integers(1, 30), st.integers(0, 999)),
        st.tuples(st.just("move"), st.integers(1, 20), st.integers(0, 999)),
        st.tuples(st.just("place"), st.integers(1, 10), st.integers(0, 999)),
        st.tuples(st.just("remove"), st.integers(1, 5), st.integers(0, 999)),
        st.tuples(st.just("look"), st.integers(0, len(LOOKS) - 1), st.just(0)),
        st.tuples(st.just("cut"), st.just(0), st.just(0)),
        st.tuples(st.just("stall"), st.integers(1, 4), st.just(0)),
        st.tuples(st.just("forget"), st.just(0), st.just(0)),
        st.tuples(st.just("beat"), st.just(0), st.just(0)),
    ),
    min_size=1,
    max_size=25,
)


def expected(stage: Stage, bbox, zoom: float, points: bool):
    """Work out from the board alone what a viewer must hold."""
    board, index = stage.board, stage.hub.ledger.rooms
    rows = stage.live_rows()
    view = Viewport.parse(list(bbox))
    if points:
        seen = {int(c) for c, touched in zip(index.cells, index.touched(view), strict=True) if touched}
        rows = rows[[int(room) in seen for room in board.room[rows]]]
        return {
            int(board.device_id[r]): (
                int(board.room[r]),
                int(board.layer[r]),
                round(float(board.lon[r]) * 1e7),
                round(float(board.lat[r]) * 1e7),
                board.value[r].tobytes(),
                int(board.kind[r]),
                int(board.state[r]),
                int(board.flags[r]),
            )
            for r in rows.tolist()
        }
    resolution = cell_resolution(zoom)
    count: Counter = Counter()
    abnormal: Counter = Counter()
    worst: dict = {}
    for r in rows.tolist():
        key = (int(board.layer[r]), int(h3.cell_to_parent(int(board.room[r]), resolution)))
        count[key] += 1
        abnormal[key] += int(board.state[r]) >= 3
        worst[key] = max(worst.get(key, 0), int(board.state[r]))

    def touched(cell: int) -> bool:
        ring = h3.cell_to_boundary(cell)
        lats, lons = [p[0] for p in ring], [p[1] for p in ring]
        return (
            min(lons) <= view.east
            and max(lons) >= view.west
            and min(lats) <= view.north
            and max(lats) >= view.south
        )

    return {key: (n, abnormal[key], worst[key]) for key, n in count.items() if touched(key[1])}


def held(client: LiveClient, points: bool):
    if not points:
        assert len(client.state) == 0
        return client.state.cells
    assert not client.state.cells
    return {
        int(t["id"]): (
            int(t["room"]),
            int(t["layer"]),
            int(t["lon_e7"]),
            int(t["lat_e7"]),
            t["value"].tobytes(),
            int(t["device_kind"]),
            int(t["state"]),
            int(t["flags"]),
        )
        for t in client.state.things()
    }


async def catch_up(stage: Stage, client: LiveClient) -> None:
    stage.hub.beat()
    (viewer,) = stage.hub.viewers
    viewer.connection.push_text(b'{"type":"marker"}')
    while True:
        message = await client.receive()
        if isinstance(message, dict) and message["type"] == "marker":
            break
    assert client.tick == viewer.sent_tick


def spread(random: np.random.Generator, n: int):
    return LON + random.normal(0, 0.01, n), LAT + random.normal(0, 0.01, n)


async def act(stage: Stage, operation: str, amount: int, seed: int, state: dict) -> None:
    random = np.random.default_rng(seed)
    rows = stage.live_rows()
    match operation:
        case "update" if len(rows):
            chosen = np.unique(random.choice(rows, min(amount, len(rows))))
            stage.observe(chosen, random.normal(0, 10, len(chosen)), random.integers(0, 6, len(chosen)))
        case "move" if len(rows):
            chosen = np.unique(random.choice(rows, min(amount, len(rows))))
            lon, lat = spread(random, len(chosen))
            stage.observe(
                chosen, random.normal(0, 10, len(chosen)), random.integers(0, 6, len(chosen)), lon, lat
            )
        case "place":
            first = state["next_id"]
            state["next_id"] += amount
            lon, lat = spread(random, amount)
            stage.place(list(range(first, first + amount)), lon, lat, SENSOR if seed % 3 else WORKER)
        case "remove" if len(rows):
            chosen = np.unique(random.choice(rows, min(amount, len(rows))))
            stage.board.remove([int(stage.board.device_id[r]) for r in chosen])


async def scenario(operations) -> None:
    async with staged(ticking=False) as stage:
        state = {"next_id": 1}
        await act(stage, "place", 60, 1, state)
        look = LOOKS[0]
        client = await looking(stage, *look)
        await catch_up(stage, client)
        for operation, amount, seed in operations:
            match operation:
                case "look":
                    look = LOOKS[amount]
                    client.subscribed = None
                    await client.look(*look)
                    await client.until(lambda: client.subscribed is not None)
                case "cut" | "forget":
                    client.abort()
                    while stage.hub.viewers:  # noqa: ASYNC110
                        await asyncio.sleep(0.001)
                    await act(stage, "move", 5, seed + 1, state)
                    stage.hub.beat()
                    if operation == "forget":
                        stage.hub.ledger.tick += 1_000  # longer away than departures are remembered
                        await act(stage, "move", 1, seed + 2, state)
                        stage.hub.beat()
                    client.subscribed = None
                    await client.connect()
                    await client.look(*look)
                    await client.until(lambda: client.subscribed is not None)
                case "stall":
                    (viewer,) = stage.hub.viewers
                    wire = viewer.connection
                    viewer.connection = Stalled(wire)
                    for i in range(amount):
                        await act(stage, "move", 10, seed + i, state)
                        stage.hub.beat()
                    viewer.connection = wire
                case "beat":
                    stage.hub.beat()
                case _:
                    await act(stage, operation, amount, seed, state)
            if operation in {"look", "cut", "stall", "forget", "beat"}:
                await catch_up(stage, client)
                points = client.subscribed["mode"] == "points"
                assert held(client, points) == expected(stage, *look, points)
        await catch_up(stage, client)
        points = client.subscribed["mode"] == "points"
        assert held(client, points) == expected(stage, *look, points)
        await client.close()


class Stalled:
    """A wire whose other end reads nothing."""

    def __init__(self, wire) -> None:
        self.wire = wire

    def waiting_bytes(self) -> int:
        return SKIP_BYTES + 1

    def __getattr__(self, name: str):
        return getattr(self.wire, name)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example(operations=[("look", 4, 0), ("look", 5, 0), ("look", 4, 0)])
@example(operations=[("look", 3, 0), ("look", 1, 0), ("move", 20, 3), ("look", 2, 0), ("look", 3, 0)])
@example(operations=[("look", 4, 0), ("move", 20, 3), ("cut", 0, 0), ("stall", 3, 1), ("forget", 0, 1)])
@given(operations=OPERATIONS)
def test_snapshots_and_frames_add_up_to_the_board(operations) -> None:
    asyncio.run(scenario(operations))
