"""Check the frames against a real track, published constants and their own inverses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.crs import (
    bd09_to_gcj02,
    converter_to_storage,
    gcj02_to_bd09,
    gcj02_to_wgs84,
    to_local_metres,
    wgs84_to_gcj02,
)
from twin.errors import CoordinateError

TRACK = Path(__file__).parents[3] / "shared/data/gcj02_track/track.geojson"
LON = st.floats(73.5, 135.0)
LAT = st.floats(18.0, 53.5)


def _metres(lon_a: np.ndarray, lat_a: np.ndarray, lon_b: np.ndarray, lat_b: np.ndarray) -> np.ndarray:
    return np.hypot((lon_a - lon_b) * 111_320 * np.cos(np.radians(lat_a)), (lat_a - lat_b) * 110_574)


@pytest.mark.skipif(not TRACK.exists(), reason=f"the real track is not here: {TRACK}")
def test_a_real_taxi_comes_back_from_gcj02() -> None:
    features = json.loads(TRACK.read_text())["features"]
    assert len(features) == 828
    x = np.array([f["properties"]["x"] for f in features])
    y = np.array([f["properties"]["y"] for f in features])
    truth = np.array([f["geometry"]["coordinates"] for f in features])
    lon, lat = converter_to_storage("GCJ-02")(x, y)
    error_m = _metres(lon, lat, truth[:, 0], truth[:, 1])
    # The publisher used one step of the inverse, which is what the 2 m are.
    assert np.median(error_m) < 2.0
    assert error_m.max() < 2.2
    # Unconverted they would be hundreds of metres off.
    assert _metres(x, y, truth[:, 0], truth[:, 1]).min() > 300
    forward = wgs84_to_gcj02(truth[:, 0], truth[:, 1])
    assert _metres(*forward, x, y).max() < 2.2


def test_the_published_offset_at_tiananmen() -> None:
    # Widely published pair: 116.404, 39.915 WGS 84 is 116.41024449916938, 39.91640428150164 in GCJ-02.
    lon, lat = wgs84_to_gcj02(np.array([116.404]), np.array([39.915]))
    assert lon[0] == pytest.approx(116.41024449916938, abs=1e-9)
    assert lat[0] == pytest.approx(39.91640428150164, abs=1e-9)
    # And from there to BD-09: 116.404, 39.915 GCJ-02 is 116.41036949371029, 39.92133699351022.
    lon, lat = gcj02_to_bd09(np.array([116.404]), np.array([39.915]))
    assert lon[0] == pytest.approx(116.41036949371029, abs=1e-9)
    assert lat[0] == pytest.approx(39.92133699351022, abs=1e-9)


@given(LON, LAT)
def test_gcj02_inverse_closes(lon: float, lat: float) -> None:
    a, b = np.array([lon]), np.array([lat])
    back = gcj02_to_wgs84(*wgs84_to_gcj02(a, b))
    assert _metres(*back, a, b)[0] < 0.001


@given(LON, LAT)
def test_bd09_inverse_closes(lon: float, lat: float) -> None:
    a, b = np.array([lon]), np.array([lat])
    back = bd09_to_gcj02(*gcj02_to_bd09(a, b))
    assert _metres(*back, a, b)[0] < 0.001


def test_gcj02_is_wgs84_outside_china() -> None:
    lon, lat = wgs84_to_gcj02(np.array([24.94]), np.array([60.17]))
    assert (lon[0], lat[0]) == (24.94, 60.17)


@pytest.mark.parametrize(
    ("declared", "x", "y"),
    [
        ("EPSG:4547", 500000.0, 2495000.0),  # CGCS2000 3-degree Gauss-Krueger, 114 E, eastings first
        ("EPSG:4526", 38500000.0, 2495000.0),  # the same with the zone in front
    ],
)
def test_gauss_krueger_takes_eastings_first(declared: str, x: float, y: float) -> None:
    lon, lat = converter_to_storage(declared)(np.array([x]), np.array([y]))
    assert lon[0] == pytest.approx(114.0, abs=1e-9)
    assert 22.5 < lat[0] < 22.6


def test_cgcs2000_keeps_its_numbers() -> None:
    lon, lat = converter_to_storage("EPSG:4490")(np.array([104.06]), np.array([30.66]))
    assert (lon[0], lat[0]) == (104.06, 30.66)


def test_unknown_frame_says_what_to_declare() -> None:
    with pytest.raises(CoordinateError, match="not known") as error:
        converter_to_storage("EPSG:999999")
    assert "GCJ-02" in error.value.hint


@given(st.floats(-2000, 2000), st.floats(-2000, 2000))
def test_local_metres_round_trip(x: float, y: float) -> None:
    forward, inverse = to_local_metres(104.06, 30.66)
    lon, lat = inverse(np.array([x]), np.array([y]))
    a, b = forward(lon, lat)
    assert abs(a[0] - x) < 1e-6
    assert abs(b[0] - y) < 1e-6
