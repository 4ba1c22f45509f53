"""Judge from tags who may use a road in which direction, and how wide it is."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.vector.tag_values import Tags, metres, number, speed_kmh

# What a class allows without further tags: on foot, by bicycle, by car; and its usual width in metres.
# Foot and bicycle after the OSM wiki's access defaults; widths are our assumption (lanes of 3.25 m).
_CLASSES: dict[str, tuple[bool, bool, bool, float]] = {
    "motorway": (False, False, True, 15.0),
    "motorway_link": (False, False, True, 7.0),
    "trunk": (True, True, True, 14.0),
    "trunk_link": (True, True, True, 7.0),
    "primary": (True, True, True, 13.0),
    "primary_link": (True, True, True, 6.5),
    "secondary": (True, True, True, 11.0),
    "secondary_link": (True, True, True, 6.0),
    "tertiary": (True, True, True, 9.0),
    "tertiary_link": (True, True, True, 5.5),
    "unclassified": (True, True, True, 6.5),
    "residential": (True, True, True, 6.0),
    "living_street": (True, True, True, 5.0),
    "road": (True, True, True, 6.0),
    "service": (True, True, True, 4.0),
    "track": (True, True, True, 3.0),
    "busway": (False, False, False, 7.0),
    "pedestrian": (True, False, False, 6.0),
    "footway": (True, False, False, 2.0),
    "path": (True, True, False, 1.5),
    "trail": (True, True, False, 1.5),
    "cycleway": (True, True, False, 2.0),
    "bridleway": (True, False, False, 2.0),
    "steps": (True, False, False, 2.0),
    "corridor": (True, False, False, 2.0),
}
NOT_A_ROAD = frozenset(
    {
        "proposed",
        "construction",
        "razed",
        "abandoned",
        "disused",
        "demolished",
        "planned",
        "no",
        "platform",
        "bus_stop",
        "rest_area",
        "services",
        "elevator",
        "raceway",
        "bus_guideway",
        "escape",
        "emergency_bay",
        "street_lamp",
        "crossing",
        "traffic_signals",
    }
)
"""Values of ``highway`` on ways that nobody walks or drives today; they are skipped."""

LANE_M = 3.25
_CLOSED = frozenset({"no", "private", "use_sidepath", "agricultural", "forestry", "military", "emergency"})
_OPEN = frozenset(
    {
        "yes",
        "designated",
        "permissive",
        "destination",
        "customers",
        "delivery",
        "official",
        "public",
        "permit",
    }
)
_FORWARD = frozenset({"yes", "true", "1"})
_BACKWARD = frozenset({"-1", "reverse"})


@dataclass(frozen=True, slots=True)
class Access:
    """Who may use a road; forward is the direction it is drawn in."""

    foot: bool
    bike_forward: bool
    bike_backward: bool
    car_forward: bool
    car_backward: bool


def road_class(tags: Tags) -> str | None:
    """Return the class of a road, None where the tag names nothing that is used as one."""
    value = tags.get("highway", "").split(";", 1)[0].strip()
    return value if value in _CLASSES else None


def _allowed(tags: Tags, keys: tuple[str, ...], default: bool) -> bool:
    """Return the last word of a chain of access tags, from the general to the special."""
    allowed = default
    for key in keys:
        value = tags.get(key, "").split(";", 1)[0].strip()
        if value in _CLOSED:
            allowed = False
        elif value in _OPEN:
            allowed = True
        elif value == "dismount":
            allowed = False
    return allowed


def judge_access(tags: Tags) -> Access:
    """Return who may use a road of a known class.

    The special tag overrules the general one: ``access`` < ``vehicle`` < ``motor_vehicle`` < ``motorcar``;
    ``access`` < ``vehicle`` < ``bicycle``; ``access`` < ``foot``. An opening ``access`` tag (``yes``) opens
    nothing the class keeps closed (cars on a footway). One way: ``oneway``, implied by motorways and
    roundabouts; bicycles are freed by ``oneway:bicycle=no`` or a contraflow ``cycleway``. People walk both
    ways everywhere; along motorways only where a pavement is tagged.
    """
    cls = road_class(tags) or "road"
    foot_default, bike_default, car_default, _ = _CLASSES[cls]
    if tags.get("access") in _CLOSED:
        base = dict.fromkeys(("foot", "bike", "car"), False)
    else:
        base = {"foot": foot_default, "bike": bike_default, "car": car_default}
    pavement = tags.get("sidewalk") in {"both", "left", "right", "yes"} or any(
        tags.get(f"sidewalk:{side}") == "yes" for side in ("left", "right", "both")
    )
    foot = _allowed(tags, ("foot",), base["foot"] or (pavement and tags.get("access") not in _CLOSED))
    if tags.get("motorroad") == "yes":
        base["bike"] = False
        foot = _allowed(tags, ("foot",), pavement)
    bike = _allowed(tags, ("vehicle", "bicycle"), base["bike"])
    car = _allowed(tags, ("vehicle", "motor_vehicle", "motorcar"), base["car"])
    bike_forward, bike_backward, car_forward, car_backward = bike, bike, car, car
    oneway = tags.get("oneway", "")
    if not oneway and (cls == "motorway" or tags.get("junction") in {"roundabout", "circular"}):
        oneway = "yes"
    bike_oneway = tags.get("oneway:bicycle", "") or oneway
    if any(tags.get(k, "").startswith("opposite") for k in ("cycleway", "cycleway:left", "cycleway:right")):
        bike_oneway = "no"
    if any(tags.get(f"cycleway:{side}:oneway") in {"no", "-1"} for side in ("left", "right", "both")):
        bike_oneway = "no"
    car_oneway = tags.get("oneway:motor_vehicle", "") or tags.get("oneway:motorcar", "") or oneway
    if car_oneway in _FORWARD:
        car_backward = False
    elif car_oneway in _BACKWARD:
        car_forward = False
    if bike_oneway in _FORWARD:
        bike_backward = False
    elif bike_oneway in _BACKWARD:
        bike_forward = False
    car_forward = _allowed(tags, ("vehicle:forward", "motor_vehicle:forward"), car_forward)
    car_backward = _allowed(tags, ("vehicle:backward", "motor_vehicle:backward"), car_backward)
    bike_forward = _allowed(tags, ("vehicle:forward", "bicycle:forward"), bike_forward)
    bike_backward = _allowed(tags, ("vehicle:backward", "bicycle:backward"), bike_backward)
    return Access(foot, bike_forward, bike_backward, car_forward, car_backward)


def width_m(tags: Tags) -> float:
    """Return the width of a road in metres: tagged, else lanes of 3.25 m, else usual for its class."""
    tagged = metres(tags.get("width") or tags.get("est_width"))
    if tagged is not None and 0.3 <= tagged <= 100.0:
        return round(tagged, 2)
    lanes = number(tags.get("lanes"))
    cls = road_class(tags) or "road"
    if lanes is not None and 1.0 <= lanes <= 16.0:
        return round(max(lanes * LANE_M, 2.5), 2)
    usual = _CLASSES[cls][3]
    # One carriageway of two is drawn as a line of its own: it is not as wide as the whole road.
    if tags.get("oneway") in _FORWARD | _BACKWARD and _CLASSES[cls][2]:
        return round(usual * 0.6, 2)
    return usual


def max_speed_kmh(tags: Tags) -> float | None:
    """Return the tagged speed limit in km/h, None where there is none or it is a word."""
    return speed_kmh(tags.get("maxspeed"))


def layer_of(tags: Tags) -> int:
    """Return the layer of a road over (positive) or under (negative) the ground, -5 to 5."""
    tagged = number(tags.get("layer"))
    if tagged is not None:
        return int(max(-5, min(5, tagged)))
    if tags.get("bridge", "no") not in {"no", ""}:
        return 1
    if tags.get("tunnel", "no") not in {"no", ""}:
        return -1
    return 0
