"""Give the database the kinds of devices as rows, so that it can join what no table holds."""

from __future__ import annotations

from typing import Final

import orjson

from twin.catalog import Catalog, DeviceKind, ObservedProperty

GENERIC: Final = "thing"
"""The kind of whatever a client declares that is of no other kind; its properties are datastreams only."""

SLOTS_OF_A_DEVICE: Final = 1000
"""A datastream is numbered by its device and, below this, by its property."""

_OM: Final = "http://www.opengis.net/def/observationType/OGC-OM/2.0/"
MEASUREMENT: Final = _OM + "OM_Measurement"
COUNT: Final = _OM + "OM_CountObservation"
TRUTH: Final = _OM + "OM_TruthObservation"
CATEGORY: Final = _OM + "OM_CategoryObservation"
ANY: Final = _OM + "OM_Observation"
OBSERVATION_TYPES: Final = (MEASUREMENT, COUNT, TRUTH, CATEGORY, ANY)
NUMERIC_TYPES: Final = (MEASUREMENT, COUNT, TRUTH)

COLUMNS: Final = (
    "kind text, code int, slot int, kind_zh text, kind_en text, name text, zh text, en text, "
    "definition text, unit jsonb, observation_type text, about jsonb"
)


def observation_type(observed: ObservedProperty) -> str:
    """Return what its results are: yes or no, a count of states, or a measure."""
    if len(observed.words) == 2:
        return TRUTH
    return COUNT if observed.words else MEASUREMENT


def definition(kind: str, name: str) -> str:
    """Return the name of a property of a kind that is the same everywhere."""
    return f"urn:gridtwin:property:{kind}:{name}"


def shown_kinds(catalog: Catalog) -> list[DeviceKind]:
    """Return the kinds whose properties are the same for all their devices; workers are no Things."""
    return [kind for kind in catalog.by_name.values() if kind.layer == 0 and kind.name != GENERIC]


def catalog_values(catalog: Catalog) -> dict[str, str]:
    """Return what statements read of the catalogue, as JSON.

    ``kinds`` holds a row for each property of each kind, with the fields of `COLUMNS`; ``kind_names`` the
    name of each kind: to look it up keeps the order of an index, which a join does not.
    """
    names = {kind.name: kind.zh for kind in catalog.by_name.values()}
    rows = [
        {
            "kind": kind.name,
            "code": kind.code,
            "slot": observed.slot,
            "kind_zh": kind.zh,
            "kind_en": kind.en,
            "name": observed.name,
            "zh": observed.zh,
            "en": observed.en,
            "definition": definition(kind.name, observed.name),
            "unit": {"name": observed.unit, "symbol": observed.unit, "definition": f"ucum:{observed.unit}"},
            "observation_type": observation_type(observed),
            "about": {
                "name_en": observed.en,
                "kind": kind.name,
                "property": observed.name,
                "minimum": observed.minimum,
                "maximum": observed.maximum,
                **({"words": [list(pair) for pair in observed.words]} if observed.words else {}),
            },
        }
        for kind in shown_kinds(catalog)
        for observed in kind.properties
    ]
    return {"kinds": orjson.dumps(rows).decode(), "kind_names": orjson.dumps(names).decode()}
