"""Plan who publishes what and who looks where, from a seed, so that every contender gets the same.

A device's value counts its readings: reading ``k`` of device ``i`` is ``low[i] + step[i] * (k + 1)``,
inside the normal range of its kind. Who receives a value knows from it which reading it is, and with the
publisher's log of times how old it is, whatever the format it came in.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench import city
from twin.catalog import Catalog, DeviceKind, load_catalog
from twin.errors import InvalidError

Floats = NDArray[np.float64]
SEED = 20_261_121
POINT_ZOOM = 14.0


@dataclass(frozen=True, slots=True)
class Plan:
    """Devices as columns, row by row the same everywhere; ``gateway`` is who publishes for the device."""

    uid: NDArray[np.str_]
    kind: NDArray[np.str_]
    property_name: NDArray[np.str_]
    unit: NDArray[np.str_]
    lon: Floats
    lat: Floats
    room: NDArray[np.uint64]
    gateway: NDArray[np.int32]
    low: Floats
    step: Floats
    decimals: NDArray[np.int64]
    readings: int

    @property
    def count(self) -> int:
        """Number of devices."""
        return int(self.uid.size)

    @property
    def gateways(self) -> int:
        """Number of gateways; each serves a device at least."""
        return int(self.gateway[-1]) + 1

    def value(self, rows: NDArray[np.int64], number: NDArray[np.int64]) -> Floats:
        """Give the value of reading `number` of the devices in `rows`."""
        return np.asarray(self.low[rows] + self.step[rows] * (number + 1), dtype=np.float64)

    def number(self, rows: NDArray[np.int64], value: Floats) -> NDArray[np.int64]:
        """Give which reading a value is; -1 where it is none of ours (a device that has not reported)."""
        with np.errstate(invalid="ignore"):
            exact = (np.asarray(value, dtype=np.float64) - self.low[rows]) / self.step[rows] - 1.0
            nearest = np.rint(exact)
            ours = (np.abs(exact - nearest) < 0.3) & (nearest >= 0) & (nearest < self.readings)
        return np.where(ours, nearest, -1).astype(np.int64)

    def save(self, path: Path) -> None:
        """Write it for the publisher and the viewers."""
        columns: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        np.savez(path, **columns)

    @classmethod
    def open(cls, path: Path) -> Plan:
        """Read what `save` wrote."""
        with np.load(path) as stored:
            columns = {name: stored[name] for name in cls.__slots__ if name != "readings"}
            return cls(readings=int(stored["readings"]), **columns)


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks where: bbox west, south, east, north; a wall looks at the whole city."""

    wall: bool
    bbox: tuple[float, float, float, float]
    zoom: float
    rooms: tuple[str, ...]


