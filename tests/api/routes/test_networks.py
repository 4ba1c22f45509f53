"""Traces of networks name whom they touch, and of another area only that they go there."""

from __future__ import annotations

import pytest

from tests.api.routes.conftest import HERE

pytestmark = [pytest.mark.postgis, pytest.mark.usefixtures("two_grids")]

# s --0-- v1 --1-- j --2-- v2 --3-- m (beside);  of the building on j a school is known, on m the other tower
_NETWORK = """
INSERT INTO network_node (dataset_id, source_ref, content_hash, utility, kind, name, geom, device_id)
    SELECT 1, ref, '\\x00', 'water', kind, name, ST_SetSRID(ST_MakePoint(lon, 30.6600), 4326),
           CASE ref WHEN 'v1' THEN (SELECT id FROM device WHERE uid = 'water-0001') END
    FROM (VALUES (1, 's', 'source', '水厂', 104.0600), (2, 'v1', 'valve', '一号阀', 104.0610),
                 (3, 'j', 'joint', NULL, 104.0620), (4, 'v2', 'valve', '隔壁阀', 104.0670),
                 (5, 'm', 'meter', '隔壁表', 104.0680)) AS n (n, ref, kind, name, lon) ORDER BY n;
INSERT INTO network_line (dataset_id, source_ref, content_hash, utility, geom, length_m, from_node_id,
                          to_node_id)
    SELECT 1, a.source_ref || b.source_ref, '\\x00', 'water', ST_MakeLine(a.geom, b.geom), 100, a.id, b.id
    FROM network_node a JOIN network_node b ON b.id = a.id + 1 ORDER BY a.id;
INSERT INTO service_connection SELECT n.id, b.id, 'declared' FROM network_node n, building b
    WHERE (n.source_ref, b.source_ref) IN (('m', 'way/99'))
       OR n.source_ref = 'j' AND b.id = (SELECT min(id) FROM building);
UPDATE building SET kind = 'apartments', levels = 10, footprint_m2 = 900
    WHERE id = (SELECT min(id) FROM building);
INSERT INTO service_point (dataset_id, source_ref, content_hash, category, name, geom, building_id)
    SELECT 1, 'school', '\\x00', 'school', '一小', ST_PointOnSurface(geom), id FROM building
    WHERE id = (SELECT min(id) FROM building);
"""


@pytest.fixture(autouse=True)
def network(two_grids, served):
    for statement in _NETWORK.split(";\n"):
        if statement.strip():
            served.sql(statement)
    both = "SELECT source_ref, id FROM network_node UNION ALL SELECT source_ref, id FROM network_line"
    return dict(served.sql(both))


def start(kind: str, number: int, **more: object) -> dict[str, object]:
    return {"start": {"type": kind, "id": number}, **more}


async def test_break_names_valves_buildings_households_places_and_devices(client, network) -> None:
    answer = await client.post("/api/networks/trace", json=start("line", network["v1j"]))
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert [(v["name"]["zh"], v["kind_name"]["zh"]) for v in told["to_close"]] == [
        ("一号阀", "阀门"), ("隔壁阀", "阀门"),
    ]  # fmt: skip
    assert (told["lines"], told["length_m"], told["buildings"], told["outside"]) == (3, 300.0, 2, False)
    assert (told["households"], told["sources"]) == (100, "declared")
    assert [(place["name"]["zh"], place["category_name"]) for place in told["key_places"]] == [
        ("一小", {"zh": "学校", "en": "School"})
    ]
    assert told["section"]["type"] == "MultiLineString"
    assert len(told["section"]["coordinates"]) == 2
    assert len(told["lost"]["coordinates"]) == 1


async def test_trace_begins_at_a_node_or_the_device_that_sits_there(client, served, network) -> None:
    node = (await client.post("/api/networks/trace", json=start("node", network["v1"]))).json()
    device = served.sql("SELECT id FROM device WHERE uid = 'water-0001'")[0][0]
    same = (await client.post("/api/networks/trace", json=start("device", device))).json()
    assert same == node
    assert [v["name"]["zh"] for v in node["to_close"]] == ["隔壁阀"], "what broke is not closed"
    assert node["lines"] == 4
    assert node["devices"] >= 0


async def test_what_lies_beside_is_told_of_only_by_a_word(signed_in, client, network) -> None:
    here = await signed_in("operator", HERE)
    answer = await here.post("/api/networks/trace", json=start("line", network["v1j"]))
    told = answer.json()
    assert "隔壁" not in answer.text
    assert ([v["name"]["zh"] for v in told["to_close"]], told["outside"]) == (["一号阀"], True)
    assert told["buildings"] == 1
    assert told["households"] == 100
    foreign = await here.post("/api/networks/trace", json=start("node", network["v2"]))
    assert foreign.status_code == 404
    refused = await here.post(
        "/api/networks/trace", json=start("line", network["v1j"], closed=[network["v2"]])
    )
    assert (refused.status_code, refused.json()["where"]) == (422, "closed")


async def test_closed_valves_and_the_mode_downstream(client, network) -> None:
    tail = (
        await client.post("/api/networks/trace", json=start("line", network["v2m"], mode="downstream"))
    ).json()
    assert ([b["name"] for b in tail["listed"]], tail["to_close"]) == (["隔壁大厦"], [])
    shut = (
        await client.post("/api/networks/trace", json=start("node", network["v2"], mode="downstream"))
    ).json()
    assert ([b["name"] for b in shut["listed"]], shut["mode"]) == (["隔壁大厦"], "downstream")
    with_more = start("line", network["v2m"], mode="downstream", closed=[network["v1"]])
    assert (await client.post("/api/networks/trace", json=with_more)).json()["buildings"] == 2
    wrong = await client.post(
        "/api/networks/trace", json=start("line", network["sv1"], closed=[network["j"]])
    )
    assert wrong.status_code == 422


async def test_a_valve_is_found_by_its_name_where_one_sees_it(signed_in, client, network) -> None:
    (hit,) = (await client.get("/api/search?q=隔壁阀")).json()
    assert (hit["type"], hit["id"], hit["detail"]) == ("network_node", network["v2"], "water")
    assert (await (await signed_in("operator", HERE)).get("/api/search?q=隔壁阀")).json() == []


async def test_items_and_sums(client, network) -> None:
    (water,) = (await client.get("/api/networks")).json()
    assert (water["utility"], water["lines"], water["nodes"], water["closable"]) == ("water", 4, 5, 2)
    line = (await client.get(f"/api/networks/lines/{network['jv2']}")).json()
    assert (line["utility_name"]["zh"], line["from_node_id"], line["to_node_id"]) == (
        "供水", network["j"], network["v2"],
    )  # fmt: skip
    node = (await client.get(f"/api/networks/nodes/{network['j']}")).json()
    assert (node["kind_name"]["en"], node["lines"], node["buildings"]) == ("Joint", 2, 1)
    assert (await client.get("/api/networks/nodes/999999")).status_code == 404
