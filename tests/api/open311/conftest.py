"""Serve one city of two grids with addresses for a module, and make channels that report there."""

from __future__ import annotations

import itertools
from urllib.parse import urlencode
from xml.etree import ElementTree

import httpx
import psycopg
import pytest_asyncio

from tests.api.conftest import fill_city, serving
from tests.api.routes.conftest import HERE, beside_sql
from twin.access.credentials import CredentialKind

_ADDRESSES = """
INSERT INTO address (dataset_id, source_ref, content_hash, geom, street, house_number, text)
    SELECT 1, 'address/' || n, '\\x00', ST_SetSRID(ST_MakePoint(lon, 30.66), 4326), street, number, street || number
    FROM (VALUES (1, '人民南路一段', ' 1 号', 104.0600), (2, '人民南路一段', ' 12 号', 104.0610),
                 (3, '双子路', '5号', 104.0580), (4, '双子路', '5号', 104.0630), (5, '隔壁街', '7号', 104.0670),
                 (6, 'Main Street ', '1', 104.0602)) AS a (n, street, number, lon);
"""  # noqa: E501
_people = itertools.count(1)

HERE_PLACE = {"lat": "30.6601", "long": "104.0601"}
BESIDE_PLACE = {"lat": "30.6600", "long": "104.0670"}
NOWHERE = {"lat": "35.0", "long": "110.0"}


class Channel:
    """A client of the interface, as the makers of an app would write it: forms, keys, two formats."""

    def __init__(self, http: httpx.AsyncClient, key: str) -> None:
        self.http, self.key = http, key

    async def post(self, form: str = "json", headers: dict | None = None, **fields: object) -> httpx.Response:
        said = {"api_key": self.key, "service_code": "06010", **fields}
        body = urlencode({k: v for k, v in said.items() if v is not None}, doseq=True)
        return await self.http.post(
            f"/open311/v2/requests.{form}",
            content=body,
            headers={"content-type": "application/x-www-form-urlencoded; charset=utf-8", **(headers or {})},
        )

    async def filed(self, **fields: object) -> dict:
        answer = await self.post(**{**HERE_PLACE, **fields})
        assert answer.status_code == 201, answer.text
        return answer.json()[0]

    async def get(self, path: str, **asked: object) -> httpx.Response:
        return await self.http.get(f"/open311/v2/{path}", params={"api_key": self.key, **asked})

    async def list(self, **asked: object) -> list[dict]:
        answer = await self.get("requests.json", **asked)
        assert answer.status_code == 200, answer.text
        return answer.json()


def xml(answer: httpx.Response) -> ElementTree.Element:
    assert answer.headers["content-type"] == "text/xml; charset=utf-8"
    assert answer.content.startswith(b'<?xml version="1.0" encoding="utf-8"?>')
    return ElementTree.fromstring(answer.content)


def refused(answer: httpx.Response, status: int) -> str:
    """Check that an answer is a refusal in the form of the specification; return what it says."""
    assert answer.status_code == status, answer.text
    if answer.headers["content-type"].startswith("text/xml"):
        root = xml(answer)
        assert root.tag == "errors"
        code, said = (root.findtext(f"error/{name}") for name in ("code", "description"))
    else:
        (error,) = answer.json()
        assert set(error) == {"code", "description"}
        code, said = str(error["code"]), error["description"]
    assert code == str(status)
    assert said
    return said


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def town(database, tmp_path_factory):
    fresh = database.fresh()
    fill_city(fresh)
    with psycopg.connect(fresh.url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(beside_sql() + _ADDRESSES)
    async with serving(fresh, tmp_path_factory.mktemp("open311")) as served:
        yield served


@pytest_asyncio.fixture(loop_scope="module")
async def channel(town):
    """A function that makes a channel of an area, with a key of its own."""
    async with httpx.AsyncClient(base_url=town.url, timeout=20.0) as http:

        async def make(role: str = "resident_channel", area: str = HERE) -> Channel:
            return Channel(http, await town.secret((role, area), kind=CredentialKind.TOKEN))

        yield make


def unique_phone() -> str:
    return f"1540000{next(_people):04d}"
