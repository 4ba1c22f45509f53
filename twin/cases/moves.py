"""List what may be done with a case: from which stage, to which, by whom, and what must be said with it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from twin.access.roles import Act
from twin.cases.states import Ask, Outcome, Stage

IN_WORK: Final = (Stage.DISPATCHED, Stage.HANDLING)
OPEN: Final = tuple(stage for stage in Stage if stage is not Stage.RATED)


class When(Enum):
    """For which cases a move is."""

    OPEN = "open"
    ENDED = "ended"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class Move:
    """One thing that may be done with a case.

    Parameters
    ----------
    name
        Imperative; the route and the key of the desk carry it.
    event
        Past participle: what the journal says happened.
    act
        What whoever does it must be allowed to do at the place of the case.
    stages
        Where the case may stand.
    to
        Where it stands afterwards; None where it stays.
    outcome
        How it ends, where it ends.
    asks
        What this asks for, where somebody else must grant it before it happens.
    granted_by
        Who may grant it. Whoever may, and did not ask, is needed: nobody grants their own.
    needs
        Fields that must be told with it.
    own
        Only who has the case may, or who dispatches in their stead.
    other
        Only somebody who did not repair it.
    parked
        Whether it may be done while the clocks stand still.
    when
        Whether it is for open cases, for those that have ended, or for both.
    """

    name: str
    event: str
    zh: str
    en: str
    act: Act
    stages: tuple[Stage, ...]
    to: Stage | None = None
    outcome: Outcome | None = None
    asks: Ask | None = None
    granted_by: Act | None = None
    needs: tuple[str, ...] = ()
    own: bool = False
    other: bool = False
    parked: bool = False
    when: When = When.OPEN


MOVES: Final[tuple[Move, ...]] = (
    Move("file", "filed", "立案", "File", Act.FILE_CASE, (Stage.COLLECTED,), Stage.FILED),
    Move(
        "reject",
        "rejected",
        "不予立案",
        "Reject",
        Act.FILE_CASE,
        (Stage.COLLECTED,),
        outcome=Outcome.REJECTED,
        needs=("reason",),
    ),
    Move(
        "dispatch",
        "dispatched",
        "派遣",
        "Dispatch",
        Act.DISPATCH_CASE,
        (Stage.FILED,),
        Stage.DISPATCHED,
        needs=("handler",),
    ),
    Move(
        "transfer",
        "transferred",
        "转派",
        "Transfer",
        Act.DISPATCH_CASE,
        IN_WORK,
        Stage.DISPATCHED,
        needs=("handler", "reason"),
    ),
    Move("take", "taken", "签收", "Take on", Act.HANDLE_CASE, (Stage.DISPATCHED,), Stage.HANDLING, own=True),
    Move(
        "return",
        "returned",
        "回退",
        "Return",
        Act.HANDLE_CASE,
        IN_WORK,
        Stage.FILED,
        asks=Ask.RETURN,
        granted_by=Act.DISPATCH_CASE,
        needs=("reason",),
        own=True,
    ),
    Move(
        "report_done",
        "reported_done",
        "反馈",
        "Report as done",
        Act.HANDLE_CASE,
        (Stage.HANDLING,),
        Stage.FEEDBACK,
        needs=("note",),
        own=True,
    ),
    Move(
        "send_check",
        "sent_to_check",
        "派核查",
        "Send somebody to check",
        Act.CHECK_CASE,
        (Stage.FEEDBACK,),
        Stage.CHECKING,
    ),
    Move(
        "pass",
        "closed",
        "核查通过，结案",
        "Pass and close",
        Act.CHECK_CASE,
        (Stage.CHECKING,),
        Stage.RATED,
        Outcome.CLOSED,
        other=True,
    ),
    Move(
        "fail",
        "sent_back",
        "返工",
        "Send back to be redone",
        Act.CHECK_CASE,
        (Stage.CHECKING,),
        Stage.HANDLING,
        needs=("reason",),
        other=True,
    ),
    Move(
        "rate",
        "rated",
        "评价",
        "Rate",
        Act.RATE_CASE,
        (Stage.RATED,),
        needs=("rating",),
        when=When.ENDED,
    ),
    Move(
        "review",
        "reviewed",
        "复核评价",
        "Review the rating",
        Act.APPROVE_CASE,
        (Stage.RATED,),
        needs=("reason",),
        when=When.ENDED,
    ),
    Move(
        "reopen",
        "reopened",
        "重办",
        "Reopen",
        Act.APPROVE_CASE,
        tuple(Stage),
        Stage.FILED,
        needs=("reason",),
        when=When.ENDED,
    ),
    Move(
        "extend",
        "extended",
        "延期",
        "Extend",
        Act.HANDLE_CASE,
        IN_WORK,
        asks=Ask.EXTEND,
        granted_by=Act.DISPATCH_CASE,
        needs=("reason", "until"),
        own=True,
    ),
    Move(
        "park",
        "parked",
        "挂账",
        "Park",
        Act.HANDLE_CASE,
        (Stage.FILED, *IN_WORK),
        asks=Ask.PARK,
        granted_by=Act.APPROVE_CASE,
        needs=("reason",),
        own=True,
    ),
    Move(
        "resume",
        "resumed",
        "恢复办理",
        "Resume",
        Act.HANDLE_CASE,
        (Stage.FILED, *IN_WORK),
        own=True,
        parked=True,
    ),
    Move(
        "void",
        "voided",
        "作废",
        "Void",
        Act.FILE_CASE,
        OPEN,
        outcome=Outcome.VOID,
        asks=Ask.VOID,
        granted_by=Act.APPROVE_CASE,
        needs=("reason",),
        parked=True,
    ),
    Move(
        "supervise",
        "supervised",
        "督办",
        "Supervise",
        Act.APPROVE_CASE,
        OPEN,
        needs=("reason",),
        parked=True,
    ),
    Move(
        "release",
        "released",
        "解除督办",
        "End supervision",
        Act.APPROVE_CASE,
        OPEN,
        parked=True,
    ),
    Move(
        "call_up",
        "called_up",
        "一线呼叫",
        "Call the area above",
        Act.CALL_UP,
        OPEN,
        needs=("reason",),
        parked=True,
    ),
    Move(
        "correct",
        "corrected",
        "更正",
        "Correct",
        Act.FILE_CASE,
        OPEN,
        needs=("correction",),
        parked=True,
    ),
    Move(
        "link",
        "linked",
        "并案",
        "Link to the case it repeats",
        Act.FILE_CASE,
        OPEN,
        needs=("linked_to",),
        parked=True,
    ),
    Move("unlink", "unlinked", "取消并案", "Unlink", Act.FILE_CASE, OPEN, needs=("reason",), parked=True),
    Move(
        "note",
        "noted",
        "记一笔",
        "Note",
        Act.NOTE_CASE,
        tuple(Stage),
        needs=("note",),
        parked=True,
        when=When.ALWAYS,
    ),
    Move("grant", "granted", "同意", "Grant", Act.NOTE_CASE, OPEN, parked=True),
    Move("refuse", "refused", "不同意", "Refuse", Act.NOTE_CASE, OPEN, needs=("reason",), parked=True),
)
"""Every move; there is no other way to change where a case stands.

What `grant` and `refuse` may is asked of the move that asked: see `Move.granted_by`.
"""

MOVE_BY_NAME: Final = {move.name: move for move in MOVES}

EVENT_WORDS: Final[dict[str, tuple[str, str]]] = {
    "case.reported": ("案件上报", "Reported"),
    "case.photographed": ("案件照片", "Photograph added"),
    "case.warned": ("临近时限", "Little time is left"),
    "case.overdue": ("超过时限", "Overdue"),
    "case.escalated": ("超时升级", "Escalated"),
    "case.repeated": ("并入重复案件", "Another case repeats it"),
    "case.repeat_ended": ("重复案件取消并案", "A case repeats it no more"),
    "case.unanswered": ("无人应答，退回派遣", "Nobody answered: back to dispatch"),
    "case.ended_with_other": ("随主案件结束", "Ended with the case it repeats"),
    **{f"case.{move.event}": (move.zh, move.event.replace("_", " ").capitalize()) for move in MOVES},
    **{f"case.{move.name}_asked": (f"申请{move.zh}", f"{move.en}: asked for") for move in MOVES if move.asks},
}
"""What the journal says happened to a case, in Chinese and English."""
