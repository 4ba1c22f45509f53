"""Every role at every level asks every route, tile and live room: nothing of another area comes out.

Each thing of the made-up city carries the 15 digits of its grid in its name, so that whatever an answer holds
can be told by reading the answer's text; who should see what is said by `tests.access.oracle`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import httpx
import pytest
import pytest_asyncio
import websockets
from starlette.routing import WebSocketRoute

from api.access.door import COOKIE
from api.access.permissions import permission_of
from api.live.frames import BlockKind, decode_frame
from api.main import create_app
from api.routes import ROUTERS
from api.settings import Settings
from tests.access import oracle
from tests.access.world import LAT, LON
from tests.api.access.asker import CODE, PERSONS, Asker, dealt, may_come_out, places
from tests.api.access.followers import FOLLOWED, amiss, bring, ends
from tests.api.access.mqtt_wire import follow
from tests.api.access.ways import ROUTES, SOCKETS
from tests.api.conftest import serving
from twin.access.credentials import CredentialKind, digest

pytestmark = [pytest.mark.postgis, pytest.mark.timeout(600)]
on_one_server = pytest.mark.asyncio(loop_scope="module")


def test_every_route_is_in_the_table_and_declares_what_it_asks():
    """A new route that nobody thought of there is an error by itself."""
    found = {
        (method, route.path) for router in ROUTERS for route in router.routes for method in route.methods
    }
    assert {f for f in found if f[0] != "HEAD"} == ROUTES
    for router in ROUTERS:
        for route in router.routes:
            assert permission_of(route) is not None, route.path


def test_every_socket_is_in_the_table(tmp_path):
    app = create_app(Settings(database_url="postgresql://nobody@/none", data_dir=tmp_path, web_dir=tmp_path))
    found = {route.path for route in app.router.routes if isinstance(route, WebSocketRoute)}
    assert found == SOCKETS


@pytest.fixture(scope="module")
def made(new_world):
    return new_world()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def siblings(made, tmp_path_factory):
    """A server on the city of siblings, which all roles ask one after the other, and what the city holds."""
    database, world = made
    async with serving(database, tmp_path_factory.mktemp("siblings")) as served:
        yield served, world


LIKE_MANAGER = {role for role, reads in oracle.READS.items() if reads == oracle.READS["manager"]}
DEALT = [role for role in oracle.READS if role not in LIKE_MANAGER]


def asked_every_route() -> list[Any]:
    """Give each role, and whether it asks at every place.

    A manager does; of the others, those that read something else ask at one area of each level: what is cut
    by area is cut alike for each role that reads it. With --all every role asks at every place it can be
    held at.
    """
    asked = [pytest.param("manager", True, id="manager everywhere")]
    asked += [pytest.param(role, False, id=role) for role in DEALT]
    return asked + [
        pytest.param(role, True, id=f"{role} everywhere", marks=pytest.mark.slow)
        for role in oracle.READS
        if role not in oracle.DUTIES | {"manager"}
    ]


def test_together_the_roles_ask_at_every_place(made):
    world = made[1]
    wanted = {place for role in DEALT for place in places(world, role)}
    assert {place for role in DEALT for place in dealt(world, role)} == wanted


@pytest.mark.parametrize(("role", "everywhere"), asked_every_route())
@on_one_server
async def test_no_way_out_tells_of_another_area(siblings, role, everywhere):
    served, world = siblings
    wrong: list[str] = []
    for area, level in places(world, role) if everywhere else dealt(world, role):
        secret = await served.secret((role, area))
        async with httpx.AsyncClient(
            base_url=served.url, timeout=30.0, cookies={COOKIE: secret}, verify=False
        ) as http:
            wrong += await Asker(http, world, role, area, level).all()
    assert wrong == [], "\n".join(wrong[:40])


@pytest.mark.parametrize("role", oracle.READS)
@on_one_server
async def test_live_rooms_and_journal_tell_nothing_of_another_area(siblings, role):
    served, world = siblings
    asked = places(world, role)
    tokens = [await served.secret((role, area), kind=CredentialKind.TOKEN) for area, _ in asked]
    looks = await asyncio.gather(*(look(served.live, token) for token in tokens))
    for (area, level), (ids, texts, counted) in zip(asked, looks, strict=True):
        seen = oracle.visible(world, "device", role, area, level)
        seen = {key for key in seen if world.rows["device"][key]}  # one lies far from the strip
        assert ids == seen, (role, area, level)
        assert counted == len(seen), (role, area, level)
        for code in set(CODE.findall(texts)):
            assert may_come_out(world, code, area, level), (role, area, level, code)
        assert not PERSONS.search(texts), (role, area, level)


async def look(url: str, token: str) -> tuple[set[int], str, int]:
    """Look at the whole strip: ids of all things sent, all texts, and the sum of the aggregates from afar."""
    headers = {"authorization": f"Bearer {token}"}
    bbox = [LON - 0.1, LAT - 0.1, LON + 0.2, LAT + 0.1]
    ids: set[int] = set()
    texts = ""
    counted = 0
    async with websockets.connect(url, additional_headers=headers) as socket:
        for zoom in (15, 8):
            # From the beginning of the journal, so that all that was told before is told again.
            resume = {"epoch": 1, "tick": 0, "journal": 0}
            ask = {"op": "subscribe", "bbox": bbox, "zoom": zoom, "resume": resume}
            await socket.send(json.dumps(ask))
            with contextlib.suppress(TimeoutError):
                while True:
                    message = await asyncio.wait_for(socket.recv(), 1.0)
                    if isinstance(message, str):
                        texts += message
                        continue
                    for block in decode_frame(message).blocks:
                        if block.kind is BlockKind.CELLS:
                            counted += int(block.columns["count"].sum())
                        else:
                            ids |= set(block.columns["id"].tolist())
    return ids, texts, counted


@on_one_server
async def test_followers_are_told_nothing_of_another_area(siblings):
    """All is changed and observes at once, while each role at each level follows sets and two Things."""
    served, world = siblings
    things = sorted(k for k, kind in world.kinds["device"].items() if kind != "worker")
    first, last = things[0], things[-2]
    topics = [f"v1.1/{name}" for name in FOLLOWED] + [f"v1.1/Things({k})/name" for k in (first, last)]
    asked = [(role, *place) for role in oracle.READS for place in ends(world, role)]
    ready = asyncio.Barrier(len(asked) + 1)
    secrets = [await served.secret((role, area), kind=CredentialKind.TOKEN) for role, area, _ in asked]
    names = dict(
        await served.run_sql(
            "SELECT encode(secret_hash, 'hex'), a.name FROM credential AS c JOIN account AS a "
            "ON a.id = c.account_id WHERE c.kind = 'token'"
        )
    )
    url = served.url.replace("http", "ws") + "/sta/mqtt"
    following = [
        asyncio.create_task(follow(url, names[digest(one).hex()], one, topics, ready)) for one in secrets
    ]
    async with asyncio.timeout(60):
        await ready.wait()
    bring(served, world)
    told = await asyncio.gather(*following)
    wrong: list[str] = []
    for (role, area, level), one in zip(asked, told, strict=True):
        wrong += [f"{role} at {level} {area}: {what}" for what in amiss(world, role, area, level, one)]
    assert wrong == [], "\n".join(wrong[:40])
