"""Say of a question that took too long what of it did, and how to ask instead."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError

from api.rows import TIMEOUT_S
from api.sensorthings.options import Options
from api.sensorthings.paths import Resource
from twin.errors import UnavailableError

_CANCELLED = "57014"
_MANY_SKIPPED = 10_000


@dataclass(frozen=True, slots=True)
class TooLong:
    """What of a question took too long, where that stands in it, and what to do."""

    what: str
    where: str
    hint: str


def is_too_long(error: BaseException) -> bool:
    """Say whether the database was stopped because it took too long."""
    if isinstance(error, DBAPIError):
        return getattr(error.orig, "sqlstate", "") == _CANCELLED
    return isinstance(error, UnavailableError) and isinstance(error.__cause__, TimeoutError)


def too_long(resource: Resource, options: Options) -> TooLong | None:
    """Return why a question may take long; None where it is so small that the database must be busy."""
    where, what = _heaviest(resource, options)
    if not where:
        return None
    name = resource.entity.name
    hint = "ask for fewer things: name an id, filter by an id, or expand less at once"
    if name == "Observations" or "Observations" in options.written.get("$filter", ""):
        hint = (
            "ask one Datastream (Datastreams(1)/Observations), or a stretch of time "
            "($filter=phenomenonTime ge 2026-01-01T00:00:00Z and phenomenonTime lt 2026-01-02T00:00:00Z "
            "and …): for these there is an index"
        )
    return TooLong(f"no answer within {TIMEOUT_S:.0f} s: {what.format(name=name)}", where, hint)


def _heaviest(resource: Resource, options: Options) -> tuple[str, str]:
    if options.filter is not None:
        return "$filter", "too many {name} must be looked at to find those that are meant"
    if options.orderby:
        return "$orderby", "too many {name} must be looked at to order them so"
    if resource.part == "$count" or options.count:
        return "$count", "too many {name} are counted"
    if options.skip > _MANY_SKIPPED:
        return "$skip", "too many {name} are skipped; follow @iot.nextLink instead"
    if options.expand:
        return "$expand", "too much hangs on these {name}"
    return "", ""
