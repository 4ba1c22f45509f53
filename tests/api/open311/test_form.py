"""Bad forms are refused with what is wrong; hostile ones do nothing; both formats say the same."""

from __future__ import annotations

import re

import pytest

from api.open311.form import Form
from api.open311.formats import speakable
from tests.api.open311.conftest import HERE_PLACE, refused, xml
from twin.access.scope import WHOLE_CODE
from twin.cases.categories import load_categories

pytestmark = [pytest.mark.postgis, pytest.mark.asyncio(loop_scope="module")]

NOISE = {"service_code": "06028"}
BAD = {
    "no place": ({"lat": None, "long": None}, 400, "place"),
    "half a place": ({"long": None}, 400, "lat, long"),
    "no number": ({"lat": "north"}, 400, "lat"),
    "not finite": ({"lat": "NaN"}, 400, "lat"),
    "exponent": ({"lat": "3e1"}, 400, "lat"),
    "infinite": ({"long": "1e999"}, 400, "long"),
    "out of range": ({"lat": "90.1"}, 400, "lat"),
    "exchanged": ({"lat": "104.06", "long": "30.66"}, 400, "lat"),
    "no service": ({"service_code": None}, 400, "service_code"),
    "unknown service": ({"service_code": "99999"}, 404, "service"),
    "no such class": ({"service_code": "01016"}, 404, "service"),
    "long words": ({"description": "长" * 10_000}, 400, "10000"),
    "long address": ({"address_string": "路" * 501}, 400, "address_string"),
    "phone": ({"phone": "call me"}, 400, "phone"),
    "short phone": ({"phone": "123"}, 400, "phone"),
    "mail": ({"email": "nobody"}, 400, "email"),
    "picture by ftp": ({"media_url": "ftp://example.org/1.jpg"}, 400, "media_url"),
    "picture by script": ({"media_url": "javascript:alert(1)"}, 400, "media_url"),
    "picture with markup": ({"media_url": "https://example.org/\"><script>"}, 400, "media_url"),
    "picture with password": ({"media_url": "https://a:b@example.org/"}, 400, "media_url"),
    "picture in brackets": ({"media_url": "https://[/"}, 400, "media_url"),
    "long picture": ({"media_url": "https://example.org/" + "a" * 500}, 400, "media_url"),
    "missing answer": (NOISE, 400, "noise_source"),
    "no choice": ({**NOISE, "attribute[noise_source]": "moon"}, 400, "construction"),
    "two answers": ({**NOISE, "attribute[noise_source]": ["business", "other"]}, 400, "one answer"),
    "not asked": ({"attribute[colour]": "red"}, 400, "colour"),
    "no moment": (
        {**NOISE, "attribute[noise_source]": "other", "attribute[noise_since]": "yesterday"}, 400, "zone",
    ),
    "no zone": (
        {**NOISE, "attribute[noise_source]": "other", "attribute[noise_since]": "2026-01-01T00:00:00"},
        400, "zone",
    ),
    "no whole number": ({"service_code": "51003", "attribute[floor]": "third"}, 400, "number"),
    "field twice": ({"description": ["a", "b"]}, 400, "twice"),
    "many fields": ({f"x{n}": "1" for n in range(200)}, 400, "100"),
    "other place": ({"jurisdiction_id": "elsewhere.gov"}, 404, "jurisdiction_id"),
}  # fmt: skip


@pytest.fixture
async def app(channel, town, monkeypatch):
    monkeypatch.setattr(town.runtime.settings, "open311_jurisdiction", "tianfu.test")
    return await channel()


@pytest.mark.parametrize("what", BAD)
async def test_a_bad_report_is_refused_in_both_formats_and_leaves_nothing(app, town, what) -> None:
    fields, status, word = BAD[what]
    before = await town.run_sql("SELECT (SELECT count(*) FROM case_file), (SELECT count(*) FROM person)")
    for form in ("json", "xml"):
        assert word in refused(await app.post(form, **{**HERE_PLACE, **fields}), status)
    after = await town.run_sql("SELECT (SELECT count(*) FROM case_file), (SELECT count(*) FROM person)")
    assert after == before


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b'{"service_code": "06010"}', "application/json", 400),
        (b"--x\r\n", "multipart/form-data; boundary=x", 400),
        (b"service_code=06010", "", 400),
        (b"service_code=06010&description=%FF%FE", "application/x-www-form-urlencoded", 400),
        (b"service_code=06010&description=\xff\xfe", "application/x-www-form-urlencoded", 400),
        (b"service_code=06010&description=" + b"a" * (2 << 20), "application/x-www-form-urlencoded", 413),
        (b"", "application/x-www-form-urlencoded", 400),
    ],
)
async def test_what_is_no_form_is_refused(app, body, kind, status) -> None:
    headers = {"authorization": f"Bearer {app.key}"} | ({"content-type": kind} if kind else {})
    refused(await app.http.post("/open311/v2/requests.json", content=body, headers=headers), status)


HOSTILE = "<script>alert(1)</script> & ]]> \x00\x0b\x1f \ufffe '\"; DROP TABLE case_file; -- 𝄞 \u202e"


async def test_hostile_words_are_words(app) -> None:
    made = await app.filed(description=HOSTILE, address_string="<b>&amp;</b>")
    number = made["service_request_id"]
    kept = HOSTILE.replace("\x00", " ").replace("\x0b", " ").replace("\x1f", " ").replace("\ufffe", " ")
    (row,) = await app.list(service_request_id=number)
    assert row["description"] == kept.strip()
    root = xml(await app.get("requests.xml", service_request_id=number))
    assert root.findtext("request/description") == kept.strip()
    assert root.findtext("request/address") == "<b>&amp;</b>"
    assert len(root.findall("request")) == 1


