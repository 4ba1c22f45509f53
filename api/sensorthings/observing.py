"""Bring observations of clients to the one door of the twin, and say what became of each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from api.sensorthings.bodies import Body, wrong
from api.sensorthings.kinds import SLOTS_OF_A_DEVICE, TRUTH
from api.sensorthings.shape import observation_id
from ingest.counters import FeedCounters
from ingest.delivery import observe
from twin.batch import Detail, ObservationBatch
from twin.catalog import SLOTS
from twin.errors import ConflictError, InvalidError, NotFoundError, TwinError
from twin.faults import Fault
from twin.store.quarantine import WHAT_TO_DO
from twin.twin import Twin

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_US: Final = timedelta(microseconds=1)
_STORED: Final = text(
    """
    SELECT o.value, x.result::text FROM observation AS o
    LEFT JOIN observation_detail AS x USING (device_id, property, phenomenon_time)
    WHERE o.device_id = :device_id AND o.property = :property AND o.phenomenon_time = :at
    """
)


@dataclass(frozen=True, slots=True)
class Sent:
    """One observation of a property of a device; ``value`` is NaN where the result is no number."""

    device_id: int
    slot: int
    at: datetime
    value: float
    detail: Detail | None

    @property
    def id(self) -> str:
        """Its id as the standard wants one."""
        return observation_id(self.device_id, self.slot, self.at)

    @property
    def stream(self) -> int:
        """The number of its Datastream."""
        return self.device_id * SLOTS_OF_A_DEVICE + self.slot


def sent_of(body: Body, device_id: int, slot: int, told: str, feature_id: int | None) -> Sent:
    """Return an observation that a client sends.

    Parameters
    ----------
    body
        What it sent.
    device_id, slot, told
        The datastream, and its type of observations.
    feature_id
        What was observed where that is not the place of the device.

    Raises
    ------
    InvalidError
        The result is of a kind that the datastream cannot hold.
    """
    fields = body.fields
    begin, end = fields.get("phenomenonTime") or (datetime.now(UTC), None)
    result, value, other = fields["result"], np.nan, None
    if told == TRUTH and result in ("true", "false"):
        result = result == "true"
    if isinstance(result, bool):
        is_number = told == TRUTH or slot < SLOTS
    else:
        is_number = isinstance(result, int | float) and abs(result) < 1e300
    if is_number:
        value = float(result)
    elif slot < SLOTS:
        raise wrong("result", "this Datastream takes numbers")
    else:
        other = json.dumps(result, ensure_ascii=False)
    valid = fields.get("validTime") or (None, None)
    detail = Detail(
        phenomenon_end=end,
        result_time=fields.get("resultTime"),
        valid_from=valid[0],
        valid_to=valid[1] or valid[0],
        result=other,
        result_quality=fields.get("resultQuality"),
        parameters=json.dumps(fields["parameters"], ensure_ascii=False) if fields.get("parameters") else None,
        feature_id=None if feature_id == device_id else feature_id,
    )
    return Sent(
        device_id, slot, begin, value, detail if any(v is not None for v in asdict(detail).values()) else None
    )


def json_of(one: Sent) -> bytes:
    """Write an observation as a client would send it, with its Datastream and its moment."""
    detail = one.detail or Detail()
    at = one.at.isoformat()
    told: dict[str, Any] = {
        "Datastream": {"@iot.id": one.stream},
        "phenomenonTime": at
        if detail.phenomenon_end is None
        else f"{at}/{detail.phenomenon_end.isoformat()}",
        "result": orjson.Fragment(detail.result) if detail.result is not None else one.value,
    }
    if detail.result_time is not None:
        told["resultTime"] = detail.result_time
    if detail.valid_from is not None and detail.valid_to is not None:
        told["validTime"] = f"{detail.valid_from.isoformat()}/{detail.valid_to.isoformat()}"
    if detail.result_quality is not None:
        told["resultQuality"] = orjson.Fragment(detail.result_quality)
    if detail.parameters is not None:
        told["parameters"] = orjson.Fragment(detail.parameters)
    if detail.feature_id is not None:
        told["FeatureOfInterest"] = {"@iot.id": detail.feature_id}
    return orjson.dumps(told)


@dataclass(frozen=True, slots=True)
class Brought:
    """What became of n observations.

    ``outcome`` has the id of each, or why it is not stored; ``refused`` names those that cannot be true, by
    their index, with what is wrong. ``lag_s`` is of those that were judged, ``stored_devices``
    of those that are in the store now.
    """

    outcome: list[str | TwinError]
    refused: list[tuple[int, Fault]]
    stored: int
    duplicate: int
    late: int
    lag_s: NDArray[np.floating[Any]]
    stored_devices: list[int]


async def bring(
    twin: Twin,
    own: AsyncEngine,
    sent: Sequence[Sent],
    counters: FeedCounters | None = None,
    received_at: datetime | None = None,
) -> Brought:
    """Hand observations to the twin; what is refused is for the caller to keep.

    Parameters
    ----------
    own
        Signed in as the server's own hand.
    counters
        Where an outage of the database is counted.
    received_at
        When they came, where that is not now.

    Raises
    ------
    UnavailableError
        The database is away; they may be sent again.
    """
    rows = await _rows(twin, sent)
    outcome: list[str | TwinError] = [one.id for one in sent]
    refused: list[tuple[int, Fault]] = []
    for i, row in enumerate(rows):
        if row is None:
            gone = NotFoundError("this device is not there any more", where=sent[i].id)
            outcome[i] = gone
            refused.append((i, Fault("sta_no_stream", {"error": gone.what})))
    kept = [i for i, row in enumerate(rows) if row is not None]
    if not kept:
        return Brought(outcome, refused, 0, 0, 0, np.zeros(0), [])
    at = received_at or datetime.now(UTC)
    nowhere = np.full(len(kept), np.nan)
    details = [sent[i].detail for i in kept]
    column = np.empty(len(kept), object)
    column[:] = details
    batch = ObservationBatch(
        row=np.array([rows[i] for i in kept], np.int32),
        slot=np.array([sent[i].slot for i in kept], np.int16),
        phenomenon_us=np.array([(sent[i].at - _EPOCH) // _US for i in kept], np.int64),
        value=np.array([sent[i].value for i in kept], np.float64),
        lon=nowhere,
        lat=nowhere,
        received_us=np.full(len(kept), (at - _EPOCH) // _US, np.int64),
        kept_elsewhere=True,
        detail=column if any(details) else None,
    )
    result = await observe(twin, batch, counters)
    for refusal in result.refusals:
        i = kept[refusal.index]
        hint = WHAT_TO_DO.get(refusal.reason, "")
        outcome[i] = InvalidError(f"it was refused: {refusal.reason}", where=sent[i].id, hint=hint)
        refused.append((i, refusal.fault))
    stored_devices = [sent[i].device_id for i in kept if isinstance(outcome[i], str)]
    if result.duplicate:
        await _tell_duplicates(own, [sent[i] for i in kept], kept, outcome)
    return Brought(
        outcome,
        refused,
        result.stored,
        result.duplicate,
        result.late,
        (batch.received_us - batch.phenomenon_us) * 1e-6,
        stored_devices,
    )


async def _rows(twin: Twin, sent: Sequence[Sent]) -> list[int | None]:
    """Return the rows of the board; a device that was made a moment ago is placed on it first."""
    known = twin.board.row_of_id
    if any(one.device_id not in known for one in sent):
        await twin.refresh_devices()
    return [known.get(one.device_id) for one in sent]


async def _tell_duplicates(
    own: AsyncEngine, sent: list[Sent], at: list[int], outcome: list[str | TwinError]
) -> None:
    """Say of those whose moment has another result already that they are not kept."""
    seen: dict[str, Sent] = {}
    async with own.connect() as connection:
        for one, i in zip(sent, at, strict=True):
            first = seen.setdefault(one.id, one)
            where = {"device_id": one.device_id, "property": one.slot, "at": one.at}
            row = (await connection.execute(_STORED, where)).first()
            other = None if one.detail is None else one.detail.result
            if isinstance(outcome[i], str) and (
                first is not one or (row and not _same(row, one.value, other))
            ):
                outcome[i] = ConflictError(
                    "this Datastream has an observation of this moment",
                    where=one.id,
                    hint="change it by PATCH",
                )


def _same(row: Any, value: float, other: str | None) -> bool:
    if other is not None:
        return row[1] is not None and json.loads(row[1]) == json.loads(other)
    return row[1] is None and bool(row[0] == value)
