"""What many see alike is encoded once: a room for all who see it, a part of one for all who see that part."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from town import BOTH, EAST, LOOKS, RIGHTS, WEST, Thing, Town, is_seen, street, touches
from watching import Watcher

from api.live.frames import BlockKind, decode_frame, encode_frame_header
from api.live.news import News
from twin.access.grants import Grants, grants_of
from twin.access.roles import DataClass
from twin.access.scope import Scope


def encoded(town: Town, people: list[tuple[str, int]]) -> tuple[int, int]:
    """Blocks of one tick in which each device changes, with so many viewers; and bytes of frames made."""
    watchers = [Watcher(town.hub, RIGHTS[name], LOOKS[1]) for name, n in people for _ in range(n)]
    for watcher in watchers:
        watcher.connect()
    town.beat()
    for watcher in watchers:
        watcher.take()
    town.observe(sorted(town.things), moves=False)
    before = town.hub.encoder.encoded_blocks
    town.hub.beat()
    blocks = town.hub.encoder.encoded_blocks - before
    made = {id(framed) for watcher in watchers for framed, _ in watcher.wire.frames}
    for watcher in watchers:
        watcher.take()
        assert town.held(watcher) == town.expected(watcher)
        watcher.cut()
    return blocks, len(made)


def test_blocks_are_encoded_once_for_all_and_at_borders_once_for_each_scope() -> None:
    town = Town(7)
    town.install(900)
    town.beat()
    alone, frames = encoded(town, [("whole", 1)])
    rooms = len({(t.room, t.layer) for t in town.things.values()})
    assert (alone, frames) == (rooms, 1)
    few = encoded(town, [("whole", 1), ("west", 1), ("east", 1)])
    many = encoded(town, [("whole", 100), ("west", 10), ("east", 10)])
    assert few == many, "as many blocks and frames for 120 viewers as for three"
    borders = 0
    for name in ("west", "east"):
        for key in {(t.room, t.layer) for t in town.things.values()}:
            there = [is_seen(i, t, RIGHTS[name]) for i, t in town.things.items() if (t.room, t.layer) == key]
            # Workers are few: their rooms are encoded for each scope even when all of them are seen.
            borders += any(there) and (key[1] == 1 or not all(there))
    assert many[0] - alone == borders
    assert 0 < borders < rooms


def test_equal_scopes_of_other_people_share_what_is_made_for_them() -> None:
    town = Town(8)
    town.install(200)
    operator, manager = RIGHTS["west"], grants_of([("manager", street(WEST))])
    watchers = [Watcher(town.hub, grants, LOOKS[1]) for grants in (operator, manager)]
    for watcher in watchers:
        watcher.connect()
    town.hub.beat()
    (one,), (other,) = (watcher.wire.frames for watcher in watchers)
    assert one[0] is other[0]
    # Who sees the same things but not the same cases has another epoch, and so frames of its own.
    without_cases = Grants(reads={data: street(WEST) for data in (DataClass.PLACE, DataClass.WORKER)})
    watchers.append(Watcher(town.hub, without_cases, LOOKS[1]))
    watchers[2].connect()
    assert watchers[2].viewer.audience is watchers[0].viewer.audience
    for _ in range(2):
        town.observe(sorted(town.things), moves=False)
        town.hub.beat()
        for watcher in watchers:
            watcher.take()
            assert town.held(watcher) == town.expected(watcher)


def test_a_scope_is_not_sorted_out_again_when_only_values_change_or_workers_walk() -> None:
    town = Town(9)
    town.install(100)
    watcher = Watcher(town.hub, RIGHTS["west"], LOOKS[1])
    watcher.connect()
    town.hub.beat()
    audience = watcher.viewer.audience
    full, seen = audience.full(), audience._seen
    town.observe(sorted(town.things), moves=False)
    town.observe([i for i, t in town.things.items() if t.layer], moves=True)
    rooms = len(town.hub.ledger.rooms)
    town.hub.beat()
    assert audience._seen is seen
    assert audience.full() is full or len(town.hub.ledger.rooms) > rooms


# one tick, row by row

_LEVELS = ("street", "community", "responsibility_grid")
CODES = [
    f"{half[:9]}{community:03d}{grid:03d}" for half in (WEST, EAST) for community in (1, 2) for grid in (1, 2)
]
SCOPES = st.lists(st.tuples(st.sampled_from(CODES), st.sampled_from(_LEVELS)), max_size=4).map(
    lambda areas: Scope.of(joined for code, level in areas for joined in Scope.of_area(code, level).ranges)
)
SIGHTS = st.builds(
    lambda place, worker, tracker: Grants(
        reads={DataClass.PLACE: place, DataClass.WORKER: worker}, tracker_id=tracker, roles=("made up",)
    ),
    SCOPES,
    SCOPES,
    st.sampled_from((None, 2, 7, 12)),  # walkers, by the numbers that `Town` gives
)


def row_by_row(town: Town, grants: Grants, look, moved: list[int], updated: list[int]) -> list[tuple]:
    """What one viewer is told of these things: kind, room, layer and the row of a block, in no order."""
    bbox, _, layers = look
    told = []
    for kind, ids in ((BlockKind.MOVED, moved), (BlockKind.DELTA, updated)):
        for i in ids:
            thing: Thing = town.things[i]
            if BOTH[thing.layer] in layers and is_seen(i, thing, grants) and touches(thing.room, bbox):
                row: tuple = (i, np.float32(thing.value).tobytes(), thing.state)
                if kind is BlockKind.MOVED:
                    row += (round(thing.lon * 1e7), round(thing.lat * 1e7), thing.kind)
                told.append((kind, thing.room, thing.layer, *row))
    return sorted(told)


def rows_of(blocks: list[bytes]) -> list[tuple]:
    found = []
    for block in decode_frame(encode_frame_header(1, 0, 1, 0.0) + b"".join(blocks)).blocks:
        names = ["id", "value", "state", "lon_e7", "lat_e7", "device_kind"]
        columns = [block.columns[name] for name in names if name in block.columns]
        assert block.count > 0
        for values in zip(*columns, strict=True):
            row = [value.tobytes() if value.dtype == np.float32 else int(value) for value in values]
            found.append((block.kind, block.cell, block.layer, *row))
    return sorted(found)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 10_000),
    sights=st.lists(SIGHTS, min_size=1, max_size=7),
    acts=st.lists(
        st.tuples(
            st.sampled_from(("install", "update", "move", "redraw", "rename", "kind", "remove")),
            st.integers(1, 40),
        ),
        min_size=1,
        max_size=8,
    ),
)
def test_blocks_of_a_tick_tell_each_what_a_row_by_row_look_tells(seed, sights, acts) -> None:
    town = Town(seed)
    town.install(150)
    town.hub.beat()
    points = [look for look in LOOKS if look[1] >= 14]
    rights = [*sights, RIGHTS["whole"], RIGHTS["whole, no workers"]]
    watchers = [Watcher(town.hub, g, points[(seed + n) % len(points)]) for n, g in enumerate(rights * 2)]
    for watcher in watchers:
        watcher.connect()
    town.hub.beat()
    for name, n in acts:
        town.act(name, n)
    hub, board = town.hub, town.stage.board
    step = hub.ledger.advance()
    if step is None:
        return
    hub._onlookers.arrange(hub.viewers)
    news = News(hub.ledger, hub._parcels, hub.encoder, hub._onlookers, step)
    moved, updated = (board.device_id[rows].tolist() for rows in (step.moved, step.updated))
    dealt: dict[int, bytes] = {}
    for watcher in watchers:
        blocks = news.of(hub._onlookers.number(watcher.viewer))
        dealt |= {id(block): block for block in blocks}
        assert rows_of(blocks) == row_by_row(town, watcher.grants, watcher.look, moved, updated)
    assert sorted(dealt) == sorted(id(block) for block in news._data), "none is made for nobody"
    for kind, room, layer, i in {row[:4] for row in rows_of(list(dealt.values()))}:
        made = [
            block
            for block in dealt.values()
            if (kind, room, layer, i) in {row[:4] for row in rows_of([block])}
        ]
        assert len(made) <= 2, "a thing is in the block of its room, in that of its band, and in no third"


def test_border_blocks_do_not_grow_with_the_number_of_scopes_that_cut_a_room_alike() -> None:
    town = Town(17)
    town.install(400)
    town.beat()
    east = Scope.of_area(EAST, "street")
    # All of the west, and something of the far east that is not here: as many scopes as one likes.
    alike = [
        grants_of(
            [
                (
                    "operator",
                    Scope.of(
                        (*street(WEST).ranges, *Scope.of_area(f"5101990{n:02d}000000", "street").ranges)
                    ),
                )
            ]
        )
        for n in range(1, 31)
    ]
    counts = []
    for rights in (alike[:1], alike, [*alike, grants_of([("operator", east)])]):
        watchers = [Watcher(town.hub, grants, LOOKS[1]) for grants in rights]
        for watcher in watchers:
            watcher.connect()
        town.beat()
        town.observe(sorted(town.things), moves=False)
        before = town.hub.encoder.encoded_blocks
        town.hub.beat()
        counts.append(town.hub.encoder.encoded_blocks - before)
        for watcher in watchers:
            watcher.cut()
    assert counts[0] == counts[1] < counts[2]
