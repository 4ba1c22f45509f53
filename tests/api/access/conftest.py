"""Give tests a server on a city of siblings, without limits, and callers of every role."""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from api.access import limits
from tests.access.world import KEY, World, grids
from tests.api.access.contract_examples import BESIDE, MAPPING, OWN, examples, key_of
from tests.api.conftest import serving
from twin.access.credentials import CredentialKind
from twin.access.scope import WHOLE_CODE
from twin.access.sealing import KEY_FILE
from twin.exchange.signing import new_secret

GATEWAY = "contract-gateway"
"""Stands for the device or gateway that brings observations, in place of a role."""


class Ground:
    """A server on a city of three siblings a level, and what the askers need to know about it."""

    def __init__(self, served, world: World) -> None:
        self.served, self.world = served, world
        self._spare = iter(code for code, *_ in reversed(grids()))

    async def asker(self, role: str) -> tuple[str, str]:
        """Make a program's account with a role; return its token and the number of its membership.

        That of a worker is bound to one, who has a case; a gateway is none, and holds nothing.
        """
        if role == GATEWAY:
            # Who may pause ways in has perhaps tried it on those of gateways.
            await self.served.run_sql("DELETE FROM feed_pause")
            await self.served.runtime.ingest.pauses.refresh()
            return await self.gateway(), "0"
        area_code, worker_id = (
            (OWN, key_of(self.world, "worker", OWN)) if role == "worker" else (WHOLE_CODE, None)
        )
        if worker_id is not None:
            case = key_of(self.world, "case_file", OWN)
            self.served.past_triggers("UPDATE case_file SET worker_id = %s WHERE id = %s", worker_id, case)
        token = await self.served.secret((role, area_code), kind=CredentialKind.TOKEN, worker_id=worker_id)
        found = await self.served.run_sql("SELECT max(id) FROM membership")
        return token, str(found[0][0])

    async def examples(self) -> dict[str, dict]:
        """Return a request for each operation; what it ends, closes or changes is made anew each time."""
        await self.served.run_sql(
            "INSERT INTO duty (worker_id, starts_at, ends_at, consent_at) "
            "VALUES (%s, now(), now() + interval '12 hours', now()) ON CONFLICT DO NOTHING",
            key_of(self.world, "worker", BESIDE),
        )
        duty = await self.served.run_sql(
            "SELECT client_id FROM duty WHERE id = %s", key_of(self.world, "duty", OWN)
        )
        now_ms = time.time_ns() // 1_000_000
        mappings = f"put-{now_ms}", f"back-{now_ms}", f"ended-{now_ms}"
        for name, version in ((mappings[0], 1), (mappings[1], 1), (mappings[1], 2), (mappings[2], 1)):
            await self.served.run_sql(
                "INSERT INTO feed_mapping (name, version, zh, en, content, changed_by) "
                "VALUES (%s, %s, '', '', %s::jsonb, '')",
                name, version, json.dumps(MAPPING["mapping"]),
            )  # fmt: skip
        partners = str(uuid4()), str(uuid4()), str(uuid4())
        for partner in partners:
            sealed = self.served.runtime.sealer.seal(new_secret(), f"partner.secret/{partner}")
            await self.served.run_sql(
                "INSERT INTO partner (id, name, kind, address, area_code, low, high, secret_sealed, "
                "changed_by, sent_seq, active) "
                "VALUES (%s, %s, 'webhook', 'https://partner.invalid/', '', 0, 1, %s, '', 0, false)",
                partner, partner, sealed,
            )  # fmt: skip
        await self.served.run_sql(
            "UPDATE partner SET paused_at = now(), paused_by = 'x' WHERE id = %s", partners[1]
        )
        rules = await self.served.run_sql(
            "INSERT INTO alarm_rule (version, zh, en, state, kinds, property, condition, enabled, "
            "changed_by) SELECT 1, '', '', 3, '{water_level}', 'level', "
            "jsonb_build_object('type', 'limit', 'above', 900), false, '' "
            "FROM generate_series(1, 2) RETURNING id"
        )
        spare, other = next(self._spare), next(self._spare)
        case, sent = key_of(self.world, "case_file", spare), key_of(self.world, "worker", spare)
        self.served.past_triggers("UPDATE case_file SET stage = 'handling' WHERE id = %s", case)
        assignment = await self.served.run_sql(
            "INSERT INTO assignment (case_id, worker_id, state, asked_at, answer_by, policy, chosen_by) "
            "VALUES (%s, %s, 'asked', now(), now() + interval '1 hour', 'by hand', '') RETURNING id",
            case, sent,
        )  # fmt: skip
        await self.served.secret(("wall", WHOLE_CODE), kind=CredentialKind.TOKEN)
        role = await self.served.run_sql("SELECT max(id) FROM membership")
        return examples(
            self.world,
            str(duty[0][0]),
            GATEWAY,
            now_ms,
            spare,
            mappings,
            partners,
            (rules[0][0], rules[1][0]),
            role[0][0],
            (case, key_of(self.world, "worker", other), assignment[0][0]),
        )

    async def gateway(self) -> str:
        """Make a gateway for the whole city; return its secret."""
        secret = secrets.token_urlsafe(32)
        await self.served.run_sql(
            "WITH made AS (INSERT INTO publisher (name, kind, low, high) "
            "    VALUES (%s, 'gateway', 0, 999999999999999) ON CONFLICT DO NOTHING) "
            "INSERT INTO publisher_secret (publisher, slot, secret_hash, mqtt_hash) "
            "VALUES (%s, 1, %s, '$7$x') "
            "ON CONFLICT (publisher, slot) DO UPDATE SET secret_hash = excluded.secret_hash",
            GATEWAY, GATEWAY, hashlib.sha256(secret.encode()).digest(),
        )  # fmt: skip
        return secret


@pytest.fixture(scope="module")
def city_of_siblings(new_world):
    return new_world()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def ground(city_of_siblings, tmp_path_factory):
    """A ground that tests share."""
    async with ground_on(*city_of_siblings, tmp_path_factory.mktemp("contract")) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def fresh_ground(new_world, tmp_path):
    """A ground for one test alone, which may end, close and change whatever it finds."""
    async with ground_on(*new_world(), tmp_path) as made:
        yield made


@contextlib.asynccontextmanager
async def ground_on(database, world: World, folder: Path) -> AsyncIterator[Ground]:
    """Serve without limits to tries and requests: these have tests, here they would hide the rest."""
    with pytest.MonkeyPatch.context() as patched:
        for name in list(vars(limits)):
            if name.endswith("_PER_MINUTE"):
                patched.setattr(limits, name, 10**9)
        (folder / "secrets").mkdir(mode=0o700)
        (folder / "secrets" / KEY_FILE).write_bytes(KEY)
        (folder / "secrets" / KEY_FILE).chmod(0o400)
        (folder / "dist").mkdir()
        (folder / "dist" / "index.html").write_text("<!doctype html>")
        async with serving(database, folder) as served:
            for kind in (CredentialKind.SESSION, CredentialKind.KIOSK, CredentialKind.TOKEN):
                await served.secret(kind=kind)
            yield Ground(served, world)
