"""Name the places that must be told first when their supply fails."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

KEY_CATEGORIES: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "hospital": ("医院", "Hospital"),
        "clinic": ("门诊部", "Clinic"),
        "doctors": ("诊所", "Doctor's practice"),
        "nursing_home": ("养老院", "Nursing home"),
        "social_facility": ("社会福利机构", "Social facility"),
        "kindergarten": ("幼儿园", "Kindergarten"),
        "childcare": ("托育机构", "Childcare"),
        "school": ("学校", "School"),
        "university": ("大学", "University"),
        "college": ("学院", "College"),
        "fire_station": ("消防站", "Fire station"),
        "police": ("派出所", "Police station"),
        "townhall": ("政府办公", "Town hall"),
    }
)
"""Categories of service points (OpenStreetMap's key ``amenity``) with their names in Chinese and English:
care, children, schools, emergency, office.

Ours: no standard at hand lists them."""
