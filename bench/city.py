"""Lay out a synthetic city of real size: streets, blocks, buildings and device places, seeded.

The city is 16 km by 9 km around 成都 (what a 3,840-pixel wall shows at zoom 14). Streets run every 140 to
260 m in both directions. A block's weight is the sum of six Gaussian centres and a floor of 15 %, which
gives a dense core and a thin edge, as real districts have. Of the devices, 70 % stand at building
entrances inside blocks (several share a place) and 30 % along the streets, every 35 m at the closest.
"""

from __future__ import annotations

from dataclasses import dataclass

import h3
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CENTRE_LON = 104.066
CENTRE_LAT = 30.657
WIDTH_M = 16_000.0
HEIGHT_M = 9_000.0
ROOM_RESOLUTION = 9

_METRES_PER_DEGREE_LAT = 111_132.0
_METRES_PER_DEGREE_LON = 111_320.0 * float(np.cos(np.radians(CENTRE_LAT)))


@dataclass(frozen=True, slots=True)
class Layout:
    """Streets (their offsets in metres from the south-west corner) and the weight of each block."""

    street_x_m: Floats
    street_y_m: Floats
    weight: Floats


def bounds() -> tuple[float, float, float, float]:
    """Give the city's box, west, south, east, north (WGS 84)."""
    half_lon = WIDTH_M / 2 / _METRES_PER_DEGREE_LON
    half_lat = HEIGHT_M / 2 / _METRES_PER_DEGREE_LAT
    return (CENTRE_LON - half_lon, CENTRE_LAT - half_lat, CENTRE_LON + half_lon, CENTRE_LAT + half_lat)


def to_lon_lat(x_m: Floats, y_m: Floats) -> tuple[Floats, Floats]:
    """Turn metres from the south-west corner into lon, lat; good to 1 % over this city's size."""
    west, south, _, _ = bounds()
    return west + x_m / _METRES_PER_DEGREE_LON, south + y_m / _METRES_PER_DEGREE_LAT


def lay_out(random: np.random.Generator) -> Layout:
    """Draw the streets and weigh the blocks between them."""
    street_x_m = _streets(random, WIDTH_M)
    street_y_m = _streets(random, HEIGHT_M)
    middle_x = (street_x_m[:-1] + street_x_m[1:]) / 2
    middle_y = (street_y_m[:-1] + street_y_m[1:]) / 2
    grid_x, grid_y = np.meshgrid(middle_x, middle_y, indexing="ij")
    weight = np.zeros_like(grid_x)
    for _ in range(6):
        centre_x = random.uniform(0.15, 0.85) * WIDTH_M
        centre_y = random.uniform(0.15, 0.85) * HEIGHT_M
        spread_m = random.uniform(700.0, 1_800.0)
        weight += np.exp(-((grid_x - centre_x) ** 2 + (grid_y - centre_y) ** 2) / (2 * spread_m**2))
    weight += 0.15 * weight.max()
    return Layout(street_x_m, street_y_m, weight / weight.sum())


def site_devices(count: int, seed: int) -> tuple[Floats, Floats]:
    """Give lon and lat of `count` devices; the same seed gives the same city."""
    random = np.random.default_rng(seed)
    layout = lay_out(random)
    blocks = random.choice(layout.weight.size, size=count, p=layout.weight.ravel())
    column, row = np.unravel_index(blocks, layout.weight.shape)
    west, east = layout.street_x_m[column], layout.street_x_m[column + 1]
    south, north = layout.street_y_m[row], layout.street_y_m[row + 1]
    # Entrances: eight places a block, four by two, pulled in from the street.
    place = random.integers(0, 8, size=count)
    entrance_x = west + (east - west) * (0.14 + 0.24 * (place % 4)) + random.normal(0, 1.5, count)
    entrance_y = south + (north - south) * (0.25 + 0.5 * (place // 4)) + random.normal(0, 1.5, count)
    # Street furniture: on the west or south edge of the block, on a 35 m step.
    on_west = random.random(count) < 0.5
    step_x = west + 35.0 * random.integers(0, np.maximum(1, (east - west) // 35.0).astype(np.int64))
    step_y = south + 35.0 * random.integers(0, np.maximum(1, (north - south) // 35.0).astype(np.int64))
    street_x = np.where(on_west, west + 4.0, step_x)
    street_y = np.where(on_west, step_y, south + 4.0)
    inside = random.random(count) < 0.7
    x = np.clip(np.where(inside, entrance_x, street_x), 1.0, WIDTH_M - 1.0)
    y = np.clip(np.where(inside, entrance_y, street_y), 1.0, HEIGHT_M - 1.0)
    return to_lon_lat(x, y)


def site_buildings(count: int, seed: int) -> tuple[Floats, Floats]:
    """Give `count` footprints as rings (count, 5, 2) of lon, lat, and their heights in metres.

    Rectangles of 15-60 m by 10-25 m at the entrance places of the blocks, turned by up to 8 degrees;
    heights follow the block's weight: 6 m at the edge to about 120 m in the centres.
    """
    random = np.random.default_rng(seed)
    layout = lay_out(random)
    order = np.argsort(-layout.weight.ravel() * random.uniform(0.3, 1.0, layout.weight.size))
    blocks = np.repeat(order, 8)[:count]
    if blocks.size < count:
        blocks = np.resize(blocks, count)
    column, row = np.unravel_index(blocks, layout.weight.shape)
    west, east = layout.street_x_m[column], layout.street_x_m[column + 1]
    south, north = layout.street_y_m[row], layout.street_y_m[row + 1]
    place = np.arange(count) % 8
    x = west + (east - west) * (0.14 + 0.24 * (place % 4))
    y = south + (north - south) * (0.25 + 0.5 * (place // 4))
    half_x = np.minimum(random.uniform(7.5, 30.0, count), (east - west) * 0.11)
    half_y = random.uniform(5.0, 12.5, count)
    turn = np.radians(random.uniform(-8.0, 8.0, count))
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1)], dtype=np.float64)
    dx, dy = corners[:, 0] * half_x[:, None], corners[:, 1] * half_y[:, None]
    ring_x = x[:, None] + dx * np.cos(turn)[:, None] - dy * np.sin(turn)[:, None]
    ring_y = y[:, None] + dx * np.sin(turn)[:, None] + dy * np.cos(turn)[:, None]
    lon, lat = to_lon_lat(ring_x, ring_y)
    share = layout.weight.ravel()[blocks] / layout.weight.max()
    height_m = np.round(6.0 + 114.0 * share**1.5 * random.uniform(0.3, 1.0, count), 1)
    return np.stack((lon, lat), axis=-1), height_m


def rooms_of(lon: Floats, lat: Floats) -> NDArray[np.uint64]:
    """Give the H3 cell of resolution 9 of each point: a room of the live stream."""
    cells = [h3.str_to_int(h3.latlng_to_cell(y, x, ROOM_RESOLUTION)) for x, y in zip(lon, lat, strict=True)]
    return np.array(cells, dtype=np.uint64)


def _streets(random: np.random.Generator, length_m: float) -> Floats:
    gaps = random.uniform(140.0, 260.0, size=int(length_m // 140.0) + 2)
    offsets = np.concatenate(([0.0], np.cumsum(gaps)))
    return np.append(offsets[offsets < length_m - 100.0], length_m)
