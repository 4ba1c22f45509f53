"""Let managers say by which rules alarms are raised; every version is kept."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from api.access.caller import Caller
from api.access.permissions import does, needs, reads
from api.errors import CONFLICT, NOT_FOUND, TOO_MANY
from api.routes.answers import Names
from api.routes.rule_content import (
    AreaAnswer,
    RuleContent,
    area_answer,
    read_content,
    require_category,
    said_of,
)
from twin.access.record import Entry, write
from twin.access.roles import Act, DataClass
from twin.access.scope import EVERYWHERE, Scope
from twin.errors import ForbiddenError, InvalidError
from twin.rules.rule import Rule, matching
from twin.rules.watch import read_kept, rule_event, watched_on
from twin.rules.words import condition_words
from twin.states import State
from twin.store import rules as store
from twin.store.journal import append
from twin.store.rules import KeptRule, RuleText

router = APIRouter(tags=["alarms"])

Reader = Annotated[Caller, needs(reads(DataClass.ALARM))]
Manager = Annotated[Caller, needs(does(Act.MANAGE_RULES))]
RuleId = Annotated[int, Path(alias="rule", ge=1, le=2**63 - 1, description="number of the rule")]
Version = Annotated[int, Field(ge=1, le=2**31 - 1, strict=True)]
Reason = Annotated[str | None, Field(max_length=500, pattern="^[^\\x00]*$")]

_OPEN: Final = text(
    "SELECT rule_id, count(*) AS open FROM alarm JOIN device ON device.id = alarm.device_id "
    "WHERE cleared_at IS NULL AND rule_id IS NOT NULL GROUP BY rule_id"
)
_AREAS: Final = text(
    "SELECT code, level, name, name_en FROM area WHERE code = ANY(:codes) AND valid_to IS NULL "
    "AND level <> 'unit_grid'"
)


class RuleVersionAnswer(BaseModel):
    """A version of a rule: who made it, when it held, and whether it was on."""

    version: int
    enabled: bool
    changed_by: str
    valid_from: datetime
    valid_to: datetime | None
    reason: str | None


class RuleRowAnswer(BaseModel):
    """A rule in one version, and how it does now.

    ``words`` is the condition as a sentence. ``devices`` are those it is about that the caller sees,
    ``trouble`` why the server switched it off by itself.
    """

    id: int
    version: int
    newest: int
    enabled: bool
    zh: str
    en: str
    state: str
    area: AreaAnswer | None
    kinds: list[str]
    property: str | None
    condition: dict[str, Any]
    category_code: str | None
    words: Names
    changed_by: str
    valid_from: datetime
    valid_to: datetime | None
    reason: str | None
    may_manage: bool
    devices: int
    open_alarms: int
    trouble: Names | None


class RulesAnswer(BaseModel):
    """The rules that hold where the caller reads alarms, and whether they may make some."""

    rules: list[RuleRowAnswer]
    may_manage: bool


class RuleAnswer(RuleRowAnswer):
    """A rule, and all its versions, the newest first."""

    versions: list[RuleVersionAnswer]


class RuleChangeRequest(BaseModel):
    """A rule as it shall be; ``version`` is the newest one, which was changed."""

    model_config = ConfigDict(extra="forbid")

    version: Version
    rule: RuleContent
    reason: Reason = None


class RuleSwitchRequest(BaseModel):
    """Whether a rule shall be on; a reason is needed to switch it off."""

    model_config = ConfigDict(extra="forbid")

    version: Version
    enabled: bool
    reason: Reason = None


@router.get("/api/rules")
async def list_rules(caller: Reader) -> RulesAnswer:
    """Return the rules that hold where the caller reads alarms, by number."""
    async with caller.transaction() as connection:
        kept = await store.list_valid(connection)
        rows = await _rows(caller, connection, kept)
    return RulesAnswer(rules=[RuleRowAnswer(**row) for row in rows], may_manage=bool(_where(caller)))


@router.get("/api/rules/{rule:int}", responses=NOT_FOUND)
async def get_rule(
    caller: Reader,
    rule_id: RuleId,
    version: Annotated[int, Query(ge=0, le=2**31 - 1, description="0 for the newest")] = 0,
) -> RuleAnswer:
    """Return a rule, in its newest version or an old one."""
    async with caller.transaction() as connection:
        return await _answer(caller, connection, await store.get_rule(connection, rule_id, version))


@router.post("/api/rules", status_code=201, responses=CONFLICT)
async def create_rule(caller: Manager, asked: RuleContent) -> RuleAnswer:
    """Make a rule. It is switched off: try it, then switch it on."""
    async with caller.transaction() as connection:
        rule = await read_content(caller, connection, asked)
        _require_place(caller, rule)
        kept = await store.add_rule(connection, said_of(rule), caller.shown_name, None)
        answer = await _answer(caller, connection, kept)
        await _tell(caller, connection, "created", kept)
    return answer


@router.put("/api/rules/{rule:int}", responses=NOT_FOUND | CONFLICT | TOO_MANY)
async def change_rule(
    request: Request, caller: Manager, rule_id: RuleId, asked: RuleChangeRequest
) -> RuleAnswer:
    """Change a rule, where nobody else has meanwhile; its open alarms are cleared.

    One that is on is tried before as if it were switched on.
    """
    async with caller.transaction() as connection:
        old = await _get_seen(connection, rule_id, asked.version)
        rule = await read_content(caller, connection, asked.rule)
    if old.enabled:
        await _require_sound(request, caller, rule)
    _require_place(caller, rule)
    return await _add(
        caller, "changed", old, asked.version, said_of(rule), enabled=old.enabled, reason=asked.reason
    )


@router.post("/api/rules/{rule:int}/switch", responses=NOT_FOUND | CONFLICT | TOO_MANY)
async def switch_rule(
    request: Request, caller: Manager, rule_id: RuleId, asked: RuleSwitchRequest
) -> RuleAnswer:
    """Switch a rule on or off.

    422 where it would hold for more than half of its devices at once or of their time, or raise more than
    ten alarms in ten minutes: it is tried on the last 24 hours before.
    """
    async with caller.transaction() as connection:
        old = await _get_seen(connection, rule_id, asked.version)
    if asked.enabled:
        require_category(old.category_code)
        await _require_sound(request, caller, read_kept(caller.running.twin.catalog, old))
    elif not (asked.reason or "").strip():
        raise InvalidError("to switch a rule off needs a reason", where="body.reason", hint="say why")
    act = "switched_on" if asked.enabled else "switched_off"
    return await _add(caller, act, old, asked.version, old.said, enabled=asked.enabled, reason=asked.reason)


async def _get_seen(connection: AsyncConnection, rule_id: int, seen: int) -> KeptRule:
    """Return the newest version of a rule, which whoever changes it saw: what is tried is what they mean."""
    newest = await store.get_rule(connection, rule_id)
    if newest.version != seen:
        raise store.not_newest(newest, seen)
    return newest


async def _add(
    caller: Caller,
    act: str,
    old: KeptRule,
    known: int,
    said: RuleText,
    *,
    enabled: bool,
    reason: str | None,
) -> RuleAnswer:
    if not _where(caller).covers(_scope_of(old)):
        raise ForbiddenError("you do not manage the area this rule holds in", where="area")
    async with caller.transaction() as connection:
        kept = await store.add_version(
            connection, old.id, known, said, caller.shown_name, enabled=enabled, reason=reason
        )
        answer = await _answer(caller, connection, kept)
        await _tell(caller, connection, act, kept)
    return answer


async def _tell(caller: Caller, connection: AsyncConnection, act: str, kept: KeptRule) -> None:
    """Put an act on the record and into the journal."""
    detail = {"version": kept.version, "reason": kept.reason}
    await write(connection, caller.actor, Entry(f"rule.{act}", f"rule/{kept.id}", detail=detail))
    await append(connection, [rule_event(f"rule.{act}", kept, caller.shown_name, kept.reason)])


async def _require_sound(request: Request, caller: Caller, rule: Rule) -> None:
    tried = await caller.running.rule_trials.check(caller, rule, request.is_disconnected)
    verdict = tried.outcome.verdict
    if verdict.refused:
        raise InvalidError(
            f"{verdict.zh} / {verdict.en}",
            where="rule",
            hint="改小范围或条件后再试 / narrow it, and try it again",
        )


def _where(caller: Caller) -> Scope:
    return caller.grants.where(Act.MANAGE_RULES)


def _scope_of(kept: KeptRule) -> Scope:
    if kept.area_code is None:
        return EVERYWHERE
    return Scope.of_area(kept.area_code, kept.area_level or "")


def _require_place(caller: Caller, rule: Rule) -> None:
    scope = EVERYWHERE if rule.area is None else rule.area.scope
    if not _where(caller).covers(scope):
        raise ForbiddenError(
            "you do not manage the whole area this rule would hold in",
            where="area",
            hint="name an area that you manage",
        )


async def _rows(
    caller: Caller, connection: AsyncConnection, kept: list[KeptRule], newest: int | None = None
) -> list[dict[str, Any]]:
    opened = {row.rule_id: row.open for row in await connection.execute(_OPEN)}
    codes = [one.area_code for one in kept if one.area_code is not None]
    areas = {row.code: row for row in await connection.execute(_AREAS, {"codes": codes})}
    twin = caller.running.twin
    watched, found = watched_on(twin.board), []
    for one in kept:
        words, devices, trouble = Names(zh=None, en=None), 0, one.failed
        try:
            rule = read_kept(twin.catalog, one)
        except InvalidError as error:
            trouble = trouble or str(error)
        else:
            zh, en = condition_words(rule, twin.catalog)
            words = Names(zh=zh, en=en)
            devices = int(caller.sees(matching(rule, watched)[0]).sum())
        found.append(
            {
                "id": one.id,
                "version": one.version,
                "newest": one.version if newest is None else newest,
                "enabled": one.enabled,
                "zh": one.zh,
                "en": one.en,
                "state": State(one.state).name.lower(),
                "area": area_answer(one.area_code, one.area_level, areas),
                "kinds": one.kinds,
                "property": one.property,
                "condition": one.condition,
                "category_code": one.category_code,
                "words": words,
                "changed_by": one.changed_by,
                "valid_from": one.valid_from,
                "valid_to": one.valid_to,
                "reason": one.reason,
                "may_manage": _where(caller).covers(_scope_of(one)),
                "devices": devices,
                "open_alarms": opened.get(one.id, 0),
                "trouble": _trouble(trouble),
            }
        )
    return found


def _trouble(error: str | None) -> Names | None:
    if error is None:
        return None
    return Names(zh=f"规则无法执行，已停用：{error}", en=f"it could not be evaluated and is off: {error}")


async def _answer(caller: Caller, connection: AsyncConnection, kept: KeptRule) -> RuleAnswer:
    versions = await store.list_versions(connection, kept.id)
    row = (await _rows(caller, connection, [kept], versions[0].version))[0]
    told = [
        RuleVersionAnswer(**{name: getattr(one, name) for name in RuleVersionAnswer.model_fields})
        for one in versions
    ]
    return RuleAnswer(**row, versions=told)
