"""Name what a query of a route gives, and how long it may take."""

from __future__ import annotations

from typing import Any, Final

TIMEOUT_S: Final = 8.0
"""Longest time one question of a route may take in the database."""

Row = dict[str, Any]
"""A row of a query by its columns."""
