"""Say for each operation a request that it answers, with the ids and names of the city of siblings.

What schemathesis makes up meets them by luck, and that luck turns with every change of the document.
"""

from __future__ import annotations

import struct
import zlib
from datetime import timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from tests.access.world import LAT, LON, MOMENT, STEP, World, grids, phone_of, token_of
from tests.api.access.asker import tile_of

OWN = grids()[0][0]
BESIDE = grids()[1][0]
PHOTOGRAPH = "5f0c2f0e-7a55-4d5e-9e9c-1a3f7d1b2c3d"

_X, _Y = tile_of(LON + STEP / 2, LAT + STEP / 2, 14)
_HERE = f"{LON + STEP},{LAT}"
_FORM = "application/x-www-form-urlencoded"
_SENSOR = {"name": "s", "description": "", "encodingType": "text/plain", "metadata": "m"}
_PARTNER = {"address": "https://partner.invalid/told", "active": False}
_RULE = {
    "zh": "液位高",
    "en": "Level high",
    "state": "alarm",
    "kinds": ["water_level"],
    "property": "level",
    "condition": {"type": "limit", "above": 900},
    "category_code": "54001",
}
MAPPING = {
    "zh": "水务平台",
    "en": "Waterworks",
    "mapping": {"device": "d", "time": "t", "values": [{"property": "level", "path": "v", "unit": "cm"}]},
}


def key_of(world: World, table: str, code: str = OWN, kind: str = "") -> Any:
    """Return the key of a row that lies in a grid."""
    return next(
        key
        for key, scope in world.rows[table].items()
        if scope == int(code) and (not kind or world.kinds[table][key] == kind)
    )


