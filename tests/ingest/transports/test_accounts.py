"""Accounts of publishers, from the table to what a real broker lets each of them do."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace

import gmqtt
import pytest
from sqlalchemy import text

from ingest.simulate.publishing import ensure_secrets
from ingest.transports import accounts
from ingest.transports import broker as brokers
from ingest.transports.admission import Admission
from ingest.transports.broker import Admitted, Broker
from twin.access.scope import EVERYWHERE, NOTHING, Scope
from twin.errors import ConflictError, InvalidError, NotFoundError
from twin.store.engine import create_engine

pytestmark = [pytest.mark.postgis, pytest.mark.broker]


@pytest.fixture
def engine(database):
    engine = create_engine(database.fresh().url)
    yield engine
    engine.dispose()


@pytest.fixture
def broker(server_dir, engine) -> Iterator[Broker]:
    """A broker that follows the accounts of this test's database."""
    running = Broker(server_dir / f"accounts-{engine.url.database}", port=0)
    with Admission(running, engine.url.render_as_string(hide_password=False)), running:
        yield running


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(250):
        if await asyncio.to_thread(holds):
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come about in time")


def answers(broker: Broker, user_name: str, secret: str) -> int:
    return brokers.sign_in(replace(broker.address, username=user_name, password=secret))


async def signed_in(broker: Broker, user_name: str, secret: str, client_id: str) -> gmqtt.Client:
    client = gmqtt.Client(client_id)
    client.heard = []

    async def on_message(_client, topic, payload, _qos, _properties) -> int:
        client.heard.append((topic, bytes(payload)))
        return 0

    client.on_message = on_message
    client.set_config({"reconnect_retries": 0})
    client.set_auth_credentials(user_name, secret)
    await client.connect(broker.host, broker.port)
    return client


async def test_each_publishes_on_its_own_topics_and_hears_nothing(engine, broker) -> None:
    with engine.begin() as connection:
        device = accounts.add_publisher(connection, "dev-0001", "device")
        gateway = accounts.add_publisher(connection, "gate-0001", "gateway")
    await until(lambda: answers(broker, gateway.user_name, gateway.secret) == 0)
    ear = await signed_in(broker, broker.username, broker.password, "ear")
    ear.subscribe("#", qos=1)
    both = {
        token.name: await signed_in(broker, token.user_name, token.secret, token.name)
        for token in (device, gateway)
    }
    await asyncio.sleep(0.2)
    topics = [
        f"gt/v1/{sender}/{name}/{what}"
        for sender in ("devices", "gateways")
        for name in ("dev-0001", "gate-0001", "dev-0002")
        for what in ("observations", "status", "other")
    ]
    for name, client in both.items():
        client.subscribe("gt/v1/#", qos=1)
        client.subscribe("#", qos=1)
        for topic in [*topics, "gt/v1/news", "$SYS/broker/uptime"]:
            client.publish(topic, name.encode(), qos=1)
    await asyncio.sleep(1.0)
    assert sorted(ear.heard) == sorted(
        (f"gt/v1/{sender}/{name}/{what}", name.encode())
        for sender, name in (("devices", "dev-0001"), ("gateways", "gate-0001"))
        for what in ("observations", "status")
    )
    assert [client.heard for client in both.values()] == [[], []]
    ear.publish("gt/v1/devices/dev-0001/observations", b"by the server", qos=1)
    await asyncio.sleep(0.3)
    assert len(ear.heard) == 4, "the server's own account publishes nothing"
    for client in (ear, *both.values()):
        await client.disconnect()


async def test_client_id_of_somebody_else_takes_nothing_over(engine, broker) -> None:
    with engine.begin() as connection:
        device = accounts.add_publisher(connection, "dev-0001", "device")
    await until(lambda: answers(broker, device.user_name, device.secret) == 0)
    server = await signed_in(broker, broker.username, broker.password, "gridtwin-server")
    lost = asyncio.Event()
    server.on_disconnect = lambda *_: lost.set()
    thief = await signed_in(broker, device.user_name, device.secret, "gridtwin-server")
    other = await signed_in(broker, device.user_name, device.secret, broker.username)
    await asyncio.sleep(0.5)
    assert not lost.is_set()
    for client in (server, thief, other):
        await client.disconnect()


