"""Tell a server of cameras, look at them, read what it knows and recorded of that."""

from __future__ import annotations

import asyncio

import httpx
from sqlalchemy import create_engine

from twin.cameras import Source, store_sources

CAMERA = 4
PASSWORD = "s3cr3t-of-the-camera"


async def tell(served, url: str, device_id: int = CAMERA) -> None:
    """Keep the address of a camera, as the command line does.

    In a thread: the server, which runs in this loop, may hold the row in a transaction it has to end first.
    """

    def store() -> None:
        engine = create_engine(served.database.url)
        with engine.begin() as connection:
            source = Source(device_id, url.partition(":")[0], url)
            store_sources(connection, served.runtime.sealer, [source])
        engine.dispose()

    await asyncio.to_thread(store)


async def look(http: httpx.AsyncClient, device_id: int = CAMERA, **body: object) -> httpx.Response:
    return await http.post(f"/api/cameras/{device_id}/pictures", json=body or None)


async def picture(http: httpx.AsyncClient, device_id: int = CAMERA) -> bytes:
    answer = await look(http, device_id)
    assert answer.status_code == 200, answer.text
    shown = await http.get(answer.json()["url"])
    assert shown.status_code == 200, shown.text
    return shown.content


def record(served) -> list[tuple[object, ...]]:
    return served.sql(
        "SELECT object, result, reason, actor, detail FROM audit WHERE action = 'camera.looked' ORDER BY seq"
    )


def looked(served, device_id: int = CAMERA) -> tuple[str, str | None]:
    state = served.runtime.cameras.watch.state(device_id)
    return (state.state, state.reason) if state else ("", None)


async def known(served, device_id: int = CAMERA) -> None:
    """Wait until the server heard of the stream."""
    async with asyncio.timeout(5):
        while served.runtime.cameras.watch.state(device_id) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
