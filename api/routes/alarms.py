"""List the open alarms in groups, and take acknowledgements."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import text

from api.access.caller import Caller
from api.access.permissions import does, needs, reads
from api.alarm_load import AlarmLoad, measure
from api.routes.answers import (
    AreaRef,
    Names,
    area_columns,
    area_ref,
    finite,
    property_names,
    state_name,
)
from api.routes.shelving import MAY_SHELVE, ShelvingAnswer, shelved_groups
from api.rows import Row
from api.runtime import Runtime
from twin.access.record import Entry, write
from twin.access.roles import Act, DataClass
from twin.catalog import Catalog
from twin.rules.alarms import acknowledge

router = APIRouter(tags=["alarms"])

_Number = Annotated[int, Field(ge=1, le=2**53 - 1)]

MOST_ALARMS: Final = 5_000
_MOST_MEMBERS: Final = 1_000


class AlarmMember(BaseModel):
    """One alarm of a group."""

    alarm_id: int
    device_id: int
    uid: str
    property: str | None
    """None: a rule says it of the device as a whole."""
    state: str
    value: float | None
    raised_at: datetime
    acknowledged: bool


class RuleRef(BaseModel):
    """A rule in the version that raised something."""

    id: int
    version: int


class CaseRef(BaseModel):
    """A case in short."""

    id: int
    number: str


class AlarmGroup(BaseModel):
    """Open alarms of one family that came near one another; ``kind`` is that of the worst."""

    key: str
    group_id: int
    family: str
    kind: str
    state: str
    title: Names
    place: Names | None
    count: int
    lon: float
    lat: float
    since: datetime
    acknowledged: int
    acknowledged_by: list[str]
    """Who acknowledged open alarms of it."""
    may_acknowledge: bool
    """Whether the caller may acknowledge and shelve it."""
    simulated: bool
    rule: RuleRef | None
    """What raised the worst of them; null where that were the limits of its kind."""
    case: CaseRef | None
    no_case: str | None
    """Why the server raised no case: `no_area`, `failed`, or open `before` it raised any."""
    no_case_why: str | None
    """What went wrong, in words; what `failed` is tried again each minute for a day."""
    shelved_until: datetime | None
    """When it comes back that was put aside: the group, or all its devices."""
    shelving: ShelvingAnswer | None
    """Who put the group aside and why; null also where only its devices are."""
    maintenance: bool
    """Whether all its alarms came within maintenance windows."""
    area: AreaRef | None
    members: list[AlarmMember]


class AlarmsAnswer(BaseModel):
    """Groups, the worst first, then the newest; and the load on whoever watches."""

    groups: list[AlarmGroup]
    open: int
    unacknowledged: int
    load_per_10_min: float
    shelved: int
    """Groups among those above that are put aside."""
    maintenance: int
    """Groups among those above that are expected by maintenance."""
    without_case: int
    """Groups among those above of which the server could raise no case: see `no_case`."""
    load: AlarmLoad


_OPEN: Final = f"""
    WITH open_alarm AS (
        SELECT a.*, d.uid, d.kind, d.address, d.address_en, d.geom, d.building_id,
               coalesce(d.responsibility_grid_id, d.unit_grid_id) AS area_id,
               d.kind = ANY(CAST(:moving AS text[])) AS moves
        FROM alarm AS a JOIN device AS d ON d.id = a.device_id
        WHERE a.cleared_at IS NULL
        ORDER BY a.state DESC, a.raised_at DESC LIMIT :most)
    SELECT o.id, o.device_id, o.property, o.state, o.value, o.raised_at, o.acknowledged_at, o.simulated,
           o.acknowledged_by, o.uid, o.kind, ST_X(at.geom) AS lon, ST_Y(at.geom) AS lat,
           o.rule_id, o.rule_version, r.zh AS rule, r.en AS rule_en,
           coalesce(o.address, b.name, b.address) AS place,
           CASE WHEN o.address IS NULL THEN b.name_en ELSE o.address_en END AS place_en,
           {area_columns("area", "area")},
           g.id AS group_id, g.family, g.no_case, g.no_case_why, c.id AS case_id, c.number AS case_number,
           o.maintenance_id, sd.until_at AS device_until,
           g.scope_code <@ {MAY_SHELVE} AS may_acknowledge
    FROM open_alarm AS o
    JOIN alarm_group AS g ON g.id = o.group_id
    LEFT JOIN building AS b ON b.id = o.building_id
    -- What moves is not at home: its alarm is where its group began.
    CROSS JOIN LATERAL (SELECT CASE WHEN o.moves THEN g.geom ELSE o.geom END AS geom) AS at
    LEFT JOIN area ON area.id = CASE WHEN NOT o.moves THEN o.area_id ELSE (
        SELECT a.id FROM area AS a WHERE a.valid_to IS NULL AND a.level = 'responsibility_grid'
        AND a.geom && g.geom AND ST_Intersects(a.geom, g.geom) ORDER BY a.code LIMIT 1) END
    LEFT JOIN alarm_rule AS r ON r.id = o.rule_id AND r.version = o.rule_version
    LEFT JOIN case_file AS c ON c.id = g.case_id
    LEFT JOIN shelving AS sd ON sd.device_id = o.device_id AND sd.ended_at IS NULL AND sd.until_at > now()"""

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
    moving = [kind.name for kind in caller.running.twin.catalog.by_name.values() if kind.moves]
    rows = await caller.fetch(_OPEN, most=MOST_ALARMS, moving=moving)
    counts = await caller.fetch_one(_COUNTS) or {}
    grouped: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row["group_id"]].append(row)
    aside = await shelved_groups(caller, list(grouped))
    groups = [_group(caller.running, members, aside.get(key)) for key, members in grouped.items()]
    groups.sort(key=lambda group: (-_severity(group.members), -group.since.timestamp()))
    return AlarmsAnswer(
        groups=groups[:limit],
        open=counts.get("open", 0),
        unacknowledged=counts.get("unacknowledged", 0),
        load_per_10_min=round(counts.get("last_hour", 0) / 6.0, 2),
        shelved=sum(group.shelved_until is not None for group in groups),
        maintenance=sum(group.maintenance for group in groups),
        without_case=sum(group.no_case in {"no_area", "failed"} for group in groups),
        load=await measure(caller, datetime.now(UTC)),
    )


_ORDER: Final = {"critical": 5, "alarm": 4, "warning": 3}


def _severity(members: list[AlarmMember]) -> int:
    return max(_ORDER.get(member.state, 0) for member in members)


def _group(running: Runtime, rows: list[Row], shelving: ShelvingAnswer | None) -> AlarmGroup:
    rows.sort(key=lambda row: (-row["state"], row["raised_at"], row["id"]))
    worst = rows[0]
    catalog = running.twin.catalog
    case = next((row for row in rows if row["case_id"] is not None), None)
    return AlarmGroup(
        key=f"group-{worst['group_id']}",
        group_id=worst["group_id"],
        family=worst["family"],
        kind=worst["kind"],
        state=state_name(worst["state"]),
        title=_title(catalog, rows),
        place=next((Names(zh=row["place"], en=row["place_en"]) for row in rows if row["place"]), None),
        count=len(rows),
        lon=sum(row["lon"] for row in rows) / len(rows),
        lat=sum(row["lat"] for row in rows) / len(rows),
        since=min(row["raised_at"] for row in rows),
        acknowledged=sum(row["acknowledged_at"] is not None for row in rows),
        acknowledged_by=sorted({row["acknowledged_by"] for row in rows if row["acknowledged_by"]}),
        may_acknowledge=worst["may_acknowledge"],
        simulated=any(row["simulated"] for row in rows),
        rule=RuleRef(id=worst["rule_id"], version=worst["rule_version"]) if worst["rule_id"] else None,
        case=CaseRef(id=case["case_id"], number=case["case_number"]) if case else None,
        no_case=worst["no_case"],
        no_case_why=worst["no_case_why"],
        shelved_until=_until(rows) if shelving is None else shelving.until_at,
        shelving=shelving,
        maintenance=all(row["maintenance_id"] is not None for row in rows),
        area=next((area_ref(row, "area") for row in rows if row["area_id"] is not None), None),
        members=[
            AlarmMember(
                alarm_id=row["id"],
                device_id=row["device_id"],
                uid=row["uid"],
                property=_property(catalog, row),
                state=state_name(row["state"]),
                value=finite(row["value"]),
                raised_at=row["raised_at"],
                acknowledged=row["acknowledged_at"] is not None,
            )
            for row in rows[:_MOST_MEMBERS]
        ],
    )


def _until(rows: list[Row]) -> datetime | None:
    """Return when a group comes back of whose devices each is put aside; None where one is not."""
    ends: list[datetime | None] = [row["device_until"] for row in rows]
    known = [end for end in ends if end is not None]
    return min(known) if len(known) == len(ends) else None


def _title(catalog: Catalog, rows: list[Row]) -> Names:
    """Return what alarms are about: a property, a rule, else a kind, else what their families are called."""
    if len({row["kind"] for row in rows}) > 1 and rows[0]["family"] in catalog.families:
        family = catalog.families[rows[0]["family"]]
        return Names(zh=family.zh, en=family.en)
    kind = catalog.by_name.get(rows[0]["kind"])
    if kind is None:
        return Names(zh=rows[0]["kind"], en=rows[0]["kind"])
    slots = {row["property"] for row in rows}
    if len(slots) == 1 and None not in slots and rows[0]["property"] < len(kind.properties):
        return property_names(kind, kind.properties[rows[0]["property"]])
    if slots == {None} and len({row["rule"] for row in rows}) == 1 and rows[0]["rule"] is not None:
        return Names(zh=rows[0]["rule"], en=rows[0]["rule_en"])
    return Names(zh=kind.zh, en=kind.en)


def _property(catalog: Catalog, row: Row) -> str | None:
    kind = catalog.by_name.get(row["kind"])
    if row["property"] is None:
        return None
    if kind is None or row["property"] >= len(kind.properties):
        return str(row["property"])
    return kind.properties[row["property"]].name


class AcknowledgeRequest(BaseModel):
    """Which alarms, or whole groups of open ones; who has seen them is whoever is signed in."""

    model_config = ConfigDict(extra="forbid")

    alarm_ids: list[_Number] = Field(default=[], max_length=10_000)
    group_ids: list[_Number] = Field(default=[], max_length=100)

    @model_validator(mode="after")
    def _some(self) -> AcknowledgeRequest:
        if not self.alarm_ids and not self.group_ids:
            raise ValueError("name alarms or groups")
        return self


_OF_GROUPS: Final = text(
    "SELECT alarm.id, alarm.group_id FROM alarm JOIN device ON device.id = alarm.device_id "
    "WHERE alarm.group_id = ANY(:groups) AND alarm.cleared_at IS NULL ORDER BY alarm.id LIMIT 10001"
)


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

    Alarms that the caller does not see, or may not acknowledge where they are, count as unknown, and so does
    a group without an open alarm that the caller sees.
    """
    by = caller.shown_name
    async with caller.transaction() as connection:
        found = (await connection.execute(_OF_GROUPS, {"groups": body.group_ids})).all()
        ids = [*body.alarm_ids, *(row.id for row in found)]
        result = await acknowledge(connection, ids, by, catalog=caller.running.twin.catalog)
        if result.ids:
            about = f"alarm/{result.ids[0]}" if len(result.ids) == 1 else "alarms"
            entry = Entry("alarm.acknowledged", about, detail={"alarms": result.ids, "by": by})
            await write(connection, caller.actor, entry)
    return AcknowledgeAnswer(
        acknowledged=result.acknowledged,
        already=result.already,
        unknown=result.unknown + len(set(body.group_ids) - {row.group_id for row in found}),
    )
