"""Run a broker of its own for a device under test, and watch what it publishes: nothing reaches the twin."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gmqtt

from ingest.conformance.bench import Sender
from ingest.conformance.watch import Message, Watch
from ingest.transports.accounts import mqtt_hash
from ingest.transports.broker import Admitted, Broker, sign_in
from ingest.transports.topics import observations_of, status_of


async def listen(
    watch: Watch,
    sender: Sender,
    *,
    host: str,
    port: int,
    listen_s: float,
    with_break: bool,
    say: Callable[[str], None],
) -> None:
    """Let a sender publish for some time, and end its connection once in the middle.

    Parameters
    ----------
    watch
        Sees every message.
    sender
        Who may come in, with a password that is told by ``say`` and ends with the test.
    host, port
        Where the broker listens; port 0 takes a free one.
    listen_s
        For how long.
    with_break
        Whether the connection is ended in the middle, to see last will and return.

    Raises
    ------
    UnavailableError
        The port is taken, or the broker does not start.
    """
    folder = _make_folder()
    password = secrets.token_urlsafe(12)
    broker = Broker(folder, port, host=host, everywhere=True)
    broker.admit([Admitted(sender.name, sender.name, sender.kind, mqtt_hash(password))])
    try:
        await asyncio.to_thread(broker.start)
        client = await _subscribe(broker, watch)
        watch.begin(_now_us())
        _tell(say, sender, broker, password, listen_s)
        try:
            if not with_break:
                await asyncio.sleep(listen_s)
                return
            await asyncio.sleep(listen_s / 2)
            watch.break_off(_now_us())
            # Its account stays open: without rights the broker would drop its last will.
            await asyncio.to_thread(sign_in, replace(broker.address, username=sender.name, password=password))
            watch.open_again(_now_us())
            await asyncio.sleep(listen_s / 2)
        finally:
            async with asyncio.timeout(5.0):
                await client.disconnect()
    finally:
        await asyncio.to_thread(broker.stop)
        _note_refused(watch, broker)
        shutil.rmtree(folder, ignore_errors=True)


def _note_refused(watch: Watch, broker: Broker) -> None:
    """Say how often somebody came with another name or password: of that no message tells."""
    refused = sum("not authorised" in line for line in broker.log.last_lines())
    if refused:
        watch.note(
            f"{refused} 次连接因用户名或密码不符被拒绝（密码每次测试都不同，见上）",
            f"{refused} connections were refused for user or password (above; another in each test)",
        )


def _make_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="gridtwin-conformance-"))
    folder.chmod(0o755)  # the broker's account must enter
    return folder


async def _subscribe(broker: Broker, watch: Watch) -> Any:
    def on_message(_client: Any, topic: str, payload: bytes, qos: int, properties: dict[str, Any]) -> int:
        watch.take(Message(payload, _now_us(), topic, qos, bool(properties.get("retain"))))
        return 0

    client = gmqtt.Client(broker.username, clean_session=True)
    client.set_auth_credentials(broker.username, broker.password)
    client.on_message = on_message
    ready = asyncio.Event()
    client.on_subscribe = lambda *_: ready.set()
    async with asyncio.timeout(10.0):
        await client.connect(broker.host, broker.port)
    client.subscribe([gmqtt.Subscription("#", qos=1, retain_as_published=True)])
    async with asyncio.timeout(10.0):
        await ready.wait()
    return client


def _tell(say: Callable[[str], None], sender: Sender, broker: Broker, password: str, listen_s: float) -> None:
    senders = "devices" if sender.kind == "device" else "gateways"
    for line in (
        f"listening for {listen_s:g} s · 监听 {listen_s:g} 秒",
        f"broker    {broker.host}:{broker.port}",
        f"user      {sender.name}",
        f"password  {password}",
        f"topics    {observations_of(senders, sender.name)}  {status_of(senders, sender.name)}",
    ):
        say(line)


def _now_us() -> int:
    return time.time_ns() // 1000
