"""Divide communities: unit grids along roads, responsibility grids from unit grids."""

from twin.partition.divide import assign_grids, divide
from twin.partition.options import DivisionOptions, DivisionSummary, LevelCounts

__all__ = ["DivisionOptions", "DivisionSummary", "LevelCounts", "assign_grids", "divide"]
