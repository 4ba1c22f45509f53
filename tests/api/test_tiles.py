import asyncio
import contextlib
import gzip
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests_tile import decode_tile

from api.access.door import Door
from api.access.publishers import PublisherDoor
from api.edge import Edge
from api.live.client import LiveClient
from api.tiles import TileStore, parse_tile_path
from layers.tiles import TILE_LAYERS, tile_sql
from twin.access.credentials import CredentialKind, Identity
from twin.access.grants import Grants
from twin.access.roles import DataClass
from twin.access.scope import EVERYWHERE, WHOLE_CODE, Scope
from twin.errors import InvalidError, NotFoundError

Z, X, Y = 16, 51711, 26899
BUILDING = f"/tiles/building/{Z}/{X}/{Y}.mvt"
WEST = Scope.of_area("510104021000000", "street")


class NoSenders(PublisherDoor):
    """A door that no device or gateway comes to."""

    def __init__(self) -> None:
        pass


class AlwaysOpen(Door):
    """A door that knows everybody without asking a database."""

    def __init__(self) -> None:
        pass

    async def identify(self, _scope: object) -> Identity:
        grants = Grants(reads={DataClass.PLACE: EVERYWHERE}, roles=("planner",))
        return Identity(
            credential_id=uuid4(),
            kind=CredentialKind.SESSION,
            expires_at=datetime.now(UTC) + timedelta(hours=1),
            parent_id=None,
            account_id=uuid4(),
            name="anybody",
            display_name="anybody",
            account_kind="person",
            must_change_password=False,
            demo=False,
            grants=grants,
        )


