"""Tell the states, the kinds of devices and what they observe."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter
from pydantic import BaseModel

from api.access.permissions import SIGNED_IN, needs
from api.routes.answers import LimitAnswer, Names, limits_of
from api.runtime import Running
from twin.cases.categories import load_categories
from twin.catalog import DeviceKind
from twin.model import SOURCES
from twin.states import STATE_NAMES_ZH, STATE_SHAPES, State

router = APIRouter()

SOURCE_NAMES: dict[str, tuple[str, str]] = {
    "sensor": ("传感器报警", "Sensor"),
    "patrol": ("巡查上报", "Patrol"),
    "camera": ("视频发现", "Camera"),
    "resident": ("居民上报", "Resident"),
    "hotline": ("12345 热线", "Hotline"),
    "superior": ("上级交办", "From above"),
    "department": ("部门转办", "Department"),
}


class StateAnswer(BaseModel):
    """A state; a group shows its highest code."""

    code: int
    name: str
    zh: str
    en: str
    shape: str


class PropertyAnswer(BaseModel):
    """What one slot of a kind observes."""

    slot: int
    name: str
    zh: str
    en: str
    unit: str
    min: float
    max: float
    decimals: int
    limits: list[LimitAnswer]
    words: list[tuple[str, str]]


class KindAnswer(BaseModel):
    """A kind of device; ``code`` is on the wire."""

    code: int
    name: str
    zh: str
    en: str
    icon: str
    group: str
    layer: int
    moves: bool
    expected_interval_s: float
    properties: list[PropertyAnswer]


class SourceAnswer(BaseModel):
    """Where a case came from."""

    name: str
    zh: str
    en: str


class CategoryAnswer(BaseModel):
    """A kind of case that can be reported today."""

    code: str
    zh: str
    en: str
    major: Names


class CatalogAnswer(BaseModel):
    """The words of the live protocol and of all details."""

    states: list[StateAnswer]
    groups: list[SourceAnswer]
    device_kinds: list[KindAnswer]
    case_sources: list[SourceAnswer]
    case_categories: list[CategoryAnswer]


@router.get("/api/catalog", tags=["scene"], dependencies=[needs(SIGNED_IN)])
async def get_catalog(running: Running) -> CatalogAnswer:
    """Return states, kinds of devices with properties and limits, sources and kinds of cases."""
    catalog = running.twin.catalog
    return CatalogAnswer(
        states=[
            StateAnswer(
                code=state.value,
                name=state.name.lower(),
                zh=STATE_NAMES_ZH[state],
                en=state.name.capitalize(),
                shape=STATE_SHAPES[state],
            )
            for state in State
        ],
        groups=[SourceAnswer(name=group.name, zh=group.zh, en=group.en) for group in catalog.groups.values()],
        device_kinds=[_kind(kind) for kind in catalog.by_code.values()],
        case_sources=[
            SourceAnswer(name=name, zh=SOURCE_NAMES[name][0], en=SOURCE_NAMES[name][1]) for name in SOURCES
        ],
        case_categories=[
            CategoryAnswer(code=row.code, zh=row.zh, en=row.en, major=Names(zh=row.major.zh, en=row.major.en))
            for row in load_categories().open_at(datetime.now(UTC).date())
        ],
    )


def _kind(kind: DeviceKind) -> KindAnswer:
    return KindAnswer(
        code=kind.code,
        name=kind.name,
        zh=kind.zh,
        en=kind.en,
        icon=kind.icon,
        group=kind.group,
        layer=kind.layer,
        moves=kind.moves,
        expected_interval_s=kind.expected_interval_s,
        properties=[
            PropertyAnswer(
                slot=observed.slot,
                name=observed.name,
                zh=observed.zh,
                en=observed.en,
                unit=observed.unit,
                min=observed.minimum,
                max=observed.maximum,
                decimals=observed.decimals,
                limits=limits_of(observed),
                words=list(observed.words),
            )
            for observed in kind.properties
        ],
    )
