"""Change and delete entities; a device is closed, never erased, and what a kind says stays as it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import asdict
from typing import Any, Final

import numpy as np
import shapely

from api.sensorthings.bodies import Body, Linked, wrong
from api.sensorthings.entities import DATASTREAMS_SQL, ENTITIES, OBSERVATIONS_SQL, THINGS_SQL
from api.sensorthings.kinds import GENERIC, SLOTS_OF_A_DEVICE
from api.sensorthings.observing import sent_of
from api.sensorthings.paths import Step
from api.sensorthings.shape import Entity, observation_key
from api.sensorthings.slots import demand_unit
from api.sensorthings.writing import DATASET, STREAM, Writer
from twin.catalog import SLOTS
from twin.errors import ConflictError, ForbiddenError
from twin.model.declared import FIRST_DECLARED
from twin.store.writer import INSERT_DETAIL

_THING: Final = """
    UPDATE device SET name = coalesce(:name, name), description = coalesce(:description, description),
        properties = CASE WHEN :told THEN CAST(:properties AS jsonb) ELSE properties END
    WHERE id = :id AND valid_to IS NULL RETURNING id"""
_PLACE: Final = """
    UPDATE {table} SET name = coalesce(:name, name), description = coalesce(:description, description),
        properties = CASE WHEN :told THEN CAST(:properties AS jsonb) ELSE properties END,
        geom = coalesce(ST_GeomFromWKB(CAST(:geom AS bytea), 4326), geom)
    WHERE id = :id RETURNING id"""
# The place of a device as it is, under its own number, so that it can be told of by a name of its own.
_OWN_PLACE: Final = """
    INSERT INTO declared_place (id, device_id, name, description, encoding_type, geom)
    SELECT d.id, d.id, coalesce(d.name, d.uid), coalesce(d.address, d.name, d.uid), 'application/geo+json',
           d.geom
    FROM device AS d WHERE d.id = :id AND d.position_source <> 'none' AND d.valid_to IS NULL
      AND NOT EXISTS (SELECT FROM declared_place AS p WHERE p.device_id = d.id)"""
_OBSERVATION: Final = "device_id = :device_id AND property = :property AND phenomenon_time = :at"
_SHARED: Final = """
    UPDATE {table} SET name = coalesce(:name, name), description = coalesce(:description, description),
        properties = CASE WHEN :told THEN CAST(:properties AS jsonb) ELSE properties END, {more}
    WHERE id = :id RETURNING id"""

_Act = Callable[[Any, Body], Coroutine[Any, Any, None]]


class Changer(Writer):
    """Changes and deletes for one request."""

    async def change(self, entity: Entity, given: int | str, body: Body) -> None:
        """Change what a body names of an entity that is there.

        Raises
        ------
        ForbiddenError
            It is not the caller's to change.
        InvalidError
            It cannot be changed so.
        """
        acts: Mapping[str, _Act] = {
            "Things": self._thing,
            "Locations": self._location,
            "Datastreams": self._datastream,
            "Sensors": self._sensor,
            "ObservedProperties": self._property,
            "FeaturesOfInterest": self._feature,
            "Observations": self._observation,
        }
        await acts[entity.name](given, body)
        self.note("changed", entity, given)

    async def delete(self, entity: Entity, given: int | str) -> None:
        """Delete an entity that is there, and what cannot be without it.

        Raises
        ------
        ForbiddenError, ConflictError
            It is not the caller's to delete, or stands in a catalogue.
        """
        acts: Mapping[str, Callable[[Any], Coroutine[Any, Any, None]]] = {
            "Things": self._close_thing,
            "Locations": self._delete_location,
            "Datastreams": self._close_datastream,
            "Sensors": self._delete_sensor,
            "ObservedProperties": self._delete_property,
            "FeaturesOfInterest": self._delete_feature,
            "Observations": self._delete_observation,
        }
        if entity.name not in acts:
            raise ForbiddenError(f"{entity.name} are kept by the server itself")
        await acts[entity.name](given)
        self.note("deleted", entity, given)

    async def must_meet(self, statement: str, where: str, values: Mapping[str, Any]) -> list[Any]:
        """Run a statement that must meet a row.

        Raises
        ------
        ForbiddenError
            It met none: what it is about is there, and not the caller's to change.
        """
        rows = await self.carry_out(statement, values)
        if not rows:
            raise ForbiddenError("this account may not change this", where=where)
        return rows

    # changing

    async def _thing(self, given: int, body: Body) -> None:
        properties = body.fields.get("properties")
        if properties is not None:
            properties = await self._own_properties(given, properties)
        where = f"Things({given})"
        values = {**_common(body), "properties": json.dumps(properties) if properties else None}
        await self.must_meet(_THING, where, {"id": given, **values})
        self.devices_changed = True
        place = body.single("Locations")
        if place is not None:
            await self.place_thing(given, place)
        if body.links.get("Datastreams"):
            raise wrong("Datastreams", "make them below Things(id)/Datastreams")

    async def _own_properties(self, device_id: int, properties: dict[str, Any]) -> dict[str, Any]:
        """Return the properties without those that are columns of ours.

        Raises
        ------
        InvalidError
            Number or kind would change.
        """
        rows = await self.carry_out(
            "SELECT t.properties - ARRAY(SELECT jsonb_object_keys(coalesce(d.properties, '{}'))) "
            f"FROM ({THINGS_SQL}) AS t JOIN device AS d ON d.id = t.id WHERE t.id = :id",
            {"id": device_id, **self.reader.catalog_values},
        )
        ours = json.loads(rows[0][0]) if isinstance(rows[0][0], str) else rows[0][0]
        for name in ("uid", "kind"):
            if name in properties and name in ours and properties[name] != ours[name]:
                raise wrong(f"properties.{name}", "this cannot change; close the Thing and make another")
        return {key: value for key, value in properties.items() if key not in ours or ours[key] != value}

    async def _location(self, given: int, body: Body) -> None:
        if given < 0:
            raise ForbiddenError("a place of the past does not change", where=f"Locations({given})")
        await self.carry_out(_OWN_PLACE, {"id": given})
        geometry = body.fields.get("location")
        geom = None if geometry is None else shapely.to_wkb(geometry)
        statement = _PLACE.format(table="declared_place")
        await self.must_meet(statement, f"Locations({given})", {"id": given, "geom": geom, **_common(body)})
        if geometry is not None:
            rows = await self.carry_out("SELECT device_id FROM declared_place WHERE id = :id", {"id": given})
            if rows[0][0] is not None:
                await self.move(rows[0][0], geometry)
        for thing in body.links.get("Things", []):
            if thing.body is not None or not isinstance(thing.id, int):
                raise wrong("Things", "name Things that are there")
            await self.reader.demand((Step(ENTITIES["Things"], "", thing.id, many=True),))
            await self.place_thing(thing.id, Linked(given, None))

    async def _datastream(self, given: int, body: Body) -> None:
        device_id, slot = divmod(given, SLOTS_OF_A_DEVICE)
        rows = await self.carry_out(
            "SELECT t.name, t.description, t.unit::text, t.observation_type, t.sensor_id, "
            f"t.observed_property_id, t.properties::text, d.kind FROM ({DATASTREAMS_SQL}) AS t "
            "JOIN device AS d ON d.id = t.device_id "
            "WHERE t.device_id = :device_id AND t.property = :property",
            {"device_id": device_id, "property": slot, **self.reader.catalog_values},
        )
        now = rows[0]
        fields, of_kind = body.fields, slot < SLOTS and now.kind != GENERIC
        if of_kind and "unitOfMeasurement" in fields:
            demand_unit(fields["unitOfMeasurement"], self.reader.catalog.by_name[now.kind].properties[slot])
        thing, sensor, phenomenon = (body.single(name) for name in ("Thing", "Sensor", "ObservedProperty"))
        if thing is not None and thing.id != device_id:
            raise wrong("Thing", "a Datastream stays with its Thing")
        if of_kind and phenomenon is not None and phenomenon.id != now.observed_property_id:
            raise wrong("ObservedProperty", "what a kind of device observes does not change")
        if body.links.get("Observations"):
            raise wrong("Observations", "make them below Datastreams(id)/Observations")
        ids = {"Sensors": now.sensor_id, "ObservedProperties": now.observed_property_id}
        for name, link in (("Sensors", sensor), ("ObservedProperties", phenomenon)):
            if link is not None:
                if not isinstance(link.id, int):
                    raise wrong(name, "name one that is there")
                await self.reader.demand((Step(ENTITIES[name], "", link.id, many=True),))
                ids[name] = link.id
        unit = fields.get("unitOfMeasurement")
        properties = fields.get("properties")
        await self.must_meet(
            STREAM,
            f"Datastreams({given})",
            {
                "device_id": device_id,
                "property": slot,
                "name": fields.get("name", now.name),
                "description": fields.get("description", now.description),
                "unit": now.unit if unit is None else json.dumps(unit),
                "observation_type": fields.get("observationType", now.observation_type),
                "sensor_id": ids["Sensors"],
                "observed_property_id": ids["ObservedProperties"],
                "properties": (None if properties is None else json.dumps(properties))
                if "properties" in fields
                else now.properties,
            },
        )

    async def _sensor(self, given: int, body: Body) -> None:
        _demand_declared("Sensors", given)
        more = (
            "encoding_type = coalesce(:encoding_type, encoding_type), "
            "metadata = coalesce(CAST(:metadata AS jsonb), metadata)"
        )
        await self.must_meet(
            _SHARED.format(table="sensor", more=more),
            f"Sensors({given})",
            {
                "id": given,
                "encoding_type": body.fields.get("encodingType"),
                "metadata": body.fields.get("metadata"),
                **_common(body),
            },
        )

    async def _property(self, given: int, body: Body) -> None:
        _demand_declared("ObservedProperties", given)
        await self.must_meet(
            _SHARED.format(table="observed_property", more="definition = coalesce(:definition, definition)"),
            f"ObservedProperties({given})",
            {"id": given, "definition": body.fields.get("definition"), **_common(body)},
        )

    async def _feature(self, given: int, body: Body) -> None:
        geometry = body.fields.get("feature")
        rows = await self.carry_out(
            _PLACE.format(table="feature_of_interest"),
            {"id": given, "geom": None if geometry is None else shapely.to_wkb(geometry), **_common(body)},
        )
        if not rows:
            raise ForbiddenError(
                "the feature of a device is its place, or lies where this account manages nothing",
                where=f"FeaturesOfInterest({given})",
                hint="change its Location",
            )

    async def _observation(self, given: str, body: Body) -> None:
        key = observation_key(given)
        assert key is not None
        device_id, slot, at = key
        if "phenomenonTime" in body.fields or body.links.get("Datastream"):
            raise wrong(
                "phenomenonTime", "moment and Datastream of an Observation do not change; make another"
            )
        rows = await self.carry_out(
            "SELECT t.value, t.result::text AS result, t.kind, t.phenomenon_end, t.result_time, "
            "t.valid_from, t.valid_to, t.result_quality::text AS result_quality, "
            "t.parameters::text AS parameters, "
            "t.feature_id, coalesce(t.observation_type, '') AS told "
            f"FROM ({OBSERVATIONS_SQL}) AS t WHERE {_OBSERVATION}",
            {"device_id": device_id, "property": slot, "at": at},
        )
        now = rows[0]
        fields = {"result": json.loads(now.result) if now.result else now.value, **body.fields}
        fields["phenomenonTime"] = at, now.phenomenon_end
        fields.setdefault("resultTime", now.result_time)
        if now.valid_from is not None:
            fields.setdefault("validTime", (now.valid_from, now.valid_to))
        fields.setdefault("resultQuality", now.result_quality)
        fields.setdefault("parameters", json.loads(now.parameters) if now.parameters else None)
        feature_id = now.feature_id
        if body.links.get("FeatureOfInterest"):
            feature_id = await self.feature_of(body)
        sent = sent_of(Body(fields), device_id, slot, now.told, feature_id)
        value = None if np.isnan(sent.value) else sent.value
        where = {"device_id": device_id, "property": slot, "at": at}
        await self.must_meet(
            f"UPDATE observation SET value = coalesce(CAST(:value AS float8), 'NaN') WHERE {_OBSERVATION} "
            "RETURNING device_id",
            f"Observations('{given}')",
            {"value": value, **where},
        )
        await self.carry_out(f"DELETE FROM observation_detail WHERE {_OBSERVATION}", where)
        if sent.detail is not None:
            await self.carry_out(
                INSERT_DETAIL,
                {"device_id": device_id, "property": slot, "phenomenon_time": at, **asdict(sent.detail)},
            )

    # deleting

    async def _close_thing(self, given: int) -> None:
        statement = "UPDATE device SET valid_to = now() WHERE id = :id AND valid_to IS NULL RETURNING id"
        await self.must_meet(statement, f"Things({given})", {"id": given})
        self.devices_changed = True

    async def _delete_location(self, given: int) -> None:
        where = f"Locations({given})"
        rows = await self.carry_out(
            "DELETE FROM declared_place WHERE id = :id RETURNING device_id", {"id": given}
        )
        device_id = rows[0][0] if rows else given
        if device_id is not None:
            installed = await self.carry_out(
                "SELECT 1 FROM device WHERE id = :id AND dataset_id IS DISTINCT FROM "
                f"(SELECT id FROM dataset WHERE name = '{DATASET}')",
                {"id": device_id},
            )
            if given < 0 or installed:
                raise ConflictError("the place of an installed device is not taken away", where=where)
            statement = "UPDATE device SET position_source = 'none' WHERE id = :id RETURNING id"
            await self.must_meet(statement, where, {"id": device_id})
            self.devices_changed = True

    async def _close_datastream(self, given: int) -> None:
        device_id, slot = divmod(given, SLOTS_OF_A_DEVICE)
        where = f"Datastreams({given})"
        kind = (await self.carry_out("SELECT kind FROM device WHERE id = :id", {"id": device_id}))[0][0]
        if slot < SLOTS and kind != GENERIC:
            raise ConflictError(
                f"every device of the kind {kind} has this Datastream", where=where, hint="delete the Thing"
            )
        await self.must_meet(
            "UPDATE datastream SET valid_to = now() WHERE device_id = :device_id AND property = :property "
            "AND valid_to IS NULL RETURNING device_id",
            where,
            {"device_id": device_id, "property": slot},
        )

    async def _delete_sensor(self, given: int) -> None:
        await self._delete_shared("Sensors", "sensor", "sensor_id", given)

    async def _delete_property(self, given: int) -> None:
        await self._delete_shared("ObservedProperties", "observed_property", "observed_property_id", given)

    async def _delete_shared(self, name: str, table: str, column: str, given: int) -> None:
        _demand_declared(name, given)
        await self.carry_out(
            f"UPDATE datastream SET valid_to = now() WHERE {column} = :id AND valid_to IS NULL", {"id": given}
        )
        left = await self.carry_out(
            f"SELECT 1 FROM datastream WHERE {column} = :id AND valid_to IS NULL", {"id": given}
        )
        if left:
            raise ForbiddenError(
                "Datastreams that this account does not manage use it", where=f"{name}({given})"
            )
        await self.must_meet(
            f"DELETE FROM {table} WHERE id = :id RETURNING id", f"{name}({given})", {"id": given}
        )

    async def _delete_feature(self, given: int) -> None:
        where = f"FeaturesOfInterest({given})"
        if await self.carry_out("SELECT 1 FROM device WHERE id = :id", {"id": given}):
            raise ConflictError("the feature of a device is its place", where=where)
        await self.carry_out(
            "DELETE FROM observation AS o USING observation_detail AS x "
            "WHERE x.feature_id = :id AND o.device_id = x.device_id "
            "AND o.property = x.property AND o.phenomenon_time = x.phenomenon_time",
            {"id": given},
        )
        await self.carry_out("DELETE FROM observation_detail WHERE feature_id = :id", {"id": given})
        await self.must_meet(
            "DELETE FROM feature_of_interest WHERE id = :id RETURNING id", where, {"id": given}
        )

    async def _delete_observation(self, given: str) -> None:
        key = observation_key(given)
        assert key is not None
        where = dict(zip(("device_id", "property", "at"), key, strict=True))
        statement = f"DELETE FROM observation WHERE {_OBSERVATION} RETURNING device_id"
        await self.must_meet(statement, f"Observations('{given}')", where)
        await self.carry_out(f"DELETE FROM observation_detail WHERE {_OBSERVATION}", where)


def _common(body: Body) -> dict[str, Any]:
    fields = body.fields
    properties = fields.get("properties")
    return {
        "name": fields.get("name"),
        "description": fields.get("description"),
        "told": "properties" in fields,
        "properties": None if properties is None else json.dumps(properties, ensure_ascii=False),
    }


def _demand_declared(name: str, given: int) -> None:
    if given < FIRST_DECLARED:
        raise ForbiddenError("this belongs to a kind of device", where=f"{name}({given})")
