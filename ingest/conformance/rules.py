"""List the rules that a device is tested by, in the order of the report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Mode = Literal["mqtt", "http", "file", "url"]
_ALL: Final[tuple[Mode, ...]] = ("mqtt", "http", "file", "url")
_LIVE: Final[tuple[Mode, ...]] = ("mqtt", "http")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Parameters
    ----------
    number
        Its number in reports; never given to another rule.
    key
        Its name in the code.
    zh, en
        What is asked.
    do_zh, do_en
        What to do where it fails.
    reasons
        Reasons of refusal (docs/device-schema.md) that break it; empty where it is looked at otherwise.
    modes
        Ways of testing in which it can be seen.
    """

    number: int
    key: str
    zh: str
    en: str
    do_zh: str
    do_en: str
    reasons: tuple[str, ...] = ()
    modes: tuple[Mode, ...] = _ALL


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        1,
        "topic",
        "只在自己的主题（或地址）上发布",
        "publishes on its own topics (or address) only",
        "使用 gt/v1/devices/UID/observations 与 /status，或接入规范中的 HTTP 地址",
        "use gt/v1/devices/UID/observations and /status, or the HTTP address of the device schema",
        ("wrong_topic",),
        _LIVE,
    ),
    Rule(
        2,
        "json",
        "报文是 UTF-8 编码的 JSON",
        "messages are JSON in UTF-8",
        "用标准库生成 JSON，不要写 NaN、Infinity",
        "make JSON with a library; NaN and Infinity are none",
        ("malformed",),
    ),
    Rule(
        3,
        "fields",
        "字段齐全、类型与长度正确",
        "fields are there, of the right type and length",
        "对照接入规范“读数”一节的字段表",
        "see the table of fields under Readings in the device schema",
        ("wrong_type", "missing_field", "wrong_length", "empty"),
    ),
    Rule(
        4,
        "size",
        "一条报文不超过 256 KiB、5,000 个读数",
        "a message has at most 256 KiB and 5,000 readings",
        "拆成多条报文",
        "split it into several messages",
        ("too_large",),
    ),
    Rule(
        5,
        "time",
        "时间为毫秒整数，或带时区的 ISO 8601",
        "times are whole milliseconds, or ISO 8601 with a zone",
        "时间末尾写 Z 或 +08:00",
        "end the time with Z or +08:00",
        ("bad_time",),
    ),
    Rule(
        6,
        "clock",
        "设备时钟与标准时间相差不超过 10 分钟",
        "the device's clock is within 10 minutes of ours",
        "用 NTP 校时；补报的历史数据不超过保留期",
        "set the clock by NTP; what was saved up must not be older than it is kept",
        ("from_the_future", "too_old"),
    ),
    Rule(
        7,
        "device",
        "只替自己（网关只替登记的设备）说话",
        "speaks for itself only, a gateway for the devices it was given",
        "单设备上报不带 d，或 d 等于自己的编码",
        "leave out d, or write the own uid there",
        ("wrong_device", "unknown_device"),
    ),
    Rule(
        8,
        "property",
        "属性名是该类设备目录中的名字",
        "properties are those of its kind in the catalogue",
        "使用 data/device_kinds.toml 中该类设备的属性名",
        "use the names of its kind in data/device_kinds.toml",
        ("unknown_property",),
    ),
    Rule(
        9,
        "unit",
        "单位可换算成目录声明的单位",
        "units convert into those of the catalogue",
        "省略 u，或写接入规范“单位”一节列出的单位",
        "leave out u, or write one of the units in the device schema",
        ("wrong_unit",),
    ),
    Rule(
        10,
        "range",
        "数值在该类设备的物理范围内",
        "values are physically possible for the kind",
        "检查量程、倍率与无效值（不要用 -999 表示无数据）",
        "check scale and units; send nothing instead of -999 where there is no value",
        ("not_finite", "out_of_range"),
    ),
    Rule(
        11,
        "place",
        "位置正确，且只有移动设备带位置",
        "places are right, and only of what moves",
        "lon 在前、WGS 84；固定设备不要带 lon、lat",
        "lon and lat in WGS 84; what is installed sends none",
        ("bad_position", "does_not_move"),
    ),
    Rule(
        12,
        "interval",
        "按该类设备的间隔上报，静默不超过三个间隔",
        "reports at its interval, silent for at most three of them",
        "没有变化也要按间隔上报",
        "report at the interval also where nothing changed",
        (),
        _LIVE,
    ),
    Rule(
        13,
        "rate",
        "不超过接入规范的速率",
        "keeps the rates of the device schema",
        "合并读数，降低频率",
        "put readings together, send less often",
        ("too_fast",),
        _LIVE,
    ),
    Rule(
        14,
        "repeat",
        "同一设备、属性、时间重发时数值不变",
        "what is sent again for the same device, property and time has the same value",
        "重发原报文；新值用新的时间",
        "send the same message again; a new value has a new time",
    ),
    Rule(
        15,
        "qos",
        "用 QoS 1 发布",
        "publishes with QoS 1",
        "把发布的 QoS 设为 1",
        "set the QoS of publishing to 1",
        (),
        ("mqtt",),
    ),
    Rule(
        16,
        "retain",
        "观测数据不设保留标志",
        "observations are not to be kept by the broker (retain)",
        "发布观测时 retain = false",
        "publish observations with retain = false",
        ("retained",),
        ("mqtt",),
    ),
    Rule(
        17,
        "status",
        "发布在线状态：设备保留，网关不保留",
        "tells its status: kept for a device, not kept for a gateway",
        "连接后向 status 主题发布 online（设备 retain = true，网关 retain = false）",
        "publish online to the topic status on connecting, with retain for a device, without for a gateway",
        (),
        ("mqtt",),
    ),
    Rule(
        18,
        "will",
        "断线时由遗嘱报告 offline",
        "is told to be offline by its last will when its connection breaks",
        "连接时设置遗嘱：主题 status，内容 offline，QoS 1",
        "set a last will when connecting: topic status, payload offline, QoS 1",
        (),
        ("mqtt",),
    ),
    Rule(
        19,
        "reconnect",
        "断线后自行重连并继续上报",
        "comes back by itself after its connection broke, and reports on",
        "断线后按退避重连，并补报断线期间的读数",
        "connect again with growing pauses, and send what was saved up",
        (),
        ("mqtt",),
    ),
    Rule(
        20,
        "sign_in",
        "用账号登录（Basic 或 Bearer）",
        "signs in with its account (Basic or Bearer)",
        "每个请求带 Authorization；用户名和密码以本次测试给出的为准",
        "send Authorization with each request, with the user and password that this test told",
        (),
        ("http",),
    ),
    Rule(
        21,
        "again",
        "收到 503 后重发同一报文",
        "sends the same message again after 503",
        "503 表示未收下：按 Retry-After 等待后重发",
        "503 says that nothing was taken: wait as Retry-After says, and send it again",
        (),
        ("http",),
    ),
)

OF_REASON: Final = {reason: rule for rule in RULES for reason in rule.reasons}
"""Which rule a refusal breaks."""
