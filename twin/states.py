"""Name the six states of a thing and their order of worst."""

from __future__ import annotations

from enum import IntEnum


class State(IntEnum):
    """State of a device, its code on the wire; a group shows the highest code of its members."""

    NORMAL = 0
    UNKNOWN = 1
    OFFLINE = 2
    WARNING = 3
    ALARM = 4
    CRITICAL = 5


STATE_NAMES_ZH = {
    State.NORMAL: "正常",
    State.UNKNOWN: "未知",
    State.OFFLINE: "失联",
    State.WARNING: "预警",
    State.ALARM: "报警",
    State.CRITICAL: "危急",
}

STATE_SHAPES = {
    State.NORMAL: "dot",
    State.UNKNOWN: "dashed-ring",
    State.OFFLINE: "cross",
    State.WARNING: "triangle",
    State.ALARM: "diamond",
    State.CRITICAL: "double-diamond",
}

ALARM_STATES = (State.WARNING, State.ALARM, State.CRITICAL)
