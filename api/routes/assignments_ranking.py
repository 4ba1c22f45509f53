"""Rank who could go to a case, with the reasons of each in words."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from api.access.caller import Caller
from api.access.permissions import needs, reads
from api.errors import NOT_FOUND
from api.exports.words import WORKER_ROLES
from api.routes.answers import Names, RowId
from twin.access.masking import mask_name
from twin.access.roles import DataClass
from twin.dispatch.assignments import Choice
from twin.dispatch.candidates import Ranking, rank_for
from twin.dispatch.eligible import Eligibility
from twin.dispatch.needs import load_needs
from twin.dispatch.network.profiles import load_profiles
from twin.dispatch.ranking import POLICY, Ranked, words
from twin.errors import NotFoundError

router = APIRouter(tags=["cases"])

Reader = Annotated[Caller, needs(reads(DataClass.CASE))]


class RankingReason(BaseModel):
    """What speaks for or against somebody; ``code`` is the same in all versions."""

    code: str
    zh: str
    en: str


class RankedWorker(BaseModel):
    """A worker who was looked at; names are masked.

    ``eligible`` is ``yes``, ``last`` (only if nobody else is) or ``no``; ``rank`` 1 is who suits best, null
    of who is not to be sent. ``way_s`` is by ``profile`` on the streets, ``way_estimated`` by the straight
    line while these are being read; null where there is no way. ``cost_s`` is the way and all else that
    counts. ``position_age_s`` and ``uncertain_m`` say how long ago they were seen, and how far from there
    they may be.
    """

    worker_id: int
    tracker_id: int | None
    name: Names
    role: Names
    rank: int | None
    eligible: str
    way_s: float | None
    way_estimated: bool
    profile: str
    profile_name: Names
    cost_s: float | None
    straight_m: float | None
    position_age_s: float | None
    uncertain_m: float | None
    own_grid: bool
    open_tasks: int
    skills: list[str]
    why: Names
    reasons: list[RankingReason]


class RankingNeed(BaseModel):
    """A skill that going to the case takes, with a certificate that is valid today or without."""

    skill: str
    name: Names
    certified: bool


class RankingAnswer(BaseModel):
    """Who could go to a case: who may be sent, best first, then everybody else who was looked at."""

    case_id: int
    at: datetime
    policy: str
    network_version: int
    needs: list[RankingNeed]
    workers: list[RankedWorker]


@router.get("/api/cases/{id}/ranking", responses=NOT_FOUND)
async def get_ranking(caller: Reader, case_id: RowId) -> RankingAnswer:
    """Return who could go to a case, best first, with their reasons, as far as the caller sees workers."""
    async with caller.transaction() as connection:
        ranking = await rank_for(connection, caller.running.twin, case_id, caller.grants)
    if ranking is None:
        raise NotFoundError(f"there is no case {case_id} that you may see", where="id")
    table = load_needs()
    return RankingAnswer(
        case_id=case_id,
        at=datetime.now(UTC),
        policy=POLICY,
        network_version=ranking.network_version,
        needs=[
            RankingNeed(
                skill=need.skill,
                name=Names(zh=table.skills[need.skill][0], en=table.skills[need.skill][1]),
                certified=need.certified,
            )
            for need in table.of(ranking.case.category_code)
        ],
        workers=[_worker(ranking, one) for one in ranking.ranked],
    )


async def choose(
    connection: AsyncConnection,
    caller: Caller,
    case_id: int,
    worker_id: int,
    *,
    reason: str | None,
    behind: bool,
) -> Choice:
    """Return how the caller chose a worker for a case, by the ranking of this moment.

    Raises
    ------
    InvalidError
        It is somebody else than the first, and no reason is told.
    """
    account_id = caller.identity.account_id
    ranking = await rank_for(connection, caller.running.twin, case_id, caller.grants)
    if ranking is None:  # not one on which they may act: the act itself tells
        return Choice(account_id=account_id, behind=behind)
    return ranking.choice_of(worker_id, account_id=account_id, reason=reason, behind=behind)


def _worker(ranking: Ranking, one: Ranked) -> RankedWorker:
    row, candidate = ranking.rows[one.candidate.worker_id], one.candidate
    seen, profile = candidate.seen, load_profiles().get(candidate.travels_by)
    role = WORKER_ROLES.get(row.role, (row.role, row.role))
    why = words(one.reasons)
    return RankedWorker(
        worker_id=row.id,
        tracker_id=None if seen is None else row.device_id,
        name=Names(zh=mask_name(row.name), en=mask_name(row.name_en)),
        role=Names(zh=role[0], en=role[1]),
        rank=one.rank,
        eligible=_ELIGIBLE[one.verdict.eligibility],
        way_s=None if one.way is None else round(one.way.seconds, 1),
        way_estimated=one.way is not None and one.way.estimated,
        profile=candidate.travels_by,
        profile_name=Names(
            zh=profile.zh if profile else candidate.travels_by,
            en=profile.en if profile else candidate.travels_by,
        ),
        cost_s=round(one.cost_s, 1) if math.isfinite(one.cost_s) else None,
        straight_m=None if seen is None else round(seen.straight_m),
        position_age_s=None if seen is None else round(seen.age_s, 1),
        uncertain_m=None if seen is None else round(seen.uncertain_m(load_needs())),
        own_grid=candidate.own_grid,
        open_tasks=candidate.open_tasks,
        skills=sorted(candidate.skills),
        why=Names(zh=why[0], en=why[1]),
        reasons=[RankingReason(code=reason.code, zh=reason.zh, en=reason.en) for reason in one.reasons],
    )


_ELIGIBLE = {Eligibility.YES: "yes", Eligibility.LAST: "last", Eligibility.NO: "no"}
