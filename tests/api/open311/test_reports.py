"""A report becomes a case once, in its area, with who reported it sealed and nothing personal told again."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import websockets

from api.access.door import COOKIE
from tests.api.open311.conftest import BESIDE_PLACE, HERE_PLACE, NOWHERE, refused, unique_phone, xml
from tests.api.routes.conftest import BESIDE, HERE
from twin.access.credentials import CredentialKind
from twin.access.scope import WHOLE_CODE
from twin.cases import reporting

pytestmark = [pytest.mark.postgis, pytest.mark.asyncio(loop_scope="module")]

FLAT = "人民南路一段 1 号 1501 室"
PERSON = {"first_name": "三丰", "last_name": "张", "email": "zhang.sanfeng@example.org"}


async def test_a_report_becomes_a_case_with_its_reporter_sealed(town, channel) -> None:
    app, phone = await channel(), unique_phone()
    made = await app.filed(
        **PERSON, phone=phone, description=f"楼下垃圾三天没清，电话 {phone}", address_string=FLAT,
        media_url="https://pictures.example.org/1.jpg",
    )  # fmt: skip
    assert made["service_request_id"].startswith(datetime.now(UTC).astimezone().strftime("%Y"))
    ((number, title, source, stage, category, scope, grid, said, url, person),) = await town.run_sql(
        "SELECT number, title, source, stage, category_code, scope_code, responsibility_grid_id, "
        "description, media_url, reporter_id FROM case_file JOIN case_report ON case_id = id "
        "WHERE number = %s",
        made["service_request_id"],
    )
    assert (source, stage, category) == ("resident", "collected", "06010")
    assert (scope, grid) == (int(HERE), 4)
    assert phone not in title
    assert phone not in said
    assert title.startswith("暴露垃圾：楼下垃圾三天没清，电话 154****")
    assert url == "https://pictures.example.org/1.jpg"
    (sealed,) = await town.run_sql(
        "SELECT name_masked, phone_masked, email_masked, email_sealed FROM person WHERE id = %s", person
    )
    assert sealed[:3] == ("张*", f"154****{phone[-4:]}", "z***@example.org")
    opened = town.runtime.sealer.open(sealed[3], f"person.email/{person}")
    assert opened == "zhang.sanfeng@example.org"
    journal = await town.run_sql(
        "SELECT area_code, actor, data FROM journal WHERE kind = 'case.reported' AND data ->> 'number' = %s",
        number,
    )
    ((area, actor, data),) = journal
    assert area == HERE
    assert actor.startswith("account/")
    assert data["title"] == title
    told = json.dumps(data, ensure_ascii=False)
    assert [secret for secret in (phone, "三丰", "example.org", "1501") if secret in told] == []


async def test_a_dispatcher_reads_and_reveals_what_was_reported(town, channel) -> None:
    app, phone = await channel("hotline_channel"), unique_phone()
    made = await app.filed(**PERSON, phone=phone, description="噪声很大", service_code="06028",
                           **{"attribute[noise_source]": "construction"})  # fmt: skip
    async with await town.signed_in("dispatcher", HERE) as dispatcher:
        listed = (await dispatcher.get("/api/cases?limit=1000")).json()["cases"]
        (case,) = [row for row in listed if row["number"] == made["service_request_id"]]
        assert case["source"] == "hotline"
        assert case["reporter"]["email"] == "z***@example.org"
        report = (await dispatcher.get(f"/api/cases/{case['id']}/report")).json()
        assert report["description"] == {"zh": "噪声很大", "en": None}
        assert report["attributes"] == {"noise_source": "construction"}
        revealed = await dispatcher.post(f"/api/cases/{case['id']}/reveal", json={"reason": "回访"})
        assert (revealed.json()["phone"], revealed.json()["email"]) == (phone, PERSON["email"])
    async with await town.signed_in("dispatcher", BESIDE) as other:
        assert (await other.get(f"/api/cases/{case['id']}/report")).status_code == 404


async def test_a_key_opens_nothing_else_in_the_house(town, channel) -> None:
    app = await channel(area=WHOLE_CODE)
    await app.filed(description="x")
    for path in ("/api/cases", "/api/scene", "/api/cases/1/report", "/api/workers/5", "/api/journal"):
        answer = await app.http.get(path, headers={"authorization": f"Bearer {app.key}"})
        assert answer.status_code == 403, path


async def test_the_wall_hears_of_a_report_at_once(town, channel) -> None:
    app = await channel()
    token = await town.secret(("wall", WHOLE_CODE), kind=CredentialKind.TOKEN)
    async with websockets.connect(town.live, additional_headers={"authorization": f"Bearer {token}"}) as live:
        await live.send(json.dumps({"op": "subscribe", "bbox": [104.0, 30.6, 104.1, 30.7], "zoom": 15}))
        await asyncio.sleep(0.3)
        made = await app.filed(description="第一时间")

        async def told() -> dict:
            while True:
                message = await live.recv()
                if isinstance(message, str) and "case.reported" in message:
                    return json.loads(message)

        event = await asyncio.wait_for(told(), 5.0)
    assert event["data"]["number"] == made["service_request_id"]


@pytest.mark.parametrize("place", [BESIDE_PLACE, NOWHERE])
async def test_a_report_outside_the_area_is_refused(town, channel, place) -> None:
    app = await channel()
    before = await town.run_sql("SELECT count(*) FROM case_file")
    people = await town.run_sql("SELECT count(*) FROM person")
    said = refused(await app.post(**place, phone=unique_phone()), 403 if place is BESIDE_PLACE else 400)
    assert "area" in said
    assert await town.run_sql("SELECT count(*) FROM case_file") == before
    assert await town.run_sql("SELECT count(*) FROM person") == people, "nobody is kept of what was refused"


async def test_sending_again_makes_no_second_case(town, channel) -> None:
    app = await channel()
    fields = {**HERE_PLACE, "description": "再发一次", "phone": unique_phone()}
    first, again = await app.post(**fields), await app.post(**fields)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json(), "number and token"
    key = {"Idempotency-Key": "app-17"}
    first, again = await app.post(headers=key, **fields), await app.post(headers=key, **fields)
    assert (first.status_code, again.status_code) == (201, 200)
    assert "another report" in refused(await app.post(headers=key, **{**fields, "description": "别的"}), 409)
    other = await channel()
    assert (await other.post(headers=key, **fields)).status_code == 201, "keys are an account's own"


async def test_the_same_words_are_another_case_later(town, channel) -> None:
    app = await channel()
    first = await app.filed(description="又满了")
    await town.run_sql(
        "UPDATE case_report SET filed_at = case_report.filed_at - interval '11 minutes' FROM case_file "
        "WHERE id = case_id AND number = %s", first["service_request_id"],
    )  # fmt: skip
    second = await app.filed(description="又满了")
    assert second["service_request_id"] != first["service_request_id"]
    assert second["token"] != first["token"]


async def test_equal_reports_side_by_side_are_one_case_and_numbers_have_no_gaps(town, channel) -> None:
    app = await channel()
    answers = await asyncio.gather(
        *(app.post(**HERE_PLACE, description=f"同时 {n % 6}") for n in range(24)),
        *(app.post(**HERE_PLACE, description=f"错 {n}", phone="1") for n in range(6)),
    )
    assert sorted(a.status_code for a in answers) == [200] * 18 + [201] * 6 + [400] * 6
    numbers = {a.json()[0]["service_request_id"] for a in answers[:24]}
    assert len(numbers) == 6
    counted = await town.run_sql(
        "SELECT last, (SELECT count(*) FROM case_file WHERE number LIKE to_char(day, 'YYYYMMDD') || '-%') "
        "FROM case_series"
    )
    assert all(last == cases for last, cases in counted)


async def test_a_key_files_so_many_a_minute(town, channel, monkeypatch) -> None:
    monkeypatch.setattr(reporting, "REPORTS_PER_MINUTE", 3)
    app = await channel()
    for n in range(3):
        await app.filed(description=f"{n}")
    answer = await app.post(**HERE_PLACE, description="4")
    refused(answer, 429)
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    again = await app.post(**HERE_PLACE, description="1")
    assert again.status_code == 200, "what came before is answered"
    await (await channel()).filed(description="4")


async def test_others_are_told_neither_words_nor_the_exact_place(channel) -> None:
    app, other, beside = await channel(), await channel(), await channel(area=BESIDE)
    made = await app.filed(
        lat="30.66013", long="104.06017", description="只给自己看", address_string=FLAT,
        media_url="https://pictures.example.org/2.jpg",
    )  # fmt: skip
    number = made["service_request_id"]
    (own,) = await app.list(service_request_id=number)
    assert (own["description"], own["media_url"]) == ("只给自己看", "https://pictures.example.org/2.jpg")
    assert own["address"] == "人民南路一段 1 号", "without the room"
    assert (own["lat"], own["long"]) == (30.66013, 104.06017)
    (seen,) = await other.list(service_request_id=number)
    assert (seen["lat"], seen["long"]) == (30.66, 104.06)
    assert {name for name, value in seen.items() if value is None} >= {"description", "address", "media_url"}
    assert await beside.list(service_request_id=number) == []
    refused(await beside.get(f"requests/{number}.json"), 404)


async def test_every_list_that_may_be_asked_for_fits_in_an_address(channel) -> None:
    app = await channel()
    assert (
        await app.list(service_request_id=",".join(["~" * 48] * 200)[:10_000], service_code="~" * 2_000) == []
    )
    assert "pattern" in refused(await app.get("requests.json", service_request_id="案" * 20), 400)


async def test_reports_are_filtered_and_paged(channel) -> None:
    app = await channel()
    made = [
        (await app.filed(service_code=code, description=f"{code} {n}"))["service_request_id"]
        for n, code in enumerate(("06010", "51004", "51004"))
    ]
    found = await app.list(service_code="51004,52002")
    assert {row["service_request_id"] for row in found} >= set(made[1:])
    assert {row["service_code"] for row in found} == {"51004"}
    assert [r["service_request_id"] for r in await app.list(service_request_id=f"{made[0]},{made[2]},x")] == [
        made[2], made[0],
    ]  # fmt: skip
    pages = [await app.list(page=n, page_size=2) for n in (1, 2)]
    assert [len(page) for page in pages] == [2, 2]
    numbers = [row["service_request_id"] for page in pages for row in page]
    assert numbers[:3] == made[::-1]
    assert len(set(numbers)) == 4
    assert await app.list(status="closed") == []
    now = datetime.now(UTC)
    assert await app.list(end_date=(now - timedelta(days=1)).isoformat()) == []
    assert await app.list(start_date=(now - timedelta(hours=1)).isoformat(), status="open,closed")


async def test_a_closed_case_is_closed_for_whoever_has_its_token(town, channel) -> None:
    app = await channel()
    made = await app.filed(description="井盖")
    async with httpx.AsyncClient(base_url=town.url) as anybody:
        path = f"/open311/v2/tokens/{made['token']}"
        (told,) = (await anybody.get(f"{path}.json")).json()
        assert (told["service_request_id"], told["status"]) == (made["service_request_id"], "open")
        assert told["status_notes"] == "信息收集"
        town.past_triggers(
            "UPDATE case_file SET closed_at = clock_timestamp(), stage = 'rated', outcome = 'closed' "
            "WHERE number = %s",
            made["service_request_id"],
        )
        root = xml(await anybody.get(f"{path}.xml?lang=en"))
        assert (root.findtext("request/status"), root.findtext("request/token")) == ("closed", made["token"])
        for wrong in (made["token"][:-1], made["service_request_id"], "x"):
            refused(await anybody.get(f"/open311/v2/tokens/{wrong}.xml"), 404)
    (row,) = await app.list(service_request_id=made["service_request_id"])
    assert row["status"] == "closed"
    ((token,),) = await town.run_sql(
        "SELECT encode(token_sha256, 'hex') FROM case_report JOIN case_file ON id = case_id "
        "WHERE number = %s",
        made["service_request_id"],
    )
    assert made["token"] not in str(token)


async def test_a_place_is_found_by_its_address(town, channel) -> None:
    app = await channel()
    for words, lon in (
        ("人民南路一段1号3栋2单元1501室", 104.0600),
        ("人民南路一段 12 号", 104.0610),
        ("main street 1, Apt. 5", 104.0602),
    ):
        made = await app.filed(lat=None, long=None, address_string=words)
        (row,) = await app.list(service_request_id=made["service_request_id"])
        assert row["long"] == pytest.approx(lon), words
        assert "1501" not in row["address"]
    for words, why in (
        ("没有这条街 9 号", "not known"),
        ("双子路5号", "several"),
        ("main street 12", "not known"),
    ):
        assert why in refused(await app.post(address_string=words), 400)
    # An address of another area is not known to this key, and so is not told of.
    assert "not known" in refused(await app.post(address_string="隔壁街7号"), 400)


async def test_a_key_comes_by_header_address_or_form_and_no_other_key_does(town, channel) -> None:
    app = await channel()
    bearer = {"authorization": f"Bearer {app.key}"}
    assert (await app.http.get("/open311/v2/requests.json", headers=bearer)).status_code == 200
    assert (await app.post(api_key=None, headers=bearer, **HERE_PLACE)).status_code == 201
    for answer in (
        await app.http.get("/open311/v2/requests.json"),
        await app.http.get("/open311/v2/requests.xml?api_key=wrong"),
        await app.post(api_key="wrong", **HERE_PLACE),
        await app.post("xml", api_key=None, **HERE_PLACE),
    ):
        assert "api_key was not provided" in refused(answer, 403)
    planner = await town.secret(("operator", HERE), kind=CredentialKind.TOKEN)
    refused(await app.post(api_key=planner, **HERE_PLACE), 403)
    session = await town.secret(("resident_channel", HERE))
    refused(await app.post(api_key=session, **HERE_PLACE), 403)
    # Nor does a key in the address open anything outside of this interface.
    assert (await app.http.get("/api/account", params={"api_key": app.key})).status_code == 401
    from_elsewhere = {"origin": "https://elsewhere.example", "cookie": f"{COOKIE}={session}"}
    refused(await app.post(headers=from_elsewhere, api_key=None, **HERE_PLACE), 403)
