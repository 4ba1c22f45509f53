"""Measure a storm of alarms: how many cases it makes, and whether an unrelated alarm waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import math
import random
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from bench.live import mqtt
from bench.live.brokers import product_broker
from bench.live.contenders import Ground, gridtwin
from bench.live.database import connect
from bench.live.payload import gateway_name, gateway_topic
from bench.live.publisher import Gateway
from bench.live.websocket import TEXT, LeanSocket, make_socket
from bench.report import Table, show, spread_ms
from bench.workplace import CommonOptions, option, workplace
from twin.errors import InvalidError, UnavailableError
from twin.store.cluster import PrivateCluster
from twin.store.migrations.runner import upgrade

_WEST, _SOUTH, _APART_M = 104.0, 30.5, 1_000.0
_DEGREE_M: Final = 111_195.0
_SPREAD_M: Final = 60.0
_GATEWAYS: Final = 8
_AFTER_S: Final = 60.0
"""Longest wait for what is still under way when all was published."""
_SETTLE_S: Final = 1.0

_AREA: Final = """
    WITH d AS (INSERT INTO dataset (name, kind, declared_crs, simulated)
        VALUES ('bench', 'devices', 'EPSG:4326', true) RETURNING id)
    INSERT INTO area (dataset_id, source_ref, content_hash, code, level, name, geom, label_point, made_by,
        area_m2)
    SELECT id, 'grid', '', '510105001001001', 'responsibility_grid', 'bench', ST_Multi(box), ST_Centroid(box),
        'drawn', ST_Area(box::geography)
    FROM d, ST_MakeEnvelope(103.9, 30.4, 104.9, 31.2, 4326) AS box"""
_DEVICES: Final = """
    INSERT INTO device (dataset_id, source_ref, content_hash, uid, kind, geom, height_m, position_source,
        simulated)
    SELECT (SELECT id FROM dataset), u, '', u, k, ST_SetSRID(ST_MakePoint(x, y), 4326), 1, 'estimated', true
    FROM unnest(%s::text[], %s::text[], %s::float8[], %s::float8[]) AS t (u, k, x, y)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(CommonOptions):
    """How large the storm is, and how long the quiet before it."""

    alarms: int = option(10_000, "alarms of the storm, each of a device of its own")
    causes: int = option(40, "places they come from, a kilometre apart")
    seconds: float = option(60.0, "time within which they come")
    quiet_seconds: float = option(60.0, "time before, with the unrelated alarms alone")
    each_s: float = option(0.5, "seconds from one unrelated critical alarm to the next, before and meanwhile")

    def __post_init__(self) -> None:
        if not 1 <= self.causes <= min(400, self.alarms):
            raise InvalidError("--causes must be at least 1, at most 400 and not more than --alarms")
        if min(self.seconds, self.quiet_seconds, self.each_s) <= 0:
            raise InvalidError("--seconds, --quiet-seconds and --each-s must be more than 0")


@dataclass(frozen=True, slots=True)
class _Device:
    uid: str
    kind: str
    observed: str
    lon: float
    lat: float


class _Desk(LeanSocket):
    """A desk that follows the events of the live feed."""

    def __init__(self, port: int, token: str) -> None:
        super().__init__("127.0.0.1", port, "/live", keep=False, read_text=True, token=token)
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.alarms: dict[str, float] = {}
        self.cases: dict[tuple[float, float], float] = {}

    def on_message(self, opcode: int, payload: bytes) -> None:
        """Note when an alarm or a case was told."""
        if opcode != TEXT:
            return
        message, now = orjson.loads(payload), time.time()
        match message["type"]:
            case "ping":
                self.send(TEXT, orjson.dumps({"op": "pong", "t": message["t"]}))
            case "hello":
                view = {
                    "op": "subscribe",
                    "bbox": [104.9, 31.9, 105.0, 32.0],
                    "zoom": 16,
                    "layers": ["devices"],
                }
                self.send(TEXT, orjson.dumps(view))
            case "subscribed" if not self.ready.done():
                self.ready.set_result(None)
            case "event" if message["kind"] == "alarm.raised":
                self.alarms.setdefault(message["data"]["uid"], now)
            case "event" if message["kind"] == "case.reported":
                data = message["data"]
                self.cases.setdefault(_place(data["lon"], data["lat"]), now)


