"""Write the page of a resident's report: one answer, no script, nothing fetched from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from jinja2 import Environment, StrictUndefined

from api.residents import words
from api.residents.standing import Standing
from api.residents.words import Said
from twin.cases.categories import name_of
from twin.cases.states import Outcome, Stage

_HERE: Final = Path(__file__).parent
_STYLE: Final = (_HERE / "page.css").read_text(encoding="utf-8").strip()
# Everything that is filled in is escaped; a name that is not given is an error.
_PAGE: Final = Environment(
    autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
).from_string((_HERE / "page.html").read_text(encoding="utf-8").replace("STYLE", _STYLE))
_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

HEADERS: Final = {
    "cache-control": "no-store",
    # The address is the secret: it goes to nobody else.
    "referrer-policy": "no-referrer",
    "x-robots-tag": "noindex, nofollow, noarchive",
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_HASH}'; img-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
}
_MARKS: Final = {"done": "✓", "now": "●", "later": "○"}
_TITLE: Final = Said("办理进度", "How your report is doing")


def write_page(
    case: Standing | None,
    *,
    now: datetime,
    message: Said | None = None,
    given: int | None = None,
    said: str = "",
    photographs: Sequence[tuple[str, str]] = (),
) -> str:
    """Return the page of a report, or that there is none.

    Parameters
    ----------
    message
        What is wrong with what was just sent, with ``given`` and ``said``, which are not lost.
    photographs
        Moment and address of those that were released.
    """
    values: dict[str, Any] = {"case": case, "title": _TITLE, "unknown": words.UNKNOWN}
    if case is not None:
        values |= _of_case(case, now) | {
            "message": message,
            "given": given,
            "words": said,
            "photographs": [(words.MOMENTS[moment], address) for moment, address in photographs],
        }
    return _PAGE.render(values)


def _of_case(case: Standing, now: datetime) -> dict[str, Any]:
    zone, named = ZoneInfo(case.zone), name_of(case.category_code)
    due = case.stage_due_at if case.outcome is None and case.limit is not None else None
    whole_due = case.due_at if case.outcome is None and not case.parked else None
    return {
        "name": Said("您反映的事项", "Your report") if named is None else Said(named.zh, named.en),
        "steps": _steps(case, zone),
        "repeat": words.REPEAT,
        "now": words.NOW[case.stage] if case.outcome is None else words.ENDED[case.outcome],
        "next": words.NEXT.get(case.stage) if case.outcome is None else None,
        "parked": words.PARKED if case.parked else None,
        "limit": None if due is None or case.limit is None else words.limit_words(case.limit),
        "due": None if due is None else due.astimezone(zone),
        "late": words.OVERDUE if due is not None and now > due else None,
        "whole_due": None if whole_due is None else whole_due.astimezone(zone),
        "may_rate": case.outcome is Outcome.CLOSED,
        "ratings": words.RATINGS,
    }


def _steps(case: Standing, zone: ZoneInfo) -> list[dict[str, Any]]:
    """Return the steps with when each was entered; a case that was refused or set aside ends where it was."""
    order = list(Stage)
    steps = []
    for said, stages in words.STEPS:
        at = min((case.entered[stage] for stage in stages if stage in case.entered), default=None)
        is_here = case.stage in stages
        is_past = order.index(case.stage) > max(order.index(stage) for stage in stages)
        state = (
            "done" if is_past or (is_here and case.stage is Stage.RATED) else "now" if is_here else "later"
        )
        if case.outcome not in {None, Outcome.CLOSED} and state != "done":
            if is_here:
                steps.append(_step("done", said, at, zone))
            continue
        steps.append(_step(state, said, at if state != "later" else None, zone))
    if case.outcome is not None and case.outcome is not Outcome.CLOSED:
        steps.append(_step("now", words.OUTCOME_STEP[case.outcome], case.closed_at, zone))
    return steps


def _step(state: str, said: Said, at: datetime | None, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "state": state,
        "mark": _MARKS[state],
        "said": said,
        "at": None if at is None else at.astimezone(zone),
    }
