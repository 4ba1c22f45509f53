"""Ask for a photograph of after the work where a kind of case wants one."""

from __future__ import annotations

from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.cases.parties import Told
from twin.cases.states import CaseState
from twin.errors import ConflictError

# Since the work began anew, so that a photograph of work that was sent back does not do.
_AFTER: Final = text(
    "SELECT flags, distance_m FROM photograph WHERE case_id = :id AND moment = 'after' "
    "AND added_at >= :since ORDER BY id DESC"
)
_DOUBTS: Final = {
    "far_away": ("不在案件地点", "taken elsewhere"),
    "in_the_future": ("时间在未来", "a time in the future"),
    "long_before_case": ("早于案件一天以上", "older than the case"),
    "before_dispatch": ("早于派遣", "taken before anybody was sent"),
}
"""Flags of a photograph (`api.photographs.claims`) that does not show what was done here and now."""

_HINT: Final = (
    "add one of moment “after”, or say in `reason` why there is none · "
    "请上传处置后照片；确实无法拍摄的，请在 reason 中说明原因"
)


async def require_after_photograph(
    connection: AsyncConnection, case_id: int, state: CaseState, told: Told
) -> None:
    """Check that a case has a photograph of after the work whose place and time may be right.

    What tells no place or no time may be right. Where a reason is told none is needed: it stands in the
    journal with the act.

    Raises
    ------
    ConflictError
        It has none since the work began, or only such as do not fit; says what does not.
    """
    if told.reason is not None and told.reason.strip():
        return
    rows = (await connection.execute(_AFTER, {"id": case_id, "since": state.stage_since})).all()
    if not rows:
        raise ConflictError(
            "this kind of case wants a photograph of after the work · 此类案件须有处置后照片",
            where="photographs",
            hint=_HINT,
        )
    doubts = [next((flag for flag in _DOUBTS if flag in row.flags), None) for row in rows]
    if all(doubt is not None for doubt in doubts):
        doubt = doubts[0]
        assert doubt is not None
        zh, en = _DOUBTS[doubt]
        how_far = f" ({rows[0].distance_m:.0f} m)" if doubt == "far_away" else ""
        raise ConflictError(
            f"the photograph of after the work does not fit: {en}{how_far} · 处置后照片不符：{zh}{how_far}",
            where="photographs",
            hint=_HINT,
        )
