"""Describe what GeoReport answers, and make it of categories and reports."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from api.exports.words import STAGES, Language
from api.rows import Row
from twin.cases.categories import Attribute, Categories, Category, Datatype

_UNKNOWN = ("其他", "Other")


class ServiceAnswer(BaseModel):
    """A kind of thing that can be reported."""

    service_code: str
    service_name: str
    description: str
    metadata: bool = Field(description="whether it asks questions: see its definition")
    type: Literal["realtime"]
    keywords: str
    group: str


class ValueAnswer(BaseModel):
    """One choice of a list."""

    key: str
    name: str


class AttributeAnswer(BaseModel):
    """A question that a service asks."""

    variable: bool
    code: str
    datatype: Datatype
    required: bool
    datatype_description: str | None
    order: int
    description: str
    values: list[ValueAnswer]


class DefinitionAnswer(BaseModel):
    """The questions that a service asks."""

    service_code: str
    attributes: list[AttributeAnswer]


class ReportAnswer(BaseModel):
    """A report as a channel may know it: of others neither words nor address, and the place only roughly."""

    service_request_id: str
    status: Literal["open", "closed"]
    status_notes: str | None
    service_name: str
    service_code: str
    description: str | None
    agency_responsible: str | None
    service_notice: str | None
    requested_datetime: datetime
    updated_datetime: datetime
    expected_datetime: datetime | None
    address: str | None
    address_id: str | None
    zipcode: str | None
    lat: float
    long: float
    media_url: str | None


class FiledAnswer(BaseModel):
    """What a report became; ``token`` lets whoever has it ask after this report without a key."""

    service_request_id: str
    service_notice: str | None
    account_id: str | None
    token: str
    link: str = Field(description="a page for whoever reported it; ours, not of the specification")


class TokenAnswer(BaseModel):
    """The report of a token, and how it is doing."""

    service_request_id: str
    token: str
    status: Literal["open", "closed"]
    status_notes: str | None
    service_name: str
    service_code: str
    requested_datetime: datetime


class EndpointAnswer(BaseModel):
    """Where an interface lies and what it speaks."""

    specification: str
    url: str
    changeset: str
    type: Literal["production"]
    formats: list[str]


class DiscoveryAnswer(BaseModel):
    """Which interfaces there are."""

    changeset: str
    contact: str
    key_service: str
    endpoints: list[EndpointAnswer]


def service(category: Category, lang: Language) -> dict[str, Any]:
    """Return a service; in the other language it is a keyword."""
    names = {"zh": category.zh, "en": category.en}
    group = category.major.zh if lang == "zh" else category.major.en
    other = names["en" if lang == "zh" else "zh"]
    return {
        "service_code": category.code,
        "service_name": names[lang],
        "description": f"{group} · {category.standard} {category.code}",
        "metadata": bool(category.attributes),
        "type": "realtime",
        "keywords": f"{other},{category.code}",
        "group": group,
    }


def definition(category: Category, lang: Language) -> dict[str, Any]:
    """Return the questions of a service."""
    asked = [_attribute(row, n, lang) for n, row in enumerate(category.attributes, 1)]
    return {"service_code": category.code, "attributes": asked}


def _attribute(row: Attribute, order: int, lang: Language) -> dict[str, Any]:
    return {
        "variable": True,
        "code": row.code,
        "datatype": row.datatype,
        "required": row.required,
        "datatype_description": None,
        "order": order,
        "description": row.zh if lang == "zh" else row.en,
        "values": [{"key": v.key, "name": v.zh if lang == "zh" else v.en} for v in row.values],
    }


def service_name(categories: Categories, code: str, lang: Language) -> str:
    """Return what a category is called; one that is not in the table is other."""
    found = categories.by_code.get(code)
    zh, en = (found.zh, found.en) if found else _UNKNOWN
    return zh if lang == "zh" else en


def _agency(categories: Categories, code: str, lang: Language) -> str | None:
    found = categories.by_code.get(code)
    if found is None:
        return None
    body = categories.responsible[found.responsible]
    return body.zh if lang == "zh" else body.en


def state_of(row: Row, lang: Language) -> dict[str, Any]:
    """Return whether a report is open, and its stage in words."""
    zh, en = STAGES[row["stage"]]
    return {"status": "closed" if row["closed_at"] else "open", "status_notes": zh if lang == "zh" else en}


def report(row: Row, categories: Categories, lang: Language, shown_address: str | None) -> dict[str, Any]:
    """Return a report from a row of ``list_reports``."""
    return {
        "service_request_id": row["number"],
        **state_of(row, lang),
        "service_name": service_name(categories, row["category_code"], lang),
        "service_code": row["category_code"],
        "description": row["description"],
        "agency_responsible": _agency(categories, row["category_code"], lang),
        "service_notice": None,
        "requested_datetime": row["opened_at"],
        "updated_datetime": row["updated_at"],
        "expected_datetime": row["due_at"],
        "address": shown_address,
        "address_id": None,
        "zipcode": None,
        "lat": row["lat"],
        "long": row["lon"],
        "media_url": row["media_url"],
    }