def white_png(side_px: int = 64) -> bytes:
    """Return a white square as PNG."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", side_px, side_px, 8, 2, 0, 0, 0)
    rows = zlib.compress((b"\x00" + b"\xff" * 3 * side_px) * side_px)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def examples(
    world: World,
    duty: str,
    gateway: str,
    now_ms: int,
    spare: str,
    mappings: tuple[str, str, str],
    partners: tuple[str, str, str],
    rules: tuple[int, int],
    role: int,
    sent: tuple[int, int, int],
) -> dict[str, dict[str, Any]]:
    """Return by method and path what `APIOperation.Case` takes; ``hex`` is a body that is no JSON.

    Parameters
    ----------
    world
        What the city holds.
    duty
        ``client_id`` of a duty of the worker of `OWN`.
    gateway
        Name of the gateway that brings observations.
    now_ms
        Unix time, for a reading.
    spare
        Code of a grid whose declared datastream may go.
    mappings
        Names of three mappings of feeds, of one version, of two, and of one.
    partners
        Ids of three partners, of which the second is paused.
    rules
        Numbers of two rules of one version.
    role
        Number of a role somebody holds.
    sent
        A case somebody works on, a worker who is not asked to go there, the assignment of one who is.
    """
    camera, water, tracker = (
        key_of(world, "device", kind=kind) for kind in ("camera", "water_level", "worker")
    )
    case, area, line = (key_of(world, table) for table in ("case_file", "area", "network_line"))
    refused = key_of(world, "quarantine", "0")
    sensor = f"Sensors({key_of(world, 'sensor')})"
    datastream = key_of(world, "datastream", spare) * 1000 + 4
    because = {"reason": "contract"}
    reading = {"t": now_ms, "d": f"water_level-{OWN}", "p": "level", "v": 20, "u": "cm"}
    report = {"service_code": "06010", "lat": LAT + STEP / 2, "long": LON + STEP / 2, "description": "垃圾"}
    return {
        "POST /api/accounts": _json({"name": f"made-{now_ms}", "kind": "program"}),
        "POST /api/accounts/{name}/disable": _at(name="test-2"),
        "POST /api/accounts/{name}/enable": _at(name="test-2"),
        "POST /api/accounts/{name}/roles": _json({"role": "wall"}, name="test-2"),
        "POST /api/accounts/roles/{id}/withdraw": _at(id=role),
        "POST /api/accounts/{name}/password": _at(name="test-1"),
        "POST /api/accounts/{name}/credential": _at(name="test-3"),
        "GET /api/quarantine/{id}": _at(id=refused),
        "POST /api/replays": _json({"id": refused}),
        "POST /api/sources/mappings": _json(MAPPING | {"name": f"made-{now_ms}"}),
        "GET /api/sources/mappings/{mapping}": _at(mapping="waterworks"),
        "PUT /api/sources/mappings/{mapping}": _json(MAPPING | {"version": 1}, mapping=mappings[0]),
        "POST /api/sources/mappings/{mapping}/restore": _json(
            {"version": 1, "newest": 2}, mapping=mappings[1]
        ),
        "POST /api/sources/mappings/{mapping}/retire": _json({"newest": 1}, mapping=mappings[2]),
        "POST /api/sources/mappings/try": _json({"mapping": MAPPING["mapping"], "payload": reading}),
        "POST /api/sources/mappings/fields": _json({"payload": reading}),
        "POST /api/sources/{source}/pause": _json(because, source="owntracks-events"),
        "POST /api/sources/{source}/resume": _at(source="owntracks-events"),
        "POST /api/partners": _json(_PARTNER | {"name": f"made-{now_ms}", "kind": "webhook"}),
        "PUT /api/partners/{id}": _json(_PARTNER | {"name": f"put-{now_ms}", "version": 1}, id=partners[0]),
        "POST /api/partners/{id}/secrets": _json({}, id=partners[2]),
        "POST /api/partners/{id}/pause": _json(because, id=partners[2]),
        "POST /api/partners/{id}/resume": _at(id=partners[1]),
        "POST /api/partners/{id}/again": _json({"from_sequence": 1}, id=partners[2]),
        "POST /api/partners/{id}/test": _at(id=partners[2]),
        "GET /api/sources/devices/{id}/messages": _at(id=water),
        "GET /api/devices": _at() | {"query": {"state": "normal"}},
        "GET /api/devices/{id}": _at(id=water),
        "GET /api/devices/{id}/history": _at(id=water),
        "GET /api/devices/{id}/neighbours": _at(id=water),
        "GET /api/devices/{id}/events": _at(id=water),
        "GET /api/workers/{id}": _at(id=tracker),
        "POST /api/workers/{id}/reveal": _json(because, id=tracker),
        "POST /api/workers/{id}/duty/end": _json(because, id=key_of(world, "device", BESIDE, "worker")),
        "POST /api/duty/begin": _json({"client_id": duty, "consent": True}),
        "POST /api/duty/end": _json({"client_id": duty}),
        "GET /api/buildings/{id}": _at(id=key_of(world, "building")),
        "GET /api/components/{id}": _at(id=key_of(world, "component")),
        "GET /api/networks/lines/{id}": _at(id=line),
        "GET /api/networks/nodes/{id}": _at(id=key_of(world, "network_node")),
        "POST /api/networks/trace": _json({"start": {"type": "line", "id": line}}),
        "GET /api/ways": _at() | {"query": {"from": _HERE, "to": _HERE}},
        "POST /api/ways/matrix": _json({"from": [[LON, LAT]], "to": [[LON + STEP, LAT]]}),
        "GET /api/ways/nearest": _at() | {"query": {"to": _HERE}},
        "GET /api/ways/reach": _at() | {"query": {"place": _HERE}},
        "GET /api/compounds/{id}": _at(id=key_of(world, "compound")),
        "GET /api/areas/{id}": _at(id=area),
        "POST /api/rules": _json(_RULE),
        "GET /api/rules/{rule}": _at(rule=rules[0]),
        "PUT /api/rules/{rule}": _json({"version": 1, "rule": _RULE}, rule=rules[0]),
        "POST /api/rules/{rule}/switch": _json({"version": 1, "enabled": True}, rule=rules[1]),
        "POST /api/rules/try": _json(
            {"rule": _RULE, "from": "2026-01-01T00:00:00Z", "to": "2026-01-01T01:00:00Z"}
        ),
        "POST /api/alarms/acknowledge": _json({"alarm_ids": [key_of(world, "alarm")]}),
        "POST /api/alarms/shelve": _json(
            {"device_id": water, "reason": "误报", "until": (MOMENT + timedelta(hours=7)).isoformat()}
        ),
        "POST /api/alarms/shelved/{id}/end": _at(id=key_of(world, "shelving")),
        "POST /api/maintenance": _json(
            {
                "area_code": OWN,
                "begins_at": MOMENT.isoformat(),
                "ends_at": (MOMENT + timedelta(days=1)).isoformat(),
                "reason": "检修",
            }
        ),
        "POST /api/maintenance/{id}/end": _at(id=key_of(world, "maintenance_window")),
        "POST /api/closures": _json(
            {
                "road_ids": [key_of(world, "road", "0")],
                "begins_at": (MOMENT + timedelta(days=1)).isoformat(),
                "ends_at": (MOMENT + timedelta(days=2)).isoformat(),
                "reason": "开挖",
            }
        ),
        "POST /api/closures/{id}/reopen": _at(id=key_of(world, "closure")),
        "POST /api/reporters/cases": _json({"phone": phone_of(OWN, "case")}),
        "POST /api/cases/{id}/reveal": _json(because, id=case),
        "GET /api/cases/{id}": _at(id=case),
        "POST /api/cases": _json(
            {
                "category_code": "06010",
                "description": "垃圾",
                "lon": LON + STEP / 2,
                "lat": LAT + STEP / 2,
                "source": "patrol",
                "client_key": str(uuid5(NAMESPACE_URL, str(now_ms))),
            }
        ),
        "GET /api/cases/{id}/surroundings": _at(id=case),
        "GET /api/cases/{id}/evidence": _at(id=case),
        "POST /api/responsibilities": _json(
            {
                "about": "sanitation",
                "area_code": OWN,
                "organisation_id": key_of(world, "organisation", "0"),
            }
        ),
        "POST /api/responsibilities/{id}/withdraw": _at(id=key_of(world, "responsibility")),
        "POST /api/cases/{id}/acts": _json({"version": 1, "move": "note", "note": "seen"}, id=case),
        "GET /api/cases/{id}/ranking": _at(id=case),
        "GET /api/cases/{id}/assignments": _at(id=case),
        "POST /api/cases/{id}/assignments": _json({"worker_id": sent[1], **because}, id=sent[0]),
        "POST /api/assignments/{id}/acts": _json({"act": "accept"}, id=sent[2]),
        "GET /api/cases/{id}/report": _at(id=case),
        "GET /api/cases/{id}/photographs": _at(id=case),
        "POST /api/cases/{id}/photographs": _at(id=case)
        | {"query": {"moment": "before", "client_id": PHOTOGRAPH}}
        | {"hex": white_png().hex(), "media_type": "image/png"},
        "GET /api/photographs/{id}/{size}": _at(id=key_of(world, "photograph"), size="original"),
        "GET /api/cameras/{id}": _at(id=camera),
        "POST /api/cameras/{id}/pictures": _json(because, id=camera),
        "GET /api/stats/{key}/list": _at(key="open_alarms"),
        "GET /api/groups/{name}/list": _at(name="water"),
        "GET /api/search": _at() | {"query": {"q": "water"}},
        "GET /api/exports/readings.{format}": _at(format="csv") | {"query": {"device": water}},
        "GET /tiles/{layers}/{z}/{x}/{y}.mvt": _at(layers="building", z="14", x=str(_X), y=str(_Y)),
        "POST /ingest/v1/gateways/{name}/observations": _json(reading, name=gateway),
        "POST /ingest/v1/mapped/{mapping}": _json(reading, mapping="waterworks"),
        "GET /open311/v2/services/{code}.{form}": _at(code="06010", form="json"),
        "POST /open311/v2/requests.{form}": _at(form="json") | {"body": report, "media_type": _FORM},
        "GET /open311/v2/requests/{number}.{form}": _at(number=f"C-{OWN}", form="xml"),
        "GET /open311/v2/tokens/{token}.{form}": _at(token=token_of(OWN), form="json"),
        "GET /sta/v1.1/{path}": _at(path="Things"),
        "POST /sta/v1.1/{path}": _json(_SENSOR, path="Sensors"),
        "PATCH /sta/v1.1/{path}": _json({"name": "patched"}, path=sensor),
        "PUT /sta/v1.1/{path}": _json(_SENSOR, path=sensor),
        "DELETE /sta/v1.1/{path}": _at(path=f"Datastreams({datastream})"),
    }


def _at(**path: Any) -> dict[str, Any]:
    return {"path_parameters": path}


def _json(body: Any, **path: Any) -> dict[str, Any]:
    return {"path_parameters": path, "body": body, "media_type": "application/json"}