def make_plan(devices: int, gateways: int, readings: int, scale: float = 1.0) -> Plan:
    """Site the devices and give each its kind, its gateway and its values.

    Gateways serve neighbours: devices are dealt out along a Z-order curve, as a gateway in a street
    cabinet would serve its streets. `scale` below 1 draws the city together around its centre.
    """
    lon, lat = city.site_devices(devices, SEED)
    lon = city.CENTRE_LON + scale * (lon - city.CENTRE_LON)
    lat = city.CENTRE_LAT + scale * (lat - city.CENTRE_LAT)
    # Rows follow the curve, so that a gateway's devices are consecutive.
    order = np.argsort(_z_order(lon, lat), kind="stable")
    lon, lat = lon[order], lat[order]
    kinds = _measuring_kinds(load_catalog())
    chosen = np.random.default_rng(SEED + 1).integers(0, len(kinds), size=devices)
    low = np.array([low for _, low, _ in kinds])[chosen]
    high = np.array([high for _, _, high in kinds])[chosen]
    step = (high - low) / (readings + 2)
    return Plan(
        uid=np.array([f"bench-{number:06d}" for number in range(devices)]),
        kind=np.array([kind.name for kind, _, _ in kinds])[chosen],
        property_name=np.array([kind.properties[0].name for kind, _, _ in kinds])[chosen],
        unit=np.array([kind.properties[0].unit for kind, _, _ in kinds])[chosen],
        lon=np.round(lon, 7),
        lat=np.round(lat, 7),
        room=city.rooms_of(lon, lat),
        gateway=(np.arange(devices, dtype=np.int64) * gateways // devices).astype(np.int32),
        low=low,
        step=step,
        # As few digits as tell neighbouring readings apart: real devices do not send sixteen.
        decimals=np.maximum(1, np.ceil(-np.log10(step / 8))).astype(np.int64),
        readings=readings,
    )


def place_viewers(plan: Plan, viewers: int, walls: int) -> list[Viewer]:
    """Place walls over the whole city and desks over parts of 0.4 to 3 km around devices, all different.

    A desk of width w has the shape of a 16:9 screen. ``rooms`` are the H3 cells in which devices stand
    that the box touches: what a client would subscribe to if rooms were topics.
    """
    west, south, east, north = city.bounds()
    random = np.random.default_rng(SEED + 2)
    placed: list[Viewer] = []
    for number in range(viewers):
        if number < walls:
            box = (west, south, east, north)
            zoom = POINT_ZOOM
        else:
            centre = int(random.integers(0, plan.count))
            width_m = float(np.exp(random.uniform(np.log(400.0), np.log(3_000.0))))
            half_lon = width_m / 2 / 95_800.0
            half_lat = width_m * 9 / 16 / 2 / 111_132.0
            lon, lat = float(plan.lon[centre]), float(plan.lat[centre])
            box = (lon - half_lon, lat - half_lat, lon + half_lon, lat + half_lat)
            zoom = POINT_ZOOM + float(np.clip(np.log2(8_000.0 / width_m), 0.0, 4.0))
        inside = (plan.lon >= box[0]) & (plan.lon <= box[2]) & (plan.lat >= box[1]) & (plan.lat <= box[3])
        rooms = tuple(f"{room:x}" for room in np.unique(plan.room[inside]).tolist())
        placed.append(Viewer(number < walls, box, zoom, rooms))
    # Walls and desks take turns in the order of connection, so that neither is always served first.
    return [placed[index] for index in random.permutation(viewers)]


def _measuring_kinds(catalog: Catalog) -> list[tuple[DeviceKind, float, float]]:
    """Give the fixed kinds that measure a continuous value, each with a range in which it is normal."""
    found: list[tuple[DeviceKind, float, float]] = []
    for kind in catalog.by_name.values():
        if kind.layer != 0 or not kind.properties:
            continue
        first = kind.properties[0]
        low, high = first.minimum, first.maximum
        if not np.isfinite([low, high]).all() or high - low <= 1.0:
            continue  # a switch: on or off
        span = high - low
        for limit in first.limits:
            if limit.above is not None:
                high = min(high, limit.above - limit.hysteresis - 0.01 * span)
            if limit.below is not None:
                low = max(low, limit.below + limit.hysteresis + 0.01 * span)
        if high - low > 0.02 * span:
            found.append((kind, low, high))
    if not found:
        raise InvalidError("no device kind measures a continuous value", where="data/device_kinds.toml")
    return found


def _z_order(lon: Floats, lat: Floats) -> NDArray[np.uint64]:
    """Interleave the bits of the position, 16 each: near numbers are near places."""
    west, south, east, north = city.bounds()

    def spread(share: Floats) -> NDArray[np.uint64]:
        bits = (np.clip(share, 0.0, 1.0) * 65_535).astype(np.uint64)
        for shift, mask in ((8, 0x00FF00FF), (4, 0x0F0F0F0F), (2, 0x33333333), (1, 0x55555555)):
            bits = (bits | (bits << np.uint64(shift))) & np.uint64(mask)
        return bits

    x = spread((lon - west) / (east - west))
    y = spread((lat - south) / (north - south))
    return np.asarray(x | (y << np.uint64(1)), dtype=np.uint64)
