"""Show who answers for which cases where, and let managers make and withdraw these rules."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from api.access.caller import Caller
from api.access.permissions import does, needs, reads
from api.errors import CONFLICT, NOT_FOUND
from api.routes.answers import Names, RowId
from api.routes.case_answers import about_names
from api.rows import Row
from twin.access.record import Entry, write
from twin.access.roles import Act, DataClass
from twin.cases.responsible import set_rule, withdraw_rule

router = APIRouter(tags=["cases"])

Reader = Annotated[Caller, needs(reads(DataClass.CASE))]
Manager = Annotated[Caller, needs(does(Act.APPROVE_CASE))]


class OrganisationAnswer(BaseModel):
    """A department, street office, property company or patrol unit."""

    id: int
    code: str
    name: Names
    kind: str
    simulated: bool


class RuleAnswer(BaseModel):
    """A rule: an organisation answers for a kind of case in an area and all below it.

    ``about`` is a category, its major, or a kind of body; ``area`` is null for the whole installation, its
    name is not known where the area is gone. One that was withdrawn held from ``valid_from`` to ``valid_to``.
    """

    id: int
    about: str
    about_name: Names
    area_code: str
    area_level: str
    area: Names | None
    organisation: OrganisationAnswer
    valid_from: datetime
    set_by: str
    valid_to: datetime | None
    withdrawn_by: str | None


_ORGANISATION: Final = "o.id, o.code, o.name, o.name_en, o.kind, o.simulated"
_ORGANISATIONS: Final = f"SELECT {_ORGANISATION} FROM organisation AS o ORDER BY o.kind, o.code"
_RULES: Final = f"""
    SELECT r.id AS rule_id, r.about, r.area_code, r.area_level, r.valid_from, r.set_by, r.valid_to,
           r.withdrawn_by, a.name AS area, a.name_en AS area_en, {_ORGANISATION}
    FROM responsibility AS r JOIN organisation AS o ON o.id = r.organisation_id
    LEFT JOIN area AS a ON a.code = r.area_code AND a.level = r.area_level AND a.valid_to IS NULL
    WHERE (r.valid_to IS NULL OR NOT :present) AND (CAST(:id AS bigint) IS NULL OR r.id = :id)
    ORDER BY r.valid_to DESC NULLS FIRST, r.high - r.low, r.low, r.about LIMIT 2000"""


@router.get("/api/organisations")
async def list_organisations(caller: Reader) -> list[OrganisationAnswer]:
    """Return the departments, street offices, companies and patrols to whom cases can be given."""
    return [_organisation(row) for row in await caller.fetch(_ORGANISATIONS)]


@router.get("/api/responsibilities")
async def list_responsibilities(
    caller: Reader,
    present: Annotated[bool, Query(description="leave out those that were withdrawn")] = True,
) -> list[RuleAnswer]:
    """Return the rules that hold where the caller sees cases, those of the smallest areas first."""
    return [_rule(row) for row in await caller.fetch(_RULES, present=present, id=None)]


class RuleRequest(BaseModel):
    """A rule to make: who answers for what, in which area; 15 zeros are the whole installation."""

    model_config = ConfigDict(extra="forbid")

    about: str = Field(pattern="^([0-9]{2}([0-9]{3})?|[a-z_]{1,40})$")
    area_code: str = Field(pattern="^[0-9]{15}$")
    organisation_id: int = Field(ge=1, le=2**63 - 1)


@router.post("/api/responsibilities", status_code=201, responses=CONFLICT)
async def make_responsibility(caller: Manager, body: RuleRequest) -> RuleAnswer:
    """Make a rule where the caller may; 409 where there is one for the same area and kind of case."""
    now = datetime.now(UTC)
    async with caller.transaction() as connection:
        made = await set_rule(
            connection,
            body.about,
            body.area_code,
            body.organisation_id,
            by=caller.shown_name,
            today=now.date(),
            may=caller.grants.where(Act.APPROVE_CASE),
        )
        detail = {"about": body.about, "area": body.area_code, "organisation": body.organisation_id}
        await write(
            connection, caller.actor, Entry("responsibility.made", f"responsibility/{made}", detail=detail)
        )
    return await _one(caller, made)


@router.post("/api/responsibilities/{id}/withdraw", responses={**NOT_FOUND, **CONFLICT})
async def withdraw_responsibility(caller: Manager, rule_id: RowId) -> RuleAnswer:
    """Withdraw a rule: from now on it decides nothing; it stays in the list of those that once held."""
    async with caller.transaction() as connection:
        await withdraw_rule(connection, rule_id, by=caller.shown_name, now=datetime.now(UTC))
        await write(connection, caller.actor, Entry("responsibility.withdrawn", f"responsibility/{rule_id}"))
    return await _one(caller, rule_id)


async def _one(caller: Caller, rule_id: int) -> RuleAnswer:
    (row,) = await caller.fetch(_RULES, present=False, id=rule_id)
    return _rule(row)


def _organisation(row: Row) -> OrganisationAnswer:
    return OrganisationAnswer(
        id=row["id"],
        code=row["code"],
        name=Names(zh=row["name"], en=row["name_en"]),
        kind=row["kind"],
        simulated=row["simulated"],
    )


def _rule(row: Row) -> RuleAnswer:
    plain = ("about", "area_code", "area_level", "valid_from", "set_by", "valid_to", "withdrawn_by")
    return RuleAnswer(
        **{key: row[key] for key in plain},
        id=row["rule_id"],
        about_name=about_names(row["about"]),
        area=None if row["area"] is None else Names(zh=row["area"], en=row["area_en"]),
        organisation=_organisation(row),
    )
