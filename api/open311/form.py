"""Read the form of a report, field by field, and say what is wrong with it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from api.open311 import terms
from api.open311.formats import speakable
from twin.access.persons import Person
from twin.cases.categories import Attribute, Category
from twin.errors import InvalidError

_DEGREES: Final = re.compile(r"[+-]?[0-9]{1,3}(?:\.[0-9]{1,20})?")
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,15}(?:\.[0-9]{1,15})?")
_ATTRIBUTE: Final = re.compile(r"attribute\[([0-9A-Za-z_-]{1,64})\](\[\])?")
_MAIL: Final = re.compile(r"[^@\s]{1,64}@[^@\s]{1,189}")
_CHINESE: Final = re.compile("[\u3400-\u9fff]")
_KEY: Final = re.compile(r"(?:^|&)api_key=([^&]{1,200})")


def key_in_form(body: bytes) -> str | None:
    """Return the ``api_key`` of a form, None where there is none; tokens need no escaping."""
    found = _KEY.search(body.decode("latin-1"))
    return found.group(1) if found else None


class Form:
    """The fields of one form; whoever reads it takes them one by one, each bounded.

    Parameters
    ----------
    body
        As it came.
    content_type
        In small letters, without parameters.

    Raises
    ------
    InvalidError
        It is no form, not UTF-8, has too many fields or one of them twice.
    """

    def __init__(self, body: bytes, content_type: str) -> None:
        if content_type != terms.FORM_TYPE:
            raise InvalidError(
                f"a report is a form, this is {content_type[:100] or 'of no type'}",
                where="Content-Type",
                hint=f"send it as {terms.FORM_TYPE}",
            )
        try:
            pairs = parse_qsl(
                body.decode(),
                keep_blank_values=True,
                errors="strict",
                max_num_fields=terms.MOST_FIELDS,
            )
        except UnicodeDecodeError as error:
            raise InvalidError("the form is not UTF-8", where="body", hint="send it in UTF-8") from error
        except ValueError as error:
            raise InvalidError(f"a form has at most {terms.MOST_FIELDS} fields", where="body") from error
        self._fields: dict[str, str] = {}
        self._answers: dict[str, list[str]] = {}
        for name, value in pairs:
            asked = _ATTRIBUTE.fullmatch(name)
            if asked is not None:
                self._answers.setdefault(asked.group(1), []).append(_clean(value))
            elif name in self._fields:
                raise InvalidError("this field is given twice", where=name[:100])
            else:
                self._fields[name] = _clean(value)

    def text(self, name: str, longest: int) -> str | None:
        """Return a field without blanks around it, None where it is missing or empty.

        Raises
        ------
        InvalidError
            It is longer than allowed.
        """
        value = self._fields.get(name, "").strip()
        if len(value) > longest:
            raise InvalidError(
                f"this has {len(value)} letters", where=name, hint=f"send at most {longest} letters"
            )
        return value or None

    def place(self) -> tuple[float, float] | None:
        """Return lon and lat in degrees, WGS 84, None where neither is given.

        Raises
        ------
        InvalidError
            One is missing, is no number, or is out of range.
        """
        lat, long = self.text("lat", 40), self.text("long", 40)
        if lat is None and long is None:
            return None
        if lat is None or long is None:
            raise InvalidError("a place is lat and long", where="lat, long", hint="send both")
        return _degrees("long", long, 180.0), _degrees("lat", lat, 90.0)

    def reporter(self) -> Person | None:
        """Return who reports, None where nothing is told of them.

        Raises
        ------
        InvalidError
            The address of mail is none; the phone is looked at where it is kept.
        """
        first, last = self.text("first_name", terms.LONGEST_NAME), self.text("last_name", terms.LONGEST_NAME)
        if first and last:
            name: str | None = last + first if _CHINESE.search(last + first) else f"{first} {last}"
        else:
            name = first or last
        mail = self.text("email", terms.LONGEST_MAIL)
        if mail is not None and not _MAIL.fullmatch(mail):
            raise InvalidError("this is no address of mail", where="email", hint="write name@domain")
        person = Person(name=name, phone=self.text("phone", 60), email=mail)
        return None if person == Person() else person

    def media_url(self) -> str | None:
        """Return the address of a picture; it is kept as a text and never fetched.

        Raises
        ------
        InvalidError
            It is no address of the web.
        """
        given = self.text("media_url", terms.LONGEST_MEDIA_URL)
        if given is None:
            return None
        try:
            parts = urlsplit(given)
            whole = bool(parts.hostname) and parts.username is None
        except ValueError:
            whole = False
        if not whole or not given.startswith(("https://", "http://")) or re.search(r"[\s<>\"'`\\]", given):
            raise InvalidError(
                "this is no address that can be kept",
                where="media_url",
                hint="send a https:// or http:// address",
            )
        return given

    def answers(self, category: Category) -> dict[str, str | list[str]]:
        """Return the answers to the questions of a category, checked against their types.

        Raises
        ------
        InvalidError
            One that is required is missing, is of another type, or is of a question that is not asked.
        """
        asked = {row.code: row for row in category.attributes}
        for code in self._answers:
            if code not in asked:
                raise InvalidError(
                    f"service {category.code} does not ask this",
                    where=f"attribute[{code}]",
                    hint=f"see services/{category.code}.json",
                )
        found: dict[str, str | list[str]] = {}
        for code, row in asked.items():
            given = [value.strip() for value in self._answers.get(code, []) if value.strip()]
            if not given and row.required:
                raise InvalidError(
                    f"service {category.code} asks this",
                    where=f"attribute[{code}]",
                    hint=f"see services/{category.code}.json",
                )
            if given:
                found[code] = _answer(row, given)
        return found


def _clean(value: str) -> str:
    return speakable(value.replace("\r\n", "\n").replace("\r", "\n"))


def _degrees(name: str, value: str, most: float) -> float:
    if not _DEGREES.fullmatch(value) or not math.fabs(float(value)) <= most:
        raise InvalidError(
            f"{value[:40]!r} are no degrees",
            where=name,
            hint=f"send decimal degrees within ±{most:g}, WGS 84",
        )
    return float(value)


def _answer(row: Attribute, given: list[str]) -> str | list[str]:
    where = f"attribute[{row.code}]"
    if len(given) > 1 and row.datatype != "multivaluelist":
        raise InvalidError("one answer is asked for", where=where)
    keys: Mapping[str, str] = {choice.key: choice.en for choice in row.values}
    for value in given:
        if len(value) > terms.LONGEST_ANSWER:
            raise InvalidError(f"send at most {terms.LONGEST_ANSWER} letters", where=where)
        if keys and value not in keys:
            raise InvalidError("this is no choice", where=where, hint="one of " + ", ".join(keys))
        if row.datatype == "number" and not _NUMBER.fullmatch(value):
            raise InvalidError("a number is asked for", where=where)
        if row.datatype == "string" and "\n" in value:
            raise InvalidError("one line is asked for", where=where)
        if row.datatype == "datetime":
            _require_moment(value, where)
    return given if row.datatype == "multivaluelist" else given[0]


def _require_moment(value: str, where: str) -> None:
    try:
        zoned = datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        zoned = False
    if not zoned:
        raise InvalidError(
            "a moment with its zone is asked for", where=where, hint="write it as 2026-01-31T08:00:00+08:00"
        )
