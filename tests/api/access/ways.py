"""Name every way something comes out of the server, and who should be let in there."""

from __future__ import annotations

from tests.access.world import grids, phone_of

BUSINESS = ("place", "alarm", "case", "worker")
OPEN = {
    "/api/health",
    "/api/health/ready",
    "/api/session",
    "/docs",
    "/docs/{name}",
    "/api/sign-in/oidc",
    "/api/sign-in/oidc/callback",
    "/open311/v2/discovery.{form}",
    "/open311/v2/services.{form}",
    "/open311/v2/services/{code}.{form}",
    "/open311/v2/tokens/{token}.{form}",
    "/r/{token}",
    "/r/{token}/photographs/{key}",
}
ANYBODY = {"/api/account", "/api/catalog", "/api/layers", "/api/ways", "/api/ways/reach"}
EVENTS = "/api/devices/{id}/events"
RULE = "/api/rules/{rule:int}"
ITEMS = {
    EVENTS: ("device", ""),
    "/api/devices/{id}": ("device", ""),
    "/api/devices/{id}/history": ("device", ""),
    "/api/devices/{id}/neighbours": ("device", ""),
    "/api/buildings/{id}": ("building", ""),
    "/api/components/{id}": ("component", ""),
    "/api/compounds/{id}": ("compound", ""),
    "/api/networks/lines/{id}": ("network_line", ""),
    "/api/networks/nodes/{id}": ("network_node", ""),
    "/api/areas/{id}": ("area", ""),
    "/api/workers/{id}": ("device", "worker"),
    "/api/cases/{id}": ("case_file", ""),
    "/api/cases/{id}/surroundings": ("case_file", ""),
    "/api/cases/{id}/ranking": ("case_file", ""),
    "/api/cases/{id}/assignments": ("case_file", ""),
    "/api/cases/{id}/evidence": ("case_file", ""),
    "/api/cases/{id}/report": ("case_report", ""),
    "/api/cases/{id}/repeats": ("case_file", ""),
    "/api/cameras/{id}": ("device", "camera"),
    "/api/cases/{id}/photographs": ("case_file", ""),
    "/api/photographs/{id}/{size}": ("photograph", ""),
    "/api/quarantine/{id}": ("quarantine", ""),
    RULE: ("alarm_rule", ""),
}
ITEM_CLASSES = {
    EVENTS: {"alarm", "case"},
    "/api/cases/{id}": {"case"},
    "/api/cases/{id}/surroundings": {"case"},
    "/api/cases/{id}/ranking": {"case"},
    "/api/cases/{id}/assignments": {"case"},
    "/api/cases/{id}/evidence": {"case"},
    "/api/cases/{id}/report": {"case"},
    "/api/cases/{id}/repeats": {"case"},
    "/api/cases/{id}/photographs": {"case"},
    "/api/photographs/{id}/{size}": {"case"},
    "/api/quarantine/{id}": {"system"},
    RULE: {"alarm"},
}
"""What is asked for single things; of the others, places."""
LISTS = {
    "/api/areas": ("place",),
    "/api/scene": ("place",),
    "/api/devices": ("place",),
    "/api/components": ("place",),
    "/api/networks": ("place",),
    "/api/compounds": ("place",),
    "/api/compounds/lacking": ("place",),
    "/api/alarms": ("alarm",),
    "/api/alarms/shelved": ("alarm",),
    "/api/maintenance": ("alarm",),
    "/api/closures": ("place",),
    "/api/rules": ("alarm",),
    "/api/rules/form": ("alarm",),
    "/api/cases": ("case",),
    "/api/cases/points": ("case",),
    "/api/assignments/overrides": ("case",),
    "/api/queues": ("case",),
    "/api/organisations": ("case",),
    "/api/responsibilities": ("case",),
    "/api/journal": ("alarm", "case"),
    "/api/groups": ("place",),
    "/api/groups/{name}/list": ("place",),
    "/api/heat": ("place",),
    "/api/search": ("place",),
    "/api/stats": BUSINESS,
    "/api/stats/{key}/list": BUSINESS,
    "/api/timeline": BUSINESS,
    "/api/trails": ("worker",),
    "/api/ways/nearest": ("worker",),
}
QUERIES = {
    "/api/devices": ["?state=unknown&limit=2000", "?state=offline", "?state=normal"],
    "/api/search": [
        "?q=water",
        "?q=510103003003",
        "?q=C-5101",
        "?q=工作",
        "?q=号",
        "?q=报案人",
        "?q=井盖",
        f"?q={phone_of(grids()[0][0], 'case')}",
    ],
    "/api/groups/{name}/list": ["water"],
    "/api/stats/{key}/list": [
        "online_devices",
        "open_alarms",
        "sensor_first",
        "on_duty_workers",
        "open_cases",
    ],
    "/api/heat": ["?resolution=9"],
    "/api/ways": ["?from=104.001,30&to=104.002,30.0005"],
    "/api/ways/reach": ["?place=104.001,30"],
    "/api/ways/nearest": ["?to=104.001,30&k=50&limit_s=7200"],
    "/api/areas": ["?q=5101&limit=1000", "?under=510100000000000", ""],
}
"""What lists are asked with, where that is more than nothing."""
PARTNER = "/api/partners/{id}"
MAPPING = "/api/sources/mappings/{mapping:mapping}"
DUTIES = {
    "/api/health/detail": ("system",),
    "/api/accounts": ("account",),
    "/api/accounts/areas": ("account",),
    "/api/record": ("audit",),
    "/api/quarantine": ("system",),
    "/api/sources/mappings": ("system",),
    MAPPING: ("system",),
    "/api/sources": ("system",),
    "/api/partners": ("system",),
}
REPORTS = "/open311/v2/requests.{form}"
REPORT = "/open311/v2/requests/{number}.{form}"
"""Asked by channels, who read nothing else: of reports that others brought only that there is one."""
OF_A_WORKER = {"/api/assignments", "/api/duty", "/api/account/track", "/api/account/looks"}
"""Asked by the account of a worker about that worker; of nobody else's account."""
EXPORTS = {
    "/api/exports/devices.{format}": ("place", "device"),
    "/api/exports/readings.{format}": ("place", "observation"),
    "/api/exports/buildings.{format}": ("place", "building"),
    "/api/exports/areas.{format}": ("place", "area"),
    "/api/exports/components.{format}": ("place", "component"),
    "/api/exports/alarms.{format}": ("alarm", "alarm"),
    "/api/exports/cases.{format}": ("case", "case_file"),
    "/api/exports/workers.{format}": ("worker", "worker"),
}
SENT = "/api/sources/devices/{id}/messages"
PICTURES = "/api/pictures/{token}"
"""What is there for the session that looked: see tests/api/routes/test_pictures.py."""
POSTED = {
    "/api/sign-in", "/api/sign-in/code", "/api/sign-out", "/api/account/active", "/api/account/password",
    "/api/kiosk/enrol",
    "/api/live/ticket", "/api/accounts", "/api/accounts/{name}/disable", "/api/accounts/{name}/enable",
    "/api/accounts/{name}/roles", "/api/accounts/roles/{id}/withdraw", "/api/accounts/{name}/password",
    "/api/accounts/{name}/credential", "/api/alarms/acknowledge", "/api/workers/{id}/reveal",
    "/api/cases/{id}/assignments", "/api/assignments/{id}/acts",
    "/api/duty/begin", "/api/duty/end", "/api/workers/{id}/duty/end",
    "/api/cases/{id}/reveal", "/api/reporters/cases", "/api/cases/{id}/acts",
    "/api/cases/{id}/photographs", "/api/replays", REPORTS,
    "/api/networks/trace", "/api/ways/matrix", "/r/{token}",
    "/api/responsibilities", "/api/responsibilities/{id}/withdraw", "/api/cases",
    "/api/rules", "/api/rules/try", RULE + "/switch",
    "/api/cameras/{id}/pictures",
    "/api/sources/mappings", "/api/sources/mappings/try", "/api/sources/mappings/fields",
    MAPPING + "/restore", MAPPING + "/retire",
    "/api/sources/{source}/pause", "/api/sources/{source}/resume",
    "/api/alarms/shelve", "/api/alarms/shelved/{id}/end", "/api/maintenance", "/api/maintenance/{id}/end",
    "/api/closures", "/api/closures/{id}/reopen",
    "/api/partners",
    *(f"{PARTNER}/{act}" for act in ("secrets", "pause", "resume", "again", "test", "events")),
}  # fmt: skip
BROUGHT = {
    "/ingest/v1/devices/{uid}/observations",
    "/ingest/v1/gateways/{name}/observations",
    "/ingest/v1/mapped/{mapping}",
    "/ingest/v1/owntracks",
    "/ingest/v1/osmand",
}
"""Where devices and gateways bring something; nothing of the twin comes out there."""
STA = "/sta/v1.1"
STA_ROUTES = {("GET", STA)} | {
    (method, STA + "/{path:path}") for method in ("GET", "POST", "PATCH", "PUT", "DELETE")
}
"""What is written there is in tests/api/sensorthings; whose it is, also in tests/access/test_rows.py."""
SOCKETS = {"/live", "/sta/mqtt"}
TILES = "/tiles/{layers}/{z}/{x}/{y}.mvt"
ROUTES = {
    ("GET", path)
    for path in (
        *OPEN, *ANYBODY, *ITEMS, *LISTS, *DUTIES, *OF_A_WORKER, *EXPORTS,
        REPORTS, REPORT, "/api/exports", TILES, PICTURES, SENT, "/ingest/v1/osmand",
    )
}  # fmt: skip
ROUTES |= {("POST", path) for path in POSTED | BROUGHT} | STA_ROUTES
ROUTES |= {("PUT", MAPPING), ("PUT", PARTNER), ("PATCH", "/api/photographs/{id}"), ("PUT", RULE)}
"""Every method and path the server has, sockets apart."""