@pytest.mark.postgis
class TestServed:
    async def test_a_tile_holds_the_buildings_with_their_height_and_name(self, reader) -> None:
        tile = decode_tile((await reader.get(BUILDING)).content)
        assert set(tile) == {"building"}
        first = next(feature for feature in tile["building"] if feature["id"] == 1)
        assert first["height"] == 30.0
        assert first["name"] == "城市之心"
        assert first["type"] == 3

    @pytest.mark.parametrize("layer", [layer.name for layer in TILE_LAYERS if layer.name != "water"])
    async def test_each_layer_has_something_in_the_small_city(self, reader, layer: str) -> None:
        found = decode_tile((await reader.get(f"/tiles/{layer}/{Z}/{X}/{Y}.mvt")).content)
        assert found.get(layer), layer
        if layer in {"area_label", "place_label"}:
            assert all(feature["type"] == 1 and feature["name"] for feature in found[layer])

    async def test_joined_layers_are_the_layers_one_by_one(self, reader) -> None:
        names = [layer.name for layer in TILE_LAYERS]
        joined = decode_tile((await reader.get(f"/tiles/{','.join(names)}/{Z}/{X}/{Y}.mvt")).content)
        for name in names:
            alone = decode_tile((await reader.get(f"/tiles/{name}/{Z}/{X}/{Y}.mvt")).content)
            assert joined.get(name) == alone.get(name)

    async def test_every_layer_answers_at_every_zoom(self, reader) -> None:
        names = ",".join(layer.name for layer in TILE_LAYERS)
        for z in range(17):
            answer = await reader.get(f"/tiles/{names}/{z}/{X >> (Z - z)}/{Y >> (Z - z)}.mvt")
            assert answer.status_code == 200, answer.text
            decode_tile(answer.content)

    async def test_the_second_time_it_is_not_cut_and_304_with_its_etag(self, served, client) -> None:
        first = await client.get(BUILDING)
        cut = served.runtime.tiles.cut
        second = await client.get(BUILDING)
        assert second.content == first.content
        third = await client.get(BUILDING, headers={"if-none-match": first.headers["etag"]})
        assert third.status_code == 304
        assert third.content == b""
        assert served.runtime.tiles.cut == cut
        assert first.headers["content-encoding"] == "gzip"
        plain = await client.get(BUILDING, headers={"accept-encoding": "identity"})
        assert "content-encoding" not in plain.headers
        assert plain.content == first.content

    async def test_a_hundred_who_ask_at_once_wait_for_one_query(self, served, client) -> None:
        cut = served.runtime.tiles.cut
        answers = await asyncio.gather(*(client.get(BUILDING) for _ in range(100)))
        assert {answer.status_code for answer in answers} == {200}
        assert served.runtime.tiles.cut == cut + 1

    async def test_a_write_is_seen_within_two_seconds_and_told_to_all(self, served, client) -> None:
        far = f"/tiles/building/{Z}/{X + 300}/{Y}.mvt"
        road = f"/tiles/road/{Z}/{X}/{Y}.mvt"
        for path in (BUILDING, far, road):
            await client.get(path)
        token = await served.secret(("manager", WHOLE_CODE), kind=CredentialKind.TOKEN)
        live = LiveClient(served.live, token=token)
        await live.connect()
        version = (await client.get("/api/scene")).json()["tile_layers"]["building"]["version"]
        await served.run_sql("UPDATE building SET height_m = 77 WHERE id = 1")
        await live.until(lambda: any(t["layer"] == "building" for t in live.tiles), timeout_s=2.0)
        told = next(t for t in live.tiles if t["layer"] == "building")
        assert told["version"] > version
        west, south, east, north = told["bbox"]
        assert west <= 104.0598 <= east
        assert south <= 30.6598 <= north
        assert served.runtime.tiles.find(far, EVERYWHERE) is not None, "only what is touched is thrown away"
        assert served.runtime.tiles.find(road, EVERYWHERE) is not None
        tile = decode_tile((await client.get(BUILDING)).content)
        assert next(f for f in tile["building"] if f["id"] == 1)["height"] == 77.0
        await live.close()

    async def test_a_restart_of_the_database_leaves_no_broken_tile_behind(self, served, client) -> None:
        good = (await client.get(BUILDING)).content
        ended = """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid()"""
        await served.run_sql(ended)
        fresh = await client.get(f"/tiles/road/{Z}/{X}/{Y}.mvt")
        assert fresh.status_code == 200
        await asyncio.sleep(0.2)
        # It listens again: a change is noticed, though it fell into the gap or came after it.
        await served.run_sql("UPDATE building SET height_m = 55 WHERE id = 1")
        async with asyncio.timeout(8.0):
            while (await client.get(BUILDING)).content == good:  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    @pytest.mark.parametrize(
        ("path", "status"),
        [
            ("/tiles/building/16/51712/99999999.mvt", 404),
            ("/tiles/building/17/1/1.mvt", 404),
            ("/tiles/building/16/65536/1.mvt", 404),
            ("/tiles/secret/16/1/1.mvt", 404),
            ("/tiles/building,building/16/1/1.mvt", 404),
            ("/tiles/building/16/-1/1.mvt", 422),
            ("/tiles/building/016/1/1.mvt", 422),
            ("/tiles/building/1e1/1/1.mvt", 422),
            ("/tiles/building;drop table building/16/1/1.mvt", 422),
            (f"/tiles/{'a' * 3000}/16/1/1.mvt", 422),
        ],
    )
    async def test_a_wrong_address_says_what_is_wrong(self, reader, path: str, status: int) -> None:
        answer = await reader.get(path)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.postgis
@pytest.mark.parametrize("layer", TILE_LAYERS, ids=lambda layer: layer.name)
def test_no_geometry_is_cut_only_to_ask_whether_it_is_null(city, layer) -> None:
    sql = tile_sql((layer,), Z).replace("$1", str(Z)).replace("$2", str(X)).replace("$3", str(Y))
    with psycopg.connect(city.url.replace("+psycopg", "")) as connection:
        plan = [str(line) for (line,) in connection.execute("EXPLAIN (VERBOSE, COSTS OFF) " + sql)]
    assert any("st_asmvtgeom" in line for line in plan)
    assert not [line for line in plan if "Filter:" in line and "st_asmvtgeom" in line]


async def test_a_database_that_is_away_is_asked_no_more_than_twice_and_told_as_503() -> None:
    tried = 0

    async def refuse() -> object:
        nonlocal tried
        tried += 1
        raise ConnectionRefusedError("nobody listens")

    async def route(*_: object) -> None:
        raise AssertionError("a tile that cannot be cut now is not the route's to try again")

    store = TileStore("postgresql://nowhere")
    store._open = refuse
    transport = httpx.ASGITransport(app=Edge(route, store, AlwaysOpen(), NoSenders()))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        answer = await http.get(BUILDING)
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "2"
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert answer.json()["detail"] == "the database does not answer now"
    assert tried == 2


