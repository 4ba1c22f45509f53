"""The declarations are deck.gl JSON of names that the page knows, and make a map in a notebook."""

import json
import re
from pathlib import Path

import geopandas
import pytest
from shapely import Point

from layers import LAYERS
from layers.declaration import CONSTANTS, DECK_CLASSES, LEGEND_SHAPES, LIVE_NAMES, deck_json
from layers.notebook import STATE_COLOURS, make_deck
from layers.tiles import TILE_LAYERS
from twin.errors import NotFoundError
from twin.states import State

PAPER = (Path(__file__).parents[2] / "web" / "src" / "layers" / "README.md").read_text("utf-8")
LEGEND = [entry for layer in LAYERS for entry in layer.legend]


def walk(value: object):
    yield value
    if isinstance(value, dict):
        for inner in value.values():
            yield from walk(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from walk(inner)


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.id)
class TestDeclaration:
    def test_it_names_a_class_and_data_that_the_page_has(self, layer) -> None:
        spec = deck_json(layer)
        assert spec["@@type"] in DECK_CLASSES
        assert spec["data"] in LIVE_NAMES or spec["data"].startswith("/api/")
        assert spec["id"] == layer.id
        assert None not in spec.values()
        json.dumps(spec, allow_nan=False)

    def test_constants_and_functions_are_known_and_nothing_is_quoted_twice(self, layer) -> None:
        spec = deck_json(layer)
        for value in walk(spec):
            if isinstance(value, str):
                assert "'" not in value, value
                if value.startswith("@@#"):
                    assert value[3:] in CONSTANTS
                elif value.startswith("@@="):
                    assert "@@#" not in value, "a constant inside an expression is no constant"
            if isinstance(value, dict) and "@@function" in value:
                assert value == {"@@function": "select", "topic": value["topic"]}
                assert value["topic"] in {"device", "worker", "building"}

    def test_a_live_layer_is_never_drawn_inside_the_map(self, layer) -> None:
        spec = deck_json(layer)
        if spec["data"].startswith("live:"):
            assert "beforeId" not in spec
        else:
            assert 0 < spec["refreshS"] <= 60


def test_the_names_are_those_of_the_pages_own_paper() -> None:
    named = set(re.findall(r"`(\w+Layer)`", PAPER))
    assert set(DECK_CLASSES) == named
    constants = re.search(r"## Constants.*?\n(.*?)\n\n", PAPER, re.S).group(1)
    assert set(CONSTANTS) == set(re.findall(r"`([A-Z_0-9]+)`", constants))
    shapes = re.search(r"`shape` is one of `([^`]*?)`", PAPER, re.S).group(1)
    assert set(LEGEND_SHAPES) == set(shapes.split())
    for name in LIVE_NAMES:
        assert f"`{name}`" in PAPER
    tiles = PAPER.split("## Vector tiles")[1]
    assert {layer.name for layer in TILE_LAYERS} == set(re.findall(r"^\| `(\w+)` \|", tiles, re.M))


def test_each_state_has_its_line_in_the_legend_in_both_languages() -> None:
    keys = [entry.key for entry in LEGEND]
    assert len(keys) == len(set(keys))
    assert {state.name.lower() for state in State} <= set(keys)
    for entry in LEGEND:
        assert entry.shape in LEGEND_SHAPES
        assert entry.zh
        assert entry.en
        assert entry.toggle in {"", "heat", "camera_field", "component", "network", "compound"}


def test_ids_are_unique() -> None:
    assert len({layer.id for layer in LAYERS}) == len(LAYERS)


def test_a_notebook_makes_a_map_of_a_geodataframe_from_the_same_declarations() -> None:
    frame = geopandas.GeoDataFrame(
        {"uid": ["a", "b"], "state": [0, 5]},
        geometry=[Point(104.06, 30.66), Point(104.07, 30.67)],
        crs="EPSG:4326",
    )
    deck = make_deck(
        {"devices": frame, "trails": [{"path": [[104.0, 30.0], [104.1, 30.1]]}]}, lon=104.06, lat=30.66
    )
    spec = json.loads(deck.to_json())
    assert [layer["id"] for layer in spec["layers"]] == ["trails", "devices"], "the wall's draw order"
    first, second = spec["layers"][1]["data"]
    assert (first["lon"], first["lat"], first["colour"]) == (104.06, 30.66, list(STATE_COLOURS[0]))
    assert second["colour"] == list(STATE_COLOURS[5])
    assert spec["layers"][1]["@@type"] == "ScatterplotLayer", "a class that a notebook's deck has"
    assert all(layer["@@type"] != "DevicePointLayer" for layer in spec["layers"])


def test_a_layer_that_is_not_declared_is_refused() -> None:
    with pytest.raises(NotFoundError, match="secret"):
        make_deck({"secret": []}, lon=0.0, lat=0.0)
