"""Validate and take apart the identifiers of areas, components, devices and cameras.

Area code, 15 digits: 6 of district (GB/T 2260), 3 of street (GB/T 10114: 001-099 街道, 100-199 镇,
200-399 乡, 400-599 政企合一), 3 of community, 3 of sequence inside the community; a level that does
not apply is 000.
Component code, 17 digits (GB/T 47678.5-2026): 6 of district, 5 of class, 6 of sequence. Camera number, 20
digits (GB/T 28181): 8 of centre, 2 of trade, 3 of type, 1 of network, 6 of sequence.

Provisional codes are numbers made here for want of an official one. They lie where the rules leave room, so
that they can never meet an official code: districts begin with 99 (GB/T 2260 ends at 82), streets and
communities count from 901 (901-999).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from twin.errors import InvalidError

PROVINCES = frozenset(
    f"{n}"
    for first, last in ((11, 15), (21, 23), (31, 37), (41, 46), (50, 54), (61, 65), (71, 71), (81, 82))
    for n in range(first, last + 1)
)
"""First two digits of GB/T 2260."""

PROVISIONAL_PROVINCE = "99"
"""First two digits where no official district code is known."""

PROVISIONAL_FIRST = 901
"""First provisional number of a street or a community."""

_DIGITS = re.compile(r"[0-9]+", re.ASCII)
_DEVICE_UID = re.compile(r"[0-9A-Za-z_-]{4,64}", re.ASCII)


def _digits(text: str, lengths: tuple[int, ...], what: str) -> str:
    code = text.strip()
    if not _DIGITS.fullmatch(code) or len(code) not in lengths:
        wanted = " or ".join(str(n) for n in lengths)
        raise InvalidError(f"“{text}” is not {what}", hint=f"it has {wanted} digits and nothing else")
    return code


@dataclass(frozen=True, slots=True, order=True)
class AreaCode:
    """A 15-digit area code taken apart; every part is its digits as text."""

    district: str
    street: str = "000"
    community: str = "000"
    sequence: str = "000"

    def __str__(self) -> str:
        return self.district + self.street + self.community + self.sequence

    @property
    def level(self) -> str:
        """Level that the digits say: grid (either kind), community, street, district or city."""
        if self.sequence != "000":
            return "grid"
        if self.community != "000":
            return "community"
        if self.street != "000":
            return "street"
        return "city" if self.district.endswith("00") else "district"

    @property
    def provisional(self) -> bool:
        """Whether a part of the code above the sequence lies in the room kept for provisional numbers."""
        return (
            self.district.startswith(PROVISIONAL_PROVINCE)
            or int(self.street) >= PROVISIONAL_FIRST
            or int(self.community) >= PROVISIONAL_FIRST
        )


def parse_area_code(text: str) -> AreaCode:
    """Read a 15-digit area code, or a 14-digit one of the older systems (two digits of sequence).

    Shorter official codes (6, 9 or 12 digits) name a district, street or community and are filled up.

    Raises
    ------
    InvalidError
        Not digits, another length, an unknown province, or a part below a part that is 000.
    """
    code = _digits(text, (15, 14, 12, 9, 6), "an area code")
    if len(code) == 14:
        code = code[:12] + "0" + code[12:]
    code = code.ljust(15, "0")
    if code[:2] not in PROVINCES and code[:2] != PROVISIONAL_PROVINCE:
        raise InvalidError(
            f"area code “{text}” begins with {code[:2]}, which is no province of GB/T 2260",
            hint="provisional codes made without an official district begin with 99",
        )
    parsed = AreaCode(code[:6], code[6:9], code[9:12], code[12:])
    # A community may hang directly under a district where the data know no street, but a grid is always
    # inside a community.
    if parsed.sequence != "000" and parsed.community == "000":
        raise InvalidError(
            f"area code “{text}” numbers a grid outside any community", hint="digits 10 to 12 must not be 000"
        )
    return parsed


def check_area_code(text: str) -> str:
    """Return the canonical 15 digits of an area code; errors as in `parse_area_code`."""
    return str(parse_area_code(text))


def check_component_code(text: str) -> str:
    """Return a 17-digit component code without surrounding blanks.

    Raises
    ------
    InvalidError
        Not 17 digits, an unknown province, or the sequence is 000000.
    """
    code = _digits(text, (17,), "a component code")
    if code[:2] not in PROVINCES and code[:2] != PROVISIONAL_PROVINCE:
        raise InvalidError(
            f"component code “{text}” begins with {code[:2]}, which is no province of GB/T 2260",
            hint="its first six digits are the district",
        )
    if code[11:] == "000000":
        raise InvalidError(f"component code “{text}” has no number", hint="its last six digits count from 1")
    return code


_CREDIT_SIGNS = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def check_credit_code(text: str) -> str:
    """Return a unified social credit code (GB 32100-2015, 18 signs) without blanks, in capitals.

    Raises
    ------
    InvalidError
        Another length, a sign that is not used (I, O, S, V, Z), or a wrong check sign.
    """
    code = text.strip().upper()
    if len(code) != 18 or any(sign not in _CREDIT_SIGNS for sign in code):
        raise InvalidError(
            f"“{text}” is not a unified social credit code",
            hint="it has 18 digits and capital letters, none of I, O, S, V, Z",
        )
    weighed = sum(_CREDIT_SIGNS.index(sign) * pow(3, n, 31) for n, sign in enumerate(code[:17]))
    wanted = _CREDIT_SIGNS[-weighed % 31]
    if code[17] != wanted:
        raise InvalidError(
            f"the check sign of the credit code “{text}” is wrong", hint="compare it with the licence"
        )
    return code


def check_device_uid(text: str) -> str:
    """Return a device's number in the world, or raise `InvalidError` (4-64 of letters, digits, _ and -)."""
    uid = text.strip()
    if not _DEVICE_UID.fullmatch(uid):
        raise InvalidError(f"“{text}” is not a device uid", hint="4 to 64 of 0-9 A-Z a-z _ -")
    return uid


@dataclass(frozen=True, slots=True)
class CameraNumber:
    """A GB/T 28181 number taken apart; every part is its digits as text."""

    centre: str
    trade: str
    type: str
    network: str
    sequence: str

    @property
    def is_camera(self) -> bool:
        """Whether the type is an analogue (131) or network (132) camera."""
        return self.type in {"131", "132"}


def parse_gb28181_id(text: str) -> CameraNumber:
    """Read a 20-digit GB/T 28181 number.

    Raises
    ------
    InvalidError
        Not 20 digits, or an unknown province in its centre code.
    """
    code = _digits(text, (20,), "a GB/T 28181 number")
    if code[:2] not in PROVINCES:
        raise InvalidError(
            f"GB/T 28181 number “{text}” begins with {code[:2]}, which is no province of GB/T 2260",
            hint="its first eight digits are the centre's administrative code",
        )
    return CameraNumber(code[:8], code[8:10], code[10:13], code[13], code[14:])


def check_gb28181_id(text: str) -> str:
    """Return a GB/T 28181 number without surrounding blanks; errors as in `parse_gb28181_id`."""
    code = text.strip()
    parse_gb28181_id(code)
    return code
