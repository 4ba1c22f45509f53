"""The AsyncAPI document says what the code sends and takes."""

import inspect
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
import yaml

from api.live import messages
from twin.errors import InvalidError
from twin.live.ages import LayerAge
from twin.store.journal import Event

DOCUMENT = yaml.safe_load((Path(__file__).parents[3] / "docs" / "asyncapi.yaml").read_text("utf-8"))
DOCUMENTED = DOCUMENT["components"]["messages"]

SENT = {
    "hello": messages.hello(1, 2, 3),
    "subscribed": messages.subscribed(points=True, rooms=3, resolution=9, resumed=False, tick=1),
    "event": messages.event(Event("alarm.raised", "device/1", {"a": 1}, seq=4, at=datetime.now(UTC))),
    "gap": messages.gap(4),
    "ages": messages.ages({"devices": LayerAge(0.5, None, 3, 1, 30.0, "live")}, {"database": "ok"}),
    "tiles": messages.tiles("building", 4, (1.0, 2.0, 3.0, 4.0)),
    "ping": messages.ping(1.5),
    "error": messages.error(InvalidError("wrong", where="bbox", hint="mend it")),
}


def resolve(schema: dict) -> dict:
    if "$ref" in schema:
        node = DOCUMENT
        for part in schema["$ref"].removeprefix("#/").split("/"):
            node = node[part]
        return resolve(node)
    return schema


def check(value: object, schema: dict, where: str) -> None:
    """The part of JSON Schema that the document uses."""
    schema = resolve(schema)
    unknown = set(schema) - {
        "type",
        "const",
        "enum",
        "required",
        "properties",
        "additionalProperties",
        "items",
        "minItems",
        "maxItems",
        "minimum",
        "maximum",
        "format",
        "description",
    }
    assert not unknown, f"the test does not know {unknown}"
    if "const" in schema:
        assert value == schema["const"], where
    if "enum" in schema:
        assert value in schema["enum"], where
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    types = {
        "object": dict,
        "array": list,
        "string": str,
        "number": (int, float),
        "integer": int,
        "boolean": bool,
        "null": type(None),
    }
    assert not kinds or any(isinstance(value, types[kind]) for kind in kinds), f"{where}: {value!r}"
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        assert set(schema.get("required", ())) <= set(value), where
        for key, inner in value.items():
            if key in properties:
                check(inner, properties[key], f"{where}.{key}")
            else:
                more = schema.get("additionalProperties", True)
                assert more is not False, f"{where}.{key} is not documented"
                if isinstance(more, dict):
                    check(inner, more, f"{where}.{key}")
    if isinstance(value, list):
        assert schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)), where
        for inner in value:
            check(inner, schema.get("items", {}), where)
    if isinstance(value, int | float) and not isinstance(value, bool):
        assert schema.get("minimum", value) <= value <= schema.get("maximum", value), where


@pytest.mark.parametrize("kind", sorted(SENT))
def test_what_is_sent_is_as_documented(kind: str) -> None:
    message = orjson.loads(SENT[kind])
    assert message["type"] == kind
    check(message, DOCUMENTED[kind]["payload"], kind)


def test_every_message_of_the_code_is_documented_and_nothing_else() -> None:
    builders = {
        name
        for name, function in inspect.getmembers(messages, inspect.isfunction)
        if not name.startswith("_")
        and function.__module__ == messages.__name__
        and function.__annotations__.get("return") == "bytes"
    }
    assert builders == set(SENT)
    assert set(DOCUMENTED) == builders | {"subscribe", "pong", "frame"}


@pytest.mark.parametrize(
    "request_",
    [
        {
            "op": "subscribe",
            "bbox": [1, 2, 3, 4],
            "zoom": 15.5,
            "layers": ["devices"],
            "resume": {"epoch": 1, "tick": 2, "journal": 3, "bbox": [1, 2, 3, 4], "zoom": 3},
        },
        {"op": "subscribe", "bbox": [1, 2, 3, 4], "zoom": 15.5},
        {"op": "pong", "t": 3.5},
    ],
)
def test_what_is_documented_is_taken(request_: dict) -> None:
    check(request_, DOCUMENTED[request_["op"]]["payload"], request_["op"])
    messages.parse_request(orjson.dumps(request_).decode())


def test_the_document_holds_together() -> None:
    assert DOCUMENT["asyncapi"].startswith("3.")
    channel = DOCUMENT["channels"]["live"]
    assert channel["address"] == "/live"
    assert set(channel["messages"]) == set(DOCUMENTED)
    spoken = set()
    for operation in DOCUMENT["operations"].values():
        assert operation["action"] in {"send", "receive"}
        for reference in operation["messages"]:
            name = reference["$ref"].rsplit("/", 1)[1]
            assert reference["$ref"] == f"#/channels/live/messages/{name}"
            spoken.add(name)
    assert spoken == set(DOCUMENTED)
    for message in DOCUMENTED.values():
        assert message["summary"]
        resolve(message["payload"])
