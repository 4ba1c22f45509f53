"""Say how a rule is written, and read it against the kinds and areas there are."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from api.access.caller import Caller
from api.routes.answers import Names
from twin.access.scope import WHOLE_CODE
from twin.cases.categories import load_categories
from twin.errors import InvalidError
from twin.rules.conditions import write_condition
from twin.rules.fence_places import settle
from twin.rules.rule import Area, Rule, read_rule
from twin.states import State
from twin.store.rules import RuleText

_Title = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[^\x00]*\S[^\x00]*$")]
_Word = Annotated[str, Field(min_length=1, max_length=60, pattern="^[a-z][a-z0-9_]*$")]

_LEVEL: Final = text(
    "SELECT level FROM area WHERE code = :code AND valid_to IS NULL AND level <> 'unit_grid' "
    "ORDER BY id LIMIT 1"
)


class AreaAnswer(BaseModel):
    """The area a rule holds in; its names are null where it is no more."""

    code: str
    level: str
    name: Names


class RuleContent(BaseModel):
    """What a rule says. An ``area`` of null is everywhere, ``kinds`` empty every kind of device.

    ``category_code`` is the kind of case its alarms raise, null as the table of device kinds says.
    """

    model_config = ConfigDict(extra="forbid")

    zh: _Title
    en: _Title
    state: Literal["warning", "alarm", "critical"]
    area: Annotated[str, Field(pattern="^[0-9]{15}$")] | None = None
    kinds: Annotated[list[_Word], Field(max_length=100)] = Field(default_factory=list)
    property: _Word | None = None
    condition: dict[str, Any] = Field(description="see docs/rules.md; the field “type” says which")
    category_code: Annotated[str, Field(pattern="^[0-9]{5}$")] | None = None


async def read_content(caller: Caller, connection: AsyncConnection, asked: RuleContent) -> Rule:
    """Check what somebody wrote as a rule.

    Raises
    ------
    InvalidError
        It is none: see `twin.rules.rule.read_rule` and `twin.rules.fence_places.settle`; or there is no such
        area, or kind of case.
    """
    require_category(asked.category_code)
    area = None
    if asked.area is not None and asked.area != WHOLE_CODE:
        level = await connection.scalar(_LEVEL, {"code": asked.area})
        if level is None:
            raise InvalidError(
                f"there is no area {asked.area} that a rule can hold in",
                where="area",
                hint="name a city, district, street, community or responsibility grid",
            )
        area = Area(asked.area, level)
    return read_rule(
        caller.running.twin.catalog,
        zh=asked.zh.strip(),
        en=asked.en.strip(),
        state=State[asked.state.upper()],
        area=area,
        kinds=tuple(dict.fromkeys(asked.kinds)),
        observed=asked.property,
        condition=await settle(connection, asked.condition),
        category_code=asked.category_code,
    )


def require_category(code: str | None) -> None:
    """Check that cases of the kind a rule names can be reported today.

    Raises
    ------
    InvalidError
        There is no such kind, or it was withdrawn.
    """
    categories, today = load_categories(), datetime.now(UTC).date()
    if code is None or code in {row.code for row in categories.open_at(today)}:
        return
    zh, en = ("已停用", "was withdrawn") if code in categories.by_code else ("不存在", "is not known")
    raise InvalidError(
        f"案件小类 {code} {zh} / the kind of case {code} {en}",
        where="category_code",
        hint="从 GET /api/catalog 的 case_categories 中选 / one of case_categories of GET /api/catalog",
    )


def said_of(rule: Rule) -> RuleText:
    """Return a rule as it is kept."""
    return RuleText(
        zh=rule.zh,
        en=rule.en,
        state=rule.state,
        area_code=rule.area.code if rule.area else None,
        area_level=rule.area.level if rule.area else None,
        kinds=list(rule.kinds),
        property=rule.observed,
        condition=write_condition(rule.condition),
        category_code=rule.category_code,
    )


def area_answer(code: str | None, level: str | None, areas: Mapping[str, Any]) -> AreaAnswer | None:
    """Return the area of a rule with its names, of rows by code."""
    if code is None:
        return None
    row = areas.get(code)
    names = Names(zh=row.name if row else None, en=row.name_en if row else None)
    return AreaAnswer(code=code, level=level or "", name=names)
