"""List the roles: which classes of data each reads, and which acts it may do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class DataClass(StrEnum):
    """What a row is about; roads, ground cover, datasets and organisations are of none: all see them."""

    PLACE = "place"
    """Areas, buildings, addresses, components, service points, devices and what they measure."""
    ALARM = "alarm"
    CASE = "case"
    WORKER = "worker"
    """Workers, the trackers they carry, their positions and trails."""
    AUDIT = "audit"
    ACCOUNT = "account"
    SYSTEM = "system"
    """How the installation itself is doing: sources, quarantine, imports."""


class Act(StrEnum):
    """What a person may do; the part before the dot is the class of data that is written or revealed."""

    ACKNOWLEDGE_ALARM = "alarm.acknowledge"
    MANAGE_RULES = "rule.manage"
    """Say by which rules alarms are raised, and switch them on and off."""
    REPORT_CASE = "case.report"
    FILE_CASE = "case.file"
    """Report one oneself, decide whether it is one, say of which kind it is (受理, 立案)."""
    DISPATCH_CASE = "case.dispatch"
    HANDLE_CASE = "case.handle"
    CHECK_CASE = "case.check"
    APPROVE_CASE = "case.approve"
    """Grant what others asked for, supervise (督办), reopen."""
    RATE_CASE = "case.rate"
    CALL_UP = "case.call"
    NOTE_CASE = "case.note"
    """Act on cases at all; every role with one of the acts above has it."""
    REVEAL_PERSON = "person.reveal"
    END_DUTY = "duty.end"
    CLOSE_ROADS = "road.close"
    """Say which roads are closed, and open them again."""
    LOOK_CAMERA = "camera.look"
    EXPORT = "data.export"
    MANAGE_DEVICES = "device.manage"
    MANAGE_ACCOUNTS = "account.manage"
    MANAGE_SYSTEM = "system.manage"


class Group(StrEnum):
    """Duties that one account must not hold together (GB/T 22239-2019 8.1.4.2 d, 三员分立)."""

    BUSINESS = "business"
    SYSTEM = "system"
    SECURITY = "security"
    AUDIT = "audit"
    MACHINE = "machine"


@dataclass(frozen=True, slots=True)
class Role:
    """One role. ``privileged`` ones need a second factor to sign in."""

    name: str
    zh: str
    en: str
    group: Group
    reads: frozenset[DataClass]
    acts: frozenset[Act] = frozenset()
    privileged: bool = False
    reads_counts: frozenset[DataClass] = frozenset()
    """Classes of which only counts are told, and none below `SMALLEST_COUNT`."""


SMALLEST_COUNT: Final = 5
"""Counts below this are withheld from those who may see only counts (k-anonymity)."""

HOTLINE_CHANNEL: Final = "hotline_channel"
"""Role of an account whose reports came by telephone (12345)."""

DEPARTMENT: Final = "department"
"""Role of the staff of departments and companies."""

_FIELD: Final = frozenset({DataClass.PLACE, DataClass.ALARM, DataClass.CASE})
_COMMAND: Final = _FIELD | {DataClass.WORKER}

_INTAKE: Final = frozenset({Act.FILE_CASE, Act.CHECK_CASE, Act.RATE_CASE, Act.CALL_UP, Act.NOTE_CASE})
_COMMANDS: Final = _INTAKE | {
    Act.ACKNOWLEDGE_ALARM,
    Act.DISPATCH_CASE,
    Act.HANDLE_CASE,
    Act.REVEAL_PERSON,
    Act.END_DUTY,
    Act.CLOSE_ROADS,
    Act.LOOK_CAMERA,
}

ROLES: Final[tuple[Role, ...]] = (
    Role(
        "operator",
        "值班员",
        "Operator",
        Group.BUSINESS,
        _COMMAND,
        _INTAKE | {Act.ACKNOWLEDGE_ALARM, Act.LOOK_CAMERA},
    ),
    Role(
        "dispatcher",
        "派遣员",
        "Dispatcher",
        Group.BUSINESS,
        _COMMAND,
        _COMMANDS,
        privileged=True,
    ),
    # A worker sees the own row and tracker by account, whatever the area; not those of colleagues.
    Role(
        "worker",
        "网格员",
        "Grid worker",
        Group.BUSINESS,
        _FIELD,
        frozenset({Act.HANDLE_CASE, Act.CHECK_CASE, Act.CALL_UP, Act.NOTE_CASE}),
    ),
    Role(
        DEPARTMENT,
        "部门人员",
        "Department staff",
        Group.BUSINESS,
        frozenset({DataClass.PLACE, DataClass.CASE}),
        frozenset({Act.HANDLE_CASE, Act.NOTE_CASE}),
    ),
    Role(
        "manager",
        "区域管理员",
        "Area manager",
        Group.BUSINESS,
        _COMMAND,
        _COMMANDS | {Act.APPROVE_CASE, Act.EXPORT, Act.MANAGE_RULES},
        privileged=True,
    ),
    Role(
        "planner",
        "规划人员",
        "Planner",
        Group.BUSINESS,
        frozenset({DataClass.PLACE}),
        frozenset({Act.EXPORT}),
        reads_counts=frozenset({DataClass.ALARM, DataClass.CASE}),
    ),
    # Programs that bring what people report. They read nothing: what they are told of cases is in
    # `api.open311`.
    Role(
        "resident_channel",
        "居民上报渠道",
        "Channel of residents",
        Group.BUSINESS,
        frozenset(),
        frozenset({Act.REPORT_CASE}),
    ),
    Role(
        HOTLINE_CHANNEL,
        "热线渠道",
        "Channel of a hotline",
        Group.BUSINESS,
        frozenset(),
        frozenset({Act.REPORT_CASE}),
    ),
    Role(
        "integrator",
        "设备接入员",
        "Device integrator",
        Group.BUSINESS,
        frozenset({DataClass.PLACE}),
        frozenset({Act.MANAGE_DEVICES}),
    ),
    Role("auditor", "安全审计员", "Auditor", Group.AUDIT, frozenset({DataClass.AUDIT}), privileged=True),
    Role(
        "system_admin",
        "系统管理员",
        "System administrator",
        Group.SYSTEM,
        frozenset({DataClass.SYSTEM}),
        frozenset({Act.MANAGE_SYSTEM}),
        privileged=True,
    ),
    Role(
        "security_admin",
        "安全管理员",
        "Security administrator",
        Group.SECURITY,
        frozenset({DataClass.ACCOUNT}),
        frozenset({Act.MANAGE_ACCOUNTS}),
        privileged=True,
    ),
    Role("wall", "大屏", "Wall screen", Group.MACHINE, _COMMAND),
)

ROLE_BY_NAME: Final = {role.name: role for role in ROLES}
