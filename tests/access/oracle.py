"""Say who should see what, by digits of codes, without asking the product."""

from __future__ import annotations

from tests.access.world import World

READS = {
    "operator": "place alarm case worker",
    "dispatcher": "place alarm case worker",
    "worker": "place alarm case",
    "department": "place case",
    "manager": "place alarm case worker",
    "planner": "place",
    "resident_channel": "",
    "hotline_channel": "",
    "integrator": "place",
    "auditor": "audit",
    "system_admin": "system",
    "security_admin": "account",
    "wall": "place alarm case worker",
}
OPEN = {
    "road", "ground_cover", "dataset", "organisation", "counted_day",
    "street_node", "street_edge", "street_cost",
}  # fmt: skip
MAY_REPORT = {"resident_channel", "hotline_channel"}
MAY_END_DUTY = {"dispatcher", "manager"}
SYSTEM = {
    "quarantine",
    "import_run",
    "import_reject",
    "feed_mapping",
    "feed_pause",
    "partner",
    "partner_parked",
}
WHOLE = "0" * 15, "whole"
DUTIES = {"auditor", "system_admin", "security_admin"}
"""Roles that are held for the whole installation only."""

DIGITS = {
    "whole": 0,
    "city": 4,
    "district": 6,
    "street": 9,
    "community": 12,
    "responsibility_grid": 15,
    "unit_grid": 15,
}


def inside(code: int, area: str, level: str) -> bool:
    return f"{code:015d}".startswith(area[: DIGITS[level]])


def data_class(table: str, kind: str) -> str:
    of_device = (
        "device",
        "device_state",
        "observation",
        "observation_hour",
        "observation_count",
        "feature_history",
    )
    if table in of_device and kind == "worker":
        return "worker"
    if table == "person":
        return kind
    if table == "journal":
        return kind.split(".", maxsplit=1)[0]
    return {
        "alarm": "alarm",
        "alarm_rule": "alarm",
        "alarm_group": "alarm",
        "shelving": "alarm",
        "maintenance_window": "alarm",
        "case_file": "case",
        "photograph": "case",
        "case_report": "case",
        "assignment": "case",
        "worker": "worker",
        "shift": "worker",
        "certificate": "worker",
    }.get(table, "place")


def visible(world: World, table: str, role: str, area: str, level: str) -> set[object]:
    """Return the ids of a table that a role at an area should see."""
    reads = READS[role].split()
    seen = set()
    for key, code in world.rows.get(table, {}).items():
        kind = world.kinds[table][key]
        if table in OPEN or (table == "feature_history" and kind == "road"):
            seen.add(key)
        elif table in SYSTEM:
            if "system" in reads:
                seen.add(key)
        elif table == "responsibility":
            # What holds above holds in the area too.
            around = kind == "whole" or above(code, kind, area, level)
            if "case" in reads and (around or inside(code, area, level)):
                seen.add(key)
        elif table == "duty":
            if role in MAY_END_DUTY and inside(code, area, level):
                seen.add(key)
        elif data_class(table, kind) in reads and (
            inside(code, area, level) or (table == "area" and above(code, kind, area, level))
        ):
            seen.add(key)
    return seen


def above(code: int, kind: str, area: str, level: str) -> bool:
    """Say whether an area of some level holds the area of the role."""
    digits = DIGITS[kind]
    return kind != "unit_grid" and digits <= DIGITS[level] and f"{code:015d}"[:digits] == area[:digits]
