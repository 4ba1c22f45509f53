"""State the eight kinds of entities as queries over our tables, and how they hang together.

Each is a subquery whose columns are all a request can reach: nothing of a request becomes part of a statement
but bound values. Row-level security holds inside, since the tables are asked as the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from geoalchemy2 import Geometry
from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    DateTime,
    Float,
    Text,
    and_,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.sql import select
from sqlalchemy.sql.expression import any_

from api.sensorthings.kinds import COLUMNS as KIND_COLUMNS
from api.sensorthings.kinds import SLOTS_OF_A_DEVICE
from api.sensorthings.shape import Entity, Expression, Link, Property, Type
from twin.model import Observation, ObservationDetail

KINDS: Final = f"jsonb_to_recordset(CAST(:kinds AS jsonb)) AS k({KIND_COLUMNS})"
PRESENT: Final = "d.kind <> 'worker' AND d.valid_to IS NULL"
"""Whether a device ``d`` is a Thing."""

_GEO_JSON: Final = "'application/geo+json'"


def _equal(*columns: str) -> Callable[[Any, Any], ColumnElement[bool]]:
    """Join by columns of the same name."""
    return lambda one, other: and_(*(other.c[name] == one.c[name] for name in columns))


def _by(mine: str, theirs: str = "id") -> Callable[[Any, Any], ColumnElement[bool]]:
    return lambda one, other: other.c[theirs] == one.c[mine]


def _properties(rows: Sequence[Property]) -> dict[str, Property]:
    return {row.name: row for row in rows}


def _links(rows: Sequence[Link]) -> dict[str, Link]:
    return {row.name: row for row in rows}


def _own(name: str, kind: Type, column: str = "", *, optional: bool = False) -> Property:
    return Property(name, kind, (column or name,), optional=optional)


_NAMED: Final = (_own("id", Type.NUMBER), _own("name", Type.TEXT), _own("description", Type.TEXT))
_ABOUT: Final = _own("properties", Type.JSON, optional=True)
_NAMED_TYPES: Final = {"id": BigInteger, "name": Text, "description": Text, "properties": JSONB}
_MOMENT: Final = DateTime(timezone=True)
_GEOMETRY: Final = Geometry("GEOMETRY", srid=4326, spatial_index=False)


def _observed_time(table: Any) -> tuple[Expression, ...]:
    """Return the first and the last moment a datastream has an observation of."""
    mine = (Observation.device_id == table.c.device_id) & (Observation.property == table.c.property)
    one = select(Observation.phenomenon_time).where(mine).limit(1).correlate(table)
    return (
        one.order_by(Observation.phenomenon_time).scalar_subquery(),
        one.order_by(Observation.phenomenon_time.desc()).scalar_subquery(),
    )


def _told_time(table: Any) -> tuple[Expression, ...]:
    """Return the first and the last time of a result that a client told of a datastream."""
    mine = (ObservationDetail.device_id == table.c.device_id) & (
        ObservationDetail.property == table.c.property
    )
    return tuple(
        select(least(ObservationDetail.result_time)).where(mine).correlate(table).scalar_subquery()
        for least in (func.min, func.max)
    )


THINGS_SQL: Final = f"""
        SELECT d.id, d.id AS device_id, coalesce(d.name, d.uid) AS name,
               coalesce(d.description, CAST(:kind_names AS jsonb) ->> d.kind, d.kind) AS description,
               d.simulated, coalesce(d.properties ->> 'uid', d.uid) AS uid,
               coalesce(d.properties ->> 'kind', d.kind) AS kind,
               jsonb_strip_nulls(jsonb_build_object(
                   'uid', d.uid, 'kind', d.kind, 'simulated', d.simulated, 'name_en', d.name_en,
                   'height_m', d.height_m, 'floor', d.floor, 'bearing_deg', d.bearing_deg,
                   'field_of_view_deg', d.field_of_view_deg, 'range_m', d.range_m, 'address', d.address,
                   'gb28181_id', d.gb28181_id)) || coalesce(d.properties, '{{}}'::jsonb) AS properties
        FROM device AS d
        WHERE {PRESENT}"""

_THINGS: Final = Entity(
    name="Things",
    singular="Thing",
    source=text(THINGS_SQL),
    types={**_NAMED_TYPES, "device_id": BigInteger, "uid": Text, "kind": Text, "simulated": Boolean},
    properties=_properties([*_NAMED, _ABOUT]),
    links=_links(
        [
            Link("Locations", "Locations", True, _by("id", "device_id"), ("id",)),
            Link("HistoricalLocations", "HistoricalLocations", True, _by("id", "device_id"), ("id",)),
            Link("Datastreams", "Datastreams", True, _by("id", "device_id"), ("id",)),
        ]
    ),
    inner={"uid": ("uid", Type.TEXT), "kind": ("kind", Type.TEXT), "simulated": ("simulated", Type.BOOL)},
)

# The last version of each place a device stood at before: the next one, or the present, lies elsewhere.
_PAST_PLACES: Final = f"""
    FROM feature_history AS h JOIN device AS d ON d.id = h.row_id
    WHERE h.table_name = 'device' AND {PRESENT} AND h.geom IS DISTINCT FROM coalesce((
        SELECT n.geom FROM feature_history AS n
        WHERE n.table_name = 'device' AND n.row_id = h.row_id AND n.valid_to > h.valid_to
        ORDER BY n.valid_to LIMIT 1), d.geom)"""

_PLACE_TYPES: Final = {**_NAMED_TYPES, "encoding_type": Text, "geom": _GEOMETRY}
_ENCODING: Final = _own("encodingType", Type.TEXT, "encoding_type")

LOCATIONS_SQL: Final = f"""
        SELECT p.id::bigint AS id, p.device_id::bigint AS device_id, p.name, p.description, p.encoding_type,
               p.properties, p.geom
        FROM declared_place AS p
        WHERE p.device_id IS NULL
           OR EXISTS (SELECT FROM device AS d WHERE d.id = p.device_id AND d.valid_to IS NULL)
        UNION ALL
        SELECT d.id, d.id, coalesce(d.name, d.uid), coalesce(d.address, d.name, d.uid), {_GEO_JSON},
               NULL::jsonb, d.geom
        FROM device AS d
        WHERE {PRESENT} AND d.position_source <> 'none'
          AND NOT EXISTS (SELECT FROM declared_place AS p WHERE p.device_id = d.id)
        UNION ALL
        SELECT -h.id, NULL, coalesce(h."row" ->> 'name', h."row" ->> 'uid'),
               coalesce(h."row" ->> 'address', h."row" ->> 'name', h."row" ->> 'uid'), {_GEO_JSON}, NULL,
               h.geom
        {_PAST_PLACES}"""

_LOCATIONS: Final = Entity(
    name="Locations",
    singular="Location",
    source=text(LOCATIONS_SQL),
    types={**_PLACE_TYPES, "device_id": BigInteger},
    properties=_properties([*_NAMED, _ENCODING, _own("location", Type.GEO, "geom"), _ABOUT]),
    links=_links(
        [
            Link("Things", "Things", True, _by("device_id"), ("device_id",)),
            Link("HistoricalLocations", "HistoricalLocations", True, _by("id", "location_id"), ("id",)),
        ]
    ),
)

_SINCE: Final = """coalesce(
    (SELECT max(b.valid_to) FROM feature_history AS b WHERE b.table_name = 'device' AND b.row_id = d.id
       AND b.valid_to <= {0}.valid_from AND b.geom IS DISTINCT FROM {0}.geom),
    (SELECT min(b.valid_from) FROM feature_history AS b WHERE b.table_name = 'device' AND b.row_id = d.id),
    d.valid_from)"""

_HISTORICAL_LOCATIONS: Final = Entity(
    name="HistoricalLocations",
    singular="HistoricalLocation",
    source=text(f"""
        SELECT d.id::bigint AS id, d.id AS device_id, coalesce(p.id, d.id)::bigint AS location_id,
               {_SINCE.format("d")} AS time
        FROM device AS d LEFT JOIN declared_place AS p ON p.device_id = d.id
        WHERE {PRESENT} AND d.position_source <> 'none'
        UNION ALL
        SELECT -h.id, d.id, -h.id, {_SINCE.format("h")} {_PAST_PLACES}"""),
    types={
        "id": BigInteger,
        "device_id": BigInteger,
        "location_id": BigInteger,
        "time": _MOMENT,
    },
    properties=_properties([_own("id", Type.NUMBER), _own("time", Type.TIME)]),
    links=_links(
        [
            Link("Thing", "Things", False, _by("device_id"), ("device_id",)),
            Link("Locations", "Locations", True, _by("location_id"), ("location_id",)),
        ]
    ),
)

DATASTREAMS_SQL: Final = f"""
        SELECT d.id::bigint * {SLOTS_OF_A_DEVICE} + k.slot AS id, d.id AS device_id, k.slot AS property,
               coalesce(s.sensor_id, k.code) AS sensor_id,
               coalesce(s.observed_property_id, k.code * 1000 + k.slot) AS observed_property_id,
               coalesce(s.name, coalesce(d.name, d.uid) || ' ' || k.zh) AS name,
               coalesce(s.description, k.kind_zh || '·' || k.zh) AS description,
               coalesce(s.unit, k.unit) AS unit, coalesce(s.observation_type, k.observation_type)
               AS observation_type, s.properties, d.geom
        FROM device AS d JOIN {KINDS} ON k.kind = d.kind
        LEFT JOIN datastream AS s ON s.device_id = d.id AND s.property = k.slot AND s.valid_to IS NULL
        WHERE {PRESENT}
        UNION ALL
        SELECT d.id::bigint * {SLOTS_OF_A_DEVICE} + s.property, d.id, s.property, s.sensor_id,
               s.observed_property_id, s.name, s.description, s.unit, s.observation_type, s.properties, d.geom
        FROM datastream AS s JOIN device AS d ON d.id = s.device_id
        WHERE {PRESENT} AND s.valid_to IS NULL AND (s.property >= 4 OR d.kind = 'thing')"""

_DATASTREAMS: Final = Entity(
    name="Datastreams",
    singular="Datastream",
    source=text(DATASTREAMS_SQL),
    types={
        **_NAMED_TYPES,
        "device_id": BigInteger,
        "property": BigInteger,
        "sensor_id": BigInteger,
        "observed_property_id": BigInteger,
        "unit": JSONB,
        "observation_type": Text,
        "geom": _GEOMETRY,
    },
    properties=_properties(
        [
            *_NAMED,
            _own("observationType", Type.TEXT, "observation_type"),
            _own("unitOfMeasurement", Type.JSON, "unit"),
            _own("observedArea", Type.GEO, "geom"),
            Property("phenomenonTime", Type.TIME, ("begin", "end"), _observed_time, optional=True),
            Property("resultTime", Type.TIME, ("told_begin", "told_end"), _told_time, optional=True),
            _ABOUT,
        ]
    ),
    links=_links(
        [
            Link("Thing", "Things", False, _by("device_id"), ("device_id",)),
            Link("Sensor", "Sensors", False, _by("sensor_id"), ("sensor_id",)),
            Link(
                "ObservedProperty",
                "ObservedProperties",
                False,
                _by("observed_property_id"),
                ("observed_property_id",),
            ),
            Link(
                "Observations",
                "Observations",
                True,
                _equal("device_id", "property"),
                ("device_id", "property"),
            ),
        ]
    ),
    key=("device_id", "property"),
)

_SENSORS: Final = Entity(
    name="Sensors",
    singular="Sensor",
    source=text(f"""
        SELECT k.code::bigint AS id, k.kind_zh AS name, k.kind_en AS description,
               'text/html' AS encoding_type,
               '"/docs/device-schema"'::jsonb AS metadata,
               jsonb_build_object('name_en', k.kind_en, 'kind', k.kind) AS properties
        FROM {KINDS} WHERE k.slot = 0
        UNION ALL
        SELECT id, name, description, encoding_type, metadata, properties FROM sensor"""),
    types={**_NAMED_TYPES, "encoding_type": Text, "metadata": JSONB},
    properties=_properties([*_NAMED, _ENCODING, _own("metadata", Type.JSON), _ABOUT]),
    links=_links([Link("Datastreams", "Datastreams", True, _by("id", "sensor_id"), ("id",))]),
)

_OBSERVED_PROPERTIES: Final = Entity(
    name="ObservedProperties",
    singular="ObservedProperty",
    source=text(f"""
        SELECT k.code::bigint * 1000 + k.slot AS id, k.zh AS name, k.kind_zh || '·' || k.zh AS description,
               k.definition, k.about AS properties
        FROM {KINDS}
        UNION ALL
        SELECT id, name, description, definition, properties FROM observed_property"""),
    types={**_NAMED_TYPES, "definition": Text},
    properties=_properties([*_NAMED, _own("definition", Type.TEXT), _ABOUT]),
    links=_links([Link("Datastreams", "Datastreams", True, _by("id", "observed_property_id"), ("id",))]),
)


def _of_a_feature(feature: Any, observation: Any) -> ColumnElement[bool]:
    """Find the observations of a feature by their devices, which there is an index for."""
    told = select(ObservationDetail.device_id).where(ObservationDetail.feature_id == feature.c.id)
    devices = func.array(
        select(feature.c.id).correlate(feature).union_all(told.correlate(feature)).scalar_subquery(),
        type_=ARRAY(BigInteger),
    )
    return and_(observation.c.device_id == any_(devices), observation.c.feature_id == feature.c.id)


OBSERVED: Final = """((o.property < 4 AND d.kind <> 'thing') OR EXISTS (
            SELECT FROM datastream AS s
            WHERE s.device_id = o.device_id AND s.property = o.property AND s.valid_to IS NULL))"""
"""Whether an observation ``o`` of a device ``d`` is of a Datastream that is there."""

OBSERVATIONS_SQL: Final = f"""
        SELECT (o.device_id::bigint * {SLOTS_OF_A_DEVICE} + o.property) || '-'
                   || (extract(epoch FROM o.phenomenon_time) * 1000000)::bigint AS id,
               o.device_id, o.property, o.phenomenon_time, nullif(o.value, 'NaN') AS value, d.kind,
               x.phenomenon_end, x.result_time, x.valid_from, x.valid_to, x.result, x.result_quality,
               x.parameters,
               coalesce(x.feature_id, o.device_id)::bigint AS feature_id,
               (SELECT s.observation_type FROM datastream AS s
                WHERE s.device_id = o.device_id AND s.property = o.property) AS observation_type
        FROM observation AS o JOIN device AS d ON d.id = o.device_id AND {PRESENT}
        LEFT JOIN observation_detail AS x ON x.device_id = o.device_id AND x.property = o.property
             AND x.phenomenon_time = o.phenomenon_time
        WHERE {OBSERVED}"""

_OBSERVATIONS: Final = Entity(
    name="Observations",
    singular="Observation",
    source=text(OBSERVATIONS_SQL),
    types={
        "id": Text,
        "device_id": BigInteger,
        "property": BigInteger,
        "phenomenon_time": _MOMENT,
        "phenomenon_end": _MOMENT,
        "result_time": _MOMENT,
        "valid_from": _MOMENT,
        "valid_to": _MOMENT,
        "value": Float,
        "kind": Text,
        "observation_type": Text,
        "result": JSONB,
        "result_quality": JSONB,
        "parameters": JSONB,
        "feature_id": BigInteger,
    },
    properties=_properties(
        [
            _own("id", Type.TEXT),
            Property("phenomenonTime", Type.TIME, ("phenomenon_time", "phenomenon_end")),
            Property("result", Type.RESULT, ("value", "result", "kind", "property", "observation_type")),
            Property("resultTime", Type.TIME, ("result_time",)),
            Property("validTime", Type.TIME, ("valid_from", "valid_to"), optional=True),
            _own("resultQuality", Type.JSON, "result_quality", optional=True),
            _own("parameters", Type.JSON, optional=True),
        ]
    ),
    links=_links(
        [
            Link(
                "Datastream", "Datastreams", False, _equal("device_id", "property"), ("device_id", "property")
            ),
            Link("FeatureOfInterest", "FeaturesOfInterest", False, _by("feature_id"), ("feature_id",)),
        ]
    ),
    key=("device_id", "property", "phenomenon_time"),
    id_is_text=True,
)

_FEATURES: Final = Entity(
    name="FeaturesOfInterest",
    singular="FeatureOfInterest",
    source=text(f"""
        SELECT id::bigint AS id, name, description, encoding_type, properties, geom FROM feature_of_interest
        UNION ALL
        SELECT d.id, coalesce(d.name, d.uid), coalesce(d.address, d.name, d.uid), {_GEO_JSON},
               NULL, d.geom
        FROM device AS d WHERE {PRESENT}"""),
    types=_PLACE_TYPES,
    properties=_properties([*_NAMED, _ENCODING, _own("feature", Type.GEO, "geom"), _ABOUT]),
    links=_links([Link("Observations", "Observations", True, _of_a_feature, ("id",))]),
)

ENTITIES: Final[Mapping[str, Entity]] = {
    entity.name: entity
    for entity in (
        _THINGS,
        _LOCATIONS,
        _HISTORICAL_LOCATIONS,
        _DATASTREAMS,
        _SENSORS,
        _OBSERVED_PROPERTIES,
        _OBSERVATIONS,
        _FEATURES,
    )
}
"""All sets of entities, in the order of the service's root."""
