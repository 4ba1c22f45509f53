"""Find the places where devices of each kind would be installed, the most needed first.

Every function takes the city, the kind, its rule, how many are wanted and the seed, and returns sites in
rank order: the first n of them are what a city that can pay for n would install. What is returned does
not depend on how many are wanted (except that it may stop there), so a larger wish keeps the smaller one.
"""

from __future__ import annotations

from collections.abc import Callable

from ingest.simulate import indoors, outdoors
from ingest.simulate.city import City
from ingest.simulate.parameters import SitingRule
from ingest.simulate.sites import Site

Placement = Callable[[City, str, SitingRule, int, int], list[Site]]

PLACEMENTS: dict[str, Placement] = {
    "entrances": indoors.at_entrances,
    "floors": indoors.on_floors,
    "roofs": indoors.on_roofs,
    "lifts": indoors.in_lifts,
    "kitchens": indoors.in_kitchens,
    "roads": outdoors.along_roads,
    "underpasses": outdoors.in_underpasses,
    "water": outdoors.by_water,
    "gates": outdoors.at_gates,
    "junctions": outdoors.at_junctions,
}
"""Every way of placing that ``data/simulation.toml`` may name."""
