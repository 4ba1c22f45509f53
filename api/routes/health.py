"""Answer whether the parts of the server are well."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from api.health import overall
from api.runtime import Running
from api.version import version

router = APIRouter()


class HealthAnswer(BaseModel):
    """How every part does. The answer is 200 as long as the server itself answers."""

    status: str
    version: str
    started_at: datetime
    parts: dict[str, dict[str, Any]]


@router.get("/api/health", tags=["operation"])
async def get_health(running: Running) -> HealthAnswer:
    """Return the state of every part."""
    parts = await running.health.parts()
    return HealthAnswer(status=overall(parts), version=version(), started_at=running.started_at, parts=parts)
