"""Let aio-sensorthings copy one server into another: URL, user name and token of each as arguments.

Run by `test_clients` in an environment of its own, which has that client and not the product.
"""

# ruff: noqa: T201

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

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
from aio_sensorthings.pipeline.identity import fingerprint

EXPAND = "Locations($select=name,location),Datastreams($select=name,unitOfMeasurement;$expand=Sensor($select=name),ObservedProperty($select=definition);$orderby=name)"  # noqa: E501


async def contents(client: STAClient) -> dict[str, str]:
    things = await client.get_all("Things", params={"$expand": EXPAND})
    return {thing["properties"]["uid"]: fingerprint(thing) for thing in things}


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
            syncer = EntitySyncer(
                source=STAHttpSource(source),
                target=STAHttpTarget(target),
                state=state,
                transformer=IdentityTransformer(),
                entity_types=list(BOOTSTRAP_ORDER),
                on_duplicate="merge",
            )
            await syncer.bootstrap()
            wanted, copied = await contents(source), await contents(target)
            assert wanted, "there is nothing to copy"
            assert copied == wanted, (wanted, copied)
            # A second time finds everything again and makes nothing twice.
            await syncer.bootstrap(rebuild_state=True)
            assert await contents(target) == wanted
    print("aio-sensorthings: all done")


asyncio.run(main())
