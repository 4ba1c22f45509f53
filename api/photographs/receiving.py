"""Let a few photographs in at a time, of all and of each account, and only of the forms that are taken."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from typing import Final
from uuid import UUID

from api.disk import Disk
from api.photographs.terms import HINT_OF_KINDS, KINDS, Kind
from twin.errors import FileFormatError, TooManyError, UnavailableError

MOST_AT_ONCE: Final = 12
"""Photographs taken in at once; each may hold 15 MiB while it comes."""

MOST_OF_ONE: Final = 3
"""Of one account; a phone sends them one after the other."""


class Reception:
    """Counts the photographs that are being taken in, in this process.

    Parameters
    ----------
    disk
        Where they are kept in the end; while it is nearly full none are taken.
    """

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._of: Counter[UUID] = Counter()

    @contextlib.contextmanager
    def place(self, account_id: UUID) -> Iterator[None]:
        """Hold one of the places while a photograph is taken in.

        Raises
        ------
        TooManyError
            The account holds `MOST_OF_ONE`.
        UnavailableError
            All are taken.
        FullError
            The disk is nearly full.
        """
        self._disk.require_room()
        if self._of[account_id] >= MOST_OF_ONE:
            raise TooManyError(
                f"{MOST_OF_ONE} photographs of this account are being taken in · 本账号正在上传的照片过多",
                wait_s=2,
                where="photographs",
                hint="send them one after the other · 请逐张上传",
            )
        if self._of.total() >= MOST_AT_ONCE:
            raise UnavailableError(
                "other photographs are being taken in · 正在接收其他照片",
                where="photographs",
                hint="send it again in some seconds · 请数秒后重试",
            )
        self._of[account_id] += 1
        try:
            yield
        finally:
            self._of[account_id] -= 1
            if not self._of[account_id]:
                del self._of[account_id]


def declared_kind(content_type: str) -> Kind:
    """Return the form that a request says its body has.

    Raises
    ------
    FileFormatError
        It is none that is taken.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    kind = KINDS.get(media_type)
    if kind is None:
        named = media_type[:60] or "a body without Content-Type"
        raise FileFormatError(
            f"{named} is not taken as a photograph · 不接收此格式", where="Content-Type", hint=HINT_OF_KINDS
        )
    return kind
