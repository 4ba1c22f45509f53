"""Write what clients declare, with all that hangs on it, in one transaction that the database guards."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

import shapely

from api.sensorthings.bodies import Body, Linked, wrong
from api.sensorthings.kinds import GENERIC, NUMERIC_TYPES, SLOTS_OF_A_DEVICE, shown_kinds
from api.sensorthings.observing import sent_of
from api.sensorthings.paths import Step
from api.sensorthings.placing import AROUND, POINT, Placer, json_text
from api.sensorthings.shape import Entity
from api.sensorthings.slots import demand_unit, in_catalog, slot_of
from twin.catalog import SLOTS
from twin.errors import ConflictError
from twin.store.locks import Lock

DATASET: Final = "sensorthings"
"""The dataset of the devices that clients declared; what these observe may be changed and deleted."""

_UID: Final = re.compile(r"[0-9A-Za-z_-]{4,64}", re.ASCII)
_DATASET_ROW: Final = (
    "INSERT INTO dataset (name, kind, declared_crs) VALUES ('sensorthings', 'devices', 'EPSG:4326') "
    "ON CONFLICT (name) DO NOTHING"
)
_DEVICE: Final = f"""
    INSERT INTO device (dataset_id, source_ref, content_hash, uid, kind, name, description, properties,
        simulated, position_source, geom, building_id, unit_grid_id, responsibility_grid_id)
    SELECT (SELECT id FROM dataset WHERE name = '{DATASET}'), :uid, '', :uid, :kind, :name, :description,
        CAST(:properties AS jsonb), :simulated, CASE WHEN p.known THEN 'measured' ELSE 'none' END, p.at,
        {AROUND}
    FROM (SELECT CASE WHEN CAST(:geom AS bytea) IS NULL THEN (
                 SELECT label_point FROM area
                 WHERE valid_to IS NULL AND level <> 'unit_grid'
                   AND gt_area_range(level, code, scope_code) <@ gt_scope('may_device_manage')
                 ORDER BY array_position(ARRAY['city', 'district', 'street', 'community'], level), code
                 LIMIT 1)
             ELSE {POINT} END AS at, CAST(:geom AS bytea) IS NOT NULL AS known) AS p
    RETURNING id"""
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


class Writer(Placer):
    """Makes entities for one request."""

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
        geometry = await self.geometry_of(place) if place is not None else None
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
            await self.attach(place, device_id)
        for stream in body.links.get("Datastreams", []):
            if stream.body is None:
                raise wrong("Datastreams", "a Datastream stays with its Thing")
            stream.body.links["Thing"] = [Linked(device_id, None)]
            await self.datastream(stream.body)
        return device_id

    async def location(self, body: Body) -> int:
        """Make a Location, and let the Things it names stand there."""
        made = await self.make_place("declared_place", body, "location")
        for thing in body.links.get("Things", []):
            if thing.body is not None:
                thing.body.links["Locations"] = [Linked(made, None)]
                await self.thing(thing.body)
            else:
                await self.place_thing(await self.known(thing, "Things", "Things"), Linked(made, None))
        return made

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
                "properties": json_text(fields.get("properties")),
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
                "properties": json_text(fields.get("properties")),
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
        device_id = await self.thing(thing.body) if thing.body else await self.known(thing, "Things", "Thing")
        kind = (await self.carry_out("SELECT kind FROM device WHERE id = :id", {"id": device_id}))[0][0]
        catalog_id = in_catalog(self.reader.catalog, phenomenon)
        observed = slot_of(self.reader.catalog, kind, catalog_id)
        if catalog_id is not None:
            phenomenon_id = catalog_id
        elif phenomenon.body is not None:
            phenomenon_id = await self.observed_property(phenomenon.body)
        else:
            phenomenon_id = await self.known(phenomenon, "ObservedProperties", "ObservedProperty")
        sensor_id = (
            await self.sensor(sensor.body) if sensor.body else await self.known(sensor, "Sensors", "Sensor")
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
                "properties": json_text(body.fields.get("properties")),
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

    async def _next_slot(self, device_id: int, kind: str, told: str) -> int:
        """Return the number of the next property of a device; those of closed ones are not given again."""
        await self.carry_out(f"SELECT pg_advisory_xact_lock({Lock.SLOTS}, :id)", {"id": device_id})
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


def _back(upper: Entity, entity: Entity) -> str:
    """Return the link from an entity back to the one it is made under."""
    for name in (upper.singular, upper.name):
        if name in entity.links:
            return name
    raise wrong("path", f"no {entity.singular} is made under a {upper.singular}")
