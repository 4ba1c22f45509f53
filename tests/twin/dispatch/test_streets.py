"""The network of an installation: read from its roads, gates and closures, and in step with them."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import psycopg
import pytest

from tests.waiting import until
from twin.catalog import load_catalog
from twin.dispatch.network.closures import RoadClosure
from twin.dispatch.network.travel import many_to_many
from twin.dispatch.network.way import find_way
from twin.dispatch.streets import Streets, Traveller
from twin.errors import InvalidError, UnavailableError
from twin.live.board import Board, Newest, Placement
from twin.store.engine import create_async_engine

pytestmark = pytest.mark.postgis

_ROADS = """
    INSERT INTO dataset (name, kind, declared_crs) VALUES ('osm', 'osm', 'EPSG:4326');
    INSERT INTO road (dataset_id, source_ref, content_hash, geom, road_class, foot, bike_forward,
        bike_backward, car_forward, car_backward, width_m, max_speed_kmh, name)
    SELECT 1, 'way/' || n, '', ST_GeomFromText(line, 4326), 'residential', true, true, true, true, n <> 2, 6,
        NULL, 'street ' || n
    FROM (VALUES (1, 'LINESTRING(104 30.6, 104.01 30.6)'), (2, 'LINESTRING(104.01 30.6, 104.01 30.61)'))
        AS t (n, line)
"""
_GATES = """
    INSERT INTO device (dataset_id, source_ref, content_hash, uid, kind, geom)
    VALUES (1, 'boom', '', 'boom-1', 'gate', 'SRID=4326;POINT(104.01 30.605)');
    INSERT INTO gate (dataset_id, source_ref, content_hash, geom, kind, foot, bike, car, keys, opens, closes,
        device_id)
    VALUES (1, 'a', '', 'SRID=4326;POINT(104.005 30.6)', 'gate', 'open', 'open', 'open', '{property}',
            '06:00', '22:00', NULL),
        (1, 'b', '', 'SRID=4326;POINT(104.01 30.605)', 'lift_gate', 'always', 'always', 'open', '{patrol}',
            NULL, NULL, 1)
"""
A, B = (104.0, 30.6), (104.01, 30.61)
NOON, NIGHT = (
    datetime(2026, 11, 22, hour, tzinfo=ZoneInfo("Asia/Shanghai")).timestamp() for hour in (12, 23)
)


class Clock:
    """A clock that is set."""

    now = NOON

    def __call__(self) -> float:
        return self.now


class Followed:
    """Streets of a database of their own, that follow its changes; with a board and a clock."""

    def __init__(self, database, *statements: str) -> None:
        self.database = database.fresh()
        for statement in (_ROADS, *statements):
            self.run(statement)
        self.clock = Clock()
        self.board = Board(load_catalog())
        self.engine = create_async_engine(self.database.async_url)
        self.streets = Streets(self.engine, self.board, self.clock)

    def run(self, statement: str) -> None:
        with psycopg.connect(self.database.url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute(statement)

    async def __aenter__(self) -> Followed:
        with pytest.raises(UnavailableError):
            self.streets.snapshot(Traveller())
        self.following = asyncio.create_task(self.streets.follow_changes())
        await until(lambda: self.streets.version == 1)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.following.cancel()
        await self.engine.dispose()

    def seconds(self, profile: str, *keys: str) -> np.ndarray:
        snapshot = self.streets.snapshot(Traveller(profile, frozenset(keys)))
        places = self.streets.put(snapshot, [A, B])
        return many_to_many(snapshot, places, places)

    def passes(self, profile: str, *keys: str) -> bool:
        return bool(np.isfinite(self.seconds(profile, *keys)[0, 1]))

    def at(self, now_s: float) -> None:
        self.clock.now = now_s
        self.streets.look()


async def test_ways_are_those_of_the_roads_and_follow_their_changes(database) -> None:
    async with Followed(database) as made:
        # A hundredth of a degree at this latitude: 958.6 m east, 1,108.6 m north on the ellipsoid.
        assert made.seconds("foot")[0, 1] == pytest.approx((958.6 + 1108.6) / 4.5 * 3.6, rel=1e-3)
        assert np.isfinite(made.seconds("car")).tolist() == [[True, True], [False, True]]
        frame = made.streets.frame
        assert frame.degrees(frame.metres(np.array([A, B]))) == pytest.approx(np.array([A, B]))
        made.run("UPDATE road SET valid_to = now() WHERE source_ref = 'way/2'")
        await until(lambda: made.streets.version == 2)
        assert not made.passes("foot")
        with pytest.raises(InvalidError, match="nobody travels by “rocket”"):
            made.streets.snapshot(Traveller("rocket"))


async def test_gates_open_by_their_hours_at_the_minute_and_keys_open_them_at_night(database) -> None:
    async with Followed(database, _GATES) as made:
        held = made.streets.snapshot(Traveller())
        there = held.there.copy()
        assert made.passes("foot")
        made.at(NIGHT)
        assert (made.streets.version, made.passes("foot"), made.passes("foot", "property")) == (
            2,
            False,
            True,
        )
        assert (held.there == there).all(), "who holds a snapshot keeps it"
        made.at(NIGHT + 60)
        assert made.streets.version == 2, "nothing changed"
        made.at(NIGHT + 7 * 3600 - 1)
        assert not made.passes("foot")
        made.at(NIGHT + 7 * 3600)
        assert (made.streets.version, made.passes("foot")) == (3, True)


def report(made: Followed, *values: tuple[int, float]) -> None:
    """Let the barrier observe, as a commit does; slot and value."""
    made.at(made.clock.now + 1)
    n = len(values)
    row, time_us = np.zeros(n, np.int32), np.full(n, int(made.clock.now * 1e6))
    newest = Newest(
        row, np.array([slot for slot, _ in values]), time_us, np.array([value for _, value in values]),
        np.zeros(n, np.uint8), np.zeros((n, 3), np.int64), np.full(n, np.nan), np.full(n, np.nan), time_us,
        heard_row=row[:1], heard_us=time_us[:1],
    )  # fmt: skip
    made.board.apply(newest)
    made.streets.hear(row)


async def test_what_a_barrier_reports_is_believed_before_hours_and_keys_open_it(database) -> None:
    async with Followed(database, _GATES) as made:
        kind = made.board.catalog.by_name["gate"].code
        made.board.place([Placement(1, "boom-1", kind, 0, 0, *B, 1.0, 60.0)])
        first = made.streets.snapshot(Traveller("car"))
        assert (made.passes("car"), made.passes("car", "patrol"), len(first.unsure)) == (False, True, 2)
        walker = made.streets.snapshot(Traveller())
        report(made, (0, 1.0))
        assert made.passes("car")
        assert len(made.streets.snapshot(Traveller("car")).unsure) == 0
        assert made.streets.snapshot(Traveller()) is walker, "who walks round a boom finds nothing changed"
        version = made.streets.version
        report(made, (0, 0.0))
        assert (made.passes("car"), made.passes("car", "patrol")) == (False, True)
        assert made.streets.version == version + 1
        report(made, (0, 1.0))
        report(made, (1, 1.0))
        assert not made.passes("car"), "a barrier with a fault is not believed"
        report(made, (1, 0.0))
        assert made.passes("car")
        made.at(made.clock.now + 3 * 60 + 1)
        assert not made.passes("car"), "nor one that fell silent"


_CLOSE = """
    INSERT INTO closure (geom, layers, networks, reason, made_by, begins_at, ends_at)
    VALUES (ST_MakeEnvelope(104.002, 30.599, 104.003, 30.601, 4326), '{0}', '{foot,car}', 'x', 'x',
        to_timestamp(%s), to_timestamp(%s))
