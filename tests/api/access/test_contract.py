"""Schemathesis asks every route what its OpenAPI document allows and forbids: all answers are as it says."""

from __future__ import annotations

import asyncio
import collections
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from api.access.permissions import BY_PARTNER, BY_SENDER, Permission, permission_of
from api.routes import ROUTERS
from tests.access.world import LAT, LON, STEP, grids, token_of
from tests.api.access.asker import tile_of
from tests.api.access.conftest import GATEWAY, Ground
from twin.access.grants import grants_of
from twin.access.roles import ROLES
from twin.access.scope import EVERYWHERE

pytestmark = [pytest.mark.postgis, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[3]
ROUTES = {
    f"{method} {route.path_format}": route
    for router in ROUTERS
    for route in router.routes
    if route.include_in_schema
    for method in route.methods
}

LEFT_OUT = {"POST /api/sign-out": "it ends the session that everything after it is asked with"}

NEVER_DONE = {
    "POST /api/sign-in": "nobody guesses a password",
    "POST /api/sign-in/code": "nor the secret of a first step",
    "POST /api/kiosk/enrol": "nor the code of a screen",
    "GET /api/sign-in/oidc": "there is no identity provider",
    "GET /api/sign-in/oidc/callback": "there is no identity provider",
    "POST /api/account/password": "a program has none",
    "GET /api/pictures/{token}": "the address of a picture is made for the session that looked",
    "POST /ingest/v1/devices/{uid}/observations": "the sender is a gateway",
}
"""Routes that a run gets only refusals from, and why; their own tests see them do what they are for."""

NOT_SHOWN = {
    ("planner", "GET /api/workers/{id}"): "reads places, which opens the route, but no workers",
    ("department", "GET /api/workers/{id}"): "the same",
    ("integrator", "GET /api/workers/{id}"): "the same",
    ("department", "POST /api/cases"): "handles cases, which opens the route, but reports none by hand",
}

UNCHECKED = {
    "positive_data_acceptance": "a schema cannot say which names are taken, which roles fit together"
}

ROLES_IN_SHORT = (
    "manager",
    "planner",
    "security_admin",
    "auditor",
    "system_admin",
    "worker",
    "resident_channel",
    "integrator",
    GATEWAY,
)
"""Together they are let in everywhere. The manager asks every route, the others what they alone may."""


def lets_in(permission: Permission, role: str) -> bool:
    """Say whether somebody with a role opens a route."""
    if permission == BY_PARTNER:
        return False
    if role == GATEWAY or permission == BY_SENDER:
        return permission.public or (role == GATEWAY and permission == BY_SENDER)
    grants = grants_of([(role, EVERYWHERE)], worker_id=1 if role == "worker" else None)
    return permission.public or permission.holds(SimpleNamespace(grants=grants))


def config(folder: Path) -> Path:
    """Write what a schema cannot tell: which numbers and names there are here. Half the values are others."""
    x, y = tile_of(LON + 40 * STEP, LAT + STEP / 2, 14)
    known = {
        "path.id": ([1, 2, 3, 4], 0.5),
        "path.key": (["online_devices", "open_alarms"], 0.5),
        "path.name": (["flood", "test-1", "test-2", "test-3", GATEWAY], 0.5),
        "path.form": (["json", "xml"], 0.9),
        "path.code": (["06010", "06028"], 0.7),
        "path.number": ([f"C-{grids()[0][0]}"], 0.7),
        "path.path": (
            ["Things", "Things(1)/Datastreams", "Observations/$count", "Things(1)/name/$value"],
            0.7,
        ),
        "path.token": ([token_of(grids()[0][0])], 0.7),
        "path.layers": (["building", "road,area"], 0.9),
        "path.z": (["14"], 0.9),
        "path.x": ([str(x)], 0.9),
        "path.y": ([str(y)], 0.9),
    }
    lines = [
        f"dictionaries.{json.dumps(key)}.values = {json.dumps(values)}" for key, (values, _) in known.items()
    ]
    lines += [
        f"parameters.{json.dumps(key)} = {{ dictionary = {json.dumps(key)}, probability = {share} }}"
        for key, (_, share) in known.items()
    ]
    lines += [f"checks.{name}.enabled = false" for name in UNCHECKED]
    file = folder / "schemathesis.toml"
    file.write_text("\n".join(lines))
    return file


async def run_schemathesis(ground: Ground, role: str, asked: list[str], folder: Path, cases: int) -> dict:
    """Ask routes as a role; return the statuses that each answered with. What does not conform fails."""
    token, own_role = await ground.asker(role)
    events, examples = folder / "events.ndjson", folder / "examples.json"
    examples.write_text(json.dumps(await ground.examples()))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "schemathesis.cli", "--config-file", str(config(folder)),
        "run", f"{ground.served.url}/api/openapi.json",
        "--header", f"Authorization: Bearer {token}",
        # The token is enough: a wrong cookie made up beside it would be taken for a hole.
        "--generation-with-security-parameters", "false",
        "--generation-deterministic",
        "--max-examples", str(cases),
        "--checks", "all", "--exclude-checks", ",".join(UNCHECKED),
        *(f"--include-name={name}" for name in asked),
        "--report-ndjson-path", str(events),
        "--no-color", "--warnings", "off",
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "SCHEMATHESIS_HOOKS": "tests.api.access.contract_hooks",
            "CONTRACT_OWN_ROLE": own_role,
            "CONTRACT_EXAMPLES": str(examples),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    printed, _ = await process.communicate()
    assert process.returncode == 0, printed.decode(errors="replace")[-20_000:]
    return statuses(events)


def statuses(events: Path) -> dict[str, collections.Counter[int]]:
    found: dict[str, collections.Counter[int]] = collections.defaultdict(collections.Counter)
    for line in events.read_text().splitlines():
        recorder = json.loads(line).get("ScenarioFinished", {}).get("recorder", {})
        for key, interaction in recorder.get("interactions", {}).items():
            case = recorder["cases"][key]["value"]
            response = interaction["response"]
            if response is not None:
                found[f"{case['method']} {case['path']}"][response["status_code"]] += 1
    return found


async def keeps_the_contract(ground: Ground, role: str, asked: list[str], folder: Path, cases: int) -> None:
    found = await run_schemathesis(ground, role, asked, folder, cases)
    opened = [name for name in asked if lets_in(permission_of(ROUTES[name]), role)]
    # Without these a run that is refused everywhere would be as good as one that reaches every answer.
    refused_always = [
        name
        for name in opened
        if name not in NEVER_DONE and (role, name) not in NOT_SHOWN and not any(s < 400 for s in found[name])
    ]
    assert refused_always == [], {name: dict(found[name]) for name in refused_always}
    let_through = [n for n in asked if n not in opened and any(s < 400 for s in found[n])]
    assert let_through == []
    assert all(found[name] for name in asked), "a route was not asked"


@pytest.mark.parametrize("role", ROLES_IN_SHORT)
async def test_every_answer_is_as_the_document_says(ground, tmp_path, role):
    asked = [name for name in ROUTES if name not in LEFT_OUT]
    if role != ROLES_IN_SHORT[0]:
        asked = [name for name in asked if is_for(permission_of(ROUTES[name]), role)]
    await keeps_the_contract(ground, role, asked, tmp_path, cases=4)


def is_for(permission: Permission, role: str) -> bool:
    """Say whether a role is let in where not everybody is, and not all that it may do the manager may too."""
    alone = not lets_in(permission, ROLES_IN_SHORT[0]) or permission.counts
    return lets_in(permission, role) and alone


@pytest.mark.slow
@pytest.mark.parametrize("role", [*(role.name for role in ROLES), GATEWAY])
async def test_every_answer_of_thousands_is_as_the_document_says(fresh_ground, tmp_path, role):
    """On a ground of its own: thousands of requests of one role end and close what the next one asks for."""
    asked = [name for name in ROUTES if name not in LEFT_OUT]
    await keeps_the_contract(fresh_ground, role, asked, tmp_path, cases=50)
