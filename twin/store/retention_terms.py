"""Read how long each class of data is kept, from `data/retention.toml`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from twin.catalog import Catalog, DeviceKind
from twin.data_tables import DATA_FOLDER, read_table
from twin.errors import InvalidError

DEFAULT_FILE: Final = DATA_FOLDER / "retention.toml"

TRACKS: Final = "tracks"
"""Name of the class of what trackers of workers observe."""

DRIVES: Final = "drives"
"""Name of the class of what vehicles observe, which says where their drivers are."""

Days = Annotated[float, Meta(ge=1, le=36_500)]
Text = Annotated[str, Meta(min_length=1, max_length=200)]


class ObservationTerm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long the observations of some groups of devices are kept.

    Parameters
    ----------
    name, zh, en
        Key and names of the class.
    groups
        Groups of kinds of devices.
    days
        Whole days that are older are deleted.
    hourly
        Whether hourly figures are made of them before.
    reason, law
        Why so long, and which law asks for it.
    """

    name: Text
    zh: Text
    en: Text
    groups: Annotated[tuple[str, ...], Meta(min_length=1)]
    days: Days
    hourly: bool
    reason: Text
    law: str


class TableTerm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long the rows of a table are kept; fields as in `ObservationTerm`."""

    name: Literal["quarantine", "journal"]
    zh: Text
    en: Text
    days: Days
    reason: Text
    law: str


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long everything is kept.

    Parameters
    ----------
    late_days
        Observations that are older when they come are refused.
    hours_days
        How long hourly figures are kept.
    quarantine_mib
        How much the quarantine holds.
    observations, tables
        The classes.
    """

    late_days: Days
    hours_days: Days
    quarantine_mib: Annotated[float, Meta(gt=0, le=1 << 20)]
    observations: tuple[ObservationTerm, ...]
    tables: tuple[TableTerm, ...]

    def term_of(self, kind: DeviceKind) -> ObservationTerm:
        """Return the class that the observations of a kind of device belong to."""
        return next(term for term in self.observations if kind.group in term.groups)

    def accepted_days(self, kind: DeviceKind) -> float:
        """Return how old an observation of a kind may be when it comes: no older than it would be kept."""
        return min(self.late_days, self.term_of(kind).days)

    @property
    def longest_days(self) -> float:
        """Days after which no observation is kept."""
        return max(term.days for term in self.observations)

    def with_tracks(self, days: float | None) -> Terms:
        """Return the same, but with other days for tracks, also of vehicles; None changes nothing."""
        if days is None:
            return self
        changed = tuple(
            msgspec.structs.replace(term, days=days) if term.name in (TRACKS, DRIVES) else term
            for term in self.observations
        )
        return msgspec.structs.replace(self, observations=changed)


def load_terms(catalog: Catalog, file: Path = DEFAULT_FILE) -> Terms:
    """Read and check the table of retention.

    Raises
    ------
    FileFormatError
        The file cannot be read or is not TOML.
    InvalidError
        A value is wrong, or a group of devices is in no class or in two.
    """
    terms = read_table(file, "the table of retention", Terms)
    named = [group for term in terms.observations for group in term.groups]
    for group in sorted(set(named) | set(catalog.groups)):
        if named.count(group) != 1 or group not in catalog.groups:
            raise InvalidError(
                f"the group “{group}” is in {named.count(group)} classes of observations",
                where=str(file),
                hint="name every group of device_kinds.toml once: " + ", ".join(catalog.groups),
            )
    trackers = {kind.group for kind in catalog.by_name.values() if kind.layer == 1}
    for term in terms.observations:
        if (term.name == TRACKS) != bool(trackers & set(term.groups)) or (
            term.name == TRACKS and term.hourly
        ):
            raise InvalidError(
                f"trackers of workers belong to the class “{TRACKS}”, alone and without hourly figures",
                where=f"{file} observations “{term.name}”",
            )
    moving = {kind.group for kind in catalog.by_name.values() if kind.moves}
    for term in terms.observations:
        if term.hourly and moving & set(term.groups):
            raise InvalidError(
                "of what moves no hourly figures are made: where it is tells where somebody is",
                where=f"{file} observations “{term.name}”",
            )
    return terms
