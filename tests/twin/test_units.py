"""Conversions between documented units."""

from __future__ import annotations

import pytest

from twin.catalog import load_catalog
from twin.units import SPELLINGS, conversion, known_units


@pytest.mark.parametrize(
    ("value", "unit", "wanted", "expected"),
    [
        (0.314, "m", "cm", 31.4),
        (212, "[degF]", "Cel", 100),
        (32, "°F", "Cel", 0),
        (273.15, "K", "Cel", 0),
        (3.5, "bar", "MPa", 0.35),
        (140, "kPa", "MPa", 0.14),
        (0.075, "mg/m³", "ug/m3", 75),
        (36, "km/h", "m/s", 10),
        (90, "min", "h", 1.5),
        (1500, "fps", "/min", 90000),
        (0.3, "A", "mA", 300),
    ],
)
def test_value_is_converted(value: float, unit: str, wanted: str, expected: float) -> None:
    fits = conversion(unit, wanted)
    assert fits is not None
    assert value * fits[0] + fits[1] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("unit", "wanted"), [("cm", "Cel"), ("", "cm"), ("CM", "cm"), ("%", "1"), ("ppm", "ug/m3")]
)
def test_another_quantity_does_not_fit(unit: str, wanted: str) -> None:
    assert conversion(unit, wanted) is None


def test_there_and_back_is_the_same() -> None:
    for unit in known_units():
        for wanted in known_units():
            there, back = (
                conversion(unit, SPELLINGS.get(wanted, wanted)),
                conversion(wanted, SPELLINGS.get(unit, unit)),
            )
            assert (there is None) == (back is None)
            if there and back:
                assert (7.0 * there[0] + there[1]) * back[0] + back[1] == pytest.approx(7.0)


def test_every_declared_unit_fits_itself() -> None:
    for kind in load_catalog().by_name.values():
        for observed in kind.properties:
            assert conversion(observed.unit, observed.unit) == (1.0, 0.0)
