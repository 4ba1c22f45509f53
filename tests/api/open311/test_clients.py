"""A client of others reads what we say; what is sent is what the specification's example sends."""

from __future__ import annotations

import asyncio
import functools

import pytest

from tests.api.open311.conftest import xml

pytestmark = [pytest.mark.postgis, pytest.mark.asyncio(loop_scope="module")]


@pytest.mark.parametrize("form", ["json", "xml"])
async def test_the_client_georeport_reads_services_and_requests(town, channel, monkeypatch, form) -> None:
    georeport = pytest.importorskip("georeport")
    requests = pytest.importorskip("requests")
    app = await channel()
    made = [await app.filed(service_code="06028", description=f"{form} {n}",
                            **{"attribute[noise_source]": "other"}) for n in range(2)]  # fmt: skip
    # It sends no key where it reads; a proxy before it would add the header.
    plain = requests.get
    monkeypatch.setattr(
        requests, "get", lambda *a, **k: plain(*a, headers={"Authorization": f"Bearer {app.key}"}, **k)
    )
    client = georeport.GeoReport(f"{town.url}/open311/v2", jurisdiction="any", output_format=form)

    async def ask(function, *given, **named):
        return await asyncio.to_thread(functools.partial(function, *given, **named))

    services = await ask(client.get_service_list)
    assert {"06010", "06028"} <= {row["service_code"] for row in services}
    definition = await ask(client.get_service_definition, "06028")
    assert definition["service_code"] == "06028"
    numbers = [row["service_request_id"] for row in made]
    listed = await ask(client.get_service_requests, service_code="06028", status="open")
    assert [row["service_request_id"] for row in listed][:2] == numbers[::-1]
    one = await ask(client.get_service_request, numbers[0])
    assert (one["status"], one["description"]) == ("open", f"{form} 0")


async def test_the_example_of_the_specification_is_taken(channel) -> None:
    """Fields and escapes as in its POST example; only service, place and questions are of here."""
    app = await channel()
    body = (
        f"api_key={app.key}&jurisdiction_id=city.gov&service_code=52001&lat=30.6601&long=104.0601"
        "&address_string=1234+5th+street&email=smit333%40sfgov.edu&device_id=tt222111&account_id=123456"
        "&first_name=john&last_name=smith&phone=111111111"
        "&description=A+large+sinkhole+is+destroying+the+street"
        "&media_url=http%3A%2F%2Fexample.org%2F2212426634_5ed477a060.jpg"
        "&attribute[charging_place][]=lift&attribute[charging_place][]=wire"
    )
    answer = await app.http.post(
        "/open311/v2/requests.xml",
        content=body,
        headers={"content-type": "application/x-www-form-urlencoded; charset=utf-8"},
    )
    assert answer.status_code == 201, answer.text
    root = xml(answer)
    (request,) = root
    assert (root.tag, request.tag) == ("service_requests", "request")
    assert [child.tag for child in request][:3] == ["service_request_id", "service_notice", "account_id"]
    assert request.findtext("account_id") == ""
    (row,) = await app.list(service_request_id=request.findtext("service_request_id"))
    assert row["description"] == "A large sinkhole is destroying the street"
    assert row["address"] == "1234 5th street"
