"""Hold the present state of every device and worker as numpy columns, newest wins, and yield what changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.access.grants import Grants
from twin.catalog import SLOTS, Catalog
from twin.live.ages import Lag, LayerAge, layer_ages
from twin.live.rooms import RoomCircles, RoomIndex, Rows, rooms_of, surely_inside
from twin.live.shown import Changes, Shown
from twin.live.sight import in_scope
from twin.states import State

FLAG_SIMULATED = 1
FLAG_POSITION_ESTIMATED = 2
FLAG_HAS_BEARING = 4
FLAG_READINGS_SIMULATED = 8

SILENT_INTERVALS = 3.0
"""A device silent for this many of its expected intervals is offline."""

_COLUMNS: dict[str, tuple[Any, tuple[int, ...], Any]] = {
    # name: dtype, shape of one row, value of an empty row
    "device_id": (np.int32, (), 0),
    "kind": (np.uint16, (), 0),
    "flags": (np.uint8, (), 0),
    "layer": (np.uint8, (), 0),
    "scope_code": (np.int64, (), 0),
    "lon": (np.float64, (), np.nan),
    "lat": (np.float64, (), np.nan),
    "_base_lon": (np.float64, (), np.nan),
    "_base_lat": (np.float64, (), np.nan),
    "height_m": (np.float32, (), 0.0),
    "value": (np.float32, (), np.nan),
    "state": (np.uint8, (), State.UNKNOWN),
    "rule_state": (np.uint8, (), State.NORMAL),
    "room": (np.uint64, (), 0),
    "values": (np.float64, (SLOTS,), np.nan),
    "states": (np.uint8, (SLOTS,), State.UNKNOWN),
    "times_us": (np.int64, (SLOTS,), 0),
    "beyond_us": (np.int64, (SLOTS, 3), 0),
    "heard_us": (np.int64, (), 0),
    "stored": (np.int64, (), 0),
    "position_us": (np.int64, (), 0),
    "expected_s": (np.float32, (), 0.0),
    "link_down": (np.bool_, (), False),
    "_circle_lon": (np.float64, (), 0.0),
    "_circle_lat": (np.float64, (), 0.0),
    "_circle_m2": (np.float64, (), -1.0),
}


@dataclass(frozen=True, slots=True)
class Placement:
    """What is installed: the part of a device that does not come by observation. Degrees WGS 84, metres."""

    device_id: int
    uid: str
    kind: int
    layer: int
    flags: int
    lon: float
    lat: float
    height_m: float
    expected_s: float
    scope_code: int = 0


@dataclass(slots=True)
class Newest:
    """The newest accepted observation per row and slot of one commit: what the board is to become.

    Shape (n,) each, one entry a (row, slot). ``beyond_us`` is (n, 3): since when the value is beyond the
    limit of warning, alarm and critical, 0 where it is not. ``lon``/``lat`` are NaN where the observation
    carried no place. ``moved_*``: newest place of each row that moved; ``heard_*``: who was heard, and when.
    """

    row: Rows
    slot: NDArray[np.int64]
    time_us: NDArray[np.int64]
    value: NDArray[np.float64]
    state: NDArray[np.uint8]
    beyond_us: NDArray[np.int64]
    lon: NDArray[np.float64]
    lat: NDArray[np.float64]
    received_us: NDArray[np.int64]
    moved_row: Rows = field(default_factory=lambda: np.zeros(0, np.int32))
    moved_us: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    moved_lon: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    moved_lat: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    heard_row: Rows = field(default_factory=lambda: np.zeros(0, np.int32))
    heard_us: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))


class Board:
    """Columns of present state; rows never move, and a removed device leaves a hole (``device_id`` 0).

    Everything is read and written on the event loop's thread. ``values``, ``states`` and ``times_us`` have
    one column a property slot, ``times_us`` in Unix µs with 0 for never. ``rule_state`` is the worst state
    that rules (`twin.rules.watch`) hold a row in, and part of its ``state``. ``stored`` counts the
    observations that were stored since the start.
    """

    device_id: NDArray[np.int32]
    kind: NDArray[np.uint16]
    flags: NDArray[np.uint8]
    layer: NDArray[np.uint8]
    scope_code: NDArray[np.int64]
    lon: NDArray[np.float64]
    lat: NDArray[np.float64]
    height_m: NDArray[np.float32]
    value: NDArray[np.float32]
    state: NDArray[np.uint8]
    rule_state: NDArray[np.uint8]
    room: NDArray[np.uint64]
    values: NDArray[np.float64]
    states: NDArray[np.uint8]
    times_us: NDArray[np.int64]
    beyond_us: NDArray[np.int64]
    heard_us: NDArray[np.int64]
    stored: NDArray[np.int64]
    position_us: NDArray[np.int64]
    expected_s: NDArray[np.float32]
    link_down: NDArray[np.bool_]
    _base_lon: NDArray[np.float64]
    _base_lat: NDArray[np.float64]
    _circle_lon: NDArray[np.float64]
    _circle_lat: NDArray[np.float64]
    _circle_m2: NDArray[np.float64]

    def __init__(self, catalog: Catalog, capacity: int = 1024) -> None:
        self.catalog = catalog
        self.count = 0
        self.row_of_id: dict[int, int] = {}
        self.row_of_uid: dict[str, int] = {}
        self.uid: list[str] = []
        self._index = RoomIndex()
        self._circles = RoomCircles()
        self.placements = 0
        """Grows with every change of what is installed: who sees what may be another then."""
        self._lag = Lag()
        self.capacity = capacity
        self._shown = Shown(capacity)
        for name, (dtype, shape, empty) in _COLUMNS.items():
            setattr(self, name, np.full((capacity, *shape), empty, dtype))

    def __len__(self) -> int:
        return len(self.row_of_id)

    # who may see it

    def in_scope(self, rows: Rows, grants: Grants) -> NDArray[np.bool_]:
        """Say for rows, shape (n,), which ones grants let their holder see.

        A removed row is seen by nobody.
        """
        ids = self.device_id[rows]
        return np.asarray(in_scope(grants, ids, self.layer[rows], self.scope_code[rows]) & (ids != 0))

    # what is installed

    def place(self, placements: Sequence[Placement]) -> Rows:
        """Add devices, or change what is installed of those already there; return their rows, shape (n,)."""
        rows = np.empty(len(placements), np.int32)
        for i, placement in enumerate(placements):
            row = self.row_of_id.get(placement.device_id)
            rows[i] = self._add(placement) if row is None else self._rename(row, placement)
        if not len(rows):
            return rows
        self.placements += 1
        columns = list(
            zip(
                *((p.kind, p.flags, p.layer, p.height_m, p.expected_s, p.scope_code) for p in placements),
                strict=True,
            )
        )
        names = ("kind", "flags", "layer", "height_m", "expected_s", "scope_code")
        for name, column in zip(names, columns, strict=True):
            getattr(self, name)[rows] = column
        lon = np.array([p.lon for p in placements])
        lat = np.array([p.lat for p in placements])
        self._base_lon[rows], self._base_lat[rows] = lon, lat
        # A thing that has reported where it is stays there; its installation record is only a first guess.
        still = self.position_us[rows] == 0
        self._settle(rows[still], lon[still], lat[still])
        self._shown.move(rows)
        return rows

    def _add(self, placement: Placement) -> int:
        row = self.count
        self._reserve(row + 1)
        self.count = row + 1
        self.uid.append(placement.uid)
        self.device_id[row] = placement.device_id
        self.row_of_id[placement.device_id] = row
        self.row_of_uid[placement.uid] = row
        return row

    def _rename(self, row: int, placement: Placement) -> int:
        if self.uid[row] != placement.uid:
            if self.row_of_uid.get(self.uid[row]) == row:  # another device may have taken the name
                del self.row_of_uid[self.uid[row]]
            self.uid[row] = placement.uid
            self.row_of_uid[placement.uid] = row
        return row

    def remove(self, device_ids: Sequence[int]) -> None:
        """Take devices off the board; their rows become holes."""
        self.placements += 1
        for device_id in device_ids:
            row = self.row_of_id.pop(device_id)
            if self.row_of_uid.get(self.uid[row]) == row:
                del self.row_of_uid[self.uid[row]]
            if self.room[row]:
                self._index.remove(row, int(self.room[row]))
            self._shown.remove(row, device_id)
            for name, (_, _, empty) in _COLUMNS.items():
                getattr(self, name)[row] = empty
            self.uid[row] = ""

    def _reserve(self, rows: int) -> None:
        if rows <= self.capacity:
            return
        while self.capacity < rows:
            self.capacity *= 2
        for name, (dtype, shape, empty) in _COLUMNS.items():
            grown = np.full((self.capacity, *shape), empty, dtype)
            grown[: self.count] = getattr(self, name)[: self.count]
            setattr(self, name, grown)
        self._shown.grow(self.capacity)

    # what is observed

    def apply(self, newest: Newest) -> None:
        """Take over one commit: newest values, states, places; what is older changes nothing."""
        fresh = newest.time_us > self.times_us[newest.row, newest.slot]
        row, slot = newest.row[fresh], newest.slot[fresh]
        self.values[row, slot] = newest.value[fresh]
        self.states[row, slot] = newest.state[fresh]
        self.times_us[row, slot] = newest.time_us[fresh]
        self.beyond_us[row, slot] = newest.beyond_us[fresh]
        first = slot == 0
        shown = newest.value[fresh][first].astype(np.float32)
        self._shown.update(row[first][self.value[row[first]] != shown])
        self.value[row[first]] = shown
        self.hear(newest.heard_row, newest.heard_us)
        self.show(newest.heard_row)
        self._lag.measure(self.layer[newest.row], newest.time_us, newest.received_us)
        if not len(newest.moved_row):
            return
        newer = newest.moved_us > self.position_us[newest.moved_row]
        moved = newest.moved_row[newer]
        self.position_us[moved] = newest.moved_us[newer]
        self._settle(moved, newest.moved_lon[newer], newest.moved_lat[newer])
        self._shown.move(moved)

    def restore(
        self,
        row: Rows,
        slot: NDArray[np.int64],
        time_us: NDArray[np.int64],
        received_us: NDArray[np.int64],
        value: NDArray[np.float64],
        state: NDArray[np.uint8],
        lon: NDArray[np.float64],
        lat: NDArray[np.float64],
    ) -> None:
        """Take over stored present states, one entry a (row, slot); nobody counts as heard just now."""
        self.times_us[row, slot], self.values[row, slot], self.states[row, slot] = time_us, value, state
        first = slot == 0
        self.value[row[first]] = value[first]
        np.maximum.at(self.heard_us, row, received_us)
        going = np.flatnonzero(~np.isnan(lon))
        going = going[np.argsort(time_us[going], kind="stable")]  # the last write of a row is its newest
        self.position_us[row[going]] = time_us[going]
        self.lon[row[going]], self.lat[row[going]] = lon[going], lat[going]
        moved = np.unique(row[going])
        self._settle(moved, self.lon[moved], self.lat[moved])
        self._shown.move(moved)
        self.show(np.unique(row))

    def hear(self, rows: Rows, received_us: NDArray[np.int64]) -> None:
        """Note that devices were heard at these Unix µs: they are there."""
        np.maximum.at(self.heard_us, rows, received_us)
        self.link_down[rows] = False

    def lose(self, rows: Rows) -> None:
        """Note that devices said, or the broker said for them, that they are gone."""
        self.link_down[rows] = True
        self.show(rows)

    def hold(self, row: int, slot: int, state: State) -> None:
        """Set the state of one property that has been beyond its limit for its hold time."""
        self.states[row, slot] = state
        self.show(np.array([row], np.int32))

    def hold_by_rules(self, states: NDArray[np.uint8]) -> None:
        """Set the states that rules hold the first n rows in, shape (n,)."""
        rows = np.flatnonzero(states != self.rule_state[: len(states)]).astype(np.int32)
        rows = rows[self.device_id[rows] != 0]
        if len(rows):
            self.rule_state[rows] = states[rows]
            self.show(rows)

    def silent(self, rows: Rows, now_us: int) -> NDArray[np.bool_]:
        """Say for n rows whether they fell silent for three of their intervals, or said goodbye."""
        heard = self.heard_us[rows]
        age_s = (now_us - heard) * 1e-6
        return (
            np.asarray((heard > 0) & (age_s > SILENT_INTERVALS * self.expected_s[rows]))
            | self.link_down[rows]
        )

    def show(self, rows: Rows) -> None:
        """Work out the shown state of rows: the worst of their properties and of the rules that hold them.

        Offline where the link is down.
        """
        reported = self.times_us[rows] > 0
        worst = np.where(reported, self.states[rows], 0).max(axis=1)
        worst = np.maximum(worst, self.rule_state[rows])
        worst[~reported.any(axis=1) & (self.heard_us[rows] == 0)] = State.UNKNOWN
        worst = np.where(self.link_down[rows], np.maximum(worst, State.OFFLINE), worst).astype(np.uint8)
        changed = worst != self.state[rows]
        self.state[rows] = worst
        self._shown.update(rows[changed])

    def sweep(self, now_us: int) -> Rows:
        """Mark as offline what fell silent; return the rows that just did, shape (n,)."""
        rows = np.arange(self.count, dtype=np.int32)
        silent = (self.device_id[rows] != 0) & self.silent(rows, now_us) & ~self.link_down[rows]
        gone: Rows = rows[silent]
        self.lose(gone)
        return gone

    # where things are

    def _settle(self, rows: Rows, lon: NDArray[np.float64], lat: NDArray[np.float64]) -> None:
        self.lon[rows], self.lat[rows] = lon, lat
        inside = surely_inside(
            lon, lat, self._circle_lon[rows], self._circle_lat[rows], self._circle_m2[rows]
        )
        ask = ~inside
        if not ask.any():
            return
        rows = rows[ask]
        rooms = rooms_of(lon[ask], lat[ask])
        changed = rooms != self.room[rows]
        for row, old, new in zip(
            rows[changed].tolist(), self.room[rows[changed]].tolist(), rooms[changed].tolist(), strict=True
        ):
            if old:
                self._index.remove(row, old)
            self._index.add(row, new)
            self._circle_lon[row], self._circle_lat[row], self._circle_m2[row] = self._circles.circle(new)
        self.room[rows] = rooms

    def hide(self, rows: Rows) -> None:
        """Take rows out of their rooms: they are shown nowhere, and told to be where they are installed.

        They are shown again by the next place that is observed of them.
        """
        rows = rows[self.room[rows] != 0]
        for row, room in zip(rows.tolist(), self.room[rows].tolist(), strict=True):
            self._index.remove(row, room)
        self.room[rows], self.position_us[rows] = 0, 0
        self.lon[rows], self.lat[rows] = self._base_lon[rows], self._base_lat[rows]
        self._circle_m2[rows] = -1.0
        self._shown.move(rows)

    def rows_in_room(self, room: int) -> Rows:
        """Return the rows in an H3 room, shape (n,), in no order; read only."""
        return self._index.rows(int(room))

    def rooms(self) -> NDArray[np.uint64]:
        """Return the H3 rooms that hold something, shape (n,)."""
        return self._index.rooms()

    # what is told

    def take_changes(self) -> Changes:
        """Return everything that changed since the last call, and begin anew."""
        n = self.count
        return self._shown.take(self.device_id[:n], self.room[:n], self.layer[:n], self.scope_code[:n])

    def ages(self, now_us: int, rows: Rows | None = None) -> dict[str, LayerAge]:
        """Return how old the data of each layer is at a time in Unix µs, of these n rows or of all."""
        if rows is None:
            rows = np.flatnonzero(self.device_id[: self.count]).astype(np.int32)
        return layer_ages(
            layer=self.layer[rows],
            heard_us=self.heard_us[rows],
            expected_s=self.expected_s[rows],
            silent=self.silent(rows, now_us),
            lag_s=self._lag.mean_s,
            now_us=now_us,
        )
