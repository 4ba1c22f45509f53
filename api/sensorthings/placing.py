"""Put Things and Locations at their places, in one transaction that the database guards."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import shapely
from shapely.geometry.base import BaseGeometry
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from api.sensorthings.bodies import Body, Linked, wrong
from api.sensorthings.entities import ENTITIES, LOCATIONS_SQL
from api.sensorthings.observing import Sent
from api.sensorthings.paths import Step
from api.sensorthings.reading import Reader
from api.sensorthings.shape import Entity
from twin.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError

_NO_VALUES: Final[Mapping[str, Any]] = MappingProxyType({})
POINT: Final = """(SELECT CASE WHEN ST_Dimension(g) = 0 AND ST_NumGeometries(g) = 1 THEN ST_GeometryN(g, 1)
    ELSE ST_PointOnSurface(g) END FROM (SELECT ST_GeomFromWKB(:geom, 4326) AS g) AS given)"""
AROUND: Final = """
    (SELECT id FROM building WHERE valid_to IS NULL AND geom && p.at AND ST_Intersects(geom, p.at)
     ORDER BY id LIMIT 1),
    (SELECT id FROM area WHERE valid_to IS NULL AND level = 'unit_grid' AND geom && p.at
       AND ST_Intersects(geom, p.at) ORDER BY code LIMIT 1),
    (SELECT id FROM area WHERE valid_to IS NULL AND level = 'responsibility_grid' AND geom && p.at
       AND ST_Intersects(geom, p.at) ORDER BY code LIMIT 1)"""
_MOVE: Final = f"""
    UPDATE device SET geom = p.at, position_source = 'measured',
        (building_id, unit_grid_id, responsibility_grid_id) = (SELECT {AROUND})
    FROM (SELECT {POINT} AS at) AS p WHERE device.id = :id RETURNING device.id"""
_FEATURE: Final = """
    INSERT INTO {table} (name, description, encoding_type, properties, geom)
    VALUES (:name, :description, :encoding_type, CAST(:properties AS jsonb), ST_GeomFromWKB(:geom, 4326))
    RETURNING id"""


class Placer:
    """Writes places for one request, and knows what was written.

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

    def note(self, what: str, entity: Entity, given: int | str) -> None:
        """Remember an act for the record."""
        if what != "deleted":
            self.touched.append((entity.name, given))
        self.changed.append(f"{what} {entity.name}({given})")

    async def feature(self, body: Body) -> int:
        """Make a FeatureOfInterest."""
        return await self.make_place("feature_of_interest", body, "feature")

    async def make_place(self, table: str, body: Body, column: str) -> int:
        """Make a row of a table of places, whose geometry a field of the body is; return its id."""
        fields = body.fields
        rows = await self.carry_out(
            _FEATURE.format(table=table),
            {
                "name": fields["name"],
                "description": fields["description"],
                "encoding_type": fields["encodingType"],
                "properties": json_text(fields.get("properties")),
                "geom": shapely.to_wkb(fields[column]),
            },
        )
        self.touched.append(("Locations" if column == "location" else "FeaturesOfInterest", int(rows[0][0])))
        return int(rows[0][0])

    async def feature_of(self, observation: Body) -> int | None:
        """Return the feature an observation names, made where it brings one; None for the usual one."""
        feature = observation.single("FeatureOfInterest")
        if feature is None:
            return None
        if feature.body is not None:
            return await self.feature(feature.body)
        return await self.known(feature, "FeaturesOfInterest", "FeatureOfInterest")

    async def geometry_of(self, place: Linked) -> BaseGeometry:
        """Return the geometry of a Location that is there, or is to be made."""
        if place.body is not None:
            geometry: BaseGeometry = place.body.fields["location"]
            return geometry
        known: BaseGeometry = shapely.from_wkb((await self._row(place)).geom)
        return known

    async def place_thing(self, device_id: int, place: Linked) -> int:
        """Put a Thing at a Location; return the Location's id."""
        geometry = await self.geometry_of(place)
        await self.move(device_id, geometry)
        await self.carry_out(
            "DELETE FROM declared_place WHERE device_id = :id AND id IS DISTINCT FROM :keep",
            {"id": device_id, "keep": place.id},
        )
        return await self.attach(place, device_id)

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

    async def attach(self, place: Linked, device_id: int) -> int:
        """Let a Location be the one of a Thing: itself where it is free, else one just like it."""
        if place.body is not None:
            made = await self.make_place("declared_place", place.body, "location")
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
                made = await self.make_place("declared_place", body, "location")
        await self.carry_out(
            "UPDATE declared_place SET device_id = :device_id WHERE id = :id",
            {"device_id": device_id, "id": made},
        )
        self.touched += [("Locations", made), ("HistoricalLocations", device_id)]
        return made

    async def _row(self, given: Linked) -> Any:
        """Return the Location that a link leads to."""
        await self.known(given, "Locations", "Locations")
        rows = await self.carry_out(
            "SELECT name, description, encoding_type, ST_AsBinary(geom) AS geom "
            f"FROM ({LOCATIONS_SQL}) AS t WHERE id = :id",
            {"id": given.id},
        )
        return rows[0]

    async def known(self, given: Linked, name: str, where: str) -> int:
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


def json_text(given: Any) -> str | None:
    """Return JSON as the database takes it; None for nothing."""
    return None if given is None else json.dumps(given, ensure_ascii=False)
