"""Hide who somebody is: names, phones, identity numbers and rooms, until they are revealed for a reason."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

HIDDEN: Final = "*"

_PHONE_ENDS: Final = (3, 4)
_LEAST_PHONE: Final = 11
_IDENTITY_ENDS: Final = (3, 4)
_IDENTITY_LENGTHS: Final = (15, 18)

_NUMBER: Final = "[0-9A-Za-z〇零一二三四五六七八九十百]"
# Where the room begins: a number before 室, 房 or 户; what follows house and entrance as a bare number; a
# word for it in English. All that stands behind it is of the room too.
_ROOM: Final = re.compile(
    rf"[\s,，、-]*(?:{_NUMBER}+(?:-{_NUMBER}+)*\s*(?:号房|室|房|户)"
    rf"|(?<=[栋幢座元楼层])[\s-]*{_NUMBER}+(?:-{_NUMBER}+)*(?=\s*(?:$|[,，、(（]))"
    r"|(?<=\d)-\d+(?=\s*(?:$|[,，、(（]))"
    r"|(?:\b(?:room|rm|apt|apartment|flat|suite)\b\.?|#)\s*[0-9A-Za-z-]+).*$",
    re.IGNORECASE | re.DOTALL,
)

# Neither may be a part of a longer number, code or name: those are cases and devices.
_MOBILE: Final = re.compile(
    r"(?<![0-9A-Za-z_])(?<![0-9A-Za-z]-)(?:(?:\+|00)?86[ -]?)?"
    r"(1[3-9][0-9])([ -]?)[0-9]{4}\2([0-9]{4})(?![0-9A-Za-z_])"
)
_IDENTITY: Final = re.compile(
    r"(?<![0-9A-Za-z_-])([1-9][0-9]{5})([0-9]{8})([0-9]{3}[0-9Xx])(?![0-9A-Za-z_-])"
)
_EMAIL: Final = re.compile(r"[0-9A-Za-z._%+-]{1,64}@(?:[0-9A-Za-z-]{1,63}\.){1,8}[A-Za-z]{2,24}")
_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK_SIGNS: Final = "10X98765432"
_LEAST_YEARS: Final = 12
_MOST_YEARS: Final = 130


def mask_name(name: str | None) -> str | None:
    """Keep the first letter: 张三 and 张三丰 are both 张*, so that the length tells nothing."""
    if name is None:
        return None
    kept = name.strip()
    return (kept[:1] if len(kept) > 1 else "") + HIDDEN if kept else ""


def mask_phone(phone: str | None) -> str | None:
    """Keep the first three and the last four digits: 138****1234; of a shorter number nothing is kept."""
    return None if phone is None else _keep_ends(re.sub(r"[\s()-]", "", phone), _PHONE_ENDS, _LEAST_PHONE)


def mask_identity_number(number: str | None) -> str | None:
    """Keep the first three and the last four signs of a resident's number of 15 or 18; of others nothing."""
    if number is None:
        return None
    kept = number.strip()
    return _keep_ends(kept, _IDENTITY_ENDS, 15 if len(kept) in _IDENTITY_LENGTHS else len(kept) + 1)


def mask_address(address: str | None) -> str | None:
    """Leave out the room: 陕西街 1 号 3 栋 2 单元 1501 室 becomes 陕西街 1 号 3 栋 2 单元."""
    return None if address is None else _ROOM.sub("", address).rstrip(" ,，、-")


def mask_email(email: str | None) -> str | None:
    """Keep the first letter and the domain: zhang.san@example.org becomes z***@example.org."""
    if email is None:
        return None
    name, at, domain = email.strip().rpartition("@")
    return (
        f"{name[:1] if len(name) > 1 else ''}{HIDDEN * 3}{at}{domain if at else ''}" if email.strip() else ""
    )


def mask_text(free: str | None) -> str | None:
    """Mask the mobile and identity numbers and addresses of mail that somebody wrote into a free text.

    Other numbers stay. 18 digits are an identity number where they hold a day of birth and either the check
    sign is right (GB 11643) or the year is that of nobody younger than twelve: numbers of cases hold recent
    days.
    """
    if free is None:
        return None
    shown = _IDENTITY.sub(_mask_if_identity, _MOBILE.sub(rf"\1{HIDDEN * 4}\3", free))
    return _EMAIL.sub(lambda found: mask_email(found.group()) or "", shown)


def check_sign(digits: str) -> str:
    """Return the last sign of an identity number by its first 17 digits (GB 11643, ISO 7064 mod 11-2)."""
    total = sum(int(digit) * weight for digit, weight in zip(digits, _WEIGHTS, strict=True))
    return _CHECK_SIGNS[total % 11]


def _mask_if_identity(found: re.Match[str]) -> str:
    number = found.group(0)
    try:
        born = datetime.strptime(found.group(2), "%Y%m%d").replace(tzinfo=UTC)
    except ValueError:
        return number
    now = datetime.now(UTC)
    right = check_sign(number[:17]) == number[17].upper()
    old = born.year <= now.year - _LEAST_YEARS
    if now.year - born.year > _MOST_YEARS or born > now or not (right or old):
        return number
    return mask_identity_number(number) or number


def _keep_ends(value: str, ends: tuple[int, int], least: int) -> str:
    first, last = ends
    if len(value) < least:
        return HIDDEN * len(value)
    return value[:first] + HIDDEN * (len(value) - first - last) + value[-last:]
