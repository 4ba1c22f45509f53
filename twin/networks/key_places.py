"""Name the places that must be told first when their supply fails."""

from __future__ import annotations

from typing import Final

KEY_CATEGORIES: Final = (
    "hospital", "clinic", "doctors", "nursing_home", "social_facility", "kindergarten", "childcare", "school",
    "university", "college", "fire_station", "police", "townhall",
)  # fmt: skip
"""Categories of service points (OpenStreetMap's key ``amenity``): care, children, schools, emergency, office.

Ours: no standard at hand lists them."""
