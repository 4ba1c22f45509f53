"""Work out what the roles of an account at areas let it read and do, and where."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from twin.access.roles import DEPARTMENT, ROLE_BY_NAME, Act, DataClass
from twin.access.scope import NOTHING, Scope

_OF_OTHERS: Final = frozenset({DataClass.CASE})


@dataclass(frozen=True, slots=True)
class Grants:
    """What one caller may read and do; the same rules hold for every way out.

    Parameters
    ----------
    reads, counts
        Where rows, or only counts, of a class of data may be read; a class that is missing is closed.
    acts
        Where an act may be done.
    worker_id, tracker_id
        The worker this account is, and the device they carry: the own row, tracker and tasks are seen
        wherever they are.
    organisation_id
        The organisation whose staff this account is: its cases are seen and handled wherever they are.
    roles
        Names of the roles, for the record.
    """

    reads: dict[DataClass, Scope] = field(default_factory=dict)
    acts: dict[Act, Scope] = field(default_factory=dict)
    counts: dict[DataClass, Scope] = field(default_factory=dict)
    worker_id: int | None = None
    tracker_id: int | None = None
    organisation_id: int | None = None
    roles: tuple[str, ...] = ()

    def scope(self, data: DataClass) -> Scope:
        """Return where rows of a class may be read."""
        return self.reads.get(data, NOTHING)

    def where(self, act: Act) -> Scope:
        """Return where an act may be done."""
        return self.acts.get(act, NOTHING)

    def has(self, worker_id: int | None, organisation_id: int | None) -> bool:
        """Say whether what was given to a worker, an organisation or nobody is the caller's own."""
        given = (worker_id, self.worker_id), (organisation_id, self.organisation_id)
        return any(to is not None and to == own for to, own in given)

    def within(self, scope: Scope) -> Grants:
        """Return what is left of reading inside a scope; no act, and nothing of one's own elsewhere."""
        reads = {data: held & scope for data, held in self.reads.items()}
        return Grants({data: held for data, held in reads.items() if held}, roles=self.roles)

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for callers that may read the same: they share what is made for them."""
        own = self.worker_id, self.tracker_id, self.organisation_id
        return (*(self.scope(data).ranges for data in DataClass), *own)

    @property
    def privileged(self) -> bool:
        """Whether a role asks for a second factor."""
        return any(ROLE_BY_NAME[name].privileged for name in self.roles)

    def settings(self) -> dict[str, str]:
        """Return the settings that the policies of the database ask for, by name after ``gridtwin.``."""
        values = {data.value: self.scope(data).multirange for data in DataClass}
        for act in Act:
            values["may_" + act.value.replace(".", "_")] = self.where(act).multirange
        values["self_worker"] = "" if self.worker_id is None else str(self.worker_id)
        values["self_organisation"] = "" if self.organisation_id is None else str(self.organisation_id)
        values["signed_in"] = "yes" if self.roles else ""
        return values


def grants_of(
    held: Iterable[tuple[str, Scope]],
    worker_id: int | None = None,
    tracker_id: int | None = None,
    organisation_id: int | None = None,
) -> Grants:
    """Join the roles an account holds, each at the scope of its area.

    Parameters
    ----------
    held
        Name of the role and where it is held. A role this build does not know gives nothing.
    worker_id, tracker_id, organisation_id
        See `Grants`. Who is on the staff of an organisation reads as `DEPARTMENT` its cases only, not all of
        the area.
    """
    grants = Grants()
    names: set[str] = set()
    for name, scope in held:
        role = ROLE_BY_NAME.get(name)
        if role is None:
            continue
        names.add(name)
        for data in role.reads - (_OF_OTHERS if organisation_id and name == DEPARTMENT else frozenset()):
            grants.reads[data] = grants.reads.get(data, NOTHING) | scope
        for data in role.reads_counts:
            grants.counts[data] = grants.counts.get(data, NOTHING) | scope
        for act in role.acts:
            grants.acts[act] = grants.acts.get(act, NOTHING) | scope
    return Grants(
        grants.reads, grants.acts, grants.counts, worker_id, tracker_id, organisation_id, tuple(sorted(names))
    )


NO_GRANTS: Final = Grants()
