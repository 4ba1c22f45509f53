"""Ask every way out as one role at one area, and note what should not have been told."""

from __future__ import annotations

import itertools
import json
import re
from operator import itemgetter

import httpx
import numpy as np

from tests.access import oracle
from tests.access.world import LAT, LEVELS, LON, ROOM, STEP, World, grids, secrets_of
from tests.api.access.ways import (
    ANYBODY,
    DUTIES,
    EXPORTS,
    ITEM_CLASSES,
    ITEMS,
    LISTS,
    OF_A_WORKER,
    PICTURES,
    QUERIES,
    REPORT,
    REPORTS,
    SENT,
    STA,
)

CODE = re.compile(r"(?<![0-9])(?:water_level-|worker-)?(5101[0-9]{11})(?![0-9])")
PERSONS = re.compile("|".join(secret for code, *_rest in grids() for secret in secrets_of(code)) + "|" + ROOM)
"""Names, phones, identity numbers and rooms of all persons of the world: none may come out anywhere."""
MAY_EXPORT = {"manager", "planner"}
MAY_LOOK = {"operator", "dispatcher", "manager"}
STA_TABLES = (
    "device", "observation", "observation_count", "datastream", "declared_place", "feature_of_interest",
    "sensor",
)  # fmt: skip
SLOTS = {"water_level": 2, "camera": 1}


def places(world: World, role: str) -> list[tuple[str, str]]:
    """Three siblings on each level below the one city; duties are held for the whole only."""
    chosen = [] if role == "worker" else [oracle.WHOLE]
    if role in oracle.DUTIES:
        return chosen
    for level in LEVELS:
        codes = world.areas[level]
        chosen += [(code, level) for code in (codes[:2] + codes[-1:] if len(codes) > 2 else codes)]
    return chosen


def dealt(world: World, role: str) -> list[tuple[str, str]]:
    """Of each level one area: the first, the middle or the last, dealt so that the roles meet all."""
    levels = [list(areas) for _, areas in itertools.groupby(places(world, role), key=itemgetter(1))]
    turn = list(oracle.READS).index(role)
    return [areas[(turn + n) % len(areas)] for n, areas in enumerate(levels)]


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

    def visible(self, table: str) -> set[object]:
        """Return the ids of a table that they should see."""
        return oracle.visible(self.world, table, self.role, self.area, self.level)

    def may_come_out(self, code: str) -> bool:
        """Say whether a code may stand in an answer."""
        return may_come_out(self.world, code, self.area, self.level)

    async def ask(self, path: str, body: object = None) -> httpx.Response:
        answer = await (self.http.get(path) if body is None else self.http.post(path, json=body))
        if answer.status_code >= 500:
            self.wrong.append(f"{path}: {answer.status_code}")
        if answer.status_code == 200:
            for code in sorted(set(CODE.findall(answer.text))):
                if not self.may_come_out(code):
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
            asked = path.replace("{mapping:mapping}", "waterworks") + next(iter(QUERIES.get(path, [""])))
            self.expect(path, (await self.ask(asked)).status_code, 200 if allowed else 403)
        for path in OF_A_WORKER:
            self.expect(path, (await self.ask(path)).status_code, 403)
        await self.items()
        await self.traces()
        await self.ways()
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
            seen = self.visible(table)
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
        seen = self.visible("network_line")
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

    async def ways(self) -> None:
        """Ask for ways to cases here and elsewhere, and who is near: only cases and workers one sees."""
        seen = self.visible("case_file")
        foreign = [key for key in self.world.rows["case_file"] if key not in seen]
        for key in (*list(seen)[:1], *foreign[:1], *foreign[-1:]):
            answer = await self.ask(f"/api/ways/reach?place=case/{key}&minutes=1")
            lies_far = not self.world.rows["case_file"][key]
            self.expect(
                f"ways from case {key}",
                answer.status_code,
                404 if key not in seen else 422 if lies_far else 200,
            )
        if "worker" in self.reads:
            told = (await self.ask("/api/ways/nearest" + QUERIES["/api/ways/nearest"][0])).json()
            kinds, seen = self.world.kinds["device"], self.visible("device")
            trackers = {key for key in seen if kinds[key] == "worker"}
            near = {one["tracker_id"] for one in told["workers"]}
            self.expect("the nearest", near <= trackers, True)
            self.expect("how many are near", len(near) + told["unreached"] <= len(trackers), True)

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
            devices = [k for k in self.visible("device") if self.world.kinds["device"][k] != "worker"]
            self.expect("/api/groups", sum(group["devices"] for group in groups), len(devices))

    async def exports(self) -> None:
        """Take out each table: all rows of the own area are in it, and no others."""
        for path, (data, table) in EXPORTS.items():
            allowed = self.role in MAY_EXPORT and data in self.reads
            seen = self.visible(table)
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
        seen = {table: self.visible(table) for table in STA_TABLES}
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
        seen = self.visible("device")
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
        seen = self.visible("device")
        own = [k for k in seen if kinds[k] != "worker"]
        foreign = [k for k in self.world.rows["device"] if k not in seen]
        for key in (*own[:2], *own[-1:], *foreign[:2], *foreign[-1:]):
            answer = await self.ask(SENT.replace("{id}", str(key)))
            wanted = 403 if self.role != "integrator" else 200 if key in seen else 404
            self.expect(f"{SENT} of {key}", answer.status_code, wanted)

    def all_codes(self, table: str) -> set[str]:
        seen = self.visible(table)
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
                    if "place" not in self.reads or not self.may_come_out(code):
                        self.wrong.append(f"tile {layers} {z}/{x}/{y} tells of {code}")
                if PERSONS.search(answer.content.decode("utf-8", "replace")):
                    self.wrong.append(f"tile {layers} {z}/{x}/{y} tells of a person")


def tile_of(lon: float, lat: float, z: int) -> tuple[int, int]:
    n = 1 << z
    y = (1 - np.arcsinh(np.tan(np.radians(lat))) / np.pi) / 2
    return int((lon + 180) / 360 * n), int(y * n)
