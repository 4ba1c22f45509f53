"""Photographs of cases: who adds, sees and may not, what is refused, and what is on the record."""

from __future__ import annotations

import asyncio
import io
import random
import re
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psutil
import pytest
from PIL import Image

from api.access import limits
from api.access.door import COOKIE
from api.access.reading import REMEMBERED_S
from api.photographs import receiving, terms
from tests.api.photographs.pictures import exif, mutated, picture, png_bomb, text_bomb
from tests.api.routes.conftest import BESIDE, HERE
from tests.api.test_edge import raw

pytestmark = [pytest.mark.postgis, pytest.mark.usefixtures("two_grids")]

HERE_CASE, BESIDE_CASE = 1, 2
JPEG = {"content-type": "image/jpeg"}


async def send(
    http: httpx.AsyncClient,
    body: bytes,
    case: int = HERE_CASE,
    *,
    kind: str = "image/jpeg",
    client_id: str | None = None,
    **claims: object,
) -> httpx.Response:
    asked = {"moment": "before", "client_id": client_id or str(uuid.uuid4()), **claims}
    return await http.post(
        f"/api/cases/{case}/photographs", params=asked, content=body, headers={"content-type": kind}
    )


def record(served, action: str) -> list[tuple[object, ...]]:
    return served.sql("SELECT object, detail FROM audit WHERE action = %s ORDER BY seq", action)


async def test_a_photograph_is_added_listed_and_shown_without_metadata(served, signed_in) -> None:
    dispatcher = await signed_in("dispatcher", HERE)
    now = datetime.now(UTC)
    at = (now + timedelta(hours=8)).strftime("%Y:%m:%d %H:%M:%S")
    body = picture(size=(3_000, 2_000), exif=exif(at=at))
    answer = await send(dispatcher, body, moment="during", taken_at=now.isoformat(), lon=104.0601, lat=30.66)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["width_px"], made["height_px"]) == (2_560, 1_707)
    assert (made["moment"], made["flags"]) == ("during", [])
    assert (made["place_check"], made["time_check"], made["released_at"]) == ("match", "match", None)
    assert made["distance_m"] == pytest.approx(9.6, abs=0.3), "the sender claims to be farthest"
    assert abs(datetime.fromisoformat(made["taken_at"]) - now) < timedelta(seconds=2)
    listed = (await dispatcher.get("/api/cases/1/photographs")).json()
    assert listed == {"photographs": [made], "may_add": True}
    for size, edge in (("original", 2_560), ("thumbnail", 320)):
        shown = await dispatcher.get(f"/api/photographs/{made['id']}/{size}")
        assert shown.status_code == 200
        image = Image.open(io.BytesIO(shown.content))
        assert (image.format, max(image.size)) == ("JPEG", edge)
        assert b"SECRET" not in shown.content
        assert b"Exif" not in shown.content
        headers = shown.headers
        assert headers["content-type"] == "image/jpeg"
        assert headers["cache-control"] == "private, no-cache"
        assert headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in headers["content-security-policy"]
        assert headers["content-disposition"] == f'inline; filename="HERE-1-during-{made["id"]}.jpg"'
        again = await dispatcher.get(
            f"/api/photographs/{made['id']}/{size}", headers={"if-none-match": headers["etag"]}
        )
        assert (again.status_code, again.content) == (304, b"")
    assert made["bytes"] == len((await dispatcher.get(f"/api/photographs/{made['id']}/original")).content)
    told = (await dispatcher.get("/api/journal")).json()[0]
    assert (told["kind"], told["data"]["photograph_id"], told["zh"]) == (
        "case.photographed", made["id"], "案件照片",
    )  # fmt: skip
    [(about, detail)] = record(served, "photograph.added")
    assert (about, detail["photograph"], detail["moment"]) == ("case/1", made["id"], "during")


