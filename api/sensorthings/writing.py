"""Write what clients declare, with all that hangs on it, in one transaction that the database guards."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Coroutine, Mapping
from types import MappingProxyType
from typing import Any, Final

import shapely
from shapely.geometry.base import BaseGeometry
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from api.sensorthings.bodies import Body, Linked, wrong
from api.sensorthings.entities import ENTITIES, LOCATIONS_SQL
from api.sensorthings.kinds import GENERIC, NUMERIC_TYPES, SLOTS_OF_A_DEVICE, definition, shown_kinds
from api.sensorthings.observing import Sent, sent_of
from api.sensorthings.paths import Step
from api.sensorthings.reading import Reader
from api.sensorthings.shape import Entity
from twin.catalog import SLOTS, ObservedProperty
from twin.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from twin.model.declared import FIRST_DECLARED
from twin.units import conversion

DATASET: Final = "sensorthings"
"""The dataset of the devices that clients declared; what these observe may be changed and deleted."""

_NO_VALUES: Final[Mapping[str, Any]] = MappingProxyType({})
_UID: Final = re.compile(r"[0-9A-Za-z_-]{4,64}", re.ASCII)
_POINT: Final = """(SELECT CASE WHEN ST_Dimension(g) = 0 AND ST_NumGeometries(g) = 1 THEN ST_GeometryN(g, 1)
    ELSE ST_PointOnSurface(g) END FROM (SELECT ST_GeomFromWKB(:geom, 4326) AS g) AS given)"""
_AROUND: Final = """
    (SELECT id FROM building WHERE valid_to IS NULL AND geom && p.at AND ST_Intersects(geom, p.at)
     ORDER BY id LIMIT 1),
    (SELECT id FROM area WHERE valid_to IS NULL AND level = 'unit_grid' AND geom && p.at
       AND ST_Intersects(geom, p.at) ORDER BY code LIMIT 1),
    (SELECT id FROM area WHERE valid_to IS NULL AND level = 'responsibility_grid' AND geom && p.at
       AND ST_Intersects(geom, p.at) ORDER BY code LIMIT 1)"""
_DATASET_ROW: Final = (
    "INSERT INTO dataset (name, kind, declared_crs) VALUES ('sensorthings', 'devices', 'EPSG:4326') "
    "ON CONFLICT (name) DO NOTHING"
)
_DEVICE: Final = f"""
    INSERT INTO device (dataset_id, source_ref, content_hash, uid, kind, name, description, properties,
        simulated, position_source, geom, building_id, unit_grid_id, responsibility_grid_id)
    SELECT (SELECT id FROM dataset WHERE name = '{DATASET}'), :uid, '', :uid, :kind, :name, :description,
        CAST(:properties AS jsonb), :simulated, CASE WHEN p.known THEN 'measured' ELSE 'none' END, p.at,
        {_AROUND}
    FROM (SELECT CASE WHEN CAST(:geom AS bytea) IS NULL THEN (
                 SELECT label_point FROM area
                 WHERE valid_to IS NULL AND level <> 'unit_grid'
                   AND gt_area_range(level, code, scope_code) <@ gt_scope('may_device_manage')
                 ORDER BY array_position(ARRAY['city', 'district', 'street', 'community'], level), code
                 LIMIT 1)
             ELSE {_POINT} END AS at, CAST(:geom AS bytea) IS NOT NULL AS known) AS p
    RETURNING id"""
_MOVE: Final = f"""
    UPDATE device SET geom = p.at, position_source = 'measured',
        (building_id, unit_grid_id, responsibility_grid_id) = (SELECT {_AROUND})
    FROM (SELECT {_POINT} AS at) AS p WHERE device.id = :id RETURNING device.id"""
STREAM: Final = """
    INSERT INTO datastream (device_id, property, name, description, unit, observation_type, sensor_id,
        observed_property_id, properties)
    VALUES (:device_id, :property, :name, :description, CAST(:unit AS jsonb), :observation_type, :sensor_id,
        :observed_property_id, CAST(:properties AS jsonb))
    ON CONFLICT (device_id, property) DO UPDATE SET name = excluded.name, description = excluded.description,
        unit = excluded.unit, observation_type = excluded.observation_type, sensor_id = excluded.sensor_id,
        observed_property_id = excluded.observed_property_id, properties = excluded.properties,
        valid_to = NULL
    RETURNING device_id"""
_FEATURE: Final = """
    INSERT INTO {table} (name, description, encoding_type, properties, geom)
    VALUES (:name, :description, :encoding_type, CAST(:properties AS jsonb), ST_GeomFromWKB(:geom, 4326))
    RETURNING id"""


class Writer:
    """Writes for one request.

    Parameters
    ----------
    reader
        Reads in the same transaction.
    """

    def __init__(self, reader: Reader) -> None:
        self.reader, self.connection = reader, reader.connection
        self.observations: list[Sent] = []
        """What came along to be observed, once what it hangs on is there."""
        self.changed: list[str] = []
        """What was done to what, for the record of acts."""
        self.touched: list[tuple[str, int | str]] = []
        """Sets and ids of what was made or changed, for who follows them."""
        self.devices_changed = False

    async def carry_out(self, statement: str, values: Mapping[str, Any] = _NO_VALUES) -> list[Any]:
        """Run a statement and return its rows.

        Raises
        ------
        ForbiddenError
            A row would lie where the caller manages nothing.
        """
        try:
            result = await self.connection.execute(text(statement), dict(values))
        except DBAPIError as error:
            state = getattr(error.orig, "sqlstate", "")
            if state == "42501":
                raise ForbiddenError(
                    "this lies where this account manages no devices", hint="ask for the role at its area"
                ) from error
            if state == "23505":
                raise ConflictError("there is such a thing already", where="properties.uid") from error
            if state == "23502":
                raise InvalidError(
                    "there is no area for a Thing without a place",
                    where="Locations",
                    hint="give its Location",
                ) from error
            raise
        return list(result.all()) if result.returns_rows else []

    async def create(self, entity: Entity, body: Body, steps: tuple[Step, ...]) -> int:
        """Make an entity, and what it holds.

        Parameters
        ----------
        steps
            The entity it is made under, if any.

        Raises
        ------
        InvalidError
            Something of it does not fit, or a link leads nowhere.
        ForbiddenError
            It would lie where the caller manages nothing.
        """
        if len(steps) > 1:
            await self.reader.demand(steps[:-1])
            upper = steps[-2]
            if not upper.many:
                raise wrong("path", "make it below its set, for example Things(1)/Datastreams")
            assert upper.id is not None
            body.links.setdefault(_back(upper.entity, entity), []).append(Linked(upper.id, None))
        make: Mapping[str, Callable[[Body], Coroutine[Any, Any, int]]] = {
            "Things": self.thing,
            "Locations": self.location,
            "Datastreams": self.datastream,
            "Sensors": self.sensor,
            "ObservedProperties": self.observed_property,
            "FeaturesOfInterest": self.feature,
        }
        made = await make[entity.name](body)
        self.note("created", entity, made)
        return made

    def note(self, what: str, entity: Entity, given: int | str) -> None:
        """Remember an act for the record."""
        if what != "deleted":
            self.touched.append((entity.name, given))
        self.changed.append(f"{what} {entity.name}({given})")

    # what each is made of

    async def thing(self, body: Body) -> int:
        """Make a Thing: a device, with its place and its datastreams."""
        given = dict(body.fields.get("properties") or {})
        kinds = {kind.name for kind in shown_kinds(self.reader.catalog)}
        kind = given.pop("kind") if given.get("kind") in kinds | {GENERIC} else GENERIC
        uid = f"sta-{secrets.token_hex(6)}"
        if isinstance(given.get("uid"), str) and _UID.fullmatch(given["uid"]):
            uid = given.pop("uid")
        simulated = given.pop("simulated") if isinstance(given.get("simulated"), bool) else False
        place = body.single("Locations")
        geometry = await self._geometry(place) if place is not None else None
        await self.carry_out(_DATASET_ROW)
        rows = await self.carry_out(
            _DEVICE,
            {
                "uid": uid,
                "kind": kind,
                "simulated": simulated,
                "name": body.fields["name"],
                "description": body.fields["description"],
                "properties": json.dumps(given) if given else None,
                "geom": None if geometry is None else shapely.to_wkb(geometry),
            },
        )
        device_id = int(rows[0][0])
        self.devices_changed = True
        self.touched += [("Things", device_id), ("FeaturesOfInterest", device_id)]
        if place is not None:
            await self._attach(place, device_id)
        for stream in body.links.get("Datastreams", []):
            if stream.body is None:
                raise wrong("Datastreams", "a Datastream stays with its Thing")
            stream.body.links["Thing"] = [Linked(device_id, None)]
            await self.datastream(stream.body)
        return device_id

    async def location(self, body: Body) -> int:
        """Make a Location, and let the Things it names stand there."""
        made = await self._place("declared_place", body, "location")
        for thing in body.links.get("Things", []):
            if thing.body is not None:
                thing.body.links["Locations"] = [Linked(made, None)]
                await self.thing(thing.body)
            else:
                await self.place_thing(await self._known(thing, "Things", "Things"), Linked(made, None))
        return made

    async def feature(self, body: Body) -> int:
        """Make a FeatureOfInterest."""
        return await self._place("feature_of_interest", body, "feature")

    async def _place(self, table: str, body: Body, column: str) -> int:
        fields = body.fields
        rows = await self.carry_out(
            _FEATURE.format(table=table),
            {
                "name": fields["name"],
                "description": fields["description"],
                "encoding_type": fields["encodingType"],
                "properties": _json(fields.get("properties")),
                "geom": shapely.to_wkb(fields[column]),
            },
        )
        self.touched.append(("Locations" if column == "location" else "FeaturesOfInterest", int(rows[0][0])))
        return int(rows[0][0])

    async def sensor(self, body: Body) -> int:
        """Make a Sensor, and the Datastreams that use it."""
        fields = body.fields
        rows = await self.carry_out(
            "INSERT INTO sensor (name, description, properties, encoding_type, metadata) VALUES (:name, "
            ":description, CAST(:properties AS jsonb), :encoding_type, CAST(:metadata AS jsonb)) "
            "RETURNING id",
            {
                "name": fields["name"],
                "description": fields["description"],
                "properties": _json(fields.get("properties")),
                "encoding_type": fields["encodingType"],
                "metadata": fields["metadata"],
            },
        )
        return await self._with_streams(body, "Sensor", int(rows[0][0]))

    async def observed_property(self, body: Body) -> int:
        """Make an ObservedProperty, and the Datastreams that observe it."""
        fields = body.fields
        rows = await self.carry_out(
            "INSERT INTO observed_property (name, description, properties, definition) VALUES (:name, "
            ":description, CAST(:properties AS jsonb), :definition) RETURNING id",
            {
                "name": fields["name"],
                "description": fields["description"],
                "properties": _json(fields.get("properties")),
                "definition": fields["definition"],
            },
        )
        return await self._with_streams(body, "ObservedProperty", int(rows[0][0]))

    async def _with_streams(self, body: Body, link: str, made: int) -> int:
        self.touched.append(("Sensors" if link == "Sensor" else "ObservedProperties", made))
        for stream in body.links.get("Datastreams", []):
            if stream.body is None:
                raise wrong("Datastreams", f"change the {link} of the Datastream instead")
            stream.body.links[link] = [Linked(made, None)]
            await self.datastream(stream.body)
        return made

    async def datastream(self, body: Body) -> int:
        """Make a Datastream: a slot of the device's kind where it is one, else a number of its own."""
        thing, sensor, phenomenon = (body.single(name) for name in ("Thing", "Sensor", "ObservedProperty"))
        for name, given in (("Thing", thing), ("Sensor", sensor), ("ObservedProperty", phenomenon)):
            if given is None:
                raise wrong(name, "a Datastream needs this link")
        assert thing is not None
        assert sensor is not None
        assert phenomenon is not None
        device_id = (
            await self.thing(thing.body) if thing.body else await self._known(thing, "Things", "Thing")
        )
        kind = (await self.carry_out("SELECT kind FROM device WHERE id = :id", {"id": device_id}))[0][0]
        catalog_id = self._in_catalog(phenomenon)
        observed = self._slot(kind, catalog_id)
        if catalog_id is not None:
            phenomenon_id = catalog_id
        elif phenomenon.body is not None:
            phenomenon_id = await self.observed_property(phenomenon.body)
        else:
            phenomenon_id = await self._known(phenomenon, "ObservedProperties", "ObservedProperty")
        sensor_id = (
            await self.sensor(sensor.body) if sensor.body else await self._known(sensor, "Sensors", "Sensor")
        )
        if observed is not None:
            demand_unit(body.fields["unitOfMeasurement"], observed)
            slot = observed.slot
        else:
            slot = await self._next_slot(device_id, kind, body.fields["observationType"])
        await self.carry_out(
            STREAM,
            {
                "device_id": device_id,
                "property": slot,
                "name": body.fields["name"],
                "description": body.fields["description"],
                "unit": json.dumps(body.fields["unitOfMeasurement"]),
                "observation_type": body.fields["observationType"],
                "sensor_id": sensor_id,
                "observed_property_id": phenomenon_id,
                "properties": _json(body.fields.get("properties")),
            },
        )
        for one in body.links.get("Observations", []):
            if one.body is None:
                raise wrong("Observations", "an Observation stays with its Datastream")
            feature_id = await self.feature_of(one.body)
            told = body.fields["observationType"]
            self.observations.append(sent_of(one.body, device_id, slot, told, feature_id))
        self.touched.append(("Datastreams", device_id * SLOTS_OF_A_DEVICE + slot))
        return device_id * SLOTS_OF_A_DEVICE + slot

    async def feature_of(self, observation: Body) -> int | None:
        """Return the feature an observation names, made where it brings one; None for the usual one."""
        feature = observation.single("FeatureOfInterest")
        if feature is None:
            return None
        if feature.body is not None:
            return await self.feature(feature.body)
        return await self._known(feature, "FeaturesOfInterest", "FeatureOfInterest")

    def _in_catalog(self, phenomenon: Linked) -> int | None:
        """Return the number of the property of a kind that is meant; None where it is no such one."""
        if isinstance(phenomenon.id, int) and phenomenon.id < FIRST_DECLARED:
            return phenomenon.id
        if phenomenon.body is None:
            return None
        for kind in shown_kinds(self.reader.catalog):
            for observed in kind.properties:
                if phenomenon.body.fields["definition"] == definition(kind.name, observed.name):
                    return kind.code * 1000 + observed.slot
        return None

    def _slot(self, kind: str, catalog_id: int | None) -> ObservedProperty | None:
        """Return the slot of a device's kind that a property is; None where it is none of its own."""
        if catalog_id is None:
            return None
        code, slot = divmod(catalog_id, 1000)
        known = self.reader.catalog.by_code.get(code)
        if known is None or known not in shown_kinds(self.reader.catalog) or slot >= len(known.properties):
            raise wrong("ObservedProperty", f"there is no ObservedProperty {catalog_id}")
        return known.properties[slot] if known.name == kind else None

    async def _next_slot(self, device_id: int, kind: str, told: str) -> int:
        """Return the number of the next property of a device; those of closed ones are not given again."""
        await self.carry_out("SELECT pg_advisory_xact_lock(7105304, :id)", {"id": device_id})
        used = {
            row[0]
            for row in await self.carry_out(
                "SELECT property FROM datastream WHERE device_id = :id", {"id": device_id}
            )
        }
        if kind == GENERIC and 0 not in used and told in NUMERIC_TYPES:
            return 0
        slot = max(used | {SLOTS - 1}) + 1
        if slot >= SLOTS_OF_A_DEVICE:
            raise ConflictError(
                f"a Thing has at most {SLOTS_OF_A_DEVICE - SLOTS} Datastreams", where="Datastreams"
            )
        return slot

    # places

    async def _geometry(self, place: Linked) -> BaseGeometry:
        if place.body is not None:
            geometry: BaseGeometry = place.body.fields["location"]
            return geometry
        known: BaseGeometry = shapely.from_wkb((await self._row(place)).geom)
        return known

    async def place_thing(self, device_id: int, place: Linked) -> int:
        """Put a Thing at a Location; return the Location's id."""
        geometry = await self._geometry(place)
        await self.move(device_id, geometry)
        await self.carry_out(
            "DELETE FROM declared_place WHERE device_id = :id AND id IS DISTINCT FROM :keep",
            {"id": device_id, "keep": place.id},
        )
        return await self._attach(place, device_id)

    async def move(self, device_id: int, geometry: BaseGeometry) -> None:
        """Let a device stand at a geometry.

        Raises
        ------
        ForbiddenError
            The caller does not manage it, or not where it would stand.
        """
        if not await self.carry_out(_MOVE, {"id": device_id, "geom": shapely.to_wkb(geometry)}):
            raise ForbiddenError("this account manages no devices there", where=f"Things({device_id})")
        self.devices_changed = True
        self.touched.append(("FeaturesOfInterest", device_id))

    async def _attach(self, place: Linked, device_id: int) -> int:
        """Let a Location be the one of a Thing: itself where it is free, else one just like it."""
        if place.body is not None:
            made = await self._place("declared_place", place.body, "location")
        else:
            free = await self.carry_out(
                "SELECT id FROM declared_place "
                "WHERE id = :id AND coalesce(device_id, :device_id) = :device_id",
                {"id": place.id, "device_id": device_id},
            )
            if free:
                made = int(free[0][0])
            else:
                row = await self._row(place)
                fields = {"name": row.name, "description": row.description, "encodingType": row.encoding_type}
                body = Body({**fields, "location": shapely.from_wkb(row.geom)})
                made = await self._place("declared_place", body, "location")
        await self.carry_out(
            "UPDATE declared_place SET device_id = :device_id WHERE id = :id",
            {"device_id": device_id, "id": made},
        )
        self.touched += [("Locations", made), ("HistoricalLocations", device_id)]
        return made

    async def _row(self, given: Linked) -> Any:
        """Return the Location that a link leads to."""
        await self._known(given, "Locations", "Locations")
        rows = await self.carry_out(
            "SELECT name, description, encoding_type, ST_AsBinary(geom) AS geom "
            f"FROM ({LOCATIONS_SQL}) AS t WHERE id = :id",
            {"id": given.id},
        )
        return rows[0]

    async def _known(self, given: Linked, name: str, where: str) -> int:
        """Return the number of an entity that a link leads to.

        Raises
        ------
        InvalidError
            There is none such, or not for this caller.
        """
        entity = ENTITIES[name]
        try:
            await self.reader.demand((Step(entity, "", given.id, many=True),))
        except NotFoundError as error:
            raise wrong(where, f"there is no {entity.singular} {str(given.id)[:60]!r}") from error
        return int(given.id or 0)


def _back(upper: Entity, entity: Entity) -> str:
    """Return the link from an entity back to the one it is made under."""
    for name in (upper.singular, upper.name):
        if name in entity.links:
            return name
    raise wrong("path", f"no {entity.singular} is made under a {upper.singular}")


def demand_unit(given: Mapping[str, Any], observed: ObservedProperty) -> None:
    """Check that a unit is the one of a slot.

    Raises
    ------
    InvalidError
        It is another one.
    """
    told = [str(given.get(key) or "").removeprefix("ucum:") for key in ("symbol", "name", "definition")]
    if any(told) and not any(conversion(unit, observed.unit) == (1.0, 0.0) for unit in told if unit):
        raise wrong(
            "unitOfMeasurement",
            f"{observed.name} is in {observed.unit}",
            "send its values in that unit, or use an ObservedProperty of your own",
        )


def _json(given: Any) -> str | None:
    return None if given is None else json.dumps(given, ensure_ascii=False)