"""


async def test_a_closure_takes_effect_at_once_and_is_told_to_who_holds_a_way(database) -> None:
    async with Followed(database) as made:
        later = int(time.time()) + 1_000_000
        traveller = Traveller()
        held = made.streets.snapshot(traveller)
        places = made.streets.put(held, [A, B])
        way = find_way(held, places.only(np.array([0])), places.only(np.array([1])))
        short = find_way(held, places.only(np.array([1])), made.streets.put(held, [(104.01, 30.605)]))
        assert not made.streets.crosses_closed(way, held, traveller)
        made.run(_CLOSE % (NOON - 60, later))
        await until(lambda: made.streets.version == 2)
        assert (made.passes("foot"), made.passes("car"), made.passes("bike")) == (False, False, True)
        assert made.streets.crosses_closed(way, held, traveller)
        assert not made.streets.crosses_closed(short, held, traveller)
        made.at(later)
        assert made.passes("foot"), "it ends by the clock"
        made.at(NOON)
        assert not made.passes("foot")
        made.run("UPDATE closure SET ended_at = now(), ended_by = 'x'")
        await until(lambda: made.passes("foot"))
        assert not made.streets.crosses_closed(way, held, traveller)
        version = made.streets.version
        made.run(_CLOSE % (later, later + 60))
        await until(lambda: made.streets._closures)
        assert (made.passes("foot"), made.streets.version) == (True, version)
        made.at(later)
        assert not made.passes("foot"), "it begins by the clock"


async def test_what_a_closure_cuts_off_is_told(database) -> None:
    async with Followed(database) as made:
        whole = RoadClosure(0, frozenset({"foot"}), 0.0, np.inf, roads=frozenset({1}))
        assert await made.streets.cut_by(whole, "foot") == [], "what is closed itself is not cut off"
        made.run(
            "INSERT INTO road (dataset_id, source_ref, content_hash, geom, road_class, foot, bike_forward, "
            "bike_backward, car_forward, car_backward, width_m, name) "
            "VALUES (1, 'way/3', '', 'SRID=4326;LINESTRING(104 30.6, 103.999 30.6)', 'residential', true, "
            "true, true, true, true, 6, '西')"
        )
        await until(lambda: made.streets.version == 2)
        (told,) = await made.streets.cut_by(whole, "foot")
        assert (told.metres, told.streets) == (pytest.approx(95.86, rel=1e-3), ("西",))
        assert await made.streets.cut_by(whole, "bike") == []
        assert await made.streets.cut_now("foot") == []
        made.run(
            "INSERT INTO closure (geom, road_ids, networks, reason, made_by, begins_at) "
            "SELECT geom, ARRAY[id], '{foot}', 'x', 'x', now() - interval '9 years' FROM road WHERE id = 1"
        )
        await until(lambda: not made.passes("foot"))
        assert (await made.streets.cut_now("foot"), await made.streets.cut_now("car")) == ([told], [])
        assert await made.streets.cut_by(whole, "foot") == [], "it is cut off already"
