"""Name the codes of exported columns in both languages."""

from __future__ import annotations

from typing import Final, Literal

from api.routes.catalog import SOURCE_NAMES
from twin.cases.states import STAGE_WORDS
from twin.states import STATE_NAMES_ZH, State

Language = Literal["zh", "en"]
Words = dict[str, tuple[str, str]]
"""Chinese and English of each code."""

STATES: Final[Words] = {s.name.lower(): (STATE_NAMES_ZH[s], s.name.capitalize()) for s in State}
STAGES: Final[Words] = {stage.value: words for stage, words in STAGE_WORDS.items()}
OUTCOMES: Final[Words] = {
    "closed": ("已结案", "Closed"),
    "rejected": ("不予立案", "Rejected"),
    "void": ("作废", "Void"),
}
SOURCES: Final[Words] = SOURCE_NAMES
LEVELS: Final[Words] = {
    "city": ("城市", "City"),
    "district": ("区县", "District"),
    "street": ("街道", "Street"),
    "community": ("社区", "Community"),
    "responsibility_grid": ("责任网格", "Responsibility grid"),
    "unit_grid": ("单元网格", "Unit grid"),
}
WORKER_ROLES: Final[Words] = {
    "grid_worker": ("网格员", "Grid worker"),
    "grid_leader": ("网格长", "Grid leader"),
    "repair": ("维修", "Repair"),
    "security": ("安保", "Security"),
    "volunteer": ("志愿者", "Volunteer"),
}
ORGANISATION_KINDS: Final[Words] = {
    "department": ("部门", "Department"),
    "street_office": ("街道办事处", "Street office"),
    "property": ("物业公司", "Property company"),
    "patrol": ("巡查队", "Patrol"),
    "volunteer": ("志愿者组织", "Volunteers"),
}
HEIGHT_SOURCES: Final[Words] = {
    "measured": ("实测", "Measured"),
    "levels": ("按层数推算", "From levels"),
    "estimated": ("估计", "Estimated"),
}
HOUSEHOLD_SOURCES: Final[Words] = {"counted": ("统计", "Counted"), "estimated": ("估计", "Estimated")}
COMPONENT_STATES: Final[Words] = {
    "intact": ("完好", "Intact"),
    "damaged": ("破损", "Damaged"),
    "lost": ("丢失", "Lost"),
    "abandoned": ("废弃", "Abandoned"),
    "removed": ("移除", "Removed"),
}
DATA_SOURCES: Final[Words] = {
    "surveyed": ("实测", "Surveyed"),
    "topographic_map": ("地形图", "Topographic map"),
    "base_data": ("基础地理数据", "Base data"),
    "other": ("其他", "Other"),
}
UTILITIES: Final[Words] = {
    "water": ("供水", "Water"),
    "gas": ("燃气", "Gas"),
    "power": ("供电", "Power"),
}
NODE_KINDS: Final[Words] = {
    "source": ("源", "Source"),
    "valve": ("阀门", "Valve"),
    "switch": ("开关", "Switch"),
    "transformer": ("变压器", "Transformer"),
    "regulator": ("调压设备", "Regulator"),
    "meter": ("计量表", "Meter"),
    "hydrant": ("消火栓", "Hydrant"),
    "joint": ("接头", "Joint"),
}
CODE_SOURCES: Final[Words] = {"official": ("正式", "Official"), "provisional": ("暂编", "Provisional")}


def word(words: Words, code: str | None, lang: Language) -> str | None:
    """Return the name of a code; a code that has none stands for itself."""
    if code is None or code not in words:
        return code
    zh, en = words[code]
    return en if lang == "en" else zh


def name(zh: str | None, en: str | None, lang: Language) -> str | None:
    """Return a name in a language, in the other one where it has none."""
    return (en or zh) if lang == "en" else (zh or en)
