"""Put what an OpenStreetMap object's tags say into rows for the tables, one function a kind of thing."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from shapely.geometry import LineString, MultiPolygon, Point

from ingest.vector.address_tags import AddressText, address_of
from ingest.vector.building_tags import judge_height, kind_of
from ingest.vector.camera_tags import camera_view
from ingest.vector.intake import Row
from ingest.vector.osm_reader import Node
from ingest.vector.place_tags import component_class, service_category
from ingest.vector.road_tags import judge_access, layer_of, max_speed_kmh, width_m
from ingest.vector.tag_values import Tags, clean, clean_tags, english_name_of, name_of
from twin.distance import square_metres
from twin.model.address import ENTRANCE_ZH

CAMERA_HEIGHT_M = 4.0
"""Height of a camera whose mount is not tagged: below a first floor, above reach (our assumption)."""


def camera_row(ref: str, place: Point, tags: Tags) -> Row:
    """Return the row of a camera; its direction and view are None where they are not tagged."""
    view = camera_view(tags)
    values: dict[str, Any] = {
        "uid": f"osm-{ref.replace('/', '-')}",
        "kind": "camera",
        "name": name_of(tags),
        "name_en": english_name_of(tags),
        "height_m": CAMERA_HEIGHT_M if view.height_m is None else view.height_m,
        "floor": None,
        "bearing_deg": view.bearing_deg,
        "bearing_source": None if view.bearing_deg is None else "measured",
        "field_of_view_deg": view.field_of_view_deg,
        "range_m": view.range_m,
        "address": None,
        "gb28181_id": None,
        "expected_interval_s": None,
        "simulated": False,
        "position_source": "measured",
    }
    return Row("device", ref, place, values, clean_tags(tags))


def service_point_row(ref: str, place: Point, tags: Tags) -> Row | None:
    """Return the row of a place that serves residents; None where the tags name none."""
    category = service_category(tags)
    if category is None:
        return None
    address = address_of(tags)
    values = {
        "category": category,
        "name": name_of(tags),
        "name_en": english_name_of(tags),
        "opening_hours": clean(tags.get("opening_hours")),
        "phone": clean(tags.get("phone") or tags.get("contact:phone")),
        "address": address.text if address else None,
        "matters": None,
    }
    return Row("service_point", ref, place, values, clean_tags(tags))


def component_row(ref: str, place: Point, tags: Tags) -> Row | None:
    """Return the row of a managed component, whose code is given later; None where the tags name none."""
    found = component_class(tags)
    if found is None:
        return None
    values = {
        "code": None,
        "class_code": found.code,
        "name": name_of(tags) or found.zh,
        "state": "intact",
        "installed_on": None,
    }
    return Row("component", ref, place, values, clean_tags(tags))


def address_row(ref: str, place: Point, tags: Tags) -> Row | None:
    """Return the row of an address; None where the tags do not make one (a street alone)."""
    address = address_of(tags)
    return None if address is None else Row("address", ref, place, _address_values(address), clean_tags(tags))


def entrance_row(node: Node, building: Row | None) -> Row:
    """Return the row of a door; one without an address of its own has that of its building."""
    tags = node.tags
    address = address_of(tags)
    if address is not None:
        values = _address_values(address)
    else:
        own = "" if building is None else (building.values["address"] or building.values["name"] or "")
        mark = clean(tags.get("ref") or tags.get("name")) or ""
        values = {
            "street": None,
            "house_number": None,
            "unit": clean(tags.get("addr:unit")),
            "floor": None,
            "text": " ".join(part for part in (own, ENTRANCE_ZH, mark) if part),
        }
    values["entrance"] = True
    return Row("entrance", f"node/{node.id}", Point(node.lon, node.lat), values, clean_tags(tags))


def road_row(ref: str, line: LineString, tags: Tags, road_class: str) -> Row:
    """Return the row of a road or path."""
    values = {
        "road_class": road_class,
        "name": name_of(tags),
        "name_en": english_name_of(tags),
        **asdict(judge_access(tags)),
        "width_m": width_m(tags),
        "layer": layer_of(tags),
        "bridge": tags.get("bridge", "no") not in {"no", ""},
        "tunnel": tags.get("tunnel", "no") not in {"no", ""},
        "stairs": road_class == "steps",
        "max_speed_kmh": max_speed_kmh(tags),
    }
    return Row("road", ref, line, values, clean_tags(tags))


def cover_row(ref: str, geom: MultiPolygon, tags: Tags, cover: str) -> Row:
    """Return the row of water, green, a square or a block."""
    values = {"cover": cover, "name": name_of(tags), "name_en": english_name_of(tags)}
    return Row("ground_cover", ref, geom, values, clean_tags(tags))


def building_row(ref: str, geom: MultiPolygon, tags: Tags, body: str) -> tuple[Row, tuple[str, ...]]:
    """Return the row of a building or a part of one, and the tags whose values are impossible."""
    kind = kind_of(tags, "building" if body == "whole" else "building:part")
    height = judge_height(tags, kind, square_metres(geom.area, geom.centroid.y))
    address = address_of(tags)
    values = {
        "name": name_of(tags),
        "name_en": english_name_of(tags),
        "kind": kind,
        "body": body,
        "height_m": height.height_m,
        "min_height_m": height.min_height_m,
        "levels": height.levels,
        "height_source": height.source,
        "address": address.text if address else None,
    }
    label = "building_part" if body == "part" else "building"
    return Row(label, ref, geom, values, clean_tags(tags)), tuple(height.ignored)


def _address_values(address: AddressText) -> dict[str, Any]:
    return {
        "street": address.street,
        "house_number": address.house_number,
        "unit": address.unit,
        "floor": address.floor,
        "text": address.text,
        "entrance": False,
    }