async def test_old_secret_goes_on_beside_the_new_one_and_the_one_before_ends(engine, broker) -> None:
    tokens = []
    with engine.begin() as connection:
        tokens.append(accounts.add_publisher(connection, "dev-0001", "device"))
    for _ in range(2):
        with engine.begin() as connection:
            tokens.append(accounts.replace_secret(connection, "dev-0001"))
        await until(lambda: answers(broker, tokens[-1].user_name, tokens[-1].secret) == 0)
        assert answers(broker, tokens[-2].user_name, tokens[-2].secret) == 0
    assert [token.user_name for token in tokens] == ["dev-0001", "dev-0001.2", "dev-0001"]
    assert answers(broker, tokens[0].user_name, tokens[0].secret) == 5
    with engine.begin() as connection:
        connection.execute(text("UPDATE publisher_secret SET valid_to = now() WHERE slot = 2"))
    await until(lambda: answers(broker, tokens[1].user_name, tokens[1].secret) == 5)
    assert answers(broker, tokens[2].user_name, tokens[2].secret) == 0


async def test_closed_account_is_thrown_out(engine, broker) -> None:
    with engine.begin() as connection:
        token = accounts.add_publisher(connection, "gate-0001", "gateway")
    await until(lambda: answers(broker, token.user_name, token.secret) == 0)
    client = await signed_in(broker, token.user_name, token.secret, "any")
    lost = asyncio.Event()
    client.on_disconnect = lambda *_: lost.set()
    with engine.begin() as connection:
        with pytest.raises(NotFoundError):
            accounts.disable_publisher(connection, "gate-0001", "device")
        accounts.disable_publisher(connection, "gate-0001", "gateway")
    await asyncio.wait_for(lost.wait(), 5)
    assert answers(broker, token.user_name, token.secret) == 5
    with engine.begin() as connection:
        accounts.enable_publisher(connection, "gate-0001", "gateway")
    await until(lambda: answers(broker, token.user_name, token.secret) == 0)
    with engine.begin() as connection:
        accounts.disable_publisher(connection, "gate-0001", "gateway")
    with engine.begin() as connection, pytest.raises(NotFoundError):
        accounts.replace_secret(connection, "gate-0001")


@pytest.mark.parametrize(
    "name", ["abc", "a" * 65, "a+bc", "a/bc", "#abc", "abcd\n", "user x", "gridtwin.server"]
)
def test_name_that_could_be_read_as_more_is_refused(engine, name: str) -> None:
    with engine.connect() as connection, pytest.raises(InvalidError, match="cannot be the name"):
        accounts.add_publisher(connection, name, "device")
    with engine.connect() as connection, pytest.raises(Exception, match="ck_publisher_name"):
        connection.execute(text("INSERT INTO publisher VALUES (:n, 'device', 0, 0)"), {"n": name})
    with pytest.raises(InvalidError):
        Broker(brokers.Path("/nowhere")).admit([Admitted(name, name, "device", accounts.mqtt_hash("x"))])


def test_name_is_taken_once_and_a_scope_is_one_range(engine) -> None:
    with engine.begin() as connection:
        accounts.add_publisher(connection, "gate-0001", "gateway", Scope.of_area("510104021000000", "street"))
        found = connection.execute(text("SELECT low, high FROM publisher")).one()
        assert tuple(found) == (510104021000000, 510104021999999)
        with pytest.raises(ConflictError):
            accounts.add_publisher(connection, "gate-0001", "device", EVERYWHERE)
        with pytest.raises(InvalidError, match="one range"):
            accounts.add_publisher(connection, "gate-0002", "gateway", NOTHING)


def test_simulated_senders_keep_their_secrets_in_a_private_file(engine, tmp_path) -> None:
    path = tmp_path / "secrets" / "simulator-accounts.json"
    with engine.begin() as connection:
        first = ensure_secrets(connection, path, ["sim-gw-001"], ["dev-0001"])
        assert ensure_secrets(connection, path, ["sim-gw-001"], ["dev-0001"]) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM publisher WHERE name = 'dev-0001'"))
        second = ensure_secrets(connection, path, ["sim-gw-001"], ["dev-0001"])
    assert second["sim-gw-001"] == first["sim-gw-001"]
    assert second["dev-0001"] != first["dev-0001"]
    path.write_text("{")
    with engine.begin() as connection:
        assert set(ensure_secrets(connection, path, ["sim-gw-001"], [])) == {"sim-gw-001"}