async def test_sending_the_same_photograph_again_adds_nothing(served, signed_in) -> None:
    dispatcher = await signed_in("dispatcher", HERE)
    number = str(uuid.uuid4())
    first = await send(dispatcher, picture(), client_id=number)
    again = await send(dispatcher, picture(), client_id=number)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    for other in (
        await send(dispatcher, picture(size=(9, 9)), client_id=number),
        await send(dispatcher, picture(), client_id=number, moment="after"),
    ):
        assert other.status_code == 409
        assert other.json()["where"] == "client_id"
    racing = str(uuid.uuid4())
    both = await asyncio.gather(*(send(dispatcher, picture(), client_id=racing) for _ in range(2)))
    assert sorted(answer.status_code for answer in both) == [200, 201]
    assert both[0].json() == both[1].json()
    assert served.sql("SELECT count(*) FROM photograph") == [(2,)]
    assert len(record(served, "photograph.added")) == 2


async def test_a_photograph_is_seen_and_added_where_its_case_is_and_nowhere_else(served, signed_in) -> None:
    beside = await signed_in("dispatcher", BESIDE)
    number = str(uuid.uuid4())
    made = (await send(beside, picture(), BESIDE_CASE, client_id=number)).json()["id"]
    for role in ("dispatcher", "operator", "department", "worker", "manager", "wall"):
        here = await signed_in(role, HERE)
        for path in (
            f"/api/photographs/{made}/original",
            f"/api/photographs/{made}/thumbnail",
            f"/api/cases/{BESIDE_CASE}/photographs",
        ):
            assert (await here.get(path)).status_code == 404, (role, path)
            unknown = (
                path.replace(str(made), "999") if "photographs/" in path else "/api/cases/999/photographs"
            )
            assert (await here.get(unknown)).status_code == 404
    dispatcher = await signed_in("dispatcher", HERE)
    refused = await send(dispatcher, picture(), BESIDE_CASE, client_id=number)
    assert refused.status_code == 404, "nor does the number of a photograph elsewhere tell of it"
    assert served.sql("SELECT count(*) FROM photograph") == [(1,)]
    for role in ("planner", "auditor", "system_admin", "security_admin"):
        nobody = await signed_in(role)
        assert (await nobody.get(f"/api/photographs/{made}/original")).status_code == 403, role
        assert (await send(nobody, picture(), BESIDE_CASE)).status_code == 403, role
    async with httpx.AsyncClient(base_url=served.url) as stranger:
        assert (await stranger.get(f"/api/photographs/{made}/original")).status_code == 401
        assert (await send(stranger, picture())).status_code == 401


async def test_who_only_reads_a_case_adds_nothing_to_it_and_a_worker_only_to_the_own(
    served, signed_in
) -> None:
    assert (await send(await signed_in("wall", HERE), picture())).status_code == 403
    worker = await signed_in("worker", HERE, 1)
    assert (await send(worker, picture(), BESIDE_CASE)).status_code == 404
    assert (await worker.get("/api/cases/1/photographs")).json()["may_add"] is True
    served.past_triggers("UPDATE case_file SET worker_id = 1")
    for case in (HERE_CASE, BESIDE_CASE):  # the own, wherever it is
        assert (await send(worker, picture(), case)).status_code == 201
        assert (await worker.get(f"/api/cases/{case}/photographs")).json()["may_add"] is True
    assert served.sql("SELECT DISTINCT worker_id FROM photograph") == [(1,)]
    served.past_triggers("UPDATE case_file SET worker_id = 2")
    assert (await send(worker, picture(), BESIDE_CASE)).status_code == 404
    kinds = served.sql("SELECT kind, area_code FROM journal WHERE subject LIKE 'case/%%' ORDER BY seq")
    assert kinds == [("case.photographed", HERE), ("case.photographed", BESIDE)]


async def test_a_photograph_goes_with_its_case(served, signed_in) -> None:
    """It is seen where its case is now, and gone when the case is."""
    dispatcher, beside = await signed_in("dispatcher", HERE), await signed_in("dispatcher", BESIDE)
    made = (await send(dispatcher, picture())).json()["id"]
    served.sql("UPDATE case_file SET geom = (SELECT geom FROM case_file WHERE id = 2) WHERE id = 1")
    path = f"/api/photographs/{made}/thumbnail"
    assert [(await who.get(path)).status_code for who in (dispatcher, beside)] == [404, 200]
    served.sql("DELETE FROM case_file WHERE id = 1")
    assert (await beside.get(path)).status_code == 404
    assert served.sql("SELECT count(*) FROM photograph") == [(0,)]


