"""Try a rule on history before it is switched on, and say what rules can be made of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import h3.api.basic_int as h3
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text

from api.access.caller import Caller
from api.access.permissions import does, needs, reads
from api.errors import TOO_MANY
from api.routes.answers import AreaRef, Moment, Names, area_columns, area_ref, device_names
from api.routes.rule_content import AreaAnswer, RuleContent, read_content
from api.rule_trials import CHECK
from twin.access.record import Entry, write
from twin.access.roles import Act, DataClass
from twin.errors import InvalidError
from twin.rules.conditions import Crowd, Geofence, Limit, Rate, Silence
from twin.rules.history import LONGEST_DAYS, Tried
from twin.rules.learned import load_learned_rules
from twin.rules.rule import EXCESS, GATHERING, WHOLE, Rule, properties_of
from twin.rules.trying import MOST_PER_10_MIN, MOST_SHARE

router = APIRouter(tags=["alarms"])

Reader = Annotated[Caller, needs(reads(DataClass.ALARM))]
Manager = Annotated[Caller, needs(does(Act.MANAGE_RULES))]

_DEVICES: Final = f"""
    SELECT d.id, d.name, d.name_en, {area_columns("area", "area")}
    FROM device AS d LEFT JOIN area ON area.id = coalesce(d.responsibility_grid_id, d.unit_grid_id)
    WHERE d.id = ANY(:ids)"""
_AREAS: Final = text(
    "SELECT code, level, name, name_en FROM area WHERE valid_to IS NULL AND level <> 'unit_grid' "
    "ORDER BY code, level LIMIT 2000"
)


class TrialRuleRequest(BaseModel):
    """A rule as it would be made, and the time to try it on, at most 31 days."""

    model_config = ConfigDict(extra="forbid")

    rule: RuleContent
    begin: Moment = Field(alias="from")
    end: Moment = Field(alias="to")


class EpisodeAnswer(BaseModel):
    """From when to when the rule would have held for a device; ``to`` null where it still would at the end.

    ``worst`` is the furthest number it judged, in ``unit``: the value, its change, the seconds of silence, or
    the score of what was unusual, or how many gathered. A gathering has no device yet: its
    ``device_id`` is below 0, another for each cell, and its place the middle of that.
    """

    model_config = ConfigDict(populate_by_name=True)

    device_id: int
    uid: str
    name: Names
    kind: str
    property: str | None
    lon: float
    lat: float
    area: AreaRef | None
    begin: datetime = Field(serialization_alias="from")
    end: datetime | None = Field(serialization_alias="to")
    worst: float
    unit: str


class VerdictReasonAnswer(Names):
    """Why a rule is refused."""

    code: str


class VerdictAnswer(Names):
    """What is to be thought of the rule: good, busy, never, no_readings or refused."""

    code: str
    reasons: list[VerdictReasonAnswer]


class RuleTrialAnswer(BaseModel):
    """What a rule would have done; where it is not ``complete`` it was tried up to ``covered_to`` only.

    ``series`` had readings, of ``devices`` it is about. ``episodes`` are the longest 1,000 of ``fired``.
    """

    begin: datetime = Field(serialization_alias="from")
    end: datetime = Field(serialization_alias="to")
    covered_to: datetime
    complete: bool
    devices: int
    series: int
    readings: int
    fired: int
    fired_devices: int
    most_at_once: int
    at_once_at: datetime | None
    share_at_once: float
    share_of_time: float
    per_10_min: float
    most_per_10_min: int
    busiest_at: datetime | None
    episodes: list[EpisodeAnswer]
    verdict: VerdictAnswer


class FormPropertyAnswer(BaseModel):
    """A property that a rule can be about."""

    name: str
    title: Names
    unit: str
    minimum: float
    maximum: float
    decimals: int


class FormKindAnswer(BaseModel):
    """A kind of device that a rule can be about."""

    name: str
    title: Names
    moves: bool
    properties: list[FormPropertyAnswer]


class FormLearnedAnswer(BaseModel):
    """Parameters of the learned rule, and the score at which it begins."""

    name: str
    title: Names
    score: float


class FormLimitsAnswer(BaseModel):
    """How long a rule can be tried on, and from where on it is refused."""

    most_days: int
    most_share: float
    most_per_10_min: float
    check_hours: float


class RuleFormAnswer(BaseModel):
    """What a rule can be made of; ``areas`` are those the caller sees."""

    kinds: list[FormKindAnswer]
    learned: list[FormLearnedAnswer]
    areas: list[AreaAnswer]
    limits: FormLimitsAnswer


@router.get("/api/rules/form")
async def get_rule_form(caller: Reader) -> RuleFormAnswer:
    """Return what a rule can be made of."""
    async with caller.transaction() as connection:
        areas = list(await connection.execute(_AREAS))
    return RuleFormAnswer(
        kinds=[
            FormKindAnswer(
                name=kind.name,
                title=Names(zh=kind.zh, en=kind.en),
                moves=kind.moves,
                properties=[
                    FormPropertyAnswer(
                        name=one.name,
                        title=Names(zh=one.zh, en=one.en),
                        unit=one.unit,
                        minimum=one.minimum,
                        maximum=one.maximum,
                        decimals=one.decimals,
                    )
                    for one in kind.properties
                ],
            )
            for kind in caller.running.twin.catalog.by_name.values()
        ],
        learned=[
            FormLearnedAnswer(name=row.name, title=Names(zh=row.zh, en=row.en), score=row.warning)
            for row in load_learned_rules()
        ],
        areas=[
            AreaAnswer(code=row.code, level=row.level, name=Names(zh=row.name, en=row.name_en))
            for row in areas
        ],
        limits=FormLimitsAnswer(
            most_days=LONGEST_DAYS,
            most_share=MOST_SHARE,
            most_per_10_min=MOST_PER_10_MIN,
            check_hours=CHECK / timedelta(hours=1),
        ),
    )


@router.post("/api/rules/try", responses=TOO_MANY)
async def try_rule(request: Request, caller: Manager, asked: TrialRuleRequest) -> RuleTrialAnswer:
    """Say what a rule would have done with the observations that are stored; nothing is changed.

    It ends early where it takes longer than 25 seconds, and at once where whoever asks goes away.
    """
    end = min(asked.end.astimezone(UTC), datetime.now(UTC))
    begin = asked.begin.astimezone(UTC)
    if begin >= end:
        raise InvalidError("the time must begin before it ends, and before now", where="body.from")
    if end - begin > timedelta(days=LONGEST_DAYS):
        raise InvalidError(
            f"a rule is tried on {LONGEST_DAYS} days at most", where="body.to", hint="choose a shorter time"
        )
    async with caller.transaction() as connection:
        rule = await read_content(caller, connection, asked.rule)
        about = {"from": begin.isoformat(), "to": end.isoformat(), "kinds": list(rule.kinds)}
        await write(connection, caller.actor, Entry("rule.tried", "rules", detail=about))
    tried = await caller.running.rule_trials.try_on(caller, rule, begin, end, request.is_disconnected)
    return await _answer(caller, rule, tried, begin, end)


async def _answer(
    caller: Caller, rule: Rule, tried: Tried, begin: datetime, end: datetime
) -> RuleTrialAnswer:
    outcome, board = tried.outcome, caller.running.twin.board
    if isinstance(rule.condition, Crowd):
        return _trial_answer(tried, begin, end, _gatherings(rule, tried))
    ids = [int(board.device_id[tried.rows[episode.row]]) for episode in outcome.episodes]
    known = {row["id"]: row for row in await caller.fetch(_DEVICES, ids=sorted(set(ids)))}
    episodes = []
    for episode, device_id in zip(outcome.episodes, ids, strict=True):
        row, found = tried.rows[episode.row], known.get(device_id)
        if found is None:  # taken away while the rule was tried
            continue
        kind = board.catalog.by_code[int(board.kind[row])]
        observed = None if episode.slot == WHOLE else kind.properties[episode.slot].name
        episodes.append(
            EpisodeAnswer(
                device_id=device_id,
                uid=board.uid[row],
                name=device_names(board.catalog, kind.name, board.uid[row], found["name"], found["name_en"]),
                kind=kind.name,
                property=observed,
                lon=round(float(board.lon[row]), 7),
                lat=round(float(board.lat[row]), 7),
                area=area_ref(found, "area"),
                begin=_moment(episode.begin_us),
                end=None if episode.end_us is None else _moment(episode.end_us),
                worst=episode.worst,
                unit=_unit(rule, caller),
            )
        )
    return _trial_answer(tried, begin, end, episodes)


def _gatherings(rule: Rule, tried: Tried) -> list[EpisodeAnswer]:
    """Return the gatherings that a rule of density would have found, each in the middle of its cell."""
    found = []
    for episode in tried.outcome.episodes:
        cell = tried.cells[episode.row]
        lat, lon = h3.cell_to_latlng(cell)
        found.append(
            EpisodeAnswer(
                device_id=-1 - episode.row,
                uid=f"{cell:x}",
                name=Names(zh=rule.zh, en=rule.en),
                kind=GATHERING,
                property=EXCESS,
                lon=round(lon, 7),
                lat=round(lat, 7),
                area=None,
                begin=_moment(episode.begin_us),
                end=None if episode.end_us is None else _moment(episode.end_us),
                worst=episode.worst,
                unit="",
            )
        )
    return found


def _trial_answer(
    tried: Tried, begin: datetime, end: datetime, episodes: list[EpisodeAnswer]
) -> RuleTrialAnswer:
    outcome, verdict = tried.outcome, tried.outcome.verdict
    plain: dict[str, Any] = {name: getattr(outcome, name) for name in _PLAIN}
    return RuleTrialAnswer(
        **plain,
        begin=begin,
        end=end,
        covered_to=_moment(outcome.end_us),
        complete=tried.complete,
        series=outcome.heard,
        at_once_at=None if outcome.at_once_us is None else _moment(outcome.at_once_us),
        busiest_at=None if outcome.busiest_us is None else _moment(outcome.busiest_us),
        episodes=episodes,
        verdict=VerdictAnswer(
            code=verdict.code,
            zh=verdict.zh,
            en=verdict.en,
            reasons=[VerdictReasonAnswer(code=one.code, zh=one.zh, en=one.en) for one in verdict.reasons],
        ),
    )


_PLAIN: Final = (
    *("devices", "readings", "fired", "fired_devices", "most_at_once", "share_at_once", "share_of_time"),
    *("per_10_min", "most_per_10_min"),
)


def _unit(rule: Rule, caller: Caller) -> str:
    """Return the unit of what a rule judges."""
    if isinstance(rule.condition, Silence | Geofence):
        return "s"
    found = properties_of(rule, caller.running.twin.catalog)
    if not found or not isinstance(rule.condition, Limit | Rate):
        return ""
    unit = found[0][1].unit
    return f"{unit}/{rule.condition.per_s:g} s" if isinstance(rule.condition, Rate) else unit


def _moment(us: int) -> datetime:
    return datetime.fromtimestamp(us / 1e6, UTC)
