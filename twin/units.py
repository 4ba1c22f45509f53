"""Convert between the documented units of one quantity, and refuse every other pair."""

from __future__ import annotations

# UCUM symbols. value_in_base = value * factor + offset; units of one row group are convertible.
_QUANTITIES: tuple[dict[str, tuple[float, float]], ...] = (
    {"m": (1.0, 0.0), "cm": (0.01, 0.0), "mm": (0.001, 0.0), "km": (1000.0, 0.0)},
    {"K": (1.0, 0.0), "Cel": (1.0, 273.15), "[degF]": (5.0 / 9.0, 459.67 * 5.0 / 9.0)},
    {"Pa": (1.0, 0.0), "kPa": (1e3, 0.0), "MPa": (1e6, 0.0), "bar": (1e5, 0.0)},
    {"W": (1.0, 0.0), "kW": (1e3, 0.0)},
    {"A": (1.0, 0.0), "mA": (1e-3, 0.0)},
    {"ug/m3": (1.0, 0.0), "mg/m3": (1e3, 0.0)},
    {"m/s": (1.0, 0.0), "km/h": (1.0 / 3.6, 0.0)},
    {"s": (1.0, 0.0), "min": (60.0, 0.0), "h": (3600.0, 0.0), "d": (86400.0, 0.0)},
    {"deg": (1.0, 0.0), "rad": (57.29577951308232, 0.0)},
    {"L/min": (1.0, 0.0), "L/h": (1.0 / 60.0, 0.0), "m3/h": (1000.0 / 60.0, 0.0)},
    {"/s": (1.0, 0.0), "/min": (1.0 / 60.0, 0.0), "/h": (1.0 / 3600.0, 0.0)},
)

# What devices write for the same unit; only spellings that can mean nothing else.
SPELLINGS = {
    "℃": "Cel",
    "°C": "Cel",
    "°F": "[degF]",
    "µg/m³": "ug/m3",
    "μg/m³": "ug/m3",
    "µg/m3": "ug/m3",
    "μg/m3": "ug/m3",
    "ug/m³": "ug/m3",
    "mg/m³": "mg/m3",
    "°": "deg",
    "dBA": "dB(A)",
    "%RH": "%",
    "fps": "/s",
    "m³/h": "m3/h",
}


def conversion(unit: str, wanted: str) -> tuple[float, float] | None:
    """Return factor and offset that turn a value in ``unit`` into ``wanted``; None when they do not fit.

    Fahrenheit to Celsius, for example, is ``value * 0.5556 - 17.78``.
    """
    unit = SPELLINGS.get(unit, unit)
    if unit == wanted:
        return 1.0, 0.0
    for quantity in _QUANTITIES:
        if unit in quantity and wanted in quantity:
            (factor, offset), (to_factor, to_offset) = quantity[unit], quantity[wanted]
            return factor / to_factor, (offset - to_offset) / to_factor
    return None


def known_units() -> tuple[str, ...]:
    """Return every unit symbol and spelling that can be converted."""
    return tuple(dict.fromkeys([u for q in _QUANTITIES for u in q] + list(SPELLINGS)))
