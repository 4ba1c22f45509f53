"""Answer whether the parts of the server are well."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel

from api.access.caller import Caller
from api.access.permissions import PUBLIC, needs, reads
from api.health import overall
from api.runtime import Running
from api.version import version
from twin.access.roles import DataClass
from twin.errors import UnavailableError

router = APIRouter()


class StateOfPart(BaseModel):
    """How one part does, in a word: ok, down, off, filling, low, flood, unknown."""

    state: str


class HealthAnswer(BaseModel):
    """How every part does, told to everybody. The answer is 200 as long as the server itself answers."""

    status: str
    parts: dict[str, StateOfPart]
    demo: bool
    """Devices are simulated here."""
    provider: bool
    """People may sign in by an identity provider."""


class ReadyAnswer(BaseModel):
    """That the server can be sent to."""

    status: str


class HealthDetailAnswer(BaseModel):
    """How every part does, with figures and reasons."""

    status: str
    version: str
    started_at: datetime
    parts: dict[str, dict[str, Any]]


@router.get("/api/health", tags=["operation"], dependencies=[needs(PUBLIC)])
async def get_health(running: Running) -> HealthAnswer:
    """Return the state of every part in a word; figures and reasons are in `/api/health/detail`."""
    parts = await running.health.parts()
    return HealthAnswer(
        status=overall(parts),
        parts={name: StateOfPart(state=part["state"]) for name, part in parts.items()},
        demo=running.settings.simulator,
        provider=running.provider is not None,
    )


@router.get("/api/health/ready", tags=["operation"], dependencies=[needs(PUBLIC)])
async def get_readiness(running: Running) -> ReadyAnswer:
    """Answer 200 where observations and questions can be taken now, else 503, within two seconds."""
    part = await running.health.database()
    if part["state"] != "ok":
        raise UnavailableError(
            "the database does not answer now", where="database", hint="try again; it is looked after"
        )
    return ReadyAnswer(status="ready")


@router.get("/api/health/detail", tags=["operation"])
async def get_health_detail(
    running: Running, _caller: Annotated[Caller, needs(reads(DataClass.SYSTEM))]
) -> HealthDetailAnswer:
    """Return the state of every part with its figures and reasons, for those who run the installation."""
    parts = await running.health.parts()
    return HealthDetailAnswer(
        status=overall(parts), version=version(), started_at=running.started_at, parts=parts
    )
