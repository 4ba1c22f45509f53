"""Say who answers for a case by where it is and of which kind: rules that managers make and withdraw."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.access.scope import WHOLE_CODE, Scope
from twin.cases.categories import load_categories, open_category
from twin.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError

WHOLE: Final = "whole"
"""Level of a rule that holds in the whole installation."""

_FIND: Final = text(
    """
    SELECT r.id, r.organisation_id, o.name, o.name_en, r.about, r.area_level,
           a.name AS area, a.name_en AS area_en
    FROM responsibility AS r JOIN organisation AS o ON o.id = r.organisation_id
    LEFT JOIN area AS a ON a.code = r.area_code AND a.level = r.area_level AND a.valid_to IS NULL
    WHERE r.valid_to IS NULL AND :scope_code BETWEEN r.low AND r.high AND r.about = ANY(:abouts)
    ORDER BY r.high - r.low, array_position(CAST(:abouts AS text[]), r.about) LIMIT 1
    """
)
_AREA: Final = text(
    "SELECT level FROM area WHERE code = :code AND valid_to IS NULL AND level <> 'unit_grid' "
    "ORDER BY level = 'responsibility_grid' LIMIT 1"
)
_ORGANISATION: Final = text("SELECT EXISTS (SELECT FROM organisation WHERE id = :id)")
_SET: Final = text(
    "INSERT INTO responsibility (about, area_code, area_level, low, high, organisation_id, set_by) "
    "VALUES (:about, :area_code, :area_level, :low, :high, :organisation_id, :by) RETURNING id"
)
_PRESENT: Final = text(
    "SELECT id FROM responsibility WHERE about = :about AND low = :low AND high = :high AND valid_to IS NULL"
)
_WITHDRAW: Final = text(
    "UPDATE responsibility SET valid_to = :at, withdrawn_by = :by WHERE id = :id AND valid_to IS NULL "
    "RETURNING about, area_code"
)
_IS_THERE: Final = text("SELECT valid_to FROM responsibility WHERE id = :id")


@dataclass(frozen=True, slots=True)
class Responsible:
    """An organisation that answers for a case, and the rule that says so: about what, in which area."""

    rule_id: int
    organisation_id: int
    name: str
    name_en: str | None
    about: str
    area_level: str
    area: str | None
    area_en: str | None


def abouts_of(category_code: str) -> list[str]:
    """Return what a rule for a kind of case may be about, the closest first: it, its major, its body."""
    kind = load_categories().by_code.get(category_code)
    return [category_code, category_code[:2], *([kind.responsible] if kind else [])]


async def find_responsible(
    connection: AsyncConnection, scope_code: int, category_code: str
) -> Responsible | None:
    """Return who answers for a case in an area, as far as the caller sees rules; None where no rule says.

    The rule of the smallest area around it counts, and of rules for the same area the one for its category
    before one for its major before one for the kind of body that answers for it.
    """
    asked = {"scope_code": scope_code, "abouts": abouts_of(category_code)}
    row = (await connection.execute(_FIND, asked)).first()
    if row is None:
        return None
    return Responsible(
        row.id,
        row.organisation_id,
        row.name,
        row.name_en,
        row.about,
        row.area_level,
        row.area,
        row.area_en,
    )


async def set_rule(
    connection: AsyncConnection,
    about: str,
    area_code: str,
    organisation_id: int,
    *,
    by: str,
    today: date,
    may: Scope,
) -> int:
    """Make a rule in the caller's transaction and return its number.

    Parameters
    ----------
    about
        See `twin.model.Responsibility`.
    area_code
        Of a present area; `twin.access.scope.WHOLE_CODE` is the whole installation.
    by
        Who makes it.
    today
        The day on which the category must be one that can be reported.
    may
        Where the caller may make rules; the database asks the same.

    Raises
    ------
    InvalidError
        There is no such kind of case, it was withdrawn, or there is no such area or organisation.
    ForbiddenError
        The area is not the caller's to make rules for.
    ConflictError
        There is a rule for the same area and kind; it must be withdrawn first.
    """
    _require_kind(about, today)
    level = WHOLE
    if area_code != WHOLE_CODE:
        found = (await connection.execute(_AREA, {"code": area_code})).scalar_one_or_none()
        if found is None:
            raise InvalidError(
                f"there is no area {area_code} that you see",
                where="area_code",
                hint="15 digits of a present area; 15 zeros are the whole installation",
            )
        level = found
    scope = Scope.of_area(area_code, level)
    if not scope & may == scope:
        raise ForbiddenError("you may make no rules for the whole of this area", where="area_code")
    if not (await connection.execute(_ORGANISATION, {"id": organisation_id})).scalar_one():
        raise InvalidError(f"there is no organisation {organisation_id}", where="organisation_id")
    ((low, high),) = scope.ranges
    place = {"about": about, "low": low, "high": high}
    row = {
        **place,
        "area_code": area_code,
        "area_level": level,
        "organisation_id": organisation_id,
        "by": by,
    }
    try:
        async with connection.begin_nested():
            made: int = (await connection.execute(_SET, row)).scalar_one()
    except IntegrityError as error:
        if "uq_responsibility_present" not in str(error.orig):
            raise
        there = (await connection.execute(_PRESENT, place)).scalar_one_or_none()
        raise ConflictError(
            f"rule {there} says already who answers for “{about}” in this area",
            where="about",
            hint=f"withdraw rule {there} first",
        ) from error
    return made


async def withdraw_rule(connection: AsyncConnection, rule_id: int, *, by: str, now: datetime) -> None:
    """Withdraw a rule in the caller's transaction; it stays as what once held.

    Raises
    ------
    NotFoundError
        There is no such rule where the caller may make rules.
    ConflictError
        It was withdrawn already.
    """
    asked = {"id": rule_id, "by": by, "at": now}
    if (await connection.execute(_WITHDRAW, asked)).first() is not None:
        return
    row = (await connection.execute(_IS_THERE, {"id": rule_id})).first()
    if row is not None and row.valid_to is not None:
        raise ConflictError(f"rule {rule_id} was withdrawn at {row.valid_to.isoformat()}", where="id")
    raise NotFoundError(f"there is no rule {rule_id} that you may withdraw", where="id")


def _require_kind(about: str, today: date) -> None:
    categories = load_categories()
    if about in categories.responsible or about in {code[:2] for code in categories.by_code}:
        return
    if about in categories.by_code:
        open_category(about, today, where="about")
        return
    raise InvalidError(
        f"there is no kind of case “{about}”",
        where="about",
        hint="a category (06010), a major (06), or a kind of body: " + ", ".join(categories.responsible),
    )
