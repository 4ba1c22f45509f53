"""Say where a foreign message does not fit its mapping: what lies there and what to do, for people."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import msgspec

from ingest.decoders.paths import NOTHING, reach
from ingest.decoders.readings import DecodeError

_SHOWN: Final = 120


class Words(NamedTuple):
    """One thing said in Chinese and in English."""

    zh: str
    en: str


class _Fault(NamedTuple):
    reason: str
    what: Words
    hint: Words


FAULTS: Final[Mapping[str, _Fault]] = MappingProxyType(
    {
        "not_json": _Fault(
            "malformed",
            Words("报文不是 JSON：{found}", "the message is not JSON: {found}"),
            Words("让平台发送 UTF-8 编码的 JSON", "let the platform send JSON in UTF-8"),
        ),
        "too_deep": _Fault(
            "malformed",
            Words("报文的 JSON 嵌套过深", "the JSON of the message is nested too deeply"),
            Words("让平台减少嵌套层数", "let the platform nest less"),
        ),
        "too_long": _Fault(
            "too_large",
            Words(
                "报文为 {found}，最多读 {most} 字节", "the message has {found}; at most {most} bytes are read"
            ),
            Words("让平台把报文拆小", "let the platform split its messages"),
        ),
        "too_many": _Fault(
            "too_large",
            Words(
                "“{path}”处的列表有 {found} 条，一个报文最多读 {most} 条",
                "the list at “{path}” has {found} items; at most {most} of a message are read",
            ),
            Words("让平台把报文拆小", "let the platform split its messages"),
        ),
        "no_items": _Fault(
            "missing_field",
            Words("“{path}”处没有列表：{found}", "no list lies at “{path}”: {found}"),
            Words(
                "把映射的 items 改为报文中列表所在的路径；整个报文只有一条时不填",
                "set “items” of the mapping to where the list lies; leave it out where a message is one item",
            ),
        ),
        "no_readings": _Fault(
            "empty",
            Words("“{path}”处的列表是空的", "the list at “{path}” is empty"),
            Words("没有数据时让平台不发送", "let the platform send nothing where there is nothing"),
        ),
        "no_device": _Fault(
            "missing_field",
            Words("“{path}”处没有设备编号：{found}", "no number of a device lies at “{path}”: {found}"),
            Words(
                "把映射的 device 改为文字或整数编号所在的路径",
                "set “device” of the mapping to where the number lies, as text or whole number",
            ),
        ),
        "no_time": _Fault(
            "bad_time",
            Words(
                "“{path}”处没有所声明写法（{form}）的时间：{found}",
                "no time of the form “{form}” lies at “{path}”: {found}",
            ),
            Words(
                "改正映射的 time（路径）、time_form（milliseconds、seconds 或 iso）；"
                "不带时区的时间还要填 zone",
                "correct “time” (the path) and “time_form” (milliseconds, seconds or iso) of the mapping; "
                "a time without a zone needs “zone”",
            ),
        ),
        "no_number": _Fault(
            "wrong_type",
            Words("“{path}”处不是数值：{found}", "what lies at “{path}” is no number: {found}"),
            Words(
                "把 path 改为数值、是否（true/false、开/关）或写成文字的数所在的路径",
                "set the path to where a number, a yes or no, or a number written as text lies",
            ),
        ),
        "no_values": _Fault(
            "missing_field",
            Words(
                "{paths} 处都没有值；最近的是“{path}”：{found}",
                "nothing lies at {paths}; nearest “{path}”: {found}",
            ),
            Words("改正 values 中的 path", "correct the paths of “values”"),
        ),
        "no_place": _Fault(
            "bad_position",
            Words("“{path}”处没有经纬度：{found}", "no longitude or latitude lies at “{path}”: {found}"),
            Words(
                "把 place 的 lon 和 lat 改为两个数所在的路径；设备不移动时不填 place",
                "set “lon” and “lat” of “place” to where two numbers lie, or leave “place” out",
            ),
        ),
        "not_itself": _Fault(
            "wrong_device",
            Words(
                "该账号只能替自己上报，不能替 {found} 上报",
                "this account reports for itself only, not for {found}",
            ),
            Words(
                "用网关账号发送，或改正设备编号", "send with the account of a gateway, or correct the number"
            ),
        ),
    }
)
"""What may be wrong with a message: its reason in the quarantine, what is said of it, what to do."""


class MisfitError(DecodeError):
    """A message, or an item of it, does not fit the mapping.

    Parameters
    ----------
    fault
        Key of `FAULTS`.
    path
        Where in the item; for faults of the whole message, where in it.
    found
        What lies there, as JSON, or what lies nearest.
    """

    def __init__(self, fault: str, path: str = "", found: str = "", **more: object) -> None:
        told = {"path": path or ".", "found": found, **more}
        row = FAULTS[fault]
        self.path, self.found = path, found
        self.words = Words(*(word.format(**told) for word in row.what))
        self.advice = row.hint
        super().__init__(row.reason, self.words.en[:600], hint=row.hint.en)


def misfit_at(fault: str, content: Any, path: str, found: Any, **more: object) -> MisfitError:
    """Return a misfit at a path of an item, saying what was found there, or how far the path goes."""
    if found is not NOTHING:
        return MisfitError(fault, path, shown(found), **more)
    reached, last = reach(content, path)
    where = f"“{reached}” = " if reached else ""
    return MisfitError(fault, path, f"{where}{shown(last)}", **more)


def shown(found: Any) -> str:
    """Write what was found as JSON, shortened; of an object its names, since these are what was mistaken."""
    if isinstance(found, dict):
        return _cut("{" + ", ".join(str(name)[:40] for name in list(found)[:20]) + "}")
    if isinstance(found, list):
        first = f"{shown(found[0])}, …" if found else ""
        return _cut(f"[{first}] ({len(found)})")
    try:
        return _cut(msgspec.json.encode(found).decode())
    except (UnicodeEncodeError, OverflowError):
        return _cut(repr(found))


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
