"""Estimate households from buildings, and choose what responsibility grids are balanced by."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from twin.partition.options import DivisionOptions

RESIDENTIAL_KINDS = (
    "apartments",
    "bungalow",
    "detached",
    "dormitory",
    "farm",
    "house",
    "residential",
    "semidetached_house",
    "terrace",
)
"""Values of ``building.kind`` that are dwellings (OpenStreetMap's key ``building``)."""

LEVEL_HEIGHT_M = 3.0
"""Height of one level where only a building's height is known."""

Basis = Literal["households", "floor_area", "area"]


@dataclass(frozen=True, slots=True)
class Weights:
    """What each unit grid of a community weighs.

    ``target`` is the weight aimed at for a responsibility grid; ``households`` is None where hardly
    anything residential is known.
    """

    basis: Basis
    weight: NDArray[np.float64]
    target: float
    households: NDArray[np.int64] | None
    floor_area_m2: NDArray[np.float64]


def weigh(
    area_m2: NDArray[np.float64],
    floor_area_m2: NDArray[np.float64],
    residential_m2: NDArray[np.float64],
    options: DivisionOptions,
) -> Weights:
    """Weigh the unit grids of one community (arrays of one length) by households, floor area or area."""
    total = float(floor_area_m2.sum())
    households = residential_m2 / options.floor_area_per_household_m2
    if total > 0.0 and residential_m2.sum() >= options.residential_share_min * total:
        rounded = np.rint(households).astype(np.int64)
        return Weights("households", households, options.households_target, rounded, floor_area_m2)
    if total > 0.0:
        return Weights("floor_area", floor_area_m2, options.floor_area_target_m2, None, floor_area_m2)
    return Weights("area", area_m2, options.area_target_m2, None, floor_area_m2)


def grid_count(weight: NDArray[np.float64], target: float) -> int:
    """Return into how many responsibility grids cells are merged: at least one, at most one each.

    A cell that weighs more than the target is one grid at most, so it counts as the target. Of the two
    whole numbers next to total / target the one is taken whose grids are nearer to the target by ratio: 600
    households make two grids of 300, not one of 600.
    """
    ratio = float(np.minimum(weight, target).sum()) / target
    fewer = math.floor(ratio)
    return max(1, min(len(weight), 999, fewer + (ratio * ratio > fewer * (fewer + 1))))