async def test_looking_at_photographs_in_full_is_on_the_record_once_a_case(served, signed_in) -> None:
    dispatcher = await signed_in("dispatcher", HERE)
    ids = [(await send(dispatcher, picture())).json()["id"] for _ in range(2)]
    for one in ids:
        await dispatcher.get(f"/api/photographs/{one}/thumbnail")
    assert record(served, "photograph.read") == []
    for one in ids * 2:
        await dispatcher.get(f"/api/photographs/{one}/original")
    wanted = ("case/1", {"photograph": ids[0], "for_s": REMEMBERED_S})
    assert record(served, "photograph.read") == [wanted]
    other = await signed_in("operator", HERE)
    await other.get(f"/api/photographs/{ids[0]}/original")
    assert record(served, "photograph.read") == [wanted, wanted]
    served.sql("REVOKE EXECUTE ON FUNCTION audit_append FROM gridtwin_app")
    third = await signed_in("operator", HERE)
    answer = await third.get(f"/api/photographs/{ids[0]}/original")
    assert answer.status_code == 500
    assert not answer.content.startswith(b"\xff\xd8"), "what cannot be recorded is not shown"


SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"


NO_PHOTOGRAPHS = [
    ("image/svg+xml", SVG, 422, "image/svg+xml is not taken"),
    ("image/jpeg", SVG, 422, "SVG/HTML/XML"),
    ("image/heic", b"", 422, "Most Compatible"),
    ("image/jpeg", b"\0\0\0\x18ftypheic\0\0\0\0", 422, "HEIC"),
    ("image/png", picture(), 422, "image/jpeg"),
    ("image/gif", picture("GIF"), 422, "image/gif is not taken"),
    ("image/jpeg", b"%PDF-1.7\n" + picture(), 422, "PDF"),
    ("image/jpeg", b"", 422, "empty"),
    ("application/json", b"{}", 422, "Content-Type"),
    ("image/jpeg", picture()[:-500], 422, "cut off"),
    ("image/png", png_bomb(), 413, "too many pixels"),
    ("image/png", text_bomb(), 422, "damaged"),
]


async def test_what_is_no_photograph_is_refused(refusing) -> None:
    http, served = refusing
    for kind, body, status, says in NO_PHOTOGRAPHS:
        answer = await send(http, body, kind=kind)
        assert answer.status_code == status, (kind, says, answer.text)
        said = answer.json()
        assert says in said["detail"] + said["hint"] + said["where"], said
        assert any("\u4e00" <= sign <= "\u9fff" for sign in said["detail"] + said["hint"]), (
            "in both languages"
        )
        assert served.sql("SELECT count(*) FROM photograph") == [(0,)]


@pytest.fixture
async def refusing(served, signed_in):
    return await signed_in("dispatcher", HERE), served


@pytest.mark.parametrize(
    ("asked", "where"),
    [
        ({"moment": "later"}, "query.moment"),
        ({"client_id": "1"}, "query.client_id"),
        ({"lon": "nan", "lat": "1"}, "query.lon"),
        ({"lon": "104"}, "lon, lat"),
        ({"taken_at": "2026-11-20T09:00:00"}, "query.taken_at"),
    ],
)
async def test_a_wrong_claim_is_refused_and_says_where(refusing, asked, where) -> None:
    http, _ = refusing
    answer = await send(http, picture(), **asked)
    assert (answer.status_code, answer.json()["where"]) == (422, where)


