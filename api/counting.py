"""Tell counts: exact to those who may read what was counted, to others only where they are not small."""

from __future__ import annotations

from dataclasses import dataclass, replace

from api.access.caller import Caller
from twin.access.roles import SMALLEST_COUNT, DataClass


@dataclass(frozen=True, slots=True)
class Counting:
    """Who counts rows of a class of data.

    Parameters
    ----------
    caller
        Asks the database. Nothing but counts of what it answers may be told where ``exact`` is false.
    exact
        Whether small counts are told: to those who may read the rows themselves.
    """

    caller: Caller
    exact: bool

    def told(self, count: int) -> int | None:
        """Return a count, None where it is withheld: so few might be told apart (k-anonymity)."""
        return count if self.exact or count == 0 or count >= SMALLEST_COUNT else None

    def share(self, part: int, whole: int) -> float | None:
        """Return a share in percent; None of nothing, and where it would tell a count that is withheld."""
        if not whole or None in (self.told(part), self.told(whole - part), self.told(whole)):
            return None
        return round(100.0 * part / whole, 1)


def counting(caller: Caller, data: DataClass) -> Counting | None:
    """Return how a caller may count rows of a class; None where not at all.

    Who reads rows somewhere counts there, also where another role tells them counts beyond: from a sum of
    both the withheld part would be known.
    """
    if caller.scope(data):
        return Counting(caller, exact=True)
    where = caller.grants.counts.get(data)
    if not where:
        return None
    grants = replace(caller.grants, reads=caller.grants.reads | {data: where})
    return Counting(replace(caller, identity=replace(caller.identity, grants=grants)), exact=False)
