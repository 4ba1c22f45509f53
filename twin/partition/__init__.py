"""Divide communities: unit grids along roads, responsibility grids from unit grids."""

from twin.partition.divide import divide
from twin.partition.links import LinkCounts, assign_grids
from twin.partition.options import DivisionOptions, DivisionSummary, LevelCounts

__all__ = ["DivisionOptions", "DivisionSummary", "LevelCounts", "LinkCounts", "assign_grids", "divide"]
