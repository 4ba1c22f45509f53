"""Build a small city without a fault, for one fault to be planted in."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from sqlalchemy import Connection, text

from twin.crs import to_local_metres
from twin.partition import divide
from twin.quality import run_checks
from twin.sight import update_sight
from twin.store.engine import create_engine

CENTRE = (104.06, 30.66)
_, INVERSE = to_local_metres(*CENTRE)


class City:
    """Two communities of 300 m × 200 m with streets, houses, addresses, a camera and a finished import."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.dataset = self.insert(
            "dataset", name="osm", kind="osm", declared_crs="EPSG:4326", simulated=False, data_date="now"
        )
        self.run = self.insert(
            "import_run", dataset_id=self.dataset, file_name="city.pbf", file_sha256="0", finished_at="now"
        )
        self.district = self.area("district", "510105000000000", shapely.box(-300, -300, 900, 500), None)
        self.street = self.area("street", "510105001000000", shapely.box(-300, -300, 900, 500), self.district)
        self.west = self.area("community", "510105001001000", shapely.box(0, 0, 300, 200), self.street)
        self.east = self.area("community", "510105001002000", shapely.box(300, 0, 600, 200), self.street)
        for n, x in enumerate((100, 300, 500)):
            self.road(f"way/{n}", [(x, -50), (x, 100), (x, 250)])
        self.road("way/main", [(-50, 100), (100, 100), (300, 100), (500, 100), (650, 100)])
        for k, x in enumerate((30, 130, 330, 430)):
            house = self.building(f"way/h{k}", shapely.box(x, 20, x + 40, 60))
            self.address(f"node/{k}", (x + 20, 60), house)
        self.camera("cam-0001", (150, 90))
        divide(connection)
        update_sight(connection)

    def insert(self, table: str, geom: str = "", **values):
        names, places = list(values), [f":{name}" for name in values]
        if geom:
            names.append("geom")
            places.append(geom)
        sql = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(places)}) RETURNING id"
        return self.connection.execute(text(sql), values).scalar_one()

    def imported(self, table: str, ref: str, shape, multi=False, **values):
        degrees = shapely.transform(shape, lambda c: np.column_stack(INVERSE(c[:, 0], c[:, 1])))
        geom = f"ST_GeomFromText('{shapely.to_wkt(degrees, rounding_precision=-1)}', 4326)"
        values = {"dataset_id": self.dataset, "source_ref": ref, "content_hash": b"0", **values}
        return self.insert(table, f"ST_Multi({geom})" if multi else geom, **values)

    def area(self, level, code, shape, parent, made_by="imported"):
        return self.imported(
            "area",
            f"{level}/{code}",
            shape,
            multi=True,
            code=code,
            code_source="official",
            level=level,
            name=f"{level} {code}",
            parent_id=parent,
            label_point=f"SRID=4326;POINT({CENTRE[0]} {CENTRE[1]})",
            made_by=made_by,
            area_m2=shape.area,
        )

    def road(self, ref, points):
        access = dict.fromkeys(("foot", "bike_forward", "bike_backward", "car_forward", "car_backward"), True)
        rest = {"width_m": 6, "layer": 0, "bridge": False, "tunnel": False, "stairs": False}
        line = shapely.LineString(points)
        return self.imported("road", ref, line, road_class="residential", **access, **rest)

    def building(self, ref, shape, **values):
        values = {
            "kind": "apartments",
            "body": "whole",
            "height_m": 18,
            "min_height_m": 0,
            "levels": 6,
            "height_source": "levels",
            "footprint_m2": shape.area,
            **values,
        }
        return self.imported("building", ref, shape, multi=True, **values)

    def address(self, ref, point, building):
        shape = shapely.Point(point)
        return self.imported("address", ref, shape, text=ref, entrance=True, building_id=building)

    def camera(self, uid, point, **values):
        values = {
            "kind": "camera",
            "height_m": 4,
            "simulated": False,
            "position_source": "measured",
            **values,
        }
        return self.imported("device", uid, shapely.Point(point), uid=uid, **values)

    def sql(self, statement: str, **values) -> None:
        self.connection.execute(text(statement), values)


class Checked:
    """A city in a database of its own; ``with`` plants faults, ``found`` runs the checks after them."""

    def __init__(self, url: str) -> None:
        self.engine = create_engine(url)
        with self.engine.begin() as connection:
            self.city = City(connection)

    def __enter__(self) -> City:
        self._begun = self.engine.begin()
        self.city.connection = self._begun.__enter__()
        return self.city

    def __exit__(self, *error) -> None:
        self._begun.__exit__(*error)

    @property
    def findings(self):
        return {finding.check: finding for finding in run_checks(self.engine)}

    @property
    def found(self) -> dict[str, int]:
        """What is found beside what every city of this kind has: an estimated camera."""
        return {k: f.count for k, f in self.findings.items() if k != "camera_direction_estimated"}


@pytest.fixture
def checked(database):
    made = Checked(database.fresh().url)
    yield made
    made.engine.dispose()
