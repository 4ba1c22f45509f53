"""Describe the pieces that the answers about cases share: clocks, who has one, what is asked for."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel

from api.routes.answers import Names
from api.rows import Row
from twin.access.masking import mask_name
from twin.calendar import Unit
from twin.cases.categories import load_categories, name_of
from twin.cases.clocks import Clocks
from twin.cases.moves import MOVE_BY_NAME
from twin.cases.readings import read_clock
from twin.cases.refusals import granted_by
from twin.cases.states import CaseState
from twin.catalog import Catalog
from twin.rules.case_words import words_of


class ClockAnswer(BaseModel):
    """The clock of a stage, or of the whole case: by what it counts, how much there is, and when it ends.

    ``left_s`` is counted in what the clock counts (seconds of working time for working hours and days),
    negative once it is over. While ``runs`` it goes down by one each second, and by the calendar that turns
    at ``changes_at``. From ``warns_at`` on little is left: null while it stands still.
    """

    amount: float
    unit: Unit
    due_at: datetime
    certain: bool
    """Whether the holidays up to then are announced."""
    left_s: float
    runs: bool
    changes_at: datetime | None
    warns_at: datetime | None


class HandlerAnswer(BaseModel):
    """Who has a case; names of workers are masked."""

    worker_id: int | None
    worker: Names | None
    organisation_id: int | None
    organisation: Names | None


class AskedAnswer(BaseModel):
    """What is asked for."""

    ask: str
    zh: str
    en: str
    reason: str
    until: datetime | None
    granted_by: str | None
    """The act whoever grants it must be allowed."""


HANDLER_COLUMNS = (
    "handler.name AS worker, handler.name_en AS worker_en, body.name AS organisation, "
    "body.name_en AS organisation_en"
)
HANDLER_JOINS = """
    LEFT JOIN worker AS handler ON handler.id = c.worker_id
    LEFT JOIN organisation AS body ON body.id = c.organisation_id"""
"""Joins of who has a case, for `handler_answer`."""

AREA_JOIN = """
    LEFT JOIN area AS a ON CAST(a.code AS bigint) = c.scope_code AND a.valid_to IS NULL
        AND a.level <> 'unit_grid'"""
"""Join of the area ``a`` a case ``c`` lies in: the smallest of the tree around its place."""

RAISED_JOIN = """
    CROSS JOIN LATERAL (
        SELECT count(DISTINCT device_id) AS alarms, max(state) FILTER (WHERE cleared_at IS NULL) AS state
        FROM alarm JOIN alarm_group ON alarm_group.id = alarm.group_id
        WHERE alarm_group.case_id = c.id) AS raised"""
"""How many sensors raised a case, and the worst of their states now."""


def clock_answer(
    state: CaseState, clocks: Clocks, now: datetime, *, whole: bool = False
) -> ClockAnswer | None:
    """Return what a clock of a case shows; None where it has none now."""
    read = read_clock(state, clocks, now, whole=whole)
    if read is None:
        return None
    return ClockAnswer(
        amount=read.limit.amount,
        unit=read.limit.unit,
        due_at=read.due_at,
        certain=read.certain,
        left_s=round(read.left_s, 3),
        runs=read.runs,
        changes_at=read.changes_at,
        warns_at=read.warns_at,
    )


def handler_answer(row: Row) -> HandlerAnswer:
    """Return who has a case from the columns `HANDLER_COLUMNS` and its own."""
    worker, organisation = row["worker"], row["organisation"]
    return HandlerAnswer(
        worker_id=row["worker_id"],
        worker=None if worker is None else Names(zh=mask_name(worker), en=mask_name(row["worker_en"])),
        organisation_id=row["organisation_id"],
        organisation=None if organisation is None else Names(zh=organisation, en=row["organisation_en"]),
    )


def asked_answer(state: CaseState) -> AskedAnswer | None:
    """Return what is asked for with a case, in words."""
    if state.asked is None:
        return None
    move = MOVE_BY_NAME[state.asked.ask]
    needed = granted_by(state)
    return AskedAnswer(
        ask=state.asked.ask.value,
        zh=move.zh,
        en=move.en,
        reason=state.asked.reason,
        until=None if state.asked.until is None else datetime.fromisoformat(state.asked.until),
        granted_by=None if needed is None else needed.value,
    )


def description_names(
    catalog: Catalog, source: str, description: str | None, attributes: dict[str, Any] | None
) -> Names | None:
    """Return what was said when a case was reported; null where nothing was.

    What sensors raised is said in both languages, what somebody wrote as they wrote it, under ``zh``.
    """
    if source != "sensor" or not description:
        return None if description is None else Names(zh=description, en=None)
    words = words_of(catalog, attributes or {})
    if words is None:
        # Reports of before: one text in both languages, a line each.
        zh, _, en = description.partition("\n")
        return Names(zh=zh, en=en or None)
    return Names(zh=words[0], en=words[1])


def category_names(code: str) -> Names | None:
    """Return what a kind of case is called; null where no table has its code."""
    kind = name_of(code)
    return None if kind is None else Names(zh=kind.zh, en=kind.en)


def about_names(about: str) -> Names:
    """Return what a rule of responsibility is about: a category, a major, or a kind of body."""
    categories = load_categories()
    kind = categories.by_code.get(about)
    named = kind or categories.responsible.get(about)
    if named is None:
        named = next((row.major for row in categories.by_code.values() if row.code[:2] == about), None)
    return Names(zh=named.zh if named else about, en=named.en if named else about)
