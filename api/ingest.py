"""Run the transports that bring observations, and tell how they do."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from api.health import IngestState
from api.settings import Settings
from ingest.transports.mqtt import MqttTransport
from ingest.transports.topics import SIMULATED_GATEWAY
from twin.errors import TwinError
from twin.twin import Twin

_log = logging.getLogger("gridtwin.ingest")

_RETRY_FIRST_S: Final = 0.5
_RETRY_MOST_S: Final = 10.0


class Ingest:
    """The transports of this server: MQTT.

    A broker that is not there when the server starts is tried again until it is.
    """

    def __init__(self, settings: Settings, twin: Twin) -> None:
        self._settings = settings
        self._twin = twin
        self._transport: MqttTransport | None = None
        self._why = "starting"

    def state(self) -> IngestState:
        """Return the state of the transport."""
        if self._transport is None:
            return IngestState(connected=False, detail=self._why, counts={})
        counters = self._transport.counters
        if not counters.connected:
            detail = "the broker is away"
        elif not counters.answering:
            detail = "the broker does not answer"
        elif counters.paused:
            detail = f"{counters.messages} messages; no more are read until those that wait are stored"
        else:
            detail = f"{counters.messages} messages"
        return IngestState(
            connected=counters.connected and counters.answering,
            detail=detail,
            listening=counters.connected and counters.answering and not counters.paused,
            floods=self._transport.flood.notices(),
            simulator_silent_s=counters.gateway_silent_s(SIMULATED_GATEWAY),
            counts={
                "messages": counters.messages,
                "readings": counters.readings,
                "waiting": counters.waiting,
            },
        )

    async def run(self) -> None:
        """Run until cancelled."""
        pause_s = _RETRY_FIRST_S
        while self._transport is None:
            try:
                transport = MqttTransport(
                    self._twin, self._settings.broker, publisher_rate=self._settings.publisher_rate
                )
                await transport.start()
                self._transport = transport
            except TwinError as error:
                if str(error) != self._why:
                    _log.warning("no observations come in: %s", error)
                self._why = str(error)
                await asyncio.sleep(pause_s)
                pause_s = min(_RETRY_MOST_S, pause_s * 2)
        try:
            await asyncio.Event().wait()
        finally:
            await self._transport.stop()
