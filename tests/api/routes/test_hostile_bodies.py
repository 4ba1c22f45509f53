"""Bodies that fit the schema and cannot be kept are refused with a reason, by no error of ours."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

pytestmark = pytest.mark.postgis

SOON = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
LAST = "9999-12-31T23:00:00-10:00"
FIRST = "0001-01-01T00:00:00+10:00"
WINDOW = {"area_code": None, "begins_at": SOON, "ends_at": LAST, "reason": "x"}
LIMIT = {"type": "limit", "above": 1.0}
RULE = {
    "zh": "a",
    "en": "a",
    "state": "alarm",
    "kinds": ["water_level"],
    "property": "level",
    "condition": LIMIT,
}


def deep(levels: int) -> str:
    condition = '{"type":' + "[" * levels + "]" * levels + "}"
    return json.dumps(RULE).replace(json.dumps(LIMIT), condition)


BODIES = {
    "reason of nothing": ("/api/alarms/shelve", {"group_id": 1, "reason": "a\x00b", "until": SOON}),
    "reason of half a sign": (
        "/api/alarms/shelve",
        json.dumps({"group_id": 1, "reason": "a\ud800", "until": SOON}),
    ),
    "until the last hour": ("/api/alarms/shelve", {"group_id": 1, "reason": "x", "until": LAST}),
    "until the first hour": ("/api/alarms/shelve", {"group_id": 1, "reason": "x", "until": FIRST}),
    "window with nothing": (
        "/api/maintenance",
        WINDOW | {"ends_at": SOON, "begins_at": FIRST, "reason": "\x00"},
    ),
    "window at the end": (
        "/api/maintenance",
        WINDOW | {"begins_at": LAST, "ends_at": "9999-12-31T23:30:00-10:00"},
    ),
    "window of a kind of nothing": ("/api/maintenance", WINDOW | {"kind": "\x00"}),
    "trial of all time": ("/api/rules/try", {"rule": RULE, "from": FIRST, "to": LAST}),
    "trial at the end": (
        "/api/rules/try",
        {"rule": RULE, "from": "9999-12-31T22:00:00-10:00", "to": LAST},
    ),
    "trial at the begin": (
        "/api/rules/try",
        {"rule": RULE, "from": FIRST, "to": "0001-01-01T01:00:00+10:00"},
    ),
    "half a sign": ("/api/rules", json.dumps(RULE | {"zh": "a\ud800"})),
    "nothing in the condition": ("/api/rules", RULE | {"condition": LIMIT | {"above": "\x00"}}),
    "deep condition": ("/api/rules", deep(150)),
    "deeper condition": (
        "/api/rules",
        deep(900),
    ),
    "deepest condition": (
        "/api/rules",
        deep(90_000),
    ),
    "no number": ("/api/rules", json.dumps(RULE).replace("1.0", "NaN")),
    "far too much": ("/api/rules", json.dumps(RULE).replace("1.0", "1e999")),
    "many digits": ("/api/rules", json.dumps(RULE).replace("1.0", "1" * 5000)),
    "nothing in a note": ("/api/cases/1/acts", {"version": 1, "move": "note", "note": "a\x00b"}),
    "half a sign in a note": ("/api/cases/1/acts", '{"version":1,"move":"note","note":"a\\ud800"}'),
    "extended to the end": (
        "/api/cases/1/acts",
        {"version": 1, "move": "extend", "reason": "x", "until": LAST},
    ),
    "acknowledged by the million": ("/api/alarms/acknowledge", {"group_ids": [2**63 - 1] * 10}),
}


async def test_are_refused(client) -> None:
    found = {}
    for name, (path, body) in BODIES.items():
        content = body if isinstance(body, str) else json.dumps(body)
        answer = await client.post(path, content=content, headers={"content-type": "application/json"})
        found[name] = answer.status_code
    assert {name: status for name, status in found.items() if not 400 <= status < 500} == {}
