"""Hide who somebody is: names, phones, identity numbers and rooms, until they are revealed for a reason."""

from __future__ import annotations

import re
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


def _keep_ends(value: str, ends: tuple[int, int], least: int) -> str:
    first, last = ends
    if len(value) < least:
        return HIDDEN * len(value)
    return value[:first] + HIDDEN * (len(value) - first - last) + value[-last:]
