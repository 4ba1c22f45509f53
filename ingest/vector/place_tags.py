"""Sort tagged things into ground cover, service points and managed components."""

from __future__ import annotations

from functools import lru_cache

from ingest.vector.tag_values import Tags, clean
from twin.component_classes import ComponentClass, component_classes

_COVER: dict[str, dict[str, frozenset[str]]] = {
    "water": {
        "natural": frozenset({"water", "bay"}),
        "waterway": frozenset({"riverbank", "dock", "canal"}),
        "landuse": frozenset({"basin", "reservoir"}),
        "leisure": frozenset({"swimming_pool"}),
        "amenity": frozenset({"fountain"}),
    },
    "green": {
        "leisure": frozenset(
            {"park", "garden", "pitch", "golf_course", "nature_reserve", "dog_park", "playground"}
        ),
        "landuse": frozenset(
            {
                "grass",
                "forest",
                "meadow",
                "village_green",
                "flowerbed",
                "recreation_ground",
                "greenfield",
                "orchard",
                "farmland",
                "cemetery",
                "allotments",
            }
        ),
        "natural": frozenset({"wood", "scrub", "grassland", "heath", "wetland"}),
    },
    "plaza": {
        "place": frozenset({"square"}),
        "highway": frozenset({"pedestrian", "footway"}),
        "area:highway": frozenset({"pedestrian", "footway"}),
        "amenity": frozenset({"marketplace", "parking"}),
        "leisure": frozenset({"common"}),
    },
    "block": {
        "landuse": frozenset(
            {
                "residential",
                "commercial",
                "retail",
                "industrial",
                "institutional",
                "civic_admin",
                "civil",
                "governmental",
                "education",
                "religious",
                "construction",
                "brownfield",
                "military",
                "railway",
            }
        ),
        "amenity": frozenset({"school", "university", "college", "hospital", "kindergarten"}),
        "place": frozenset({"neighbourhood", "city_block"}),
    },
}
"""Cover by tag, in this order: a park inside a residential block is drawn over it."""


def cover_of(tags: Tags) -> str | None:
    """Return the ground cover of an area without a building, None where its tags name none."""
    if "building" in tags or "building:part" in tags:
        return None
    for cover, keys in _COVER.items():
        if any(tags.get(key) in values for key, values in keys.items()):
            return cover
    return None


_SERVICE_AMENITIES = frozenset(
    [
        "pharmacy", "clinic", "doctors", "dentist", "hospital", "veterinary", "nursing_home",
        "social_facility", "social_centre", "post_office", "police", "fire_station", "townhall",
        "courthouse", "community_centre", "public_building", "embassy", "school", "kindergarten",
        "childcare", "university", "college", "prep_school", "language_school", "music_school",
        "dancing_school", "driving_school", "library", "bank", "atm", "bureau_de_change", "marketplace",
        "toilets", "drinking_water", "shelter", "restaurant", "cafe", "fast_food", "food_court", "bar",
        "pub", "biergarten", "ice_cream", "nightclub", "cinema", "theatre", "arts_centre",
        "exhibition_centre", "conference_centre", "events_venue", "place_of_worship", "fuel",
        "car_wash", "car_rental", "car_sharing", "bus_station", "ferry_terminal", "parking",
        "charging_station", "bicycle_rental", "bicycle_repair_station", "studio", "coworking_space",
        "internet_cafe", "animal_shelter", "public_bath", "payment_centre", "parcel_locker",
        "recycling", "taxi", "casino", "research_institute", "gym", "crematorium", "funeral_hall",
        "ranger_station", "spa", "training", "monastery", "planetarium", "gambling", "swingerclub",
        "stripclub", "brothel", "karaoke_box", "hookah_lounge", "sauna", "money_transfer",
    ]
)  # fmt: skip
_SERVICE_LEISURE = frozenset(
    [
        "fitness_centre", "sports_centre", "sports_hall", "stadium", "swimming_pool", "playground",
        "dance", "sauna", "amusement_arcade", "escape_game", "bowling_alley", "ice_rink", "marina",
        "fitness_station",
    ]
)  # fmt: skip
_SERVICE_TOURISM = frozenset(
    [
        "hotel", "hostel", "guest_house", "apartment", "motel", "museum", "gallery", "attraction",
        "information", "zoo", "aquarium", "theme_park",
    ]
)  # fmt: skip
_NOT = frozenset({"no", "vacant", "none", "disused"})


def service_category(tags: Tags) -> str | None:
    """Return the category of a service point (``pharmacy``, ``shop_convenience``, ``office_government``).

    Amenities and health care keep their OSM value; shops, offices, leisure, tourism and crafts carry their
    key in front. None where the tags name no place that serves people.
    """
    amenity = _first(tags, "amenity")
    if amenity in _SERVICE_AMENITIES:
        return amenity
    healthcare = _first(tags, "healthcare")
    if healthcare and healthcare not in _NOT:
        return {"doctor": "doctors", "yes": "clinic", "centre": "clinic"}.get(healthcare, healthcare)
    for key in ("shop", "office", "craft"):
        value = _first(tags, key)
        if value and value not in _NOT:
            return f"{key}_{value}"
    for key, values in (("leisure", _SERVICE_LEISURE), ("tourism", _SERVICE_TOURISM)):
        value = _first(tags, key)
        if value in values:
            if (
                key == "tourism"
                and value == "information"
                and tags.get("information") not in {"office", "visitor_centre"}
            ):
                continue
            return f"{key}_{value}"
    if _first(tags, "railway") in {"station", "halt", "subway_entrance"}:
        return f"railway_{tags['railway']}"
    return None


def _first(tags: Tags, key: str) -> str:
    return (clean(tags.get(key, "").split(";", 1)[0]) or "").lower()[:60]


@lru_cache(maxsize=1)
def _by_tag() -> dict[tuple[str, str], tuple[int, ComponentClass]]:
    table: dict[tuple[str, str], tuple[int, ComponentClass]] = {}
    for rank, row in enumerate(component_classes().ordered):
        for tag in row.osm:
            table.setdefault(tag, (rank, row))
    return table


def component_class(tags: Tags) -> ComponentClass | None:
    """Return the component class of a tagged thing, None where it is no managed component."""
    found = [
        hit
        for key, value in tags.items()
        for part in value.split(";")
        if (hit := _by_tag().get((key, part.strip()))) is not None
    ]
    return min(found, key=lambda hit: hit[0])[1] if found else None
