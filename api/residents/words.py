"""Say in plain words, in Chinese and English, where a report stands and what comes next."""

from __future__ import annotations

from typing import Final, NamedTuple

from twin.calendar import Limit, Unit
from twin.cases.states import Outcome, Stage


class Said(NamedTuple):
    """The same in Chinese and English."""

    zh: str
    en: str


STEPS: Final[tuple[tuple[Said, frozenset[Stage]], ...]] = (
    (Said("已收到", "Received"), frozenset({Stage.COLLECTED})),
    (Said("已立案", "Accepted"), frozenset({Stage.FILED})),
    (Said("处理中", "Being dealt with"), frozenset({Stage.DISPATCHED, Stage.HANDLING})),
    (Said("核查中", "Being checked"), frozenset({Stage.FEEDBACK, Stage.CHECKING})),
    (Said("已办结", "Done"), frozenset({Stage.RATED})),
)
"""What a resident is told of the seven stages."""

NOW: Final[dict[Stage, Said]] = {
    Stage.COLLECTED: Said(
        "我们已收到您的反映，正在核实。", "We have received your report and are looking into it."
    ),
    Stage.FILED: Said("已立案，正在安排处理人员。", "It was accepted; somebody is being sent."),
    Stage.DISPATCHED: Said("已派给处理人员，等待接单。", "It was handed to a team, who will take it on."),
    Stage.HANDLING: Said("处理人员正在处理。", "Somebody is working on it."),
    Stage.FEEDBACK: Said(
        "处理人员反馈已完成，即将派人核查。", "The work is said to be done; somebody will check it."
    ),
    Stage.CHECKING: Said("另一位工作人员正在核查处理结果。", "Somebody else is checking the work."),
    Stage.RATED: Said("已核查通过并办结。", "It was checked and is closed."),
}
NEXT: Final[dict[Stage, Said]] = {
    Stage.COLLECTED: Said(
        "核实后立案并派人处理；如不予立案，也会在这里告知。",
        "Next it is accepted and somebody is sent; if it is not accepted, this page will say so.",
    ),
    Stage.FILED: Said("下一步：派人处理。", "Next: somebody is sent."),
    Stage.DISPATCHED: Said("下一步：处理人员开始处理。", "Next: the work begins."),
    Stage.HANDLING: Said("完成后由另一位工作人员核查。", "When the work is done, somebody else checks it."),
    Stage.FEEDBACK: Said("下一步：核查；不合格会返工。", "Next: a check; poor work is done again."),
    Stage.CHECKING: Said(
        "核查通过即办结；不合格会返工。", "If it passes it is closed; poor work is done again."
    ),
}
ENDED: Final[dict[Outcome, Said]] = {
    Outcome.CLOSED: NOW[Stage.RATED],
    Outcome.REJECTED: Said(
        "经核实，未予立案。如情况有变，可以再次反映。",
        "It was looked into and not accepted. Report it again if things change.",
    ),
    Outcome.VOID: Said(
        "该件已作废。如问题仍在，可以再次反映。",
        "It was set aside. Report it again if the trouble is still there.",
    ),
}
OUTCOME_STEP: Final[dict[Outcome, Said]] = {
    Outcome.REJECTED: Said("未予立案", "Not accepted"),
    Outcome.VOID: Said("已作废", "Set aside"),
}
RATINGS: Final = {
    5: Said("非常满意", "Very good"),
    4: Said("满意", "Good"),
    3: Said("一般", "Fair"),
    2: Said("不满意", "Poor"),
    1: Said("未解决", "Not solved"),
}
MOMENTS: Final = {"before": Said("处理前", "Before the work"), "after": Said("处理后", "After the work")}
UNKNOWN: Final = Said("链接无效或已过期。", "This link is not valid, or has expired.")
REPEAT: Final = Said(
    "其他居民也反映了同一问题，已合并办理，进度如下。",
    "Others reported the same; it is dealt with together, as shown here.",
)
PARKED: Final = Said("暂时无法处理，时限暂停计算。", "Nothing can be done for now; the clock stands still.")
OVERDUE: Final = Said("已超过时限。", "It is past its time limit.")
NOT_ENDED: Final = Said("尚未办结，办结后才能评价。", "It is not closed yet; it can be rated afterwards.")
RATED_ALREADY: Final = Said("您已经评价过了，每件只能评价一次。", "It was rated already; each report once.")
CHOOSE: Final = Said("请选择 1 到 5 分。", "Choose 1 to 5.")
TOO_LONG: Final = Said("留言最多 500 字。", "At most 500 letters.")
AGAIN: Final = Said("此件刚有变动，请再提交一次。", "This report changed just now; please send it again.")

_UNITS: Final = {
    Unit.WORKING_HOURS: Said("个工作小时", "working hours"),
    Unit.WORKING_DAYS: Said("个工作日", "working days"),
    Unit.HOURS: Said("小时", "hours"),
}


def limit_words(limit: Limit) -> Said:
    """Return how long something may take."""
    amount, unit = limit.amount, limit.unit
    if unit is not Unit.WORKING_DAYS and amount < 1:
        minutes = f"{amount * 60:g}"
        of_work = unit is Unit.WORKING_HOURS
        return Said(
            f"{minutes} 分钟{'（工作时间）' if of_work else ''}",
            f"{minutes} minutes{' of working time' if of_work else ''}",
        )
    zh, en = _UNITS[unit]
    return Said(f"{amount:g} {zh}", f"{amount:g} {en if amount != 1 else en.removesuffix('s')}")
