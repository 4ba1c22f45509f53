"""List the open alarms in groups, and take acknowledgements."""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import datetime
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from api.access.caller import Caller
from api.access.permissions import does, needs, reads
from api.routes.answers import (
    AreaRef,
    Names,
    area_columns,
    area_ref,
    finite,
    property_names,
    state_name,
)
from api.rows import Row
from api.runtime import Runtime
from twin.access.record import Entry, write
from twin.access.roles import Act, DataClass
from twin.rules.alarms import acknowledge

router = APIRouter(tags=["alarms"])

GROUP_RADIUS_M: Final = 150.0
"""Open alarms of one kind that are this near to one another, directly or through others, are one group."""

MOST_ALARMS: Final = 5_000
_MOST_MEMBERS: Final = 1_000


class AlarmMember(BaseModel):
    """One alarm of a group."""

    alarm_id: int
    device_id: int
    uid: str
    property: str
    state: str
    value: float | None
    raised_at: datetime
    acknowledged: bool


class CaseRef(BaseModel):
    """A case in short."""

    id: int
    number: str


class AlarmGroup(BaseModel):
    """Alarms of one kind that are near one another and open together."""

    key: str
    kind: str
    state: str
    title: Names
    place: Names | None
    count: int
    lon: float
    lat: float
    since: datetime
    acknowledged: int
    simulated: bool
    case: CaseRef | None
    area: AreaRef | None
    members: list[AlarmMember]


class AlarmsAnswer(BaseModel):
    """Groups, the worst first, then the newest; and the load on whoever watches."""

    groups: list[AlarmGroup]
    open: int
    unacknowledged: int
    load_per_10_min: float


# The scale of web mercator differs by latitude, so the radius is stretched by the mean latitude's scale.
_OPEN: Final = f"""
    WITH open_alarm AS (
        SELECT a.*, d.uid, d.kind, d.address, d.address_en, d.geom, d.building_id,
               coalesce(d.responsibility_grid_id, d.unit_grid_id) AS area_id
        FROM alarm AS a JOIN device AS d ON d.id = a.device_id
        WHERE a.cleared_at IS NULL
        ORDER BY a.state DESC, a.raised_at DESC LIMIT :most)
    SELECT o.id, o.device_id, o.property, o.state, o.value, o.raised_at, o.acknowledged_at, o.simulated,
           o.uid, o.kind, ST_X(o.geom) AS lon, ST_Y(o.geom) AS lat,
           coalesce(o.address, b.name, b.address) AS place,
           CASE WHEN o.address IS NULL THEN b.name_en ELSE o.address_en END AS place_en,
           {area_columns("area", "area")},
           c.id AS case_id, c.number AS case_number,
           ST_ClusterDBSCAN(ST_Transform(o.geom, 3857), :eps, 1) OVER (PARTITION BY o.kind) AS cluster
    FROM open_alarm AS o
    LEFT JOIN building AS b ON b.id = o.building_id
    LEFT JOIN area ON area.id = o.area_id
    LEFT JOIN case_file AS c ON c.id = o.case_id"""

_COUNTS: Final = """
    SELECT count(*) FILTER (WHERE cleared_at IS NULL) AS open,
           count(*) FILTER (WHERE cleared_at IS NULL AND acknowledged_at IS NULL) AS unacknowledged,
           count(*) FILTER (WHERE raised_at > now() - interval '1 hour') AS last_hour
    FROM alarm JOIN device ON device.id = alarm.device_id
    WHERE cleared_at IS NULL OR raised_at > now() - interval '1 hour'"""


@router.get("/api/alarms")
async def list_alarms(
    caller: Annotated[Caller, needs(reads(DataClass.ALARM))],
    _state: Annotated[Literal["open"], Query(alias="state")] = "open",
    limit: Annotated[int, Query(ge=1, le=500, description="most groups")] = 200,
) -> AlarmsAnswer:
    """Return the open alarms in groups; `load_per_10_min` is the mean of the last hour."""
    latitude = await caller.fetch_one(
        """SELECT avg(ST_Y(d.geom)) AS lat FROM alarm JOIN device AS d ON d.id = alarm.device_id
           WHERE alarm.cleared_at IS NULL""",
    )
    lat = float((latitude or {}).get("lat") or 0.0)
    eps = GROUP_RADIUS_M / max(0.05, math.cos(math.radians(lat)))
    rows = await caller.fetch(_OPEN, most=MOST_ALARMS, eps=eps)
    counts = await caller.fetch_one(_COUNTS) or {}
    grouped: dict[tuple[str, int], list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row["kind"], row["cluster"]].append(row)
    groups = [_group(caller.running, members) for members in grouped.values()]
    groups.sort(key=lambda group: (-_severity(group.members), -group.since.timestamp()))
    return AlarmsAnswer(
        groups=groups[:limit],
        open=counts.get("open", 0),
        unacknowledged=counts.get("unacknowledged", 0),
        load_per_10_min=round(counts.get("last_hour", 0) / 6.0, 2),
    )


