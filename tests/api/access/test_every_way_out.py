"""Every role at every level asks every route, tile and live room: nothing of another area comes out.

Each thing of the made-up city carries the 15 digits of its grid in its name, so that whatever an answer holds
can be told by reading the answer's text; who should see what is said by `tests.access.oracle`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from datetime import UTC, datetime, timedelta

import httpx
import numpy as np
import pytest
import websockets
from starlette.routing import WebSocketRoute

from api.access.door import COOKIE
from api.access.permissions import permission_of
from api.live.frames import BlockKind, decode_frame
from api.main import create_app
from api.routes import ROUTERS
from api.settings import Settings
from tests.access import oracle
from tests.access.world import LAT, LEVELS, LON, MOMENT, ROOM, STEP, World, grids, phone_of, secrets_of
from tests.api.access.mqtt_wire import Told, follow
from tests.api.conftest import serving
from twin.access.credentials import CredentialKind, digest
from twin.live.fold import Observations

pytestmark = [pytest.mark.postgis, pytest.mark.timeout(600)]

CODE = re.compile(r"(?<![0-9])(?:water_level-|worker-)?(5101[0-9]{11})(?![0-9])")
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
ANYBODY = {"/api/account", "/api/catalog", "/api/layers"}
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
    "/api/rules": ("alarm",),
    "/api/rules/form": ("alarm",),
    "/api/cases": ("case",),
    "/api/cases/points": ("case",),
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
}
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
OF_A_WORKER = {"/api/duty", "/api/account/track", "/api/account/looks"}
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
MAY_EXPORT = {"manager", "planner"}
MAY_LOOK = {"operator", "dispatcher", "manager"}
SENT = "/api/sources/devices/{id}/messages"
PICTURES = "/api/pictures/{token}"
"""What is there for the session that looked: see tests/api/routes/test_pictures.py."""
POSTED = {
    "/api/sign-in", "/api/sign-in/code", "/api/sign-out", "/api/account/active", "/api/account/password",
    "/api/kiosk/enrol",
    "/api/live/ticket", "/api/accounts", "/api/accounts/{name}/disable", "/api/accounts/{name}/enable",
    "/api/accounts/{name}/roles", "/api/accounts/roles/{id}/withdraw", "/api/accounts/{name}/password",
    "/api/accounts/{name}/credential", "/api/alarms/acknowledge", "/api/workers/{id}/reveal",
    "/api/duty/begin", "/api/duty/end", "/api/workers/{id}/duty/end",
    "/api/cases/{id}/reveal", "/api/reporters/cases", "/api/cases/{id}/acts",
    "/api/cases/{id}/photographs", "/api/replays", REPORTS,
    "/api/networks/trace", "/r/{token}",
    "/api/responsibilities", "/api/responsibilities/{id}/withdraw", "/api/cases",
    "/api/rules", "/api/rules/try", RULE + "/switch",
    "/api/cameras/{id}/pictures",
    "/api/sources/mappings", "/api/sources/mappings/try", "/api/sources/mappings/fields",
    MAPPING + "/restore", MAPPING + "/retire",
    "/api/sources/{source}/pause", "/api/sources/{source}/resume",
    "/api/alarms/shelve", "/api/alarms/shelved/{id}/end", "/api/maintenance", "/api/maintenance/{id}/end",
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
STA_TABLES = (
    "device", "observation", "observation_count", "datastream", "declared_place", "feature_of_interest",
    "sensor",
)  # fmt: skip
SLOTS = {"water_level": 2, "camera": 1}
STA_ROUTES = {("GET", STA)} | {
    (method, STA + "/{path:path}") for method in ("GET", "POST", "PATCH", "PUT", "DELETE")
}
"""What is written there is in tests/api/sensorthings; whose it is, also in tests/access/test_rows.py."""
SOCKETS = {"/live", "/sta/mqtt"}
FOLLOWED = ("Things", "Locations", "Datastreams", "Sensors", "Observations", "FeaturesOfInterest")
TILES = "/tiles/{layers}/{z}/{x}/{y}.mvt"
PERSONS = re.compile("|".join(secret for code, *_rest in grids() for secret in secrets_of(code)) + "|" + ROOM)
"""Names, phones, identity numbers and rooms of all persons of the world: none may come out anywhere."""

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
    "/api/areas": ["?q=5101&limit=1000", "?under=510100000000000", ""],
}


def test_every_route_is_in_this_test_and_declares_what_it_asks():
    """A new route that nobody thought of here is an error by itself."""
    found = {
        (method, route.path) for router in ROUTERS for route in router.routes for method in route.methods
    }
    asked = (
        *OPEN,
        *ANYBODY,
        *ITEMS,
        *LISTS,
        *DUTIES,
        *OF_A_WORKER,
        *EXPORTS,
        REPORTS,
        REPORT,
        "/api/exports",
        TILES,
        PICTURES,
        SENT,
    )
    expected = {("GET", path) for path in asked} | STA_ROUTES
    expected |= {("POST", path) for path in POSTED | BROUGHT} | {("GET", "/ingest/v1/osmand")}
    expected |= {("PUT", MAPPING), ("PUT", PARTNER), ("PATCH", "/api/photographs/{id}"), ("PUT", RULE)}
    assert {f for f in found if f[0] != "HEAD"} == expected
    for router in ROUTERS:
        for route in router.routes:
            assert permission_of(route) is not None, route.path


def test_every_socket_is_in_this_test(tmp_path):
    app = create_app(Settings(database_url="postgresql://nobody@/none", data_dir=tmp_path, web_dir=tmp_path))
    found = {route.path for route in app.router.routes if isinstance(route, WebSocketRoute)}
    assert found == SOCKETS


@pytest.fixture(scope="module")
def made(new_world):
    return new_world()


def places(world: World, role: str) -> list[tuple[str, str]]:
    """Three siblings on each level below the one city; duties are held for the whole only."""
    chosen = [] if role == "worker" else [oracle.WHOLE]
    if role in oracle.DUTIES:
        return chosen
    for level in LEVELS:
        codes = world.areas[level]
        chosen += [(code, level) for code in (codes[:2] + codes[-1:] if len(codes) > 2 else codes)]
    return chosen


def may_come_out(world: World, code: str, area: str, level: str) -> bool:
    """Say whether a code may stand in an answer: it lies in the area, or names an area above it."""
    if int(code[12:]) > 500:  # a unit grid, numbered in a row of its own, lies in the grid of the same place
        code = f"{code[:12]}{int(code[12:]) - 500:03d}"
    if oracle.inside(int(code), area, level):
        return True
    above = {name: codes for name, codes in world.areas.items() if code in codes}
    return any(oracle.above(int(code), name, area, level) for name in above)


class Asker:
    """A client of one role at one area, who notes what it should not have been told."""

    def __init__(self, http: httpx.AsyncClient, world: World, role: str, area: str, level: str) -> None:
        self.http, self.world = http, world
        self.role, self.area, self.level = role, area, level
        self.reads = oracle.READS[role].split()
        self.wrong: list[str] = []

    async def ask(self, path: str, body: object = None) -> httpx.Response:
        answer = await (self.http.get(path) if body is None else self.http.post(path, json=body))
        if answer.status_code >= 500:
            self.wrong.append(f"{path}: {answer.status_code}")
        if answer.status_code == 200:
            for code in sorted(set(CODE.findall(answer.text))):
                if not may_come_out(self.world, code, self.area, self.level):
                    self.wrong.append(f"{path} tells of {code}")
        for person in PERSONS.findall(answer.text):
            self.wrong.append(f"{path} tells of the person {person}")
        return answer

    def expect(self, path: str, got: object, wanted: object) -> None:
        if got != wanted:
            self.wrong.append(f"{path}: {got} instead of {wanted}")

    async def all(self) -> list[str]:
        for path in (*ANYBODY, *DUTIES):
            allowed = path in ANYBODY or bool(set(DUTIES[path]) & set(self.reads))
            asked = path.replace("{mapping:mapping}", "waterworks")
            self.expect(path, (await self.ask(asked)).status_code, 200 if allowed else 403)
        for path in OF_A_WORKER:
            self.expect(path, (await self.ask(path)).status_code, 403)
        await self.items()
        await self.traces()
        await self.lists()
        await self.sensorthings()
        await self.tiles()
        await self.exports()
        await self.reports()
        await self.looks()
        await self.sent()
        return [f"{self.role} at {self.level} {self.area}: {what}" for what in self.wrong]

    async def items(self) -> None:
        """Ask for single things: the own ones, those beside, and those that lie nowhere."""
        for path, (table, only) in ITEMS.items():
            things = [k for k in self.world.rows[table] if not only or self.world.kinds[table][k] == only]
            seen = oracle.visible(self.world, table, self.role, self.area, self.level)
            own = [k for k in things if k in seen]
            foreign = [k for k in things if k not in seen]
            for key in (*own[:2], *own[-1:], *foreign[:2], *foreign[-1:]):
                answer = await self.ask(
                    path.replace("{id}", str(key))
                    .replace("{rule:int}", str(key))
                    .replace("{size}", "original")
                )
                allowed = bool(ITEM_CLASSES.get(path, {"place"}) & set(self.reads))
                wanted = 403 if not allowed else 200 if key in seen else 404
                self.expect(f"{path} of {key}", answer.status_code, wanted)

    async def traces(self) -> None:
        """Follow a break of the own line and of those beside: it tells of the own area only."""
        things = self.world.rows["network_line"]
        seen = oracle.visible(self.world, "network_line", self.role, self.area, self.level)
        own, foreign = [k for k in things if k in seen], [k for k in things if k not in seen]
        for key in (*own[:1], *own[-1:], *foreign[:1], *foreign[-1:]):
            body = {"start": {"type": "line", "id": key}}
            answer = await self.ask("/api/networks/trace", body)
            wanted = 403 if "place" not in self.reads else 200 if key in seen else 404
            self.expect(f"trace of {key}", answer.status_code, wanted)
            if answer.status_code == 200:
                told = answer.json()
                whole = (told["lines"], told["buildings"], told["outside"])
                self.expect(f"trace of {key}", whole, (len(seen), len(seen), len(seen) < len(things)))

    async def lists(self) -> None:
        for path, classes in LISTS.items():
            for query in QUERIES.get(path, [""]):
                concrete = re.sub(r"\{.*?\}", query, path) if "{" in path else path + query
                answer = await self.ask(concrete)
                counts = self.role == "planner" and path in ("/api/stats", "/api/timeline")
                if not (set(classes) & set(self.reads) or counts):
                    self.expect(concrete, answer.status_code, 403)
        if "alarm" in self.reads:
            rules = (await self.ask("/api/rules")).json()["rules"]
            self.expect("/api/rules", {rule["area"]["code"] for rule in rules}, self.all_codes("alarm_rule"))
            self.expect("/api/alarms", await self.codes("/api/alarms?limit=500"), self.all_codes("alarm"))
        if "case" in self.reads:
            found = (await self.ask("/api/cases?limit=500")).json()
            numbers = set(re.findall(r"C-([0-9]{15})", json.dumps(found)))
            self.expect("/api/cases", numbers, self.all_codes("case_file"))
            queues = (await self.ask("/api/queues")).json()["queues"]
            self.expect("/api/queues", queues[0]["open"], len(self.all_codes("case_file")))
        if "place" in self.reads:
            found = (await self.ask("/api/components?limit=500")).text
            self.expect(
                "/api/components", set(re.findall("井盖 ([0-9]{15})", found)), self.all_codes("component")
            )
            groups = (await self.ask("/api/groups")).json()
            devices = [
                k
                for k in oracle.visible(self.world, "device", self.role, self.area, self.level)
                if self.world.kinds["device"][k] != "worker"
            ]
            self.expect("/api/groups", sum(group["devices"] for group in groups), len(devices))

    async def exports(self) -> None:
        """Take out each table: all rows of the own area are in it, and no others."""
        for path, (data, table) in EXPORTS.items():
            allowed = self.role in MAY_EXPORT and data in self.reads
            seen = oracle.visible(self.world, table, self.role, self.area, self.level)
            if table == "observation":
                things = [k for k, kind in self.world.kinds[table].items() if kind != "worker"]
                ask = {k: 200 if k in seen else 404 for k in (*things[:2], *things[40:42], *things[-1:])}
                for key, status in ask.items():
                    answer = await self.ask(f"{path.replace('{format}', 'csv')}?device={key}")
                    self.expect(f"{path} of {key}", answer.status_code, status if allowed else 403)
                continue
            answer = await self.ask(path.replace("{format}", "csv"))
            self.expect(path, answer.status_code, 200 if allowed else 403)
            if not allowed:
                continue
            own = [k for k in seen if self.world.kinds[table][k] != "worker"]
            if table == "area":
                codes, kinds = self.world.rows[table], self.world.kinds[table]
                own = [k for k in own if not oracle.above(codes[k], kinds[k], self.area, self.level)]
                own += [k for k in seen - set(own) if kinds[k] == self.level and codes[k] == int(self.area)]
            self.expect(path, answer.text.count("\r\n"), 1 + len(own))
            if table != "worker":
                located = await self.ask(path.replace("{format}", "geojson"))
                self.expect(path, len(located.json()["features"]), len(own))

    async def reports(self) -> None:
        """Ask for what was reported, of the own area and of all others."""
        codes = {f"{code:015d}" for code in self.world.rows["case_file"].values()}
        allowed = self.role in oracle.MAY_REPORT
        inside = {c for c in codes if allowed and oracle.inside(int(c), self.area, self.level)}
        for form in ("json", "xml"):
            answer = await self.ask(REPORTS.replace("{form}", form))
            self.expect(REPORTS, answer.status_code, 200 if allowed else 403)
            self.expect(REPORTS, set(re.findall(r"C-([0-9]{15})", answer.text)), inside)
            if "来电" in answer.text:
                self.wrong.append(f"{REPORTS} tells of the words of others")
        foreign = sorted(codes - inside)
        for code in (*sorted(inside)[:2], *foreign[:1], *foreign[-1:]):
            answer = await self.ask(REPORT.replace("{form}", "json").replace("{number}", f"C-{code}"))
            wanted = 403 if not allowed else 200 if code in inside else 404
            self.expect(f"{REPORT} of {code}", answer.status_code, wanted)

    async def sensorthings(self) -> None:
        """Ask for everything at once, for counts, and for what filters over links would tell of others."""
        if "place" not in self.reads:
            for path in (STA, STA + "/Things"):
                self.expect(path, (await self.ask(path)).status_code, 403)
            return
        seen = {
            table: oracle.visible(self.world, table, self.role, self.area, self.level) for table in STA_TABLES
        }
        kinds = self.world.kinds["device"]
        own = sorted(k for k in seen["device"] if kinds[k] != "worker")
        others = [k for k in self.world.rows["device"] if kinds[k] != "worker" and k not in seen["device"]]
        whole = (
            "/Things?$count=true&$top=1000&$expand=HistoricalLocations($expand=Locations),Locations($expand=Things),"
            "Datastreams($expand=Sensor,ObservedProperty,Observations($expand=FeatureOfInterest))"
        )
        told = (await self.ask(STA + whole)).json()
        self.expect(whole, [thing["@iot.id"] for thing in told["value"]], own)
        self.expect(whole, told["@iot.count"], len(own))
        # Of each device one today, and one of a day that is over, which is counted by `observation_count`.
        days = [seen[table] & set(own) for table in ("observation", "observation_count")]
        observed = sum(map(len, days)) + len(seen["datastream"])
        counts = {
            "/Datastreams/$count": sum(SLOTS[kinds[k]] for k in own) + len(seen["datastream"]),
            "/Observations/$count": observed,
            "/Observations/$count?$filter=phenomenonTime ge 2000-01-01T00:00:00Z": observed,
            "/FeaturesOfInterest/$count": len(own) + len(seen["feature_of_interest"]),
            "/Locations/$count": len(own) + len(seen["declared_place"]),
            "/Sensors/$count?$filter=id ge 100000000": len(seen["sensor"]),
            "/ObservedProperties/$count?$filter=id ge 100000000": len(seen["sensor"]),
        }
        for path, number in counts.items():
            self.expect(path, (await self.ask(STA + path)).text, str(number))
        for key in (others[0], others[-1]) if others else ():
            code = f"{self.world.rows['device'][key]:015d}"
            for path in (
                f"/Things({key})",
                f"/Things({key})/Datastreams",
                f"/Datastreams({key}000)/Observations",
                f"/FeaturesOfInterest({key})",
            ):
                self.expect(path, (await self.ask(STA + path)).status_code, 404)
            for path in (
                f"/Datastreams?$filter=Thing/id eq {key}",
                f"/Things?$filter=substringof('{code}', name)",
                f"/Observations?$filter=Datastream/Thing/id eq {key} or result eq 'declared {code}'",
                f"/Sensors?$filter=Datastreams/Thing/id eq {key} or name eq 'declared {code}'",
                f"/ObservedProperties?$filter=Datastreams/Thing/id eq {key} or name eq 'declared {code}'",
            ):
                answer = (await self.http.get(f"{STA}{path}&$count=true")).json()
                self.expect(path, (answer["@iot.count"], answer["value"]), (0, []))

    async def looks(self) -> None:
        """Look at cameras here and elsewhere, and fetch a picture that was never taken."""
        status = 404 if self.role in MAY_LOOK else 403
        seen = oracle.visible(self.world, "device", self.role, self.area, self.level)
        cameras = [key for key, kind in self.world.kinds["device"].items() if kind == "camera"]
        own, foreign = [k for k in cameras if k in seen], [k for k in cameras if k not in seen]
        for key in (*own[:1], *foreign[:2], *foreign[-1:]):
            answer = await self.http.post(f"/api/cameras/{key}/pictures")
            allowed = key in own and self.role in MAY_LOOK
            self.expect(f"/api/cameras/{key}/pictures", answer.status_code, 200 if allowed else status)
        path = PICTURES.replace("{token}", "A" * 64)
        self.expect(path, (await self.ask(path)).status_code, status)

    async def sent(self) -> None:
        """Ask what devices here and elsewhere, and trackers, sent as it came."""
        kinds = self.world.kinds["device"]
        seen = oracle.visible(self.world, "device", self.role, self.area, self.level)
        own = [k for k in seen if kinds[k] != "worker"]
        foreign = [k for k in self.world.rows["device"] if k not in seen]
        for key in (*own[:2], *own[-1:], *foreign[:2], *foreign[-1:]):
            answer = await self.ask(SENT.replace("{id}", str(key)))
            wanted = 403 if self.role != "integrator" else 200 if key in seen else 404
            self.expect(f"{SENT} of {key}", answer.status_code, wanted)

    def all_codes(self, table: str) -> set[str]:
        seen = oracle.visible(self.world, table, self.role, self.area, self.level)
        return {f"{self.world.rows[table][k]:015d}" for k in seen}

    async def codes(self, path: str) -> set[str]:
        text = (await self.ask(path)).text
        return set(re.findall(r"water_level-([0-9]{15})", text))

    async def tiles(self) -> None:
        """Ask for the tile of the own middle, and of the whole strip from afar."""
        for layers in (
            "building",
            "area,unit_grid,area_label",
            "camera_field,place_label",
            "component,compound,network_line,network_node",
        ):
            for z in (12, 16):
                x, y = tile_of(LON + 40 * STEP, LAT + STEP / 2, z)
                answer = await self.http.get(f"/tiles/{layers}/{z}/{x}/{y}.mvt")
                self.expect(layers, answer.status_code, 200)
                text = answer.content.decode("latin-1")
                for code in sorted(set(CODE.findall(text))):
                    if "place" not in self.reads or not may_come_out(self.world, code, self.area, self.level):
                        self.wrong.append(f"tile {layers} {z}/{x}/{y} tells of {code}")
                if PERSONS.search(answer.content.decode("utf-8", "replace")):
                    self.wrong.append(f"tile {layers} {z}/{x}/{y} tells of a person")


def tile_of(lon: float, lat: float, z: int) -> tuple[int, int]:
    n = 1 << z
    y = (1 - np.arcsinh(np.tan(np.radians(lat))) / np.pi) / 2
    return int((lon + 180) / 360 * n), int(y * n)


@pytest.mark.parametrize("role", oracle.READS)
async def test_no_way_out_tells_of_another_area(made, tmp_path, role):
    database, world = made
    wrong: list[str] = []
    async with serving(database, tmp_path) as served:
        for area, level in places(world, role):
            secret = await served.secret((role, area))
            async with httpx.AsyncClient(
                base_url=served.url, timeout=30.0, cookies={COOKIE: secret}, verify=False
            ) as http:
                wrong += await Asker(http, world, role, area, level).all()
    assert wrong == [], "\n".join(wrong[:40])


@pytest.mark.parametrize("role", oracle.READS)
async def test_live_rooms_and_journal_tell_nothing_of_another_area(made, tmp_path, role):
    database, world = made
    async with serving(database, tmp_path) as served:
        asked = places(world, role)
        tokens = [await served.secret((role, area), kind=CredentialKind.TOKEN) for area, _ in asked]
        looks = await asyncio.gather(*(look(served.live, token) for token in tokens))
        for (area, level), (ids, texts, counted) in zip(asked, looks, strict=True):
            seen = oracle.visible(world, "device", role, area, level)
            seen = {key for key in seen if world.rows["device"][key]}  # one lies far from the strip
            assert ids == seen, (role, area, level)
            assert counted == len(seen), (role, area, level)
            for code in set(CODE.findall(texts)):
                assert may_come_out(world, code, area, level), (role, area, level, code)
            assert not PERSONS.search(texts), (role, area, level)


async def look(url: str, token: str) -> tuple[set[int], str, int]:
    """Look at the whole strip: ids of all things sent, all texts, and the sum of the aggregates from afar."""
    headers = {"authorization": f"Bearer {token}"}
    bbox = [LON - 0.1, LAT - 0.1, LON + 0.2, LAT + 0.1]
    ids: set[int] = set()
    texts = ""
    counted = 0
    async with websockets.connect(url, additional_headers=headers) as socket:
        for zoom in (15, 8):
            # From the beginning of the journal, so that all that was told before is told again.
            resume = {"epoch": 1, "tick": 0, "journal": 0}
            ask = {"op": "subscribe", "bbox": bbox, "zoom": zoom, "resume": resume}
            await socket.send(json.dumps(ask))
            with contextlib.suppress(TimeoutError):
                while True:
                    message = await asyncio.wait_for(socket.recv(), 1.0)
                    if isinstance(message, str):
                        texts += message
                        continue
                    for block in decode_frame(message).blocks:
                        if block.kind is BlockKind.CELLS:
                            counted += int(block.columns["count"].sum())
                        else:
                            ids |= set(block.columns["id"].tolist())
    return ids, texts, counted


def ends(world: World, role: str) -> list[tuple[str, str]]:
    """The whole, and of each level the first and the last area: those between are asked by HTTP."""
    chosen = places(world, role)
    return [place for i, place in enumerate(chosen) if i in (0, len(chosen) - 1) or i % 3 == 1]


async def test_followers_are_told_nothing_of_another_area(made, tmp_path):
    """All is changed and observes at once, while each role at each level follows sets and two Things."""
    database, world = made
    things = sorted(k for k, kind in world.kinds["device"].items() if kind != "worker")
    first, last = things[0], things[-2]
    topics = [f"v1.1/{name}" for name in FOLLOWED] + [f"v1.1/Things({k})/name" for k in (first, last)]
    async with serving(database, tmp_path) as served:
        asked = [(role, *place) for role in oracle.READS for place in ends(world, role)]
        ready = asyncio.Barrier(len(asked) + 1)
        secrets = [await served.secret((role, area), kind=CredentialKind.TOKEN) for role, area, _ in asked]
        names = dict(
            await served.run_sql(
                "SELECT encode(secret_hash, 'hex'), a.name FROM credential AS c JOIN account AS a "
                "ON a.id = c.account_id WHERE c.kind = 'token'"
            )
        )
        url = served.url.replace("http", "ws") + "/sta/mqtt"
        following = [
            asyncio.create_task(follow(url, names[digest(one).hex()], one, topics, ready)) for one in secrets
        ]
        async with asyncio.timeout(60):
            await ready.wait()
        bring(served, world)
        told = await asyncio.gather(*following)
    wrong: list[str] = []
    for (role, area, level), one in zip(asked, told, strict=True):
        wrong += [f"{role} at {level} {area}: {what}" for what in amiss(world, role, area, level, one)]
    assert wrong == [], "\n".join(wrong[:40])


def bring(served, world: World) -> None:
    """Say that every device observed, and that everything that can be followed was changed."""
    twin, followers = served.runtime.twin, served.runtime.followers
    row_of_id = twin.board.row_of_id
    devices = [k for k in world.rows["device"] if k in row_of_id]
    observed = [k for k in world.rows["observation"] if k in row_of_id]
    rows = np.array([row_of_id[k] for k in observed], np.int32)
    n, at_us = len(rows), (MOMENT - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)
    nowhere, times = np.full(n, np.nan), np.full(n, at_us)
    twin.stored_listener(
        Observations(rows, np.zeros(n, np.int64), times, np.ones(n), nowhere, nowhere, times)
    )
    followers.changed((name, k) for name in ("Things", "Locations", "FeaturesOfInterest") for k in devices)
    followers.changed(("Datastreams", k * 1000) for k in devices)
    followers.changed(("Sensors", k) for k in world.rows["sensor"])
    followers.changed(("FeaturesOfInterest", k) for k in world.rows["feature_of_interest"])


def amiss(world: World, role: str, area: str, level: str, told: Told) -> list[str]:
    """Return what a follower was told and should not have been, or was not told."""
    if "place" not in oracle.READS[role].split():
        return [] if told.code == 5 and not told.messages else [f"let in with {told.code}"]
    kinds = world.kinds["device"]
    seen = {
        table: oracle.visible(world, table, role, area, level)
        for table in ("device", "sensor", "feature_of_interest", "observation", "declared_place")
    }
    own = {k for k in seen["device"] if kinds[k] != "worker"}
    wanted = {
        "v1.1/Things": own,
        "v1.1/Locations": own,
        "v1.1/Datastreams": {k * 1000 for k in own},
        "v1.1/Sensors": seen["sensor"],
        "v1.1/Observations": seen["observation"] & own,
        "v1.1/FeaturesOfInterest": own | seen["feature_of_interest"],
    }
    found: dict[str, set[object]] = {topic: set() for topic in wanted}
    wrong = []
    for topic, payload in told.messages:
        entity = json.loads(payload)
        if topic in found:
            key = entity["@iot.id"]
            is_text = isinstance(key, str)
            found[topic].add(int(key.partition("-")[0]) // 1000 if is_text else key)
        elif int(topic.partition("(")[2].partition(")")[0]) not in own:
            wrong.append(f"{topic} is told")
        words = payload.decode()
        for code in set(CODE.findall(words)):
            if not may_come_out(world, code, area, level):
                wrong.append(f"{topic} tells of {code}")
        wrong += [f"{topic} tells of the person {person}" for person in PERSONS.findall(words)]
    for topic, ids in wanted.items():
        if found[topic] != ids:
            wrong.append(f"{topic} tells of {len(found[topic])} instead of {len(ids)}")
    return wrong
