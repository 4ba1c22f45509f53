"""List managed components and tell everything their register says of one."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel

from api.access.caller import Caller
from api.access.permissions import needs, reads
from api.errors import NOT_FOUND
from api.exports.words import COMPONENT_STATES, DATA_SOURCES
from api.routes.answers import (
    AREA_COLUMNS,
    AREA_JOINS_BY_POINT,
    AreaRef,
    AreasOfThing,
    Names,
    RowId,
    area_columns,
    area_ref,
    areas_of,
    escaped_like,
)
from api.rows import Row
from twin.access.roles import DataClass
from twin.component_classes import component_classes
from twin.errors import NotFoundError

router = APIRouter(tags=["components"])

Reader = Annotated[Caller, needs(reads(DataClass.PLACE))]


class WordAnswer(BaseModel):
    """A code of a list and what it is called."""

    code: str
    name: Names


class ComponentRow(BaseModel):
    """A managed component in short; `code` is its 17-digit number."""

    id: int
    code: str
    name: str
    component_class: WordAnswer
    state: WordAnswer
    lon: float
    lat: float


class ComponentsAnswer(BaseModel):
    """Components in the order of their codes; `next` is where the following page begins, null at the end."""

    components: list[ComponentRow]
    next: str | None


class Party(BaseModel):
    """An organisation as a register names it: its unified social credit code and its name."""

    code: str | None
    name: str | None


class PastState(BaseModel):
    """A state and since when the twin knows of it; `until` is null for the present one."""

    state: WordAnswer
    since: datetime
    until: datetime | None


class ComponentAnswer(ComponentRow):
    """A component with the attributes of GB/T 47678.5, table 2; where it lies is `street` and `area`."""

    major_class: WordAnswer
    department: Party
    owner: Party
    maintainer: Party
    declared_grid_code: str | None
    installed_on: date | None
    changed_on: date | None
    data_source: WordAnswer | None
    note: str | None
    street: AreaRef | None
    area: AreasOfThing
    simulated: bool
    states: list[PastState]


_ROW: Final = "c.id, c.code, c.name, c.class_code, c.state, ST_X(c.geom) AS lon, ST_Y(c.geom) AS lat"

_LIST: Final = f"""
    SELECT {_ROW} FROM component AS c
    WHERE c.valid_to IS NULL AND c.code > :after
      AND (:class_code = '' OR starts_with(c.class_code, :class_code))
      AND (:state = '' OR c.state = :state)
      AND (:words = '' OR c.name ILIKE :words OR c.code LIKE :words)
    ORDER BY c.code LIMIT :most"""

_ONE: Final = f"""
    SELECT {_ROW}, c.declared_grid_code, c.department_code, c.department_name, c.owner_code, c.owner_name,
           c.maintainer_code, c.maintainer_name, c.installed_on, c.changed_on, c.data_source, c.note,
           c.valid_from, dataset.simulated, {AREA_COLUMNS}, {area_columns("st", "st")}
    FROM component AS c JOIN dataset ON dataset.id = c.dataset_id
    {AREA_JOINS_BY_POINT.format(point="c.geom")}
    LEFT JOIN area AS st ON st.id = cm.parent_id AND st.level = 'street'
    WHERE c.id = :id AND c.valid_to IS NULL"""

# Rows that differ in something else are one stretch of a state: the older ends where the newer begins.
_PAST: Final = """
    SELECT "row" ->> 'state' AS state, valid_from, valid_to FROM feature_history
    WHERE table_name = 'component' AND row_id = :id ORDER BY valid_to DESC LIMIT 500"""


@router.get("/api/components")
async def list_components(
    caller: Reader,
    class_code: Annotated[
        str, Query(alias="class", pattern="^([0-9]{2}|[0-9]{5})?$", description="major or whole class")
    ] = "",
    state: Annotated[Literal["", "intact", "damaged", "lost", "abandoned", "removed"], Query()] = "",
    q: Annotated[str, Query(max_length=100, pattern="^[^\\x00]*$", description="part of name or code")] = "",
    after: Annotated[str, Query(pattern="^([0-9]{17})?$", description="`next` of the page before")] = "",
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> ComponentsAnswer:
    """Return present components, by class, state and words."""
    words = q.strip()
    rows = await caller.fetch(
        _LIST,
        after=after,
        class_code=class_code,
        state=state,
        words=f"%{escaped_like(words)}%" if words else "",
        most=limit + 1,
    )
    shown = [ComponentRow(**_short(row)) for row in rows[:limit]]
    return ComponentsAnswer(components=shown, next=shown[-1].code if len(rows) > limit else None)


@router.get("/api/components/{id}", responses=NOT_FOUND)
async def get_component(caller: Reader, component_id: RowId) -> ComponentAnswer:
    """Return one present component, and which states it was in."""
    row = await caller.fetch_one(_ONE, id=component_id)
    if row is None:
        raise NotFoundError(
            f"there is no component {component_id}", where="id", hint="list them with /api/components"
        )
    past = await caller.fetch(_PAST, id=component_id)
    major = row["class_code"][:2]
    made: Row = {
        who: Party(code=row[f"{who}_code"], name=row[f"{who}_name"])
        for who in ("department", "owner", "maintainer")
    }
    for key in ("declared_grid_code", "installed_on", "changed_on", "note", "simulated"):
        made[key] = row[key]
    return ComponentAnswer(
        **_short(row),
        **made,
        major_class=WordAnswer(code=major, name=_names(component_classes().majors.get(major))),
        data_source=None if row["data_source"] is None else _word(DATA_SOURCES, row["data_source"]),
        street=area_ref(row, "st"),
        area=areas_of(row),
        states=_stretches(row, past),
    )


def _names(words: tuple[str, str] | None) -> Names:
    return Names(zh=None, en=None) if words is None else Names(zh=words[0], en=words[1])


def _word(words: dict[str, tuple[str, str]], code: str) -> WordAnswer:
    return WordAnswer(code=code, name=_names(words.get(code)))


def _short(row: Row) -> Row:
    found = component_classes().by_code.get(row["class_code"])
    return {
        **{key: row[key] for key in ("id", "code", "name", "lon", "lat")},
        "component_class": WordAnswer(
            code=row["class_code"], name=_names(None if found is None else (found.zh, found.en))
        ),
        "state": _word(COMPONENT_STATES, row["state"]),
    }


def _stretches(row: Row, past: list[Row]) -> list[PastState]:
    """Join rows of one state, the newest first."""
    present = {"state": row["state"], "valid_from": row["valid_from"], "valid_to": None}
    found: list[PastState] = []
    for former in (present, *past):
        if found and found[-1].state.code == former["state"]:
            found[-1].since = former["valid_from"]
        else:
            found.append(
                PastState(
                    state=_word(COMPONENT_STATES, former["state"]),
                    since=former["valid_from"],
                    until=former["valid_to"],
                )
            )
    return found