def run(options: Options, progress: Callable[[str], None]) -> dict[str, Any]:
    """Publish unrelated critical alarms in the quiet, then within the storm, and follow them at a desk."""
    storm, quiet, meanwhile = _devices(options)
    with workplace(options) as base, contextlib.ExitStack() as stack:
        folder = base / "storm"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        cluster = stack.enter_context(PrivateCluster(folder, attach=False))
        upgrade(cluster.url)
        every = [*storm, *quiet, *meanwhile]
        with connect(cluster.url) as connection:
            connection.execute(_AREA)
            columns = [[getattr(d, name) for d in every] for name in ("uid", "kind", "lon", "lat")]
            connection.execute(_DEVICES, columns)
            connection.execute("ANALYZE device")
        broker, sign_ins = stack.enter_context(product_broker(folder, cluster.url, _GATEWAYS))
        running = stack.enter_context(gridtwin(Ground(folder, broker, cluster.pid, "single", sign_ins)))
        address = broker.host, broker.port
        result = asyncio.run(
            _measure(
                options, address, sign_ins, running.port, running.token, storm, quiet, meanwhile, progress
            )
        )
        with connect(cluster.url) as connection:
            counts = connection.execute(
                """SELECT (SELECT count(*) FROM alarm),
                       (SELECT count(*) FROM alarm_group WHERE family = 'water'),
                       (SELECT count(*) FROM case_file WHERE category_code = '54001' AND linked_to IS NULL),
                       (SELECT count(*) FROM case_file WHERE category_code = '54001'),
                       (SELECT count(*) FROM case_file WHERE category_code = '51005'),
                       (SELECT count(*) FROM alarm_group WHERE no_case IS NOT NULL)"""
            ).fetchone()
        assert counts is not None
        names = ("alarms", "groups", "cases", "cases_and_repeats", "unrelated_cases", "refused")
        return result | {"causes": options.causes, "counts": dict(zip(names, counts, strict=True))}


def tables(result: Mapping[str, Any]) -> list[Table]:
    """Give how many cases the storm made, and the delays with it and without."""
    counts = result["counts"]
    rows = [
        (
            name,
            str(one["sent"]),
            *(str(one[what]["count"]) for what in ("alarm",)),
            *(show(one[what][f"{key}_ms"]) for what in ("alarm", "case") for key in ("p50", "p99", "max")),
        )
        for name, one in result["delays"].items()
    ]
    return [
        Table(
            "A storm of alarms",
            ("figure", "value"),
            [
                ("alarms sent", f"{result['sent']:,}"),
                ("alarms stored, the unrelated included", f"{counts['alarms']:,}"),
                ("causes", str(result["causes"])),
                ("groups", str(counts["groups"])),
                ("cases", str(counts["cases_and_repeats"])),
                ("last alarm told after the last was sent, s", show(result["drained_s"], 2)),
            ],
        ),
        Table(
            "Unrelated critical alarms, ms from sending to being told at a desk",
            ("while", "sent", "told", "alarm p50", "p99", "worst", "case p50", "p99", "worst"),
            rows,
        ),
    ]


async def _measure(
    options: Options,
    address: tuple[str, int],
    sign_ins: Sequence[tuple[str, str]],
    port: int,
    token: str,
    storm: Sequence[_Device],
    quiet: Sequence[_Device],
    meanwhile: Sequence[_Device],
    progress: Callable[[str], None],
) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    _, desk = await loop.create_connection(
        functools.partial(_Desk, port, token), sock=make_socket("127.0.0.1", port)
    )
    gateways = []
    for number, (username, password) in enumerate(sign_ins):
        made = functools.partial(Gateway, gateway_name(number), username, password)
        _, gateway = await loop.create_connection(made, sock=make_socket(*address))
        gateways.append(gateway)
    await asyncio.wait_for(asyncio.gather(desk.ready, *(one.accepted for one in gateways)), 30.0)
    sent: dict[str, float] = {}
    try:
        progress(f"storm: {len(quiet)} critical alarms in {options.quiet_seconds:.0f} s of quiet")
        await _send(gateways, _timetable(quiet, options.quiet_seconds, random.Random(1)), sent)
        await asyncio.sleep(_SETTLE_S)
        progress(f"storm: {len(storm):,} alarms of {options.causes} causes in {options.seconds:.0f} s")
        lot = random.Random(2)
        table = _timetable(storm, options.seconds, lot) + _timetable(meanwhile, options.seconds, lot)
        await _send(gateways, sorted(table, key=lambda one: one[0]), sent)
        ended = time.time()
        for _ in range(round(10 * _AFTER_S)):
            if _all_told(desk, sent, [*quiet, *meanwhile]):
                break
            await asyncio.sleep(0.1)
        await asyncio.sleep(_SETTLE_S)
    finally:
        for gateway in gateways:
            gateway.close()
    if any(gateway.lost for gateway in gateways):
        raise UnavailableError("the broker closed a connection")
    return {
        "sent": len(storm),
        "told": sum(device.uid in desk.alarms for device in storm),
        "drained_s": round(max(0.0, max(desk.alarms.values()) - ended), 3),
        "delays": {"quiet": _delays(desk, sent, quiet), "storm": _delays(desk, sent, meanwhile)},
    }


