"""Read the attributes of a managed component as its register gives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from ingest.vector.fields import FieldError, FieldReader
from twin.codes import check_area_code, check_component_code, check_credit_code
from twin.component_classes import component_classes
from twin.errors import InvalidError
from twin.model.component import COMPONENT_STATES, DATA_SOURCES

ALIASES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "code": ("glbjbsm", "标识码"),
        "class_code": ("class", "代码", "小类代码"),
        "state": ("glbjzt", "状态"),
        "department_code": ("zgbmdm", "主管部门代码"),
        "department_name": ("zgbmmc", "主管部门名称", "主管部门"),
        "owner_code": ("qsdwdm", "权属单位代码"),
        "owner_name": ("qsdwmc", "权属单位名称", "权属单位"),
        "maintainer_code": ("yhdwdm", "养护单位代码"),
        "maintainer_name": ("yhdwmc", "养护单位名称", "养护单位"),
        "declared_grid_code": ("szdywgbsm", "所在单元网格标识码", "单元网格"),
        "installed_on": ("csrq", "初始日期"),
        "changed_on": ("bgrq", "变更日期"),
        "data_source": ("sjly", "数据来源"),
        "note": ("bz", "备注"),
    }
)
"""Attributes of GB/T 47678.5-2026, table 2, by the standard's abbreviations and usual Chinese headings.

Names and codes of street and community (SZJDDM, SZJDMC, SZSQDM, SZSQMC) follow from where a component
stands; what a file says of them is kept beside the row."""

_STATES: Final = dict(zip(("完好", "破损", "丢失", "废弃", "移除"), COMPONENT_STATES, strict=True))
_SOURCES: Final = dict(zip(("实测", "地形图", "基础地理数据", "其他"), DATA_SOURCES, strict=True))
_LONGEST: Final = {
    "name": 30,
    "department_name": 100,
    "owner_name": 100,
    "maintainer_name": 100,
    "note": 1000,
}


def component_values(fields: FieldReader) -> dict[str, Any]:
    """Return the columns of a component; without a number of its own ``code`` is None and given later.

    Raises
    ------
    FieldError
        A code is not what its standard says, a word is none of the list, or a text is too long.
    """
    code = _checked(fields, "code", check_component_code)
    class_code = fields.text("class_code") or (code[6:11] if code else None)
    if class_code is None or not (class_code.isascii() and class_code.isdigit() and len(class_code) == 5):
        raise FieldError("bad_class_code", "a component needs its five-digit class, or its 17-digit code")
    if code is not None and code[6:11] != class_code:
        raise FieldError(
            "bad_class_code", f"its class is {class_code}, but its code {code} says {code[6:11]}"
        )
    known = component_classes().by_code.get(class_code)
    texts = {name: _short_enough(fields, name) for name in _LONGEST}
    return {
        "code": code,
        "class_code": class_code,
        "state": _word(fields, "state", _STATES) or "intact",
        "declared_grid_code": _checked(fields, "declared_grid_code", check_area_code),
        **{
            f"{who}_code": _checked(fields, f"{who}_code", check_credit_code)
            for who in ("department", "owner", "maintainer")
        },
        "installed_on": fields.day("installed_on"),
        "changed_on": fields.day("changed_on"),
        "data_source": _word(fields, "data_source", _SOURCES),
        **texts,
        "name": texts["name"] or (known.zh if known else class_code),
    }


def _checked(fields: FieldReader, name: str, check: Callable[[str], str]) -> str | None:
    said = fields.text(name)
    if said is None:
        return None
    try:
        return check(said)
    except InvalidError as error:
        raise FieldError(f"bad_{name}", f"{error.what}; {error.hint}") from error


def _word(fields: FieldReader, name: str, words: dict[str, str]) -> str | None:
    said = fields.text(name)
    if said is None:
        return None
    found = words.get(said, said)
    if found not in words.values():
        listed = ", ".join((*words, *words.values()))
        raise FieldError(f"bad_{name}", f"“{said[:40]}” is none of {listed}")
    return found


def _short_enough(fields: FieldReader, name: str) -> str | None:
    said = fields.text(name)
    if said is not None and len(said) > _LONGEST[name]:
        raise FieldError(f"bad_{name}", f"“{said[:40]}…” has {len(said)} signs, {_LONGEST[name]} are allowed")
    return said
