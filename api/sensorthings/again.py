"""Take again what was refused of SensorThings, by the rights that its sender has now."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from api.sensorthings.arrivals import ACCOUNT
from api.sensorthings.bodies import Body, read_body, read_json, wrong
from api.sensorthings.kinds import SLOTS_OF_A_DEVICE
from api.sensorthings.observing import bring, sent_of
from api.sensorthings.streams import DECLARED_TYPE, speaks_for, type_of
from ingest.decoders.readings import RefusedReading
from ingest.intake import Sender
from ingest.replay import Taken
from twin.access.credentials import grants_of_name
from twin.access.roles import Act
from twin.errors import InvalidError
from twin.faults import Fault
from twin.twin import Twin

_FEATURE: Final = text("SELECT 1 FROM feature_of_interest WHERE id = :id")


class Again:
    """Reads kept observations anew and brings them to the twin.

    Parameters
    ----------
    own
        Signed in as the server's own hand, or as the owner.
    accounts
        Sees accounts and what they hold.
    """

    def __init__(self, twin: Twin, own: AsyncEngine, accounts: AsyncEngine) -> None:
        self._twin, self._own, self._accounts = twin, own, accounts

    async def __call__(
        self, source: str, payload: bytes, received_at: datetime, sender: Sender | None
    ) -> Taken:
        """Take one message.

        Parameters
        ----------
        source
            Names of the feed and of the sender, and `ACCOUNT` where that is an account.
        sender
            The device or gateway of that name, if it may still send.
        """
        try:
            body = read_body(read_json(payload), "Observations")
            stream = body.single("Datastream")
        except InvalidError as error:
            return _refused("sta_unreadable", error.what, error.where)
        given = stream.id if stream is not None else None
        if not isinstance(given, int) or not 0 <= given < SLOTS_OF_A_DEVICE << 31:
            return _refused("sta_no_stream", "it names no Datastream by its number", "Datastream")
        device_id, slot = divmod(given, SLOTS_OF_A_DEVICE)
        where = f"Datastreams({given})"
        board = self._twin.board
        row = board.row_of_id.get(device_id)
        if row is None:
            return _refused("sta_no_stream", "there is no such Datastream", where)
        if not await self._may(source, row, sender):
            return _refused("sta_not_its_stream", "its sender may not observe with this device", where)
        async with self._own.connect() as connection:
            declared = (await connection.execute(DECLARED_TYPE, {"id": device_id, "slot": slot})).scalar()
        told = type_of(board.catalog, board.catalog.by_code[int(board.kind[row])].name, slot, declared)
        if told is None:
            return _refused("sta_no_stream", "there is no such Datastream", where)
        body.fields.setdefault("phenomenonTime", (received_at, None))
        try:
            one = sent_of(body, device_id, slot, told, await self._feature(body, device_id))
        except InvalidError as error:
            return _refused("sta_unreadable", error.what, error.where)
        brought = await bring(self._twin, self._own, [one], received_at=received_at)
        if brought.refused:
            _, fault = brought.refused[0]
            return Taken(RefusedReading(fault, b"", where))
        return Taken(None, brought.stored, brought.duplicate)

    async def _may(self, source: str, row: int, sender: Sender | None) -> bool:
        _, name, *rest = source.split(" ")
        board = self._twin.board
        if rest != [ACCOUNT]:
            return sender is not None and speaks_for(board, row, sender)
        async with self._accounts.connect() as connection:
            grants = await grants_of_name(connection, name)
        where = None if grants is None else grants.where(Act.MANAGE_DEVICES)
        is_thing = board.catalog.by_code[int(board.kind[row])].layer == 0
        return where is not None and is_thing and int(board.scope_code[row]) in where

    async def _feature(self, body: Body, device_id: int) -> int | None:
        link = body.single("FeatureOfInterest")
        if link is None or link.id == device_id:
            return None
        given: Any = link.id
        if isinstance(given, int) and 0 <= given < 1 << 31:
            async with self._own.connect() as connection:
                if (await connection.execute(_FEATURE, {"id": given})).first() is not None:
                    return given
        raise wrong("FeatureOfInterest", "there is no such FeatureOfInterest")


def _refused(code: str, what: str, where: str) -> Taken:
    return Taken(RefusedReading(Fault(code, {"error": what}), b"", where))
