"""Read the real communities, roads and buildings of Chengdu Tianfu Square, or skip where they are absent."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import osmium
import pytest
import shapely
from osmium.geom import WKBFactory

FOLDER = Path(__file__).parents[4] / "shared" / "data" / "chengdu_tianfu"


@dataclass
class City:
    names: list[str]
    borders: list[shapely.Geometry]
    roads: list[tuple[str, str, shapely.Geometry]]
    buildings: list[tuple[str, str, float | None, shapely.Geometry]]


def read_chengdu() -> City:
    if not FOLDER.is_dir():
        pytest.skip(f"the real data of Chengdu is not at {FOLDER}")
    features = json.loads((FOLDER / "shequ_communities_clipped.geojson").read_text())["features"]
    names = [f["properties"]["name"] or "未命名社区" for f in features]
    borders = [shapely.from_geojson(json.dumps(f["geometry"])) for f in features]
    roads, buildings, make = [], [], WKBFactory()
    pbf = str(FOLDER / "chengdu_tianfu_nometa.osm.pbf")
    for thing in osmium.FileProcessor(pbf).with_locations().with_areas():
        tags = thing.tags
        if thing.is_way() and "highway" in tags and tags.get("tunnel") != "yes":
            line = shapely.from_wkb(make.create_linestring(thing))
            roads.append((f"way/{thing.id}", tags["highway"], line))
        elif thing.is_area() and "building" in tags:
            levels = tags.get("building:levels")
            number = float(levels) if levels and levels.replace(".", "", 1).isdigit() else None
            shape = shapely.from_wkb(make.create_multipolygon(thing))
            buildings.append((f"area/{thing.id}", tags["building"], number, shape))
    return City(names, borders, roads, buildings)
