"""Say what sensors raised a case of, in each language, from what is kept of it with the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Row

from twin.catalog import Catalog, ObservedProperty
from twin.live.sight import WORKERS

_IN_GRIDS: Final = (
    "地点位于多个责任网格交界，按编码取第一个。",
    " The place lies in several grids; the first by code was taken.",
)


def kept_of(catalog: Catalog, row: Row[Any]) -> dict[str, str]:
    """Return what is kept of a group of alarms with the report of its case, as its attributes.

    How many alarms there are, what the worst one read, by which rule, and in how many grids it lies; which
    tracker of a worker it was is not kept.

    Parameters
    ----------
    row
        Has ``id``, ``alarms``, ``kind``, ``slot``, ``uid``, ``value``, ``rule``, ``rule_en`` and ``grids``.
    """
    kind = catalog.by_name[row.kind]
    kept = {"alarm_group": str(row.id), "alarms": str(row.alarms), "kind": kind.name, "grids": str(row.grids)}
    if row.rule is not None:
        kept |= {"rule": row.rule, "rule_en": row.rule_en}
    if kind.layer != WORKERS:
        kept["uid"] = row.uid
        if row.slot is not None:
            observed = kind.properties[row.slot]
            kept |= {"property": observed.name, "value": f"{row.value:.{observed.decimals}f}"}
    return kept


def words_of(catalog: Catalog, kept: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return what `kept_of` kept in Chinese and English; None of a report of which less was kept.

    What the table of kinds does not know any more is told by the name it had.
    """
    if "alarms" not in kept:
        return None
    zh, en = f"传感器告警 {kept['alarms']} 条。", f"{kept['alarms']} alarms of sensors."
    if "rule" in kept:
        zh, en = f"{zh}规则“{kept['rule']}”。", f"{en} Rule “{kept.get('rule_en') or kept['rule']}”."
    if "uid" in kept:
        said_zh, said_en = _reading(catalog, kept)
        zh, en = f"{zh}{said_zh}。", f"{en} {said_en}."
    if kept.get("grids", "1") != "1":
        zh, en = zh + _IN_GRIDS[0], en + _IN_GRIDS[1]
    return zh, en


def _reading(catalog: Catalog, kept: Mapping[str, Any]) -> tuple[str, str]:
    kind, uid, name = catalog.by_name.get(kept["kind"]), kept["uid"], kept.get("property")
    if name is None:
        zh, en = (kind.zh, kind.en) if kind else (kept["kind"], kept["kind"])
        return f"{zh} {uid}", f"{en} {uid}"
    observed = next((one for one in kind.properties if one.name == name), None) if kind else None
    if observed is None:
        return (f"{uid} {name} {kept['value']}",) * 2
    zh, en = _value(observed, kept["value"])
    return f"{uid} {observed.zh} {zh}", f"{uid} {observed.en} {en}"


def _value(observed: ObservedProperty, value: str) -> tuple[str, str]:
    """Return a value with its unit, or the word for it where states are counted."""
    if value.isascii() and value.isdigit() and int(value) < len(observed.words):
        return observed.words[int(value)]
    return (f"{value} {observed.unit}",) * 2