async def test_large_slow_and_many_uploads_are_bounded(served, signed_in, monkeypatch) -> None:
    dispatcher = await signed_in("dispatcher", HERE)
    head = (
        "POST /api/cases/1/photographs HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"
        f"Cookie: {COOKIE}={dispatcher.cookies[COOKIE]}\r\n"
    )
    length = f"Content-Length: {terms.MAX_BODY_BYTES + 1}\r\n\r\n"
    data, _ = await raw(served, (head + length).encode(), b"x", 0)
    assert data.startswith(b"HTTP/1.1 413"), data
    asked = f"?moment=before&client_id={uuid.uuid4()}"
    head = head.replace("/photographs", f"/photographs{asked}") + "Transfer-Encoding: chunked\r\n\r\n"
    data, sent = await raw(served, head.encode(), b"10000\r\n" + b"x" * 65_536 + b"\r\n", 2_000)
    assert data.startswith(b"HTTP/1.1 413"), data
    assert str(terms.MAX_BODY_BYTES).encode() in data
    assert sent < 2 * terms.MAX_BODY_BYTES
    assert (await send(dispatcher, picture() + bytes(4 << 20))).status_code == 201, "more than elsewhere"

    async def slowly():
        yield b"\xff\xd8\xff"
        await asyncio.sleep(2.5)

    monkeypatch.setattr(terms, "BODY_S", 0.4)
    answer = await send(dispatcher, slowly())
    assert answer.status_code == 408
    monkeypatch.setattr(terms, "BODY_S", 2.0)
    waiting = [asyncio.create_task(send(dispatcher, slowly())) for _ in range(receiving.MOST_OF_ONE)]
    await asyncio.sleep(0.5)
    busy = await send(dispatcher, picture())
    assert (busy.status_code, busy.headers["retry-after"]) == (429, "2")
    assert (await send(await signed_in("dispatcher", HERE), picture())).status_code == 201, (
        "others are not held"
    )
    assert {answer.status_code for answer in await asyncio.gather(*waiting)} == {408}
    assert (await send(dispatcher, picture())).status_code == 201, "the places are free again"
    monkeypatch.setattr("api.photographs.keeping.MOST_PER_CASE", 3)
    answer = await send(dispatcher, picture())
    assert (answer.status_code, "3 photographs" in answer.json()["detail"]) == (413, True)


async def test_an_account_may_send_only_so_many_a_minute(served, signed_in) -> None:
    dispatcher = await signed_in("dispatcher", HERE)
    codes = [(await send(dispatcher, b"")).status_code for _ in range(terms.UPLOADS_PER_MINUTE + 1)]
    assert codes == [422] * terms.UPLOADS_PER_MINUTE + [429]
    assert (await dispatcher.get("/api/cases")).status_code == 200


def most_memory_kib(pid: int) -> int:
    """Return how much memory a process ever held at once, of the kernel's own note."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])


async def test_500_broken_pictures_give_no_error_of_the_server_and_take_no_memory(
    serve, two_grids, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(limits, "UPLOADS_PER_MINUTE", 10_000)
    monkeypatch.setattr("api.photographs.keeping.MOST_PER_CASE", 10_000)
    rng = random.Random(20261122)
    seeds = [
        (kind, picture(form, (320, 240), mode, **options))
        for kind, form, mode, options in (
            ("image/jpeg", "JPEG", "RGB", {"exif": exif()}),
            ("image/jpeg", "JPEG", "CMYK", {"progressive": True}),
            ("image/png", "PNG", "RGBA", {"exif": exif()}),
            ("image/png", "PNG", "P", {}),
            ("image/webp", "WEBP", "RGBA", {"exif": exif()}),
            ("image/webp", "WEBP", "RGB", {"lossless": True}),
        )
    ]
    async with serve(two_grids, tmp_path) as served, await served.signed_in("dispatcher") as http:
        await send(http, seeds[0][1])
        before = psutil.Process().memory_info().rss
        seen: dict[int, int] = {}
        for n in range(500):
            kind, body = seeds[n % len(seeds)]
            answer = await send(http, mutated(body, rng), kind=kind)
            seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
        assert set(seen) <= {201, 413, 422}, seen
        assert min(seen[201], seen[422]) > 50, f"both sides of the border are met: {seen}"
        assert psutil.Process().memory_info().rss - before < 64 << 20
        child = psutil.Process(served.runtime.darkroom.pid)
        assert child.memory_info().rss < 200 << 20
        assert most_memory_kib(child.pid) < 1 << 20
        assert (await send(http, picture())).status_code == 201
    assert not child.is_running(), "it ends with the server"
