"""Decide who goes to what: pure, from columns and a matrix of seconds; no database, no clock, no chance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from twin.dispatch.deciding.optimal import optimal
from twin.dispatch.deciding.plan import Plan
from twin.dispatch.deciding.prices import Prices
from twin.dispatch.deciding.problem import Problem
from twin.dispatch.deciding.simple import nearest, owner_first

Policy = Callable[[Problem, Prices], Plan]
"""The same problem and prices give the same plan."""

POLICIES: Final[Mapping[str, Policy]] = {
    "nearest": nearest,
    "owner_first": owner_first,
    "optimal": optimal,
}
