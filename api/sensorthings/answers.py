"""Put what was read into the forms of the standard: sets, entities, addresses, values, tables of data."""

from __future__ import annotations

from typing import Any, Final

import orjson
from fastapi import Response

from api.sensorthings.entities import ENTITIES
from api.sensorthings.mqtt.terms import PATH as MQTT_PATH
from api.sensorthings.options import Options
from api.sensorthings.paths import Resource
from api.sensorthings.reading import Answer, Page, Reader

_CONFORMANCE: Final = "http://www.opengis.net/spec/iot_sensing/1.1/req/"
_CREATE_BY_MQTT: Final = "create-observations-via-mqtt/observations-creation"
_FOLLOW_BY_MQTT: Final = "receive-updates-via-mqtt/receive-updates"
CONFORMANCE: Final = tuple(
    _CONFORMANCE + name
    for name in (
        "datamodel",
        "resource-path/resource-path-to-entities",
        "request-data",
        "create-update-delete/create-entity",
        "create-update-delete/deep-insert",
        "create-update-delete/deep-insert-status-code",
        "create-update-delete/link-to-existing-entities",
        "create-update-delete/update-entity",
        "create-update-delete/update-entity-put",
        "create-update-delete/update-entity-jsonpatch",
        "create-update-delete/delete-entity",
        "data-array/data-array",
        _CREATE_BY_MQTT,
        _FOLLOW_BY_MQTT,
    )
)


def json_answer(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return an answer of JSON."""
    return Response(orjson.dumps(content), status, media_type="application/json", headers=headers)


def service_root(root: str) -> Answer:
    """Return what there is, and what of the standard is kept."""
    return {
        "value": [{"name": name, "url": f"{root}/{name}"} for name in ENTITIES],
        "serverSettings": {
            "conformance": list(CONFORMANCE),
            _CONFORMANCE + "data-array/data-array": {"endpoints": [f"{root}/CreateObservations"]},
            _CONFORMANCE + _CREATE_BY_MQTT: {"endpoints": [_mqtt(root)]},
            _CONFORMANCE + _FOLLOW_BY_MQTT: {"endpoints": [_mqtt(root)]},
        },
    }


def _mqtt(root: str) -> str:
    """Return where MQTT is spoken, over a websocket beside the service."""
    scheme, _, rest = root.partition("://")
    return f"{'wss' if scheme == 'https' else 'ws'}://{rest.partition('/')[0]}{MQTT_PATH}"


def set_answer(reader: Reader, path: str, resource: Resource, options: Options, page: Page) -> Answer:
    """Return a page of a set."""
    answer: Answer = {}
    if page.count is not None:
        answer["@iot.count"] = page.count
    if page.goes_on:
        answer["@iot.nextLink"] = reader.next_link(path, options, page)
    if resource.part == "$ref":
        entity = resource.entity
        answer["value"] = [{"@iot.selfLink": reader.link_to(entity, row.id)} for row in page.rows]
    elif options.data_array:
        answer["value"] = data_arrays(reader, options, page)
    else:
        answer["value"] = [row.told for row in page.rows]
    return answer


def data_arrays(reader: Reader, options: Options, page: Page) -> list[Answer]:
    """Return observations as one table for each datastream."""
    names = options.select or ["id", "phenomenonTime", "result", "resultTime"]
    components = [name for name in names if name in ENTITIES["Observations"].properties]
    tables: dict[str, Answer] = {}
    for row in page.rows:
        stream = str(row.id).partition("-")[0]
        table = tables.get(stream)
        if table is None:
            table = tables[stream] = {
                "Datastream@iot.navigationLink": f"{reader.root}/Datastreams({stream})",
                "components": components,
                "dataArray@iot.count": 0,
                "dataArray": [],
            }
        told = {"id": row.id, **row.told}
        table["dataArray"].append([told.get(name) for name in components])
        table["dataArray@iot.count"] += 1
    return list(tables.values())


def part_answer(reader: Reader, resource: Resource, told: Answer, given: int | str) -> Response:
    """Return a property of an entity, its bare value, or its address."""
    if resource.part == "$ref":
        return json_answer({"@iot.selfLink": reader.link_to(resource.entity, given)})
    value = given if resource.part == "id" else told.get(resource.part)
    if value is None:
        return Response(status_code=204)
    if not resource.raw:
        return json_answer({resource.part: value})
    if isinstance(value, str):
        return Response(value, media_type="text/plain; charset=utf-8")
    if isinstance(value, orjson.Fragment):
        return json_answer(value)
    return Response(orjson.dumps(value), media_type="text/plain; charset=utf-8")
