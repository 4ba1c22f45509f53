"""Components are listed, found and told with all their register says, and with their former states."""

from __future__ import annotations

import csv
import io

import pytest

pytestmark = [pytest.mark.postgis, pytest.mark.usefixtures("two_grids")]


async def test_list_is_chosen_by_class_state_and_words_and_goes_on_where_it_ended(served, client) -> None:
    served.sql("UPDATE component SET state = 'damaged' WHERE code = '51010501001000002'")

    async def codes(query: str) -> list[str]:
        answer = await client.get(f"/api/components?{query}")
        assert answer.status_code == 200, answer.text
        return [row["code"][-1] for row in answer.json()["components"]]

    assert await codes("") == ["1", "2"]
    assert await codes("class=01") == ["1", "2"]
    assert await codes("class=01002") == []
    assert await codes("state=damaged") == ["2"]
    assert await codes("q=这里") == ["1"]
    assert await codes("q=000002") == ["2"]
    assert await codes("q=%25") == []
    first = (await client.get("/api/components?limit=1")).json()
    assert [row["code"][-1] for row in first["components"]] == ["1"]
    assert await codes(f"limit=1&after={first['next']}") == ["2"]
    assert (await client.get("/api/components?limit=2")).json()["next"] is None


async def test_one_is_told_with_its_names_its_grid_and_its_states(served, client) -> None:
    for state in ("damaged", "damaged", "removed"):
        served.sql(f"UPDATE component SET state = '{state}' WHERE code = '51010501001000001'")
    found = (await client.get("/api/components?q=这里")).json()["components"][0]
    told = (await client.get(f"/api/components/{found['id']}")).json()
    assert told["component_class"] == {
        "code": "01001",
        "name": {"zh": "供水井盖", "en": "water manhole cover"},
    }
    assert told["major_class"]["name"]["zh"] == "市政公用设施"
    assert told["department"] == {"code": None, "name": "水务局"}
    assert told["area"]["responsibility_grid"]["name"]["zh"] == "第一网格"
    assert told["street"] is None
    assert [s["state"]["code"] for s in told["states"]] == ["removed", "damaged", "intact"]
    assert told["states"][0]["until"] is None
    assert told["states"][0]["since"] == told["states"][1]["until"]
    hits = (await client.get("/api/search?q=51010501001000001")).json()
    assert [(hit["type"], hit["label"]["zh"]) for hit in hits] == [("component", "这里井盖")]


async def test_one_is_told_with_the_street_it_stands_in(served, client) -> None:
    served.sql(
        "INSERT INTO area (dataset_id, source_ref, content_hash, code, level, name, geom, label_point, "
        "made_by, area_m2) "
        "SELECT dataset_id, 'street', content_hash, '510105001000000', 'street', '西街道', geom, "
        "label_point, 'drawn', area_m2 FROM area WHERE level = 'community' LIMIT 1"
    )
    served.sql(
        "UPDATE area SET parent_id = (SELECT id FROM area WHERE level = 'street') WHERE level = 'community'"
    )
    found = (await client.get("/api/components?q=这里")).json()["components"][0]
    told = (await client.get(f"/api/components/{found['id']}")).json()
    assert (told["street"]["code"], told["street"]["name"]["zh"]) == ("510105001000000", "西街道")


async def test_export_has_the_18_attributes_by_the_names_of_the_standard(served, client) -> None:
    served.sql("UPDATE component SET installed_on = '2020-01-31', data_source = 'surveyed'")
    table = await client.get("/api/exports/components.csv?class=01001")
    rows = list(csv.DictReader(io.StringIO(table.content.decode("utf-8-sig"), newline="")))
    assert [(row["管理部件标识码"], row["初始日期"], row["数据来源"]) for row in rows] == [
        ("51010501001000001", "20200131", "实测"),
        ("51010501001000002", "20200131", "实测"),
    ]
    made = (await client.get("/api/exports/components.geojson?state=lost")).json()
    assert made["features"] == []
    named = (
        "GLBJBSM GLBJMC ZGBMDM ZGBMMC QSDWDM QSDWMC YHDWDM YHDWMC SZDYWGBSM GLBJZT CSRQ BGRQ SJLY BZ "
        "SZJDDM SZJDMC SZSQDM SZSQMC"
    )
    assert " ".join(list(made["columns"])[:18]) == named
