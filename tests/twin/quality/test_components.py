"""Faults of registers of components are found, each once, and a sound register has none."""

from __future__ import annotations

import pytest
import shapely

pytestmark = pytest.mark.postgis

SOUND = {
    "code": "51010501001000001",
    "class_code": "01001",
    "name": "供水井盖",
    "department_code": "914403001922038216",
    "department_name": "水务局",
    "installed_on": "2020-01-31",
}


def test_faults_of_a_register_are_told(checked) -> None:
    with checked as city:
        register = city.insert("dataset", name="register", kind="vector", declared_crs="EPSG:4326")
        at = shapely.Point(20, 20)

        def put(number: int, **values) -> None:
            row = SOUND | {
                "code": f"5101050{values.pop('digits', '1001')}{number:06d}",
                "dataset_id": register,
            }
            city.imported("component", f"c/{number}", at, **row | values)

        put(1)
        grid = city.sql
        grid(
            "UPDATE component SET unit_grid_id = (SELECT id FROM area a WHERE level = 'unit_grid' "
            "AND ST_Intersects(a.geom, component.geom) ORDER BY code LIMIT 1)"
        )
    assert checked.found == {}
    with checked as city:
        put(2, digits="1016", class_code="01016")
        put(3, digits="1002")
        put(4, department_code=None, installed_on=None)
        put(5, dataset_id=city.dataset, department_code=None)
        put(6, declared_grid_code="510105001001999")
        city.sql("UPDATE area SET code_source = 'official' WHERE level = 'unit_grid'")
        city.sql(
            "UPDATE component SET unit_grid_id = (SELECT id FROM area a WHERE level = 'unit_grid' "
            "AND ST_Intersects(a.geom, component.geom) ORDER BY code LIMIT 1)"
        )
    assert checked.found == {
        "component_class_unknown": 1,
        "component_code_of_another_class": 1,
        "component_without_mandatory": 1,
        "component_in_another_grid": 1,
    }
    assert (
        checked.findings["component_without_mandatory"].examples[0].detail == "department_code, installed_on"
    )