def _devices(options: Options) -> tuple[list[_Device], list[_Device], list[_Device]]:
    """Make the devices of the storm around their causes, and unrelated ones halfway between them."""
    lot, wide = random.Random(0), math.ceil(math.sqrt(options.causes))

    def at(column: float, row: float, east_m: float = 0.0, north_m: float = 0.0) -> tuple[float, float]:
        lat = _SOUTH + (row * _APART_M + north_m) / _DEGREE_M
        cosine = math.cos(math.radians(_SOUTH))
        return _WEST + (column * _APART_M + east_m) / (_DEGREE_M * cosine), lat

    storm = []
    for number in range(options.alarms):
        cause = number % options.causes
        aside = lot.uniform(-_SPREAD_M, _SPREAD_M), lot.uniform(-_SPREAD_M, _SPREAD_M)
        place = at(cause % wide, cause // wide, *aside)
        storm.append(_Device(f"bench-wet-{number:06d}", "flood", "wet", *place))
    unrelated: list[list[_Device]] = []
    begin = 0
    for seconds in (options.quiet_seconds, options.seconds):
        count = max(1, round(seconds / options.each_s))
        places = [at(n % 40 + 0.5, n // 40 + 20.5) for n in range(begin, begin + count)]
        unrelated.append(
            [
                _Device(f"bench-sos-{begin + n:06d}", "sos", "pressed", *place)
                for n, place in enumerate(places)
            ]
        )
        begin += count
    return storm, unrelated[0], unrelated[1]


def _timetable(devices: Sequence[_Device], seconds: float, lot: random.Random) -> list[tuple[float, _Device]]:
    """Spread devices over a time by lot; each is due so many seconds after the begin."""
    return sorted(((lot.uniform(0.0, seconds), device) for device in devices), key=lambda one: one[0])


async def _send(
    gateways: Sequence[Gateway], table: Sequence[tuple[float, _Device]], sent: dict[str, float]
) -> None:
    """Publish by the timetable, which waits for nobody; what is due together goes together."""
    begun = time.time()
    for number, (due_s, device) in enumerate(table):
        wait_s = begun + due_s - time.time()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        which = number % len(gateways)
        # From when it was due: a sender that falls behind is part of the delay.
        sent[device.uid] = begun + due_s
        reading = {"t": round(time.time() * 1e3), "d": device.uid, "p": device.observed, "v": 1.0}
        gateways[which].publish(mqtt.text(gateway_topic(which)), orjson.dumps(reading), 1)


def _all_told(desk: _Desk, sent: Mapping[str, float], unrelated: Sequence[_Device]) -> bool:
    return len(desk.alarms) >= len(sent) and all(_place(d.lon, d.lat) in desk.cases for d in unrelated)


def _delays(desk: _Desk, sent: Mapping[str, float], devices: Sequence[_Device]) -> dict[str, Any]:
    alarms = [desk.alarms[d.uid] - sent[d.uid] for d in devices if d.uid in desk.alarms]
    cases = [
        at_s - sent[d.uid] for d in devices if (at_s := desk.cases.get(_place(d.lon, d.lat))) is not None
    ]
    return {"sent": len(devices), "alarm": spread_ms(alarms), "case": spread_ms(cases)}


def _place(lon: float, lat: float) -> tuple[float, float]:
    return round(lon, 5), round(lat, 5)
