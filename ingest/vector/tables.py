"""Say for each table that files fill which columns come with the rows and which are computed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """How rows of one table are staged.

    ``columns`` come with the rows; ``derived`` are computed in the database from the staged geometry;
    ``label_sql`` tells under which target a row that is closed is counted; ``json_columns`` are jsonb.
    """

    name: str
    columns: tuple[str, ...]
    derived: tuple[tuple[str, str], ...] = ()
    label_sql: str = ""
    versioned_geometry: bool = False
    json_columns: tuple[str, ...] = ()


TABLES: dict[str, Table] = {
    "area": Table(
        "area",
        ("code", "code_source", "level", "name", "name_en", "made_by", "households", "households_source"),
        (("area_m2", "ST_Area(geom::geography)"), ("label_point", "ST_PointOnSurface(geom)")),
        label_sql="'area_' || level",
        versioned_geometry=True,
    ),
    "building": Table(
        "building",
        (
            "name",
            "name_en",
            "kind",
            "body",
            "height_m",
            "min_height_m",
            "levels",
            "height_source",
            "address",
        ),
        (("footprint_m2", "ST_Area(geom::geography)"),),
        label_sql="CASE body WHEN 'part' THEN 'building_part' ELSE 'building' END",
    ),
    "road": Table(
        "road",
        (
            "road_class",
            "name",
            "name_en",
            "foot",
            "bike_forward",
            "bike_backward",
            "car_forward",
            "car_backward",
            "width_m",
            "layer",
            "bridge",
            "tunnel",
            "stairs",
            "max_speed_kmh",
        ),
    ),
    "ground_cover": Table("ground_cover", ("cover", "name", "name_en")),
    "address": Table(
        "address",
        ("street", "house_number", "unit", "floor", "text", "entrance"),
        label_sql="CASE WHEN entrance THEN 'entrance' ELSE 'address' END",
    ),
    "device": Table(
        "device",
        (
            "uid",
            "kind",
            "name",
            "name_en",
            "height_m",
            "floor",
            "bearing_deg",
            "bearing_source",
            "field_of_view_deg",
            "range_m",
            "address",
            "gb28181_id",
            "expected_interval_s",
            "simulated",
            "position_source",
        ),
    ),
    "service_point": Table(
        "service_point",
        ("category", "name", "name_en", "opening_hours", "phone", "address", "matters"),
        json_columns=("matters",),
    ),
    "component": Table(
        "component",
        (
            "code",
            "class_code",
            "name",
            "state",
            "declared_grid_code",
            "department_code",
            "department_name",
            "owner_code",
            "owner_name",
            "maintainer_code",
            "maintainer_name",
            "installed_on",
            "changed_on",
            "data_source",
            "note",
        ),
    ),
    "compound": Table(
        "compound",
        ("name", "name_en", "property_company", "property_company_code", "households", "equipment"),
        json_columns=("equipment",),
    ),
    "gate": Table(
        "gate",
        ("kind", "name", "name_en", "foot", "bike", "car", "keys", "opens", "closes", "device_uid"),
    ),
    "network_node": Table(
        "network_node",
        (
            "utility",
            "kind",
            "name",
            "name_en",
            "passes",
            "owner_name",
            "laid_year",
            "device_uid",
            "serves",
        ),
        label_sql="CASE WHEN source_ref LIKE 'joint/%' THEN 'joint' ELSE 'network_node' END",
        json_columns=("serves",),
    ),
    "network_line": Table(
        "network_line",
        (
            "utility",
            "grade",
            "diameter_mm",
            "material",
            "name",
            "name_en",
            "owner_name",
            "laid_year",
        ),
        (("length_m", "ST_Length(geom::geography)"),),
    ),
}
"""In the order in which they are written."""
