"""Read what a register says of a residential compound."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from ingest.vector.fields import FieldError, FieldReader
from twin.codes import check_credit_code
from twin.compounds import load_rules
from twin.errors import InvalidError

ALIASES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "name": ("名称", "小区名称", "mc"),
        "name_en": ("name:en",),
        "property_company": ("物业公司", "物业企业"),
        "property_company_code": ("物业公司代码",),
        "households": ("户数",),
        **{item.code: (item.zh,) for item in load_rules().items},
    }
)
"""Fields of a compound; each item of equipment is a column of its own, with a number or yes and no."""


def compound_values(fields: FieldReader) -> dict[str, Any]:
    """Return the columns of a compound.

    Raises
    ------
    FieldError
        No name, a credit code that does not check, or a number that is none.
    """
    code = fields.text("property_company_code")
    if code is not None:
        try:
            code = check_credit_code(code)
        except InvalidError as error:
            raise FieldError("bad_property_company_code", f"{error.what}; {error.hint}") from error
    declared = {item.code: _count(fields, item.code) for item in load_rules().items}
    equipment = {item: count for item, count in declared.items() if count is not None}
    return {
        "name": fields.required("name"),
        "name_en": fields.text("name_en"),
        "property_company": fields.text("property_company"),
        "property_company_code": code,
        "households": fields.integer("households", 0, 1_000_000),
        "equipment": equipment or None,
    }


def _count(fields: FieldReader, name: str) -> int | None:
    """Return how many of an item there are; 有 stands for one, 无 for none."""
    try:
        return int(fields.flag(name, default=False)) if fields.text(name) else None
    except FieldError:
        return fields.integer(name, 0, 1_000_000)
