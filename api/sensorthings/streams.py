"""Find the datastream that an observation belongs to, and whether whoever sends it may."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import text

from api.access.caller import Caller
from api.runtime import Runtime
from api.sensorthings.bodies import Body, Linked, read_body, wrong
from api.sensorthings.kinds import GENERIC, SLOTS_OF_A_DEVICE, observation_type
from api.sensorthings.observing import Sent, sent_of
from api.sensorthings.paths import Step
from api.sensorthings.placing import Placer
from api.sensorthings.reading import Reader
from ingest.intake import Sender
from twin.catalog import SLOTS, Catalog
from twin.errors import ForbiddenError, InvalidError, NotFoundError, TwinError
from twin.live.board import Board

_MOST: Final = 100_000
_MANAGED: Final = text(
    "SELECT scope_code <@ gt_scope('may_device_manage') AS mine, kind FROM device "
    "WHERE id = :id AND kind <> 'worker' AND valid_to IS NULL"
)
DECLARED_TYPE: Final = text(
    "SELECT observation_type FROM datastream WHERE device_id = :id AND property = :slot AND valid_to IS NULL"
)
_COMPONENTS: Final = {
    "phenomenonTime", "result", "resultTime", "validTime", "resultQuality", "parameters",
    "FeatureOfInterest/id",
}  # fmt: skip


class Unread(NamedTuple):
    """An observation that could not be read, why, and what was sent of it."""

    error: TwinError
    payload: bytes


class Streams:
    """Looks up datastreams for one request, each once.

    Parameters
    ----------
    who
        An account, or a device or gateway that speaks for itself or its area.
    """

    def __init__(self, running: Runtime, who: Caller | Sender) -> None:
        self.running, self.who = running, who
        self._known: dict[int, str | TwinError] = {}

    async def read(self, body: Body, steps: tuple[Step, ...]) -> Sent:
        """Return an observation with its datastream, which its path or its body names.

        Raises
        ------
        InvalidError
            It names none.
        NotFoundError, ForbiddenError
            There is none such, or it is not the sender's.
        """
        if len(steps) > 1:
            upper = steps[-2]
            if upper.entity.name != "Datastreams" or upper.id is None or len(steps) > 2:
                raise wrong("path", "make it below Datastreams(id)/Observations")
            body.links["Datastream"] = [Linked(upper.id, None)]
        link = body.single("Datastream")
        if link is None or link.body is not None:
            raise wrong("Datastream", "an Observation names a Datastream that is there")
        return await self.sent(body, link.id)

    async def sent(self, body: Body, stream: int | str | None) -> Sent:
        """Return an observation of a datastream."""
        told = await self.told(stream)
        assert isinstance(stream, int)
        device_id, slot = divmod(stream, SLOTS_OF_A_DEVICE)
        feature_id = None
        if body.links.get("FeatureOfInterest"):
            feature_id = await self._feature(body, device_id)
        return sent_of(body, device_id, slot, told, feature_id)

    async def told(self, stream: int | str | None) -> str:
        """Return the type of observations of a datastream.

        Raises
        ------
        NotFoundError, ForbiddenError
            There is none such, or it is not the sender's.
        """
        if not isinstance(stream, int) or not 0 <= stream < SLOTS_OF_A_DEVICE << 31:
            raise NotFoundError("there is no such Datastream", where=str(stream)[:60])
        if stream not in self._known:
            try:
                self._known[stream] = await self._look_up(stream)
            except (NotFoundError, ForbiddenError) as error:
                self._known[stream] = error
        known = self._known[stream]
        if isinstance(known, str):
            return known
        raise known

    async def _look_up(self, stream: int) -> str:
        device_id, slot = divmod(stream, SLOTS_OF_A_DEVICE)
        absent = NotFoundError("there is no such Datastream", where=f"Datastreams({stream})")
        if isinstance(self.who, Caller):
            async with self.who.transaction() as connection:
                row = (await connection.execute(_MANAGED, {"id": device_id})).first()
                if row is None:
                    raise absent
                kind, mine = row.kind, row.mine
                told = (await connection.execute(DECLARED_TYPE, {"id": device_id, "slot": slot})).scalar()
        else:
            kind, mine = self._of_sender(self.who, device_id)
            async with self.running.own.connect() as connection:
                told = (await connection.execute(DECLARED_TYPE, {"id": device_id, "slot": slot})).scalar()
        if not mine:
            raise ForbiddenError("this device is not yours to observe with", where=f"Datastreams({stream})")
        found = type_of(self.running.twin.catalog, kind, slot, told)
        if found is None:
            raise absent
        return found

    def _of_sender(self, sender: Sender, device_id: int) -> tuple[str, bool]:
        """Return the kind of a device, and whether a publisher may speak for it."""
        board = self.running.twin.board
        row = board.row_of_id.get(device_id)
        if row is None:
            return "", False
        return board.catalog.by_code[int(board.kind[row])].name, speaks_for(board, row, sender)

    async def _feature(self, body: Body, device_id: int) -> int | None:
        link = body.single("FeatureOfInterest")
        if link is not None and link.id == device_id:
            return None
        if not isinstance(self.who, Caller):
            raise ForbiddenError("a device observes its own place", where="FeatureOfInterest")
        async with self.who.transaction() as connection:
            return await Placer(Reader(connection, self.running.twin.catalog, "")).feature_of(body)

    async def read_tables(self, given: Any) -> list[Sent | Unread]:
        """Return the observations of tables of data, each or why it cannot be.

        Raises
        ------
        InvalidError
            These are no tables.
        """
        if not isinstance(given, list) or not all(isinstance(table, dict) for table in given):
            raise wrong("body", "a list of tables is wanted")
        sent: list[Sent | Unread] = []
        for i, table in enumerate(given):
            place = f"[{i}]"
            link, names, rows = (table.get(key) for key in ("Datastream", "components", "dataArray"))
            if not isinstance(link, dict) or not isinstance(names, list) or not isinstance(rows, list):
                raise wrong(place, "a table has Datastream, components and dataArray")
            known = set(map(str, names)) <= _COMPONENTS and len(set(map(str, names))) == len(names)
            if not known or "result" not in names:
                raise wrong(f"{place}.components", "each once, known are " + ", ".join(sorted(_COMPONENTS)))
            if len(sent) + len(rows) > _MOST:
                raise wrong(place, f"at most {_MOST} observations come at once")
            for j, row in enumerate(rows):
                sent.append(await self._row(link.get("@iot.id"), names, row, f"{place}.dataArray[{j}]"))
        return sent

    async def _row(self, stream: Any, names: list[str], row: Any, place: str) -> Sent | Unread:
        try:
            if not isinstance(row, list) or len(row) != len(names):
                raise wrong(place, "a row has a value for each component")
            fields = dict(zip(names, row, strict=True))
            feature = fields.pop("FeatureOfInterest/id", None)
            body = read_body(fields, "Observations", place)
            if feature is not None:
                body.links["FeatureOfInterest"] = [Linked(feature, None)]
            return await self.sent(body, stream)
        except (InvalidError, NotFoundError, ForbiddenError) as error:
            told: dict[str, Any] = {"Datastream": {"@iot.id": stream}}
            if isinstance(row, list) and len(row) == len(names):
                told |= dict(zip(names, row, strict=True))
                if "FeatureOfInterest/id" in told:
                    told["FeatureOfInterest"] = {"@iot.id": told.pop("FeatureOfInterest/id")}
            else:
                told |= {"components": names, "dataArray": [row]}
            return Unread(error, orjson.dumps(told))


def type_of(catalog: Catalog, kind: str, slot: int, declared: str | None) -> str | None:
    """Return the type of observations of a property of a kind of device; None where there is no such one.

    Parameters
    ----------
    declared
        The type a client declared, if any did.
    """
    if slot < SLOTS and kind != GENERIC:
        known = catalog.by_name.get(kind)
        if known is None or slot >= len(known.properties):
            return None
        return declared or observation_type(known.properties[slot])
    return declared


def speaks_for(board: Board, row: int, sender: Sender) -> bool:
    """Say whether a device or gateway may observe with the device in a row of the board."""
    code = int(board.scope_code[row])
    mine = board.uid[row] == sender.name if sender.kind == "device" else sender.low <= code <= sender.high
    return bool(mine) and board.catalog.by_code[int(board.kind[row])].layer == 0
