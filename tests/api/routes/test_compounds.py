"""Compounds are told with what they have and lack, the least complete first, as far as one sees."""

from __future__ import annotations

import pytest

from tests.api.routes.conftest import BESIDE, HERE

pytestmark = [pytest.mark.postgis, pytest.mark.usefixtures("two_grids")]

_COMPOUNDS = """
INSERT INTO compound (dataset_id, source_ref, content_hash, name, geom, households, equipment)
    SELECT 1, ref, '\\x00', name, ST_Multi(ST_MakeEnvelope(west, 30.6590, west + 0.0012, 30.6610, 4326)),
           homes, CAST(equipment AS jsonb)
    FROM (VALUES ('here', '这里小区', 104.0595, 120, '{"intercom": 9, "patrol_point": 4}'),
                 ('beside', '隔壁小区', 104.0662, NULL, NULL)) AS c (ref, name, west, homes, equipment)
"""

_GATE = """
INSERT INTO device (dataset_id, source_ref, content_hash, uid, kind, geom, height_m, position_source)
    VALUES (1, 'gate', '\\x00', 'gate-0001', 'gate', 'SRID=4326;POINT(104.0600 30.6600)', 3, 'measured')
"""


@pytest.fixture(autouse=True)
def compounds(two_grids, served):
    served.sql(_COMPOUNDS)
    served.sql(_GATE)
    return dict(served.sql("SELECT source_ref, id FROM compound"))


async def test_one_tells_what_it_has_lacks_and_how_that_scores(client, served, compounds) -> None:
    told = (await client.get(f"/api/compounds/{compounds['here']}")).json()
    items = {item["code"]: item for item in told["items"]}
    assert (items["vehicle_gate"]["have"], items["vehicle_gate"]["need"]) == (1, 1)
    assert (items["patrol_point"]["have"], items["patrol_point"]["declared"]) == (4, 4)
    assert items["visitor"]["lacks"]
    assert "访客" in [name["zh"] for name in told["lacking"]]
    assert (told["households"], told["households_source"]) == (120, "counted")
    ((inside,),) = served.sql(
        "SELECT count(*) FROM device d, compound c WHERE c.source_ref = 'here' AND d.kind <> 'worker' "
        "AND ST_Intersects(c.geom, d.geom)"
    )
    assert told["devices"] == inside >= 2
    tiers = {tier["code"]: tier for tier in told["tiers"]}
    asked = [item for item in told["items"] if item["tier"] == "complete" and item["need"]]
    share = sum(min(1.0, item["have"] / item["need"]) for item in asked) / len(asked)
    assert tiers["complete"]["score"] == pytest.approx(100 * share)
    assert 0 < told["score"] < 100
    other = (await client.get(f"/api/compounds/{compounds['beside']}")).json()
    assert other["households_source"] == "estimated"


async def test_the_least_complete_comes_first(client, compounds) -> None:
    rows = (await client.get("/api/compounds")).json()
    assert [row["id"] for row in rows] == [compounds["beside"], compounds["here"]]
    assert rows[0]["score"] < rows[1]["score"]
    listed = (await client.get("/api/compounds/lacking?limit=1")).json()
    assert (listed["total"], [row["name"]["zh"] for row in listed["rows"]]) == (2, ["隔壁小区"])
    assert [column["key"] for column in listed["columns"]] == ["name", "score", "basic", "lacking"]
    (hit,) = (await client.get("/api/search?q=隔壁小区")).json()
    assert (hit["type"], hit["id"]) == ("compound", compounds["beside"])


async def test_compound_of_another_area_is_not_there(signed_in, compounds) -> None:
    here, beside = await signed_in("operator", HERE), await signed_in("operator", BESIDE)
    for path in ("/api/compounds", "/api/compounds/lacking"):
        assert "隔壁" not in (await here.get(path)).text
        assert "隔壁" in (await beside.get(path)).text
    assert (await here.get(f"/api/compounds/{compounds['beside']}")).status_code == 404
    assert (await beside.get(f"/api/compounds/{compounds['beside']}")).status_code == 200


async def test_what_a_compound_scores_does_not_hang_on_who_asks(client, signed_in, compounds) -> None:
    here = await signed_in("operator", HERE)
    path = f"/api/compounds/{compounds['here']}"
    assert (await here.get(path)).json()["score"] == (await client.get(path)).json()["score"]
