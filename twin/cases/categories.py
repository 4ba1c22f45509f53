"""Read the kinds of cases, who answers for them and what they ask, from `data/case_categories.toml`.

Faults of components are kinds of cases too, one for each class in `data/component_classes.toml`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

import msgspec

from twin.component_classes import component_classes
from twin.data_tables import DATA_FOLDER, read_table
from twin.errors import InvalidError

DEFAULT_FILE: Final = DATA_FOLDER / "case_categories.toml"
LOCAL: Final = "local"
"""Standard of the categories that no standard has."""
FIRST_LOCAL_MAJOR: Final = 51

Datatype = Literal["string", "number", "datetime", "text", "singlevaluelist", "multivaluelist"]


class Named(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A name in Chinese and English."""

    zh: str
    en: str


class Choice(Named, frozen=True, forbid_unknown_fields=True):
    """One value of a list; ``key`` is what is sent."""

    key: str


class Attribute(Named, frozen=True, forbid_unknown_fields=True):
    """A question that a category asks; ``values`` are the choices of a list, empty for other types."""

    code: str
    datatype: Datatype
    required: bool
    values: tuple[Choice, ...] = ()


class Category(Named, frozen=True):
    """A kind of case: five digits that never change their meaning, and what kind of body answers for it."""

    code: str
    major: Named
    standard: str
    responsible: str
    attributes: tuple[Attribute, ...]
    valid_to: date | None


class Categories(msgspec.Struct, frozen=True):
    """All kinds of cases by code, in the order of the file; closed ones too, since old cases bear them."""

    version: int
    valid_from: date
    by_code: Mapping[str, Category]
    responsible: Mapping[str, Named]

    def open_at(self, day: date) -> Sequence[Category]:
        """Return the kinds that can be reported on a day."""
        return [row for row in self.by_code.values() if row.valid_to is None or day < row.valid_to]


class _Row(Named, frozen=True, forbid_unknown_fields=True):
    code: str
    responsible: str | None = None
    attributes: tuple[str, ...] = ()
    valid_to: date | None = None


class _Major(Named, frozen=True, forbid_unknown_fields=True):
    code: str
    standard: str
    responsible: str
    categories: tuple[_Row, ...]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    valid_from: date
    responsible: dict[str, Named]
    major: tuple[_Major, ...]
    attribute: tuple[Attribute, ...] = ()
    component_faults: dict[str, str] = {}


@functools.cache
def load_categories(file: Path = DEFAULT_FILE) -> Categories:
    """Read and check the file of case categories, once a process.

    Raises
    ------
    FileFormatError
        The file cannot be read or is not TOML.
    InvalidError
        A row is wrong, or a code is used twice; says which and what of it.
    """
    read = read_table(file, "the case categories", _File)
    attributes = _attributes(read, str(file))
    by_code = _component_faults(read, str(file))
    for major in read.major:
        _check_major(major, str(file))
        for row in major.categories:
            where = f"{file} category {row.code}"
            if not re.fullmatch(r"[0-9]{5}", row.code) or row.code[:2] != major.code:
                raise InvalidError(f"a code has five digits and begins with {major.code}", where=where)
            if row.code in by_code:
                raise InvalidError("this code is used twice", where=where)
            responsible = row.responsible or major.responsible
            _require_known(read, responsible, where)
            missing = [name for name in row.attributes if name not in attributes]
            if missing:
                raise InvalidError(f"there is no attribute “{missing[0]}”", where=where)
            by_code[row.code] = Category(
                zh=row.zh,
                en=row.en,
                code=row.code,
                major=Named(major.zh, major.en),
                standard=major.standard,
                responsible=responsible,
                attributes=tuple(attributes[name] for name in row.attributes),
                valid_to=row.valid_to,
            )
    return Categories(
        read.version, read.valid_from, MappingProxyType(by_code), MappingProxyType(read.responsible)
    )


def _component_faults(read: _File, where: str) -> dict[str, Category]:
    """Return a category for each class of component whose faults somebody answers for."""
    classes = component_classes()
    for major, responsible in read.component_faults.items():
        if major not in classes.majors:
            raise InvalidError(f"there are no components of major {major}", where=where)
        _require_known(read, responsible, f"{where} component_faults {major}")
    return {
        row.code: Category(
            zh=f"{row.zh}异常",
            en=f"{row.en[:1].upper()}{row.en[1:]}: fault",
            code=row.code,
            major=Named(*classes.majors[row.major]),
            standard=classes.standard,
            responsible=read.component_faults[row.major],
            attributes=(),
            valid_to=None,
        )
        for row in sorted(classes.ordered, key=lambda row: row.code)
        if row.major in read.component_faults
    }


def _require_known(read: _File, responsible: str, where: str) -> None:
    if responsible not in read.responsible:
        raise InvalidError(f"“{responsible}” is not in the table “responsible”", where=where)


def open_category(code: str, day: date, *, where: str = "category_code") -> Category:
    """Return the kind of case of a code that can be reported on a day; errors name ``where`` it was given.

    Raises
    ------
    InvalidError
        No table has it, or it was withdrawn.
    """
    found = load_categories().by_code.get(code)
    if found is None:
        raise InvalidError(f"there is no kind of case {code}", where=where)
    if found.valid_to is not None and found.valid_to <= day:
        raise InvalidError(
            f"the category {code} {found.zh} was withdrawn on {found.valid_to}",
            where=where,
            hint="choose the category that took its place",
        )
    return found


def name_of(code: str) -> Named | None:
    """Return what a kind of case is called; None where the table does not have it."""
    found = load_categories().by_code.get(code)
    return None if found is None else Named(found.zh, found.en)


def _attributes(read: _File, where: str) -> dict[str, Attribute]:
    found: dict[str, Any] = {}
    for row in read.attribute:
        if row.code in found:
            raise InvalidError(f"the attribute “{row.code}” is there twice", where=where)
        if row.datatype.endswith("list") is not bool(row.values):
            raise InvalidError(f"the attribute “{row.code}” has values just where it is a list", where=where)
        found[row.code] = row
    return found


def _check_major(major: _Major, where: str) -> None:
    if not re.fullmatch(r"[0-9]{2}", major.code):
        raise InvalidError(f"“{major.code}” is no major of two digits", where=where)
    if (int(major.code) >= FIRST_LOCAL_MAJOR) is not (major.standard == LOCAL):
        raise InvalidError(
            f"majors from {FIRST_LOCAL_MAJOR} on are local, and no others: {major.code} {major.standard}",
            where=where,
        )
