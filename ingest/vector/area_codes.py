"""Give areas their 15-digit codes: official where tagged, else provisional and stable across imports.

A provisional code keeps to the room of `twin.codes`: cities and districts without an official code begin
with 99 (99CC00 the city, 99CCDD its districts); streets and communities are numbered from 901 inside the
area above them, west to east and then north to south at the first import. An area that was there before
keeps its number as long as the area above it keeps its code; a number is never given twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import shapely
from sqlalchemy import Connection, text

from ingest.vector.borders import LEVELS, AreaDraft
from ingest.vector.intake import Row
from twin.codes import PROVISIONAL_FIRST, PROVISIONAL_PROVINCE, AreaCode, parse_area_code
from twin.errors import InvalidError

_NUMBERS = (*range(PROVISIONAL_FIRST, 1000), *range(1, PROVISIONAL_FIRST))
"""Numbers of streets and communities in the order they are given; the room of official ones comes last."""


@dataclass(frozen=True, slots=True)
class KnownArea:
    """An area that some import wrote before: its name in the dataset, its code, its level."""

    ref: str
    code: str
    level: str
    own: bool
    """Whether it is of the dataset that is being imported."""


def known_areas(connection: Connection, dataset_id: int) -> list[KnownArea]:
    """Return every administrative area that was ever written, the newest of each source last."""
    rows = connection.execute(
        text(
            "SELECT source_ref, code, level, dataset_id = :dataset FROM area "
            "WHERE level IN ('city', 'district', 'street', 'community') ORDER BY valid_to NULLS LAST, id"
        ),
        {"dataset": dataset_id},
    )
    return [KnownArea(*row) for row in rows]


def give_codes(drafts: list[AreaDraft], known: list[KnownArea]) -> dict[str, tuple[str, str]]:
    """Return (code, code source) by the drafts' refs.

    Parameters
    ----------
    drafts
        Areas of all levels; the parent of each is the area of a level above that holds its inner point.
    known
        What earlier imports wrote.
    """
    used: dict[str, set[str]] = {level: {k.code for k in known if k.level == level} for level in LEVELS}
    before = {(k.level, k.ref): k.code for k in known if k.own}
    points = {d.ref: shapely.point_on_surface(d.geom) for d in drafts}
    order = sorted(drafts, key=lambda d: (round(points[d.ref].x, 5), -points[d.ref].y, d.ref))
    codes: dict[str, tuple[str, str]] = {}
    for level in LEVELS:
        here = [d for d in order if d.level == level]
        for draft in here:
            code = _official(draft, used[level], before.get((level, draft.ref)))
            if code is not None:
                codes[draft.ref] = code, "official"
                used[level].add(code)
        for draft in (d for d in here if d.ref not in codes):
            parent = _parent_code(draft, points[draft.ref], drafts, codes)
            old = before.get((level, draft.ref))
            if old is not None and _fits(old, level, parent):
                codes[draft.ref] = old, "provisional"
        for draft in (d for d in here if d.ref not in codes):
            parent = _parent_code(draft, points[draft.ref], drafts, codes)
            code = _next_code(level, parent, used[level])
            codes[draft.ref] = code, "provisional"
            used[level].add(code)
    return codes


def area_row(
    draft: AreaDraft, code: str | None, code_source: str, tags: dict[str, str] | None, **more: Any
) -> Row:
    """Return the row of an area that has its code; ``more`` are values of further columns."""
    values = {
        "code": code,
        "code_source": code_source,
        "level": draft.level,
        "name": draft.name,
        "name_en": draft.name_en,
        "made_by": draft.made_by,
        **more,
    }
    return Row(f"area_{draft.level}", draft.ref, draft.geom, values, tags)


def _official(draft: AreaDraft, used: set[str], before: str | None) -> str | None:
    if draft.official is None:
        return None
    try:
        parsed = parse_area_code(draft.official)
    except InvalidError:
        return None
    code = str(parsed)
    # A code of another level (a street tagged with its district's) would collide with that area's own.
    fits = parsed.level == draft.level or (draft.level == "city" and parsed.level == "district")
    return code if fits and (code not in used or code == before) else None


def _parent_code(
    draft: AreaDraft,
    point: shapely.Point,
    drafts: list[AreaDraft],
    codes: dict[str, tuple[str, str]],
) -> AreaCode | None:
    for level in reversed(LEVELS[: LEVELS.index(draft.level)]):
        for other in drafts:
            if other.level == level and other.ref in codes and other.geom.contains(point):
                return parse_area_code(codes[other.ref][0])
    return None


def _prefix(level: str, parent: AreaCode | None) -> str:
    """Return the digits that a provisional code of this level takes from the area above."""
    if level == "city":
        return PROVISIONAL_PROVINCE
    if level == "district":
        known = parent is not None and parent.district.startswith(PROVISIONAL_PROVINCE)
        return parent.district[:4] if parent and known else PROVISIONAL_PROVINCE + "00"
    district = parent.district if parent else PROVISIONAL_PROVINCE + "0000"
    if level == "street":
        return district
    return district + (parent.street if parent else "000")


def _fits(code: str, level: str, parent: AreaCode | None) -> bool:
    return code.startswith(_prefix(level, parent))


def _next_code(level: str, parent: AreaCode | None, used: set[str]) -> str:
    prefix = _prefix(level, parent)
    numbers: Iterable[int] = range(1, 100)
    if level == "city":
        pattern = "{}{:02d}00"
    elif level == "district":
        pattern = "{}{:02d}"
    else:
        numbers, pattern = _NUMBERS, "{}{:03d}"
    for number in numbers:
        code = pattern.format(prefix, number).ljust(15, "0")
        if code not in used:
            return code
    raise InvalidError(
        f"there is no free provisional code for another {level} under {prefix}",
        where="area codes",
        hint="tag the areas with their official codes",
    )
