"""Carry one MQTT connection over a websocket: sign in, follow topics, bring observations."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from typing import Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from api.access.caller import Caller
from api.access.door import address_of, is_secure
from api.runtime import Runtime
from api.sensorthings.arrivals import BY_MQTT, Arrival
from api.sensorthings.mqtt import packets
from api.sensorthings.mqtt.topics import VERSION, Topic, parse_topic
from api.sensorthings.paths import parse_path
from twin.access.credentials import Identity
from twin.access.roles import Act, DataClass
from twin.errors import ForbiddenError, InvalidError, PausedError, TwinError, UnavailableError
from twin.store.outage import is_outage

ROOT: Final = "/sta/v1.1"

_SIGN_IN_S: Final = 10.0
_LONGEST_SILENCE_S: Final = 3600.0
_MOST_TOPICS: Final = 20_000
_MOST_SEARCHED: Final = 50
"""Topics of which each costs a query at each change."""
_MOST_UNSENT_BYTES: Final = 8 << 20


async def serve_mqtt(websocket: WebSocket) -> None:
    """Serve one connection until it closes; whose it is, its first packet says."""
    if "mqtt" not in websocket.scope.get("subprotocols", []):
        await websocket.close(1008)  # before accept: the handshake is answered 403
        return
    await websocket.accept(subprotocol="mqtt")
    await Session(websocket, websocket.app.state.runtime).run()


class Session:
    """One client. It is a `Follower`."""

    def __init__(self, websocket: WebSocket, running: Runtime) -> None:
        self._websocket, self._running = websocket, running
        self._stream = packets.Stream()
        self._unsent: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._unsent_bytes = 0
        self._keepalive_s = _SIGN_IN_S
        self._ending: int | None = None
        self.token = self.name = ""  # nosec B105  # until the client signs in
        self.topics: dict[str, Topic] = {}
        scheme = "https" if is_secure(websocket.scope) else "http"
        self.root = f"{scheme}://{websocket.headers.get('host', '')}{ROOT}"

    async def run(self) -> None:
        """Serve until either side leaves."""
        sending = asyncio.create_task(self._send_forever(), name="mqtt.send")
        reading = asyncio.create_task(self._read_forever(), name="mqtt.read")
        try:
            await asyncio.wait({sending, reading}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._running.followers.leave(self)
            reading.cancel()
            self._unsent.put_nowait(None)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2.0):
                    await asyncio.wait({sending})
            sending.cancel()
            await asyncio.gather(sending, reading, return_exceptions=True)
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await self._websocket.close(1000)

    # a `Follower`

    def tell(self, topic: str, payload: bytes) -> None:
        """Send a message, later; who takes nothing for long is cut off."""
        self._send(packets.publish(self._stream.version, topic, payload))
        if self._unsent_bytes > _MOST_UNSENT_BYTES:
            self.end(packets.QUOTA)

    def end(self, code: int) -> None:
        """Close the connection, and say why where MQTT has a way to."""
        if self._ending is None:
            self._ending = code
            while not self._unsent.empty():
                self._unsent.get_nowait()
            self._unsent.put_nowait(packets.disconnect(self._stream.version, code))
            self._unsent.put_nowait(None)

    # the wire

    def _send(self, data: bytes) -> None:
        if self._ending is None:
            self._unsent_bytes += len(data)
            self._unsent.put_nowait(data)

    async def _send_forever(self) -> None:
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            while (data := await self._unsent.get()) is not None:
                if data:
                    await self._websocket.send_bytes(data)
                self._unsent_bytes -= len(data)

    async def _read_forever(self) -> None:
        try:
            while self._ending is None:
                async with asyncio.timeout(self._keepalive_s):
                    message = await self._websocket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                if message.get("bytes") is None:
                    raise packets.MalformedError("packets are binary")
                for packet in self._stream.feed(message["bytes"]):
                    if isinstance(packet, packets.Disconnect) or not await self._take(packet):
                        return
        except packets.MalformedError as error:
            if not self.name and error.code == packets.NOT_SUPPORTED:
                self._send(packets.connack(packets.V3, packets.NOT_SUPPORTED))
                return
            self.end(error.code)
        except TimeoutError:
            self.end(0x8D)  # keep alive timeout

    async def _take(self, packet: packets.Packet) -> bool:
        """Act on a packet; return whether to go on."""
        match packet:
            case packets.Connect():
                return await self._sign_in(packet)
            case packets.Subscribe():
                self._subscribe(packet)
            case packets.Publish():
                return await self._bring(packet)
            case packets.Ping():
                self._send(packets.PINGRESP)
        return True

    # what a client asks

    async def _sign_in(self, asked: packets.Connect) -> bool:
        try:
            identity = await self._running.door.find(asked.password)
            if identity is None or identity.name != asked.username:
                code = packets.BAD_CREDENTIALS
            elif not (identity.grants.scope(DataClass.PLACE) or identity.grants.where(Act.MANAGE_DEVICES)):
                code = packets.NOT_ALLOWED
            else:
                self.token, self.name = asked.password, asked.username
                given = "" if asked.client_id else f"gt-{secrets.token_hex(8)}"
                former = self._running.followers.join(self, asked.client_id or given)
                if former is not None:
                    former.end(packets.TAKEN_OVER)
                quiet_s = asked.keepalive_s * 1.5 or _LONGEST_SILENCE_S
                self._keepalive_s = min(quiet_s, _LONGEST_SILENCE_S)
                self._send(packets.connack(asked.version, packets.OK, given))
                return True
        except Exception as error:
            if not isinstance(error, UnavailableError) and not is_outage(error):
                raise
            code = packets.UNAVAILABLE
        self._send(packets.connack(asked.version, code))
        return False

    def _subscribe(self, asked: packets.Subscribe) -> None:
        codes = []
        searched = sum(one.is_searched for one in self.topics.values())
        for written in asked.filters:
            if asked.ends:
                codes.append(packets.OK if self.topics.pop(written, None) is not None else 0x11)
                continue
            try:
                topic = parse_topic(written)
            except TwinError:
                codes.append(packets.BAD_FILTER)
                continue
            if len(self.topics) >= _MOST_TOPICS or searched + topic.is_searched > _MOST_SEARCHED:
                codes.append(packets.QUOTA)
                continue
            searched += topic.is_searched
            self.topics[written] = topic
            codes.append(packets.OK)
        self._running.followers.look_at_topics()
        self._send(packets.suback(self._stream.version, asked, codes))

    async def _bring(self, message: packets.Publish) -> bool:
        """Take an observation; it is acknowledged once it is committed, or known to be refused."""
        code, why = packets.OK, ""
        try:
            identity = await self._running.door.find(self.token)
            if identity is None or identity.name != self.name:
                self.end(packets.NOT_ALLOWED)
                return False
            await self._observe(identity, message)
        except (UnavailableError, PausedError):
            self.end(packets.UNAVAILABLE)  # not acknowledged: the client sends it again
            return False
        except TwinError as error:
            code = packets.NOT_ALLOWED if isinstance(error, ForbiddenError) else packets.BAD_PAYLOAD
            why = f"{error.where}: {error.what}" if error.where else error.what
        except Exception as error:
            if not is_outage(error):
                raise
            self.end(packets.UNAVAILABLE)
            return False
        if message.number:
            self._send(packets.puback(self._stream.version, message.number, code, why))
        return True

    async def _observe(self, identity: Identity, message: packets.Publish) -> None:
        caller = Caller(identity, address_of(self._websocket.scope), self._running)
        if not caller.grants.where(Act.MANAGE_DEVICES):
            raise ForbiddenError("this account brings no observations")
        resource = parse_path(message.topic.removeprefix(VERSION))
        is_ours = message.topic.startswith(VERSION) and resource.entity.name == "Observations"
        if not is_ours or resource.is_one or resource.part:
            raise InvalidError("observations are brought to v1.1/Datastreams(id)/Observations", where="topic")
        arrival = Arrival(self._running, BY_MQTT, caller)
        read = await arrival.read_one(message.payload, resource.steps)
        (became,) = await arrival.take([read], message.payload)
        if not isinstance(became, str):
            raise became
