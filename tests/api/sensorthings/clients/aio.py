"""Let aio-sensorthings copy one server into another and follow it: URL, name, token of each as arguments.

Run by `test_clients` in an environment of its own, which has that client and not the product.
"""

# ruff: noqa: T201

from __future__ import annotations

import asyncio
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from aio_sensorthings import (
    BOOTSTRAP_ORDER,
    BasicAuthProvider,
    EntitySyncer,
    IdentityTransformer,
    InMemoryStateStore,
    STAClient,
    STAHttpSource,
    STAHttpTarget,
)
from aio_sensorthings.adapters.source.mqtt_source import STAMqttSubscriber
from aio_sensorthings.config.settings import MqttSettings
from aio_sensorthings.pipeline.identity import fingerprint

EXPAND = "Locations($select=name,location),Datastreams($select=name,unitOfMeasurement;$expand=Sensor($select=name),ObservedProperty($select=definition);$orderby=name)"  # noqa: E501


async def contents(client: STAClient) -> dict[str, str]:
    things = await client.get_all("Things", params={"$expand": EXPAND})
    return {thing["properties"]["uid"]: fingerprint(thing) for thing in things}


async def observed(client: STAClient, since: str) -> dict[tuple[str, str], list[tuple[str, object]]]:
    """Return what each datastream observed since a moment."""
    streams = await client.get_all("Datastreams", params={"$expand": "Thing($select=properties)"})
    found = {}
    for stream in streams:
        rows = await client.get_all(
            f"Datastreams({stream['@iot.id']})/Observations",
            params={"$filter": f"phenomenonTime ge {since}", "$orderby": "phenomenonTime"},
        )
        uid = stream["Thing"]["properties"]["uid"]
        found[uid, stream["name"]] = [(row["phenomenonTime"], row["result"]) for row in rows]
    return found


async def equal(read, source: STAClient, target: STAClient) -> None:
    """Wait until two servers tell the same."""
    for _ in range(120):
        wanted, copied = await read(source), await read(target)
        if wanted == copied:
            return
        await asyncio.sleep(0.5)
    raise AssertionError((wanted, copied))


async def follow(syncer: EntitySyncer, source: STAClient, target: STAClient) -> None:
    """Change what is there, make something new, observe with both; in the end both servers are equal."""
    since = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    await syncer.subscribe()
    await asyncio.sleep(2)
    things = await source.get_all("Things", params={"$expand": "Datastreams,Locations"})
    known = next(t for t in things if t["properties"]["kind"] == "water_level")
    await source.patch(f"Things({known['@iot.id']})", {"name": "followed"})
    moved = {"location": {"type": "Point", "coordinates": [104.0611, 30.6611]}}
    await source.patch(f"Locations({known['Locations'][0]['@iot.id']})", moved)
    await equal(contents, source, target)
    unit = {"name": "metre", "symbol": "m", "definition": "ucum:m"}
    stream = {
        "name": "T", "description": "t", "unitOfMeasurement": unit,
        "observationType": "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement",
        "Sensor": {"name": "S", "description": "s", "encodingType": "text/html", "metadata": "x"},
        "ObservedProperty": {"name": "P", "description": "p", "definition": "https://example.org/p"},
    }  # fmt: skip
    place = {
        "name": "here", "description": "there", "encodingType": "application/geo+json",
        "location": {"type": "Point", "coordinates": [104.0604, 30.6604]},
    }  # fmt: skip
    made = {"name": "new", "description": "made meanwhile", "properties": {"uid": "follow-1"}}
    thing, _ = await source.post("Things", {**made, "Locations": [place]})
    for name in ("Datastreams", ""):
        await equal(contents, source, target)
        await asyncio.sleep(4)  # the client connects anew for each new entity, and hears nothing meanwhile
        if name:
            await source.post(f"Things({thing})/{name}", stream)
    streams = await source.get_all("Datastreams", params={"$filter": "Thing/properties/uid eq 'follow-1'"})
    ids = [streams[0]["@iot.id"]] * 20
    for i, stream_id in enumerate(ids):
        await source.post("Observations", {"result": i + 0.5, "Datastream": {"@iot.id": stream_id}})
    seen = await observed(source, since)
    assert len(seen["follow-1", "T"]) == 20, seen
    await equal(lambda client: observed(client, since), source, target)
    await equal(contents, source, target)
    await syncer.stop()


async def main() -> None:
    source_url, source_user, source_token, target_url, target_user, target_token = sys.argv[1:7]
    with tempfile.TemporaryDirectory() as folder:
        clients = []
        for url, user, token in (
            (source_url, source_user, source_token),
            (target_url, target_user, target_token),
        ):
            secret = Path(folder) / user
            secret.write_text(token)
            clients.append(STAClient(url, auth_provider=BasicAuthProvider(user, str(secret))))
        async with clients[0] as source, clients[1] as target:
            state = InMemoryStateStore()
            where = urlsplit(source_url)
            settings = MqttSettings(
                broker_host=where.hostname, broker_port=where.port, username=source_user,
                password=source_token, transport="websockets", ws_path="/sta/mqtt", tls=False,
            )  # fmt: skip
            syncer = EntitySyncer(
                source=STAHttpSource(source),
                target=STAHttpTarget(target),
                state=state,
                transformer=IdentityTransformer(),
                entity_types=list(BOOTSTRAP_ORDER),
                on_duplicate="merge",
                source_mqtt=STAMqttSubscriber(settings),
            )
            await syncer.bootstrap()
            wanted, copied = await contents(source), await contents(target)
            assert wanted, "there is nothing to copy"
            assert copied == wanted, (wanted, copied)
            # A second time finds everything again and makes nothing twice.
            await syncer.bootstrap(rebuild_state=True)
            assert await contents(target) == wanted
            await follow(syncer, source, target)
    print("aio-sensorthings: all done")


asyncio.run(main())