def test_a_tile_that_changed_while_it_was_cut_is_not_kept() -> None:
    async def run() -> None:
        store = TileStore("postgresql://nowhere")
        going = asyncio.Event()

        async def query(*_: object) -> bytes:
            going.set()
            await asyncio.sleep(0.05)
            return b"old"

        store._query = query
        asked = asyncio.create_task(store.get(BUILDING, EVERYWHERE))
        await going.wait()
        store.invalidate("building", [104.0, 30.6, 104.1, 30.7])
        assert gzip.decompress((await asked).body) == b"old"
        assert store.find(BUILDING, EVERYWHERE) is None
        await store.get(BUILDING, EVERYWHERE)
        assert store.find(BUILDING, EVERYWHERE) is not None

    asyncio.run(run())


def test_an_error_is_not_kept() -> None:
    async def run() -> None:
        store = TileStore("postgresql://nowhere")
        answers = [RuntimeError("no"), b"yes"]

        async def query(*_: object) -> bytes:
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        store._query = query
        with pytest.raises(RuntimeError):
            await store.get(BUILDING, EVERYWHERE)
        assert gzip.decompress((await store.get(BUILDING, EVERYWHERE)).body) == b"yes"

    asyncio.run(run())


def test_what_is_kept_is_bounded_and_the_least_asked_goes_first() -> None:
    async def run() -> None:
        store = TileStore("postgresql://nowhere", max_bytes=3_000)

        async def query(_begin: str, _sql: str, z: int, x: int, y: int) -> bytes:
            return bytes((x * 7 + y * i) % 256 for i in range(400))

        store._query = query
        first = "/tiles/building/16/0/0.mvt"
        await store.get(first, EVERYWHERE)
        for x in range(1, 40):
            await store.get(f"/tiles/building/16/{x}/{x}.mvt", EVERYWHERE)
            store.find(first, EVERYWHERE)
            assert store.kept_bytes <= 3_000
        assert store.find(first, EVERYWHERE) is not None
        assert store.find("/tiles/building/16/1/1.mvt", EVERYWHERE) is None
        assert store.kept_tiles < 20

    asyncio.run(run())


def test_a_tile_is_cut_once_for_each_scope_and_one_of_public_layers_once_for_all() -> None:
    async def run() -> None:
        store = TileStore("postgresql://nowhere")
        begun: list[str] = []

        async def query(begin: str, *_: object) -> bytes:
            begun.append(begin)
            return begin.encode()

        store._query = query
        closed = next(layer.name for layer in TILE_LAYERS if not layer.public)
        public = next(layer.name for layer in TILE_LAYERS if layer.public)
        for names, cuts in ((public, 1), (closed, 2), (f"{public},{closed}", 2)):
            begun.clear()
            path = f"/tiles/{names}/{Z}/{X}/{Y}.mvt"
            everything, west = [await store.get(path, scope) for scope in (EVERYWHERE, WEST)]
            assert len(begun) == cuts, names
            assert (everything.etag == west.etag) is (cuts == 1)
            for scope in (EVERYWHERE, WEST):
                await store.get(path, scope)
            assert len(begun) == cuts, names
        assert WEST.multirange in begun[1]
        assert EVERYWHERE.multirange not in begun[1]
        store.invalidate_all()
        assert store.find(path, EVERYWHERE) is store.find(path, WEST) is None
        assert store.kept_bytes == 0

    asyncio.run(run())


def test_versions_only_grow() -> None:
    store = TileStore("postgresql://nowhere")
    seen = [store.versions["area"]]
    for _ in range(5):
        changed = store.invalidate("area", None)
        assert {name for name, _, _ in changed} == {"area", "unit_grid", "area_label"}
        seen.append(store.versions["area"])
    assert seen == sorted(set(seen))
    assert store.invalidate("alarm", [0, 0, 1, 1]) == []


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_is_refused(path: str) -> None:
    with contextlib.suppress(InvalidError, NotFoundError):
        address = parse_tile_path("/tiles/" + path)
        assert address.layers
        assert max(address.x, address.y) < 2**address.z


@given(st.integers(0, 16), st.data())
def test_the_box_of_a_tile_holds_the_tile(z: int, data: st.DataObject) -> None:
    x, y = data.draw(st.integers(0, 2**z - 1)), data.draw(st.integers(0, 2**z - 1))
    west, south, east, north = parse_tile_path(f"/tiles/building/{z}/{x}/{y}.mvt").bbox
    assert west < x / 2**z * 360 - 180 < east
    assert south < north
    assert "building" not in tile_sql((TILE_LAYERS[0],), z)
