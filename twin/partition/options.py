"""Say how large grids shall be, and what a division did."""

from __future__ import annotations

from dataclasses import dataclass, field

from twin.partition.links import LinkCounts


@dataclass(frozen=True, slots=True)
class DivisionOptions:
    """Targets of a division; the defaults are the city-management standard's and common local rules.

    Parameters
    ----------
    unit_area_m2
        Aimed area of a unit grid (万米单元网格: about 10,000 m²).
    unit_min_area_m2, unit_max_area_m2
        A smaller face is merged into the neighbour with which it shares the longest edge; a larger one is
        split, first along paths, then by straight cuts.
    unit_min_width_m
        A face whose mean width (2 × area / perimeter) is less is a strip (the middle of a dual
        carriageway) and is given piece by piece to the grids beside it.
    households_target
        Aimed number of households of a responsibility grid (300–500).
    floor_area_per_household_m2
        Residential gross floor area that counts as one household (footprint × levels / 90 m²).
    floor_area_target_m2
        Aimed gross floor area of a responsibility grid where hardly anything residential is known:
        400 households of 90 m² in a centre where 40 % of the floor area are dwellings.
    residential_share_min
        Least share of a community's floor area that must be known as residential for households to be
        counted on; below it the floor area is balanced instead.
    area_target_m2
        Aimed area of a responsibility grid where no building is known at all.
    """

    unit_area_m2: float = 10_000.0
    unit_min_area_m2: float = 5_000.0
    unit_max_area_m2: float = 15_000.0
    unit_min_width_m: float = 22.0
    households_target: int = 400
    floor_area_per_household_m2: float = 90.0
    floor_area_target_m2: float = 90_000.0
    residential_share_min: float = 0.2
    area_target_m2: float = 120_000.0


@dataclass(slots=True)
class LevelCounts:
    """What happened to the grids of one level; ``present`` is how many there are now."""

    inserted: int = 0
    updated: int = 0
    closed: int = 0
    unchanged: int = 0

    @property
    def present(self) -> int:
        """Number of grids that are valid now."""
        return self.inserted + self.updated + self.unchanged


@dataclass(slots=True)
class DivisionSummary:
    """What a division did, in a form that can be printed or turned into JSON.

    ``communities`` is how many are present, ``divided`` how many were computed anew; ``borders_noded``
    counts communities whose border got vertices where grid lines meet it (it moves by less than 0.1 mm).
    """

    communities: int = 0
    divided: int = 0
    borders_noded: int = 0
    unit_grids: LevelCounts = field(default_factory=LevelCounts)
    responsibility_grids: LevelCounts = field(default_factory=LevelCounts)
    links: LinkCounts = LinkCounts(0, 0, 0, 0)  # noqa: RUF009  (frozen)
    elapsed_s: float = 0.0
    warnings: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Whether anything in the database was changed."""
        return bool(
            self.borders_noded
            or self.links != LinkCounts(0, 0, 0, 0)
            or any(n.inserted or n.updated or n.closed for n in (self.unit_grids, self.responsibility_grids))
        )