_ORDER: Final = {"critical": 5, "alarm": 4, "warning": 3}


def _severity(members: list[AlarmMember]) -> int:
    return max(_ORDER.get(member.state, 0) for member in members)


def _group(running: Runtime, rows: list[Row]) -> AlarmGroup:
    rows.sort(key=lambda row: (-row["state"], row["raised_at"], row["id"]))
    worst = rows[0]
    kind = running.twin.catalog.by_name.get(worst["kind"])
    slots = {row["property"] for row in rows}
    what = Names(zh=worst["kind"], en=worst["kind"])
    if kind is not None:
        what = Names(zh=kind.zh, en=kind.en)
        if len(slots) == 1 and next(iter(slots)) < len(kind.properties):
            observed = kind.properties[next(iter(slots))]
            what = property_names(kind, observed)
    case = next((row for row in rows if row["case_id"] is not None), None)
    return AlarmGroup(
        # The oldest alarm names the group: it stays the same while others come and go.
        key=f"{worst['kind']}-{min(row['id'] for row in rows)}",
        kind=worst["kind"],
        state=state_name(worst["state"]),
        title=what,
        place=next((Names(zh=row["place"], en=row["place_en"]) for row in rows if row["place"]), None),
        count=len(rows),
        lon=sum(row["lon"] for row in rows) / len(rows),
        lat=sum(row["lat"] for row in rows) / len(rows),
        since=min(row["raised_at"] for row in rows),
        acknowledged=sum(row["acknowledged_at"] is not None for row in rows),
        simulated=any(row["simulated"] for row in rows),
        case=CaseRef(id=case["case_id"], number=case["case_number"]) if case else None,
        area=next((area_ref(row, "area") for row in rows if row["area_id"] is not None), None),
        members=[
            AlarmMember(
                alarm_id=row["id"],
                device_id=row["device_id"],
                uid=row["uid"],
                property=kind.properties[row["property"]].name
                if kind is not None and row["property"] < len(kind.properties)
                else str(row["property"]),
                state=state_name(row["state"]),
                value=finite(row["value"]),
                raised_at=row["raised_at"],
                acknowledged=row["acknowledged_at"] is not None,
            )
            for row in rows[:_MOST_MEMBERS]
        ],
    )


class AcknowledgeRequest(BaseModel):
    """Which alarms; who has seen them is whoever is signed in."""

    model_config = ConfigDict(extra="forbid")

    alarm_ids: list[Annotated[int, Field(ge=1, le=2**53 - 1)]] = Field(min_length=1, max_length=10_000)


class AcknowledgeAnswer(BaseModel):
    """How many were acknowledged now, had been already, and are not there for whoever asks."""

    acknowledged: int
    already: int
    unknown: int


@router.post("/api/alarms/acknowledge")
async def acknowledge_alarms(
    caller: Annotated[Caller, needs(does(Act.ACKNOWLEDGE_ALARM))], body: AcknowledgeRequest
) -> AcknowledgeAnswer:
    """Note that the caller has seen alarms; doing it twice changes nothing.

    Alarms that the caller does not see, or may not acknowledge where they are, count as unknown.
    """
    by = caller.shown_name
    async with caller.transaction() as connection:
        result = await acknowledge(connection, body.alarm_ids, by, catalog=caller.running.twin.catalog)
        if result.ids:
            about = f"alarm/{result.ids[0]}" if len(result.ids) == 1 else "alarms"
            entry = Entry("alarm.acknowledged", about, detail={"alarms": result.ids, "by": by})
            await write(connection, caller.actor, entry)
    return AcknowledgeAnswer(acknowledged=result.acknowledged, already=result.already, unknown=result.unknown)
