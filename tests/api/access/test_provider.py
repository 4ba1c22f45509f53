"""Staff sign in by a real identity provider; what it forges is refused."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from sqlalchemy import text

from api.access.oidc import Provider
from twin.access import accounts, linking
from twin.access.record import COMMAND_LINE
from twin.access.sealing import Sealer
from twin.errors import SetupError
from twin.store.engine import create_async_engine
from twin.store.sockets import free_tcp_port

pytestmark = pytest.mark.postgis

PROVIDER = Path(__file__).parents[2] / "access" / "provider.py"
LIES = [
    "none", "hs", "jwk", "jku", "kid", "foreign", "changed", "expired", "audience", "two-audiences",
    "issuer", "nonce", "no-nonce", "no-expiry",
]  # fmt: skip


@pytest.fixture(scope="module")
def issuer():
    port = free_tcp_port()
    with subprocess.Popen([sys.executable, str(PROVIDER), str(port)]) as process:
        url = f"http://127.0.0.1:{port}"
        for _ in range(300):
            try:
                httpx.get(f"{url}/keys", timeout=1)
                break
            except httpx.HTTPError:
                assert process.poll() is None
                time.sleep(0.1)
        yield url
        process.terminate()


@pytest.fixture
async def staff(served, issuer):
    """A browser at a server that knows the provider, and one account linked to its person."""
    await asyncio.to_thread(httpx.post, f"{issuer}/lie/no")
    served.runtime.provider = Provider(issuer, "gridtwin-test", "client-secret", served.runtime.sealer)
    owner = create_async_engine(served.database.url)
    async with owner.begin() as connection:
        made = await accounts.create(connection, COMMAND_LINE, "zhang.min", "张敏")
        await accounts.grant(connection, COMMAND_LINE, made, "operator")
        await linking.link(connection, COMMAND_LINE, "zhang.min", issuer, "person-1")
    async with httpx.AsyncClient(base_url=served.url, timeout=20.0) as browser:
        yield browser, owner
    await owner.dispose()


async def go(browser: httpx.AsyncClient, after: str = "/wall") -> httpx.Response:
    """Follow the redirects as a browser does, and return the answer to the callback."""
    left = await browser.get("/api/sign-in/oidc", params={"after": after})
    assert left.status_code == 303, left.text
    back = await asyncio.to_thread(httpx.get, left.headers["location"])
    return await browser.get(back.headers["location"])


async def test_person_of_the_provider_is_signed_in_and_comes_to_the_page_asked_for(staff):
    browser, _ = staff
    done = await go(browser, "/wall?lang=zh")
    assert (done.status_code, done.headers["location"]) == (303, "/wall?lang=zh")
    who = (await browser.get("/api/account")).json()
    assert who["name"] == "zhang.min"


async def test_forged_token_is_refused(staff, issuer):
    browser, owner = staff
    for lie in LIES:
        await asyncio.to_thread(httpx.post, f"{issuer}/lie/{lie}")
        done = await go(browser)
        assert done.status_code == 401, (lie, done.text)
        assert (await browser.get("/api/account")).status_code == 401, lie
    async with owner.connect() as connection:
        sessions = await connection.execute(text("SELECT count(*) FROM credential WHERE kind = 'session'"))
        assert sessions.scalar_one() == 0


async def test_answer_of_another_browser_or_sign_in_is_refused(staff):
    browser, _ = staff
    left = await browser.get("/api/sign-in/oidc")
    back = await asyncio.to_thread(httpx.get, left.headers["location"])
    query = parse_qs(urlsplit(back.headers["location"]).query)
    code, state = query["code"][0], query["state"][0]
    path = "/api/sign-in/oidc/callback"
    async with httpx.AsyncClient(base_url=str(browser.base_url)) as another:
        assert (await another.get(path, params={"code": code, "state": state})).status_code == 401
    assert (await browser.get(path, params={"code": code, "state": "forged"})).status_code == 401
    assert (await browser.get(path, params={"code": code})).status_code == 401
    assert (await browser.get(path, params={"code": code, "state": "王"})).status_code == 401
    assert (await browser.get(path, params={"code": code, "state": state})).status_code == 303
    # The code is spent at the provider, whoever brings it again.
    assert (await browser.get(path, params={"code": code, "state": state})).status_code == 401


PAGE = {"accept": "text/html,application/xhtml+xml"}


async def told(browser: httpx.AsyncClient, **query: str) -> tuple[str, dict[str, list[str]]]:
    """Bring a browser back to us; return the page it is sent to, and with what."""
    answer = await browser.get("/api/sign-in/oidc/callback", params=query, headers=PAGE)
    assert answer.status_code == 303, answer.text
    parts = urlsplit(answer.headers["location"])
    return parts.path, parse_qs(parts.query)


async def test_browser_is_told_on_the_page_of_sign_in_what_is_wrong(staff, issuer, served):
    browser, owner = staff

    async def leave() -> dict[str, str]:
        left = await browser.get("/api/sign-in/oidc", params={"after": "/wall?lang=zh"})
        back = await asyncio.to_thread(httpx.get, left.headers["location"])
        query = parse_qs(urlsplit(back.headers["location"]).query)
        return {name: values[0] for name, values in query.items()}

    back = await leave()
    no = await told(browser, state=back["state"], error="access_denied", error_description="x")
    assert no == ("/sign-in", {"problem": ["cancelled"], "next": ["/wall?lang=zh"]})
    assert await told(browser, **back) == ("/sign-in", {"problem": ["expired"]}), "the cookie is spent"
    back = await leave()
    assert (await told(browser, state="another", code=back["code"]))[1]["problem"] == ["expired"]
    back = await leave()
    assert (await told(browser, state=back["state"], error="server_error"))[1]["problem"] == ["refused"]
    await asyncio.to_thread(httpx.post, f"{issuer}/lie/expired")
    assert (await told(browser, **await leave()))[1]["problem"] == ["refused"]
    await asyncio.to_thread(httpx.post, f"{issuer}/lie/no")
    async with owner.begin() as connection:
        await linking.unlink(connection, COMMAND_LINE, "zhang.min")
    assert (await told(browser, **await leave()))[1]["problem"] == ["unknown"]
    assert (await browser.get("/api/account")).status_code == 401
    away = f"http://127.0.0.1:{free_tcp_port()}"
    served.runtime.provider = Provider(away, "gridtwin-test", "secret", served.runtime.sealer)
    answer = await browser.get("/api/sign-in/oidc?after=/wall", headers=PAGE)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?problem=away&next=%2Fwall")
    assert (await browser.get("/api/sign-in/oidc")).status_code == 503, "a program is told as a program"
    served.runtime.provider = None
    answer = await browser.get("/api/sign-in/oidc", headers=PAGE)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?problem=none")


async def test_person_without_an_account_is_refused(staff):
    browser, owner = staff
    async with owner.begin() as connection:
        await connection.execute(text("UPDATE account SET oidc_subject = 'somebody-else'"))
    assert (await go(browser)).status_code == 401


@pytest.mark.parametrize(
    "after", ["//evil.example", "/\\evil.example", "https://evil.example", "wall", "/ x"]
)
async def test_nobody_is_sent_to_another_site(staff, after):
    browser, _ = staff
    assert (await browser.get("/api/sign-in/oidc", params={"after": after})).status_code == 422


async def test_without_a_provider_there_is_none(client):
    assert (await client.get("/api/sign-in/oidc")).status_code == 404


def test_provider_is_reached_by_https_only():
    with pytest.raises(SetupError, match="https"):
        Provider("http://login.example", "a", "b", Sealer(b"k" * 32))
