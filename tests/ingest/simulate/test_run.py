from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from gmqtt import Client
from sqlalchemy import Engine, text

from ingest.decoders.observations import decode_device, decode_gateway
from ingest.decoders.status import decode_status
from ingest.simulate.city import City
from ingest.simulate.parameters import DEFAULT_PATH, Parameters
from ingest.simulate.run import SimulateOptions, SimulateReport, run
from ingest.simulate.siting import site_devices
from ingest.transports.admission import Admission
from ingest.transports.broker import Broker
from twin.access.sealing import Sealer
from twin.catalog import Catalog
from twin.errors import InvalidError, NotFoundError, UnavailableError

Messages = list[tuple[str, bytes, bool]]
SEALER = Sealer(b"k" * 32)


@asynccontextmanager
async def listening(broker: Broker, client_id: str) -> AsyncIterator[Messages]:
    """Hear all that is published from now on: topic, payload, and whether it was kept from before."""
    heard: Messages = []

    async def on_message(_client: Any, topic: str, payload: bytes, _qos: int, properties: Any) -> int:
        heard.append((topic, bytes(payload), bool(properties.get("retain"))))
        return 0

    client = Client(client_id)
    client.set_auth_credentials(broker.username, broker.password)
    client.on_message = on_message
    await client.connect(broker.host, broker.port)
    client.subscribe("gt/v1/#", qos=1)
    await asyncio.sleep(0.2)
    try:
        yield heard
    finally:
        await client.disconnect()


def options(town: Engine, broker: Broker, **more: Any) -> SimulateOptions:
    url = town.url.render_as_string(hide_password=False)
    return SimulateOptions(url, broker.address, broker.data_dir / f"{town.url.database}.json", seed=7, **more)


@pytest.fixture
def admitting(town: Engine, broker: Broker) -> Iterator[None]:
    """Let the broker hear of the accounts of this database."""
    with Admission(broker, town.url.render_as_string(hide_password=False)):
        yield


@pytest.fixture
def quick(tmp_path: Path) -> Path:
    """The shipped parameters, with first reports within two seconds."""
    file = tmp_path / "simulation.toml"
    content = DEFAULT_PATH.read_text(encoding="utf-8")
    assert "first_report_s = 15.0" in content
    file.write_text(content.replace("first_report_s = 15.0", "first_report_s = 2.0"), encoding="utf-8")
    return file


@pytest.mark.postgis
@pytest.mark.broker
@pytest.mark.usefixtures("admitting")
async def test_all_devices_speak_the_public_schema_within_their_physical_range(
    town: Engine, broker: Broker, catalog: Catalog, city: City, quick: Path
) -> None:
    with town.begin() as connection:
        summary = site_devices(connection, SEALER, total=500, seed=7)
        kinds = {r.uid: r.kind for r in connection.execute(text("SELECT uid, kind FROM device"))}
    reports: list[SimulateReport] = []
    async with listening(broker, "ear-1") as heard:
        began = time.time()
        await run(options(town, broker, duration_s=5.0, parameters_file=quick, on_report=reports.append))
        await asyncio.sleep(0.5)
    seen: set[str] = set()
    readings = 0
    places: list[tuple[float, float]] = []
    for topic, payload, _ in heard:
        parts = topic.split("/")
        if parts[-1] == "status":
            decode_status(payload)
            continue
        found = decode_gateway(payload) if parts[2] == "gateways" else decode_device(parts[3], payload)
        assert not found.refused
        if parts[2] == "gateways":
            assert parts[3].startswith("sim-")
        for uid, time_us, name, value, unit, lon, lat in zip(
            found.uid, found.time_us, found.name, found.value, found.unit, found.lon, found.lat, strict=True
        ):
            observed = catalog.by_name[kinds[uid]].property(name)
            assert observed.minimum <= value <= observed.maximum
            assert unit in ("", observed.unit)
            assert began - 1.0 <= time_us / 1e6 <= time.time()
            assert np.isfinite(lon) == (kinds[uid] in ("worker", "vehicle"))
            if np.isfinite(lon):
                places.append((lon, lat))
            seen.add(uid)
            readings += 1
    fixed = {uid for uid, kind in kinds.items() if kind != "worker"}
    assert fixed <= seen, "each device has spoken"
    assert len(seen - fixed) >= summary.workers // 2, "some workers may be indoors"
    end = reports[-1]
    assert end.devices == summary.sited + summary.workers + summary.vehicles
    assert end.counts.acknowledged_readings == end.counts.readings == readings, "nothing is lost or doubled"
    assert (end.backlog, end.counts.dropped) == (0, 0)
    x, y = city.to_metres(*np.array(places).T)
    network = shapely.union_all([r.line for r in city.roads])
    assert shapely.distance(network, shapely.points(x, y)).max() < 30.0, "beside the streets, by GPS error"


@pytest.mark.postgis
@pytest.mark.broker
@pytest.mark.usefixtures("admitting")
async def test_single_devices_say_when_they_come_and_go(town: Engine, broker: Broker, quick: Path) -> None:
    with town.begin() as connection:
        site_devices(connection, SEALER, total=200, seed=7)
    async with listening(broker, "ear-2") as heard:
        heard.clear()
        await run(options(town, broker, duration_s=2.5, parameters_file=quick))
        await asyncio.sleep(0.3)
    status: dict[str, list[bytes]] = {}
    for topic, payload, _ in heard:
        if topic.endswith("/status"):
            status.setdefault(topic.split("/")[3], []).append(payload)
    mine = {uid: words for uid, words in status.items() if b"online" in words}
    assert len(mine) >= 4 + 8, "2 % of the devices, and all workers"
    assert all(words[-1] == b"offline" for words in mine.values())


