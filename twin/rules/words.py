"""Say a condition as a sentence, in Chinese and English."""

from __future__ import annotations

import numpy as np

from twin.catalog import Catalog
from twin.rules.conditions import Crowd, Geofence, Learned, Limit, Rate, Silence, Threshold
from twin.rules.rule import Rule, properties_of

_CROSSINGS = {
    "enter": ("进入围栏", "enters the fence"),
    "leave": ("离开围栏", "leaves the fence"),
    "dwell": ("在围栏内停留", "stays in the fence"),
}
_SPANS = ((86_400.0, "天", "d"), (3_600.0, "小时", "h"), (60.0, "分钟", "min"), (1.0, "秒", "s"))


def span_words(seconds: float) -> tuple[str, str]:
    """Return a span of time in the largest unit that it is a whole number of."""
    for size, zh, en in _SPANS:
        if seconds >= size and seconds % size == 0:
            return f"{number_words(seconds / size)} {zh}", f"{number_words(seconds / size)} {en}"
    return f"{number_words(seconds)} 秒", f"{number_words(seconds)} s"


def number_words(value: float) -> str:
    """Return a number as written by people, with the six digits that count and without an exponent."""
    return np.format_float_positional(value, precision=6, unique=False, fractional=False, trim="-")


def condition_words(rule: Rule, catalog: Catalog) -> tuple[str, str]:
    """Return the condition of a rule in words."""
    found = properties_of(rule, catalog) if rule.observed else []
    zh, en, unit = "", "", ""
    if found:
        observed = found[0][1]
        zh, en = observed.zh, observed.en
        unit = "" if observed.unit == "1" else f" {observed.unit}"
    match rule.condition:
        case Limit() as limit:
            return _threshold(limit, zh, en, unit)
        case Rate() as rate:
            per, window = span_words(rate.per_s), span_words(rate.window_s)
            return _threshold(
                rate,
                f"{zh}（按 {window[0]} 计）每 {per[0]} 的变化",
                f"change of {en} per {per[1]} over {window[1]}",
                unit,
            )
        case Silence() as silence:
            span = span_words(silence.after_s)
            about = (zh, en) if found else ("设备", "the device")
            return f"{about[0]}超过 {span[0]} 没有数据", f"nothing of {about[1]} for {span[1]}"
        case Learned() as learned:
            score = number_words(learned.row().warning)
            sides = {"both": ("", ""), "above": ("偏高，", "high and "), "below": ("偏低，", "low and ")}
            side = sides[learned.side]
            return (
                f"{zh}{side[0]}与自身规律不符（分值 ≥ {score}）",
                f"{en} {side[1]}unusual for its own series (score ≥ {score})",
            )
        case Geofence() as fence:
            zh, en = _CROSSINGS[fence.when]
            if fence.dwell_s is None:
                return zh, en
            span = span_words(fence.dwell_s)
            return f"{zh}超过 {span[0]}", f"{en} for {span[1]}"
        case Crowd() as crowd:
            return (
                f"同一格内 {crowd.at_least} 个以上，且多于该处该时段的常态",
                f"{crowd.at_least} or more in a cell, and more than is usual there at this hour",
            )


def _threshold(threshold: Threshold, zh: str, en: str, unit: str) -> tuple[str, str]:
    if threshold.below is None:
        sign, at, back = "≥", threshold.above or 0.0, (threshold.above or 0.0) - threshold.hysteresis
    else:
        sign, at, back = "≤", threshold.below, threshold.below + threshold.hysteresis
    told = [f"{zh} {sign} {number_words(at)}{unit}", f"{en} {sign} {number_words(at)}{unit}"]
    if threshold.hold_s:
        held = span_words(threshold.hold_s)
        told[0] += f"，持续 {held[0]}"
        told[1] += f" for {held[1]}"
    if threshold.hysteresis:
        told[0] += f"，回到 {number_words(back)}{unit} 解除"
        told[1] += f", until it is back at {number_words(back)}{unit}"
    return told[0], told[1]
