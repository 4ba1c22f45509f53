"""Let GDAL, inside pyogrio, read what SensorThings declared: URL, token, token of a reader as arguments.

Run by `test_clients` in a process of its own. GDAL has no driver for SensorThings, and this server is no WFS
and no OGC API: what they meet in is GeoJSON, which GDAL itself asks for over HTTP.
"""

# ruff: noqa: T201

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request

import pyogrio

URL, TOKEN, READER = sys.argv[1:4]
HERE = (104.0604, 30.6604)


def declare(uid: str, lon: float, lat: float) -> None:
    place = {
        "name": uid, "description": "made here", "encodingType": "application/geo+json",
        "location": {"type": "Point", "coordinates": [lon, lat]},
    }  # fmt: skip
    thing = {"name": uid, "description": "made", "properties": {"uid": uid}, "Locations": [place]}
    request = urllib.request.Request(
        f"{URL}/sta/v1.1/Things",
        json.dumps(thing).encode(),
        {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 201


for i in range(3):
    declare(f"ogr-{i:04d}", HERE[0] + i * 1e-4, HERE[1])

pyogrio.set_gdal_config_options({"GDAL_HTTP_HEADERS": f"Authorization: Bearer {READER}"})
table = f"GeoJSON:{URL}/api/exports/devices.geojson?kind=thing"
info = pyogrio.read_info(table)
assert info["driver"] == "GeoJSON", info
assert (info["geometry_type"], info["features"], info["crs"]) == ("Point", 3, "EPSG:4326"), info
meta, _, geometries, columns = pyogrio.raw.read(table, where="uid >= 'ogr-0001'")
uids = list(columns[list(meta["fields"]).index("uid")])
assert sorted(uids) == ["ogr-0001", "ogr-0002"], uids
box = (HERE[0] - 5e-5, HERE[1] - 5e-5, HERE[0] + 5e-5, HERE[1] + 5e-5)
assert len(pyogrio.raw.read(table, bbox=box)[2]) == 1
page = pyogrio.raw.read(table, skip_features=1, max_features=1)
assert len(page[2]) == 1

pyogrio.set_gdal_config_options({"GDAL_HTTP_HEADERS": "Authorization: Bearer nothing"})
try:
    pyogrio.read_info(table + "&lang=en")
except pyogrio.errors.DataSourceError:
    pass
else:
    raise AssertionError("a stranger reads")
print("pyogrio: all done")
