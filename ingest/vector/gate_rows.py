"""Put what tags or a register say of a gate into rows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from shapely.geometry import Point

from ingest.vector.fields import FieldError, FieldReader
from ingest.vector.gate_tags import Hours, judge_gate, read_hours
from ingest.vector.intake import Row
from ingest.vector.tag_values import Tags, clean_tags, english_name_of, name_of
from twin.dispatch.gate_kinds import KEYS, PUBLIC, GateKind, load_gate_kinds
from twin.model.gate import PASSING

ALIASES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "name": ("名称", "mc"),
        "name_en": ("name:en",),
        "kind": ("barrier", "type", "类型", "门类型"),
        "foot": ("行人",),
        "bike": ("bicycle", "非机动车"),
        "car": ("motor_vehicle", "机动车"),
        "keys": ("钥匙", "通行权限"),
        "hours": ("opening_hours", "开放时间", "开门时间"),
        "device": ("device_uid", "设备编号"),
    }
)
"""Fields of a gate and the other names their columns usually have; case does not matter."""

_KEYS_ZH: Final = {
    "网格员": "grid_worker", "网格长": "grid_leader", "维修": "repair", "维修员": "repair",
    "保安": "security",
    "部门": "department", "街道": "street_office", "街道办": "street_office", "物业": "property",
    "巡逻": "patrol", "志愿者": "volunteer", "公众": PUBLIC, "所有人": PUBLIC,
}  # fmt: skip
_PASSING_ZH: Final = {
    "禁止": "never", "不可": "never", "no": "never", "凭钥匙": "key", "钥匙": "key", "private": "key",
    "开门时": "open", "yes": "open", "可": "open", "始终": "always", "绕行": "always",
}  # fmt: skip
_SEPARATED: Final = re.compile(r"[,;，；、|]")


def osm_gate_row(ref: str, place: Point, tags: Tags, kind: GateKind) -> tuple[Row, Hours]:
    """Return the row of a gate of OpenStreetMap, and what could be read of its opening hours."""
    judged = judge_gate(kind, tags)
    values = {
        "kind": kind.name,
        "name": name_of(tags),
        "name_en": english_name_of(tags),
        "foot": judged.foot,
        "bike": judged.bike,
        "car": judged.car,
        "keys": list(judged.keys),
        "opens": judged.hours.opens,
        "closes": judged.hours.closes,
        "device_uid": None,
    }
    return Row("gate", ref, place, values, clean_tags(tags)), judged.hours


def gate_values(fields: FieldReader) -> dict[str, Any]:
    """Return the columns of a gate of a register.

    Raises
    ------
    FieldError
        No kind or one that is not known; a way of passing, a key or hours that are none.
    """
    kinds = load_gate_kinds()
    said = fields.required("kind")
    by_zh = {kind.zh: kind for kind in kinds.kinds}
    kind = kinds.find(said.lower()) or by_zh.get(said) or kinds.of_osm(said.lower())
    if kind is None:
        known = ", ".join(f"{one.name} ({one.zh})" for one in kinds.kinds)
        raise FieldError("bad_kind", f"“{said[:40]}” is no kind of gate: one of {known}")
    hours = _hours(fields)
    keys = _keys(fields)
    if keys is None:
        keys = [PUBLIC] if hours.opens is None else list(kinds.private_keys)
    return {
        "kind": kind.name,
        "name": fields.text("name"),
        "name_en": fields.text("name_en"),
        **{mode: _passing(fields, mode, getattr(kind, mode)) for mode in ("foot", "bike", "car")},
        "keys": keys,
        "opens": hours.opens,
        "closes": hours.closes,
        "device_uid": fields.text("device"),
    }


def _passing(fields: FieldReader, mode: str, usual: str) -> str:
    said = fields.text(mode)
    if said is None:
        return usual
    word = _PASSING_ZH.get(said.lower(), said.lower())
    if word not in PASSING:
        raise FieldError(
            f"bad_{mode}",
            f"“{fields.columns[mode]}” is “{said[:40]}”, not one of {', '.join((*PASSING, *_PASSING_ZH))}",
        )
    return word


def _keys(fields: FieldReader) -> list[str] | None:
    said = fields.text("keys")
    if said is None:
        return None
    parts = [part.strip() for part in _SEPARATED.split(said) if part.strip()]
    if [part.lower() for part in parts] in (["none"], ["无"]):
        return []
    words = [_KEYS_ZH.get(part, part.lower()) for part in parts]
    for part, word in zip(parts, words, strict=True):
        if word not in KEYS:
            raise FieldError(
                "bad_keys", f"“{part[:40]}” has no keys: name {', '.join(KEYS)}, or none; separated by commas"
            )
    return sorted(set(words))


def _hours(fields: FieldReader) -> Hours:
    said = fields.text("hours")
    hours = read_hours(said)
    if hours.unread:
        raise FieldError(
            "bad_hours",
            f"“{fields.columns['hours']}” is “{(said or '')[:40]}”, "
            "not hours of every day as 06:00-23:00 or 24/7",
        )
    return hours