@pytest.mark.postgis
@pytest.mark.broker
@pytest.mark.usefixtures("admitting")
async def test_the_simulator_gives_signs_of_life_and_says_goodbye(town: Engine, broker: Broker) -> None:
    with town.begin() as connection:
        site_devices(connection, SEALER, total=200, seed=7)
    async with listening(broker, "ear-heart") as heard:
        await run(options(town, broker, duration_s=7.0))
        await asyncio.sleep(0.3)
    beats = [(payload, kept) for topic, payload, kept in heard if topic == "gt/v1/gateways/sim-gw-001/status"]
    assert 3 <= len(beats) - 1 <= 4, "every two seconds"
    assert {kept for _, kept in beats} == {False}
    assert [payload for payload, _ in beats] == [b"online"] * (len(beats) - 1) + [b"offline"]


_PROCESS = """
import asyncio, sys
from pathlib import Path
from ingest.simulate.run import SimulateOptions, run
from ingest.transports.broker import BrokerAddress
url, host, port, user, password, file, accounts = sys.argv[1:]
broker = BrokerAddress(host, int(port), user, password)
asyncio.run(run(SimulateOptions(url, broker, Path(accounts), parameters_file=Path(file))))
"""


@pytest.mark.postgis
@pytest.mark.broker
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
@pytest.mark.usefixtures("admitting")
async def test_a_stopped_process_says_farewell_and_a_killed_one_has_its_last_will(
    town: Engine, broker: Broker, quick: Path, how: signal.Signals
) -> None:
    with town.begin() as connection:
        site_devices(connection, SEALER, total=100, seed=7)
    url = town.url.render_as_string(hide_password=False)
    arguments = [url, broker.host, str(broker.port), broker.username, broker.password, str(quick)]
    arguments.append(str(broker.data_dir / f"{town.url.database}.json"))
    async with listening(broker, f"ear-{how}") as heard:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            _PROCESS,
            *arguments,
            cwd=DEFAULT_PATH.parents[1],
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(30.0):
                # What is waited for comes from another process: there is no event to wait on.
                while not any(t.endswith("/observations") for t, _, kept in heard if not kept):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
            await asyncio.sleep(1.0)
            heard.clear()
            process.send_signal(how)
            _, errors = await asyncio.wait_for(process.communicate(), 20.0)
        finally:
            if process.returncode is None:
                process.kill()
        await asyncio.sleep(0.5)
    offline = {topic.split("/")[3] for topic, payload, _ in heard if payload == b"offline"}
    workers = {uid for uid in offline if uid.startswith("sim-worker-")}
    assert workers == {f"sim-worker-{n:03d}" for n in range(1, 9)}
    if how is not signal.SIGKILL:
        assert process.returncode == 0
        assert errors == b""


@pytest.mark.postgis
async def test_it_outlives_the_broker_and_loses_nothing(town: Engine, server_dir: Path, quick: Path) -> None:
    with town.begin() as connection:
        site_devices(connection, SEALER, total=300, seed=7)
    reports: list[SimulateReport] = []
    stop = asyncio.Event()
    broker = Broker(server_dir / "broker-outage", port=0)
    broker.start()
    admission = Admission(broker, town.url.render_as_string(hide_password=False))
    admission.start()
    try:
        task = asyncio.create_task(
            run(options(town, broker, rate=400.0, parameters_file=quick, on_report=reports.append), stop)
        )
        await asyncio.sleep(2.5)
        await asyncio.to_thread(broker.stop)
        await asyncio.sleep(2.0)
        await asyncio.to_thread(broker.start)
        await asyncio.sleep(4.5)
        stop.set()
        await asyncio.wait_for(task, 20.0)
    finally:
        admission.stop()
        broker.stop()
    end = reports[-1]
    assert end.counts.reconnects >= 1
    assert (end.backlog, end.counts.dropped) == (0, 0)
    assert end.counts.acknowledged_readings > 400.0 * 6.0, "the readings of the outage came too"


@pytest.mark.postgis
@pytest.mark.broker
async def test_a_wrong_password_ends_it_with_words(town: Engine, broker: Broker) -> None:
    with town.begin() as connection:
        site_devices(connection, SEALER, total=50, seed=7)
    # Nothing tells this broker of the accounts: to it the passwords are wrong.
    with pytest.raises(UnavailableError, match="refuses"):
        await asyncio.wait_for(run(options(town, broker, duration_s=15.0)), 20.0)


@pytest.mark.postgis
@pytest.mark.broker
async def test_a_city_without_simulated_devices_says_what_to_do(town: Engine, broker: Broker) -> None:
    with pytest.raises(NotFoundError, match="no simulated devices"):
        await run(options(town, broker, duration_s=1.0))


@pytest.mark.postgis
@pytest.mark.broker
@pytest.mark.parametrize("rate", [0.0, -5.0, float("nan"), float("inf")])
async def test_a_silly_rate_is_refused(town: Engine, broker: Broker, rate: float) -> None:
    with pytest.raises(InvalidError, match="rate"):
        await run(options(town, broker, rate=rate))


@pytest.mark.postgis
@pytest.mark.broker
@pytest.mark.usefixtures("admitting")
async def test_the_rate_is_what_was_asked_for(town: Engine, broker: Broker, parameters: Parameters) -> None:
    with town.begin() as connection:
        site_devices(connection, SEALER, total=1000, seed=7)
    reports: list[SimulateReport] = []
    seconds = 12.0
    await run(options(town, broker, rate=1500.0, duration_s=seconds, on_report=reports.append))
    end = reports[-1]
    # First reports are spread over 15 s at most; with about one second between reports they are soon out.
    assert end.counts.acknowledged_readings == pytest.approx(1500.0 * seconds, rel=0.15)
