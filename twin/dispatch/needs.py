"""Say what going to a case takes, and how long somebody has to answer: `data/dispatch.toml`."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from twin.cases.categories import load_categories
from twin.data_tables import DATA_FOLDER, read_table
from twin.dispatch.network.profiles import load_profiles
from twin.errors import InvalidError

FILE: Final = DATA_FOLDER / "dispatch.toml"

Seconds = Annotated[float, msgspec.Meta(ge=0, le=86_400)]
Metres = Annotated[float, msgspec.Meta(gt=0, le=5_000)]


class Position(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long a place is known, and how it gets vague."""

    old_s: Seconds
    grows_m_s: Annotated[float, msgspec.Meta(ge=0, le=60)]
    accuracy_m: Metres


class Arrival(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How near to a case somebody is there, and how new their place must be to prove it."""

    radius_m: Metres
    fresh_s: Seconds


class Workload(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much is too much, and what an open task counts for in the ranking, seconds of the way."""

    most: Annotated[int, msgspec.Meta(ge=1, le=1_000)]
    task_s: Seconds


class Help(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who helps beside who answers for a grid: whose grid is near, and who works in the same area."""

    near_m: Metres
    within: Literal["community", "street", "district", "city"]

    def holds_both(self, code: int, other: int) -> bool:
        """Say whether two codes of the area tree (15 digits) lie in the same area of the level."""
        below = {"community": 3, "street": 6, "district": 9, "city": 11}[self.within]
        step = int(10**below)
        return code // step == other // step


class Need(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What must be able who goes to cases of a category, or of a major."""

    about: Annotated[str, msgspec.Meta(pattern="^[0-9]{2}([0-9]{3})?$")]
    skill: Annotated[str, msgspec.Meta(pattern="^[a-z_]{1,40}$")]
    certified: bool = False
    by: tuple[str, ...] = ()


class Needs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table; see the file for what each figure is."""

    version: int
    answer_s: dict[str, Annotated[float, msgspec.Meta(ge=1, le=86_400)]]
    position: Position
    arrival: Arrival
    workload: Workload
    help: Help
    skills: dict[str, tuple[str, str]]
    needs: tuple[Need, ...] = msgspec.field(name="need", default=())

    def answers_within_s(self, priority: int) -> float:
        """Return how long a worker has to answer who is asked to go to a case of an urgency."""
        return self.answer_s[str(priority)]

    def of(self, category_code: str) -> tuple[Need, ...]:
        """Return what going to a case of a category takes: its own rows, else those of its major."""
        own = tuple(need for need in self.needs if need.about == category_code)
        return own or tuple(need for need in self.needs if need.about == category_code[:2])


@lru_cache(maxsize=4)
def load_needs(file: Path = FILE) -> Needs:
    """Return the table.

    Raises
    ------
    FileFormatError, InvalidError
        See `twin.data_tables.read_table`; an urgency is missing, a category is not one, a skill has no name.
    """
    table = read_table(file, "the dispatch table", Needs)
    if set(table.answer_s) != {"1", "2", "3", "4"}:
        raise InvalidError("the dispatch table: answer_s must have the urgencies 1 to 4", where=str(file))
    known = load_categories().by_code
    majors = {code[:2] for code in known}
    profiles = load_profiles()
    for need in table.needs:
        if unknown := set(need.by) - set(profiles):
            raise InvalidError(
                f"the dispatch table: nobody travels by {sorted(unknown)}",
                where=str(file),
                hint=f"one of {', '.join(profiles)}",
            )
        if need.about not in known and need.about not in majors:
            raise InvalidError(f"the dispatch table: there is no category {need.about}", where=str(file))
        if need.skill not in table.skills:
            raise InvalidError(
                f"the dispatch table: the skill “{need.skill}” has no name",
                where=str(file),
                hint="add it to [skills]",
            )
    return table
