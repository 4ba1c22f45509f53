"""Tell what happened lately in the whole city."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel

from api.routes.answers import Names, device_names
from api.routes.devices import EVENT_NAMES
from api.rows import fetch
from api.runtime import Running

router = APIRouter(tags=["alarms"])


class ThingAnswer(BaseModel):
    """The device or worker that an event is about; `layer` 1 is a worker."""

    id: int
    uid: str
    kind: str
    layer: int
    name: Names
    simulated: bool


class CityEventAnswer(BaseModel):
    """A journal row in words, with what it is about."""

    journal: int
    at: datetime
    kind: str
    zh: str
    en: str
    state: str | None
    area_code: str | None
    device: ThingAnswer | None
    data: dict[str, Any]


# `seq` is the primary key, so the newest rows are one short read of its index.
_NEWEST: Final = """
    SELECT j.seq, j.at, j.kind AS event, j.area_code, j.data,
           d.id, d.uid, d.kind, d.name, d.name_en, d.simulated
    FROM (SELECT * FROM journal ORDER BY seq DESC LIMIT :limit) AS j
    LEFT JOIN device AS d ON j.subject = 'device/' || d.id AND d.id = (j.data ->> 'device_id')::int4
    ORDER BY j.seq DESC"""


@router.get("/api/journal")
async def list_journal(
    running: Running, limit: Annotated[int, Query(ge=1, le=200)] = 30
) -> list[CityEventAnswer]:
    """Return the newest events of the journal, the newest first."""
    catalog = running.twin.catalog
    answers = []
    for row in await fetch(running.engine, _NEWEST, limit=limit):
        zh, en = EVENT_NAMES.get(row["event"], (row["event"], row["event"]))
        device = None
        if row["id"] is not None:
            kind = catalog.by_name.get(row["kind"])
            device = ThingAnswer(
                id=row["id"],
                uid=row["uid"],
                kind=row["kind"],
                layer=kind.layer if kind else 0,
                name=device_names(catalog, row["kind"], row["uid"], row["name"], row["name_en"]),
                simulated=row["simulated"],
            )
        answers.append(
            CityEventAnswer(
                journal=row["seq"],
                at=row["at"],
                kind=row["event"],
                zh=zh,
                en=en,
                state=row["data"].get("state"),
                area_code=row["area_code"],
                device=device,
                data=row["data"],
            )
        )
    return answers
