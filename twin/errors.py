"""Say what went wrong, where, and what to do, in terms that know no HTTP."""

from __future__ import annotations


class TwinError(Exception):
    """Base of all errors of the project.

    Parameters
    ----------
    what
        What is wrong, one sentence for a person.
    where
        File, line, object or field it was found in; empty when there is no place.
    hint
        What to do about it; empty when there is nothing to do.
    zh
        What is wrong and what to do in Chinese, where a person reads it on a page; empty elsewhere.
    """

    def __init__(self, what: str, *, where: str = "", hint: str = "", zh: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint
        self.zh = zh

    def __str__(self) -> str:
        parts = [self.what]
        if self.where:
            parts.append(f"at {self.where}")
        if self.hint:
            parts.append(self.hint)
        return " · ".join(parts)


class NotFoundError(TwinError):
    """The thing asked for does not exist."""


class GoneError(TwinError):
    """The thing asked for was there, and its time is over."""


class SignInNeededError(TwinError):
    """Nobody is signed in, or the session is over."""


class ForbiddenError(TwinError):
    """Whoever asks is known, and may not."""


class ConflictError(TwinError):
    """The act does not fit the present state, for example a version that is no longer the newest."""


class InvalidError(TwinError, ValueError):
    """A value from outside is wrong: not finite, out of range, wrong unit, wrong shape."""


class CoordinateError(InvalidError):
    """A coordinate is not finite, out of range, or in another frame than declared."""


class FileFormatError(InvalidError):
    """A file is not what it was said to be, is cut off, or holds nothing that can be used."""


class TooLargeError(InvalidError):
    """The input is larger than the documented limit."""


class TooManyError(TwinError):
    """Somebody did something more often than is allowed; ``wait_s`` says when to come back."""

    def __init__(self, what: str, *, wait_s: int, where: str = "", hint: str = "") -> None:
        super().__init__(what, where=where, hint=hint)
        self.wait_s = wait_s


class UnavailableError(TwinError):
    """A part that is needed (database, broker, disk, network) is not there now."""


class PausedError(TwinError):
    """A person has paused the way in; ``wait_s`` says when to come back, with the same message."""

    def __init__(self, what: str, *, wait_s: int, where: str = "", hint: str = "") -> None:
        super().__init__(what, where=where, hint=hint)
        self.wait_s = wait_s


class FullError(TwinError):
    """There is no room to keep it; it may be sent again once there is."""


class SetupError(TwinError):
    """The machine lacks something that the project needs and could not get."""