async def test_xml_and_json_say_the_same(app) -> None:
    made = await app.filed(description="两种格式")
    (row,) = await app.list(service_request_id=made["service_request_id"])
    root = xml(await app.get(f"requests/{made['service_request_id']}.xml"))
    (request,) = root.findall("request")
    assert root.tag == "service_requests"
    assert [child.tag for child in request] == list(row)
    for child in request:
        value = row[child.tag]
        assert (child.text or None) == (None if value is None else str(value)), child.tag
    assert re.search(r"(Z|[+-]\d\d:\d\d)$", row["requested_datetime"])


async def test_services_are_the_table(app) -> None:
    listed = (await app.http.get("/open311/v2/services.json")).json()
    table = load_categories().by_code
    assert [row["service_code"] for row in listed] == list(table)
    services = {row["service_code"]: row for row in listed}
    assert services["01037"]["service_name"] == "路灯异常"
    assert services["06010"] == {
        "service_code": "06010", "service_name": "暴露垃圾",
        "description": "市容环境 · GB/T 47678.5-2026 06010",
        "metadata": False, "type": "realtime", "keywords": "Exposed rubbish,06010", "group": "市容环境",
    }  # fmt: skip
    root = xml(await app.http.get("/open311/v2/services.xml?lang=en&jurisdiction_id=tianfu.test"))
    assert root.tag == "services"
    assert [row.findtext("service_code") for row in root.findall("service")] == list(table)
    assert root.findtext("service/metadata") == "false"
    assert root.findtext("service/service_name") == "Water manhole cover: fault"
    refused(await app.http.get("/open311/v2/services.xml?jurisdiction_id=other"), 404)


async def test_a_definition_has_the_questions(app) -> None:
    told = (await app.http.get("/open311/v2/services/06028.json?lang=en")).json()
    source, since = told["attributes"]
    assert (source["code"], source["required"], source["datatype"]) == (
        "noise_source",
        True,
        "singlevaluelist",
    )
    assert source["values"][0] == {"key": "construction", "name": "Construction"}
    assert (since["order"], since["values"]) == (2, [])
    root = xml(await app.http.get("/open311/v2/services/06028.xml"))
    assert root.tag == "service_definition"
    assert root.findtext("attributes/attribute/values/value/key") == "construction"
    assert (await app.http.get("/open311/v2/services/06010.json")).json()["attributes"] == []
    refused(await app.http.get("/open311/v2/services/xyz.json"), 404)


async def test_several_answers_are_kept(app, town) -> None:
    made = await app.filed(service_code="52001", **{"attribute[charging_place][]": ["lift", "wire"]})
    ((kept,),) = await town.run_sql(
        "SELECT attributes FROM case_report JOIN case_file ON id = case_id WHERE number = %s",
        made["service_request_id"],
    )
    assert kept == {"charging_place": ["lift", "wire"]}


async def test_discovery_names_the_endpoint(app, town) -> None:
    told = (await app.http.get("/open311/v2/discovery.json")).json()
    assert told["endpoints"][0]["url"] == f"{town.url}/open311/v2"
    root = xml(await app.http.get("/open311/v2/discovery.xml"))
    assert [f.text for f in root.findall("endpoints/endpoint/formats/format")] == [
        "application/json",
        "text/xml",
    ]


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        ({"start_date": "2026-01-01T00:00:00Z", "end_date": "2026-06-01T00:00:00Z"}, "90"),
        ({"start_date": "2026-06-01T00:00:00Z", "end_date": "2026-05-31T00:00:00Z"}, "start"),
        ({"start_date": "2026-01-01"}, "start_date"),
        ({"start_date": "2026-01-01T00:00:00"}, "start_date"),
        ({"end_date": "0001-01-01T00:00:00Z"}, "years"),
        ({"start_date": "1764000000"}, "start_date"),
        ({"status": "lost"}, "status"),
        ({"service_request_id": ","}, "service_request_id"),
        ({"page": "0"}, "page"),
        ({"page_size": "1001"}, "page_size"),
        ({"lang": "fr"}, "lang"),
    ],
)
async def test_bad_questions_are_refused(app, asked, word) -> None:
    assert word in refused(await app.get("requests.json", **asked), 400)


async def test_unknown_addresses_are_refused_in_form_too(app) -> None:
    for path, status in (("nothing.xml", 404), ("requests.csv", 400), ("requests/none.json", 404)):
        refused(await app.get(path), status)
    answer = await app.http.delete("/open311/v2/requests.xml", params={"api_key": app.key})
    refused(answer, 405)
    assert answer.headers["allow"] == "GET, POST"


async def test_a_key_of_the_whole_city_files_in_an_area_only(channel) -> None:
    app = await channel(area=WHOLE_CODE)
    assert (await app.post(**HERE_PLACE)).status_code == 201
    assert "no area" in refused(await app.post(lat="0", long="0"), 400)


async def test_signs_that_xml_cannot_hold_become_blanks() -> None:
    assert speakable("a\x00b\ud800c\tä中𝄞") == "a b c\tä中𝄞"
    form = Form(
        "first_name=三&last_name=李&description=a%0D%0Ab%08".encode(), "application/x-www-form-urlencoded"
    )
    assert form.text("description", 10) == "a\nb"
    assert form.reporter().name == "李三"
    latin = Form(b"first_name=Ann&last_name=Lee", "application/x-www-form-urlencoded")
    assert latin.reporter().name == "Ann Lee"
