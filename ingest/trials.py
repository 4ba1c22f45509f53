"""Try a mapping on a message: what it would observe, and what is wrong where; nothing is stored."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from ingest.decoders.mapped import read
from ingest.decoders.mapping import Mapping, read_mapping
from ingest.decoders.misfit import MisfitError
from ingest.decoders.readings import Readings
from ingest.decoders.resolve import Resolver
from ingest.trial_words import ADVICE
from twin.errors import InvalidError
from twin.faults import Fault, Words
from twin.twin import ObservationBatch, Twin

TOLD: Final = 100
"""Most observations, and most things that are wrong, that are told of one message."""

_CORRECT: Final = Words("改正映射的这一处", "correct the mapping there")
_A_PATH: Final = Words(
    '路径写作 data.list、value.lvl[0] 或 ["含.的名"]，最多 200 个字符',
    'write a path as data.list, value.lvl[0] or ["name.with.dots"], of at most 200 signs',
)
_PATHS: Final = ("device", "time", "items", "path", "lon", "lat")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Tried:
    """An observation that would be made: by which item, of which device, in the declared unit.

    ``lon``/``lat`` are degrees WGS 84, None where the item has no place.
    """

    item: int
    device: str
    property: str
    value: float
    unit: str
    at: datetime
    lon: float | None
    lat: float | None


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong: in which item, at which path, what lies there, why it is refused, and what to do.

    ``path`` is of the mapping, as ``mapping.values[0].path``, where the mapping itself is wrong; then
    ``reason`` is ``mapping``. ``item`` is None where the whole message or the mapping is meant.
    """

    item: int | None
    device: str
    path: str
    found: str
    reason: str
    what: Words
    hint: Words


@dataclass(slots=True)
class Trial:
    """What became of a message; the first of each are told, all are counted."""

    observations: list[Tried] = field(default_factory=list)
    wrong: list[Wrong] = field(default_factory=list)
    observed: int = 0
    refused: int = 0

    def observe(self, tried: Tried) -> None:
        """Count an observation, and tell it where there is room."""
        self.observed += 1
        if len(self.observations) < TOLD:
            self.observations.append(tried)

    def refuse(self, wrong: Wrong) -> None:
        """Count what is refused, and tell it where there is room."""
        self.refused += 1
        if len(self.wrong) < TOLD:
            self.wrong.append(wrong)


class Trials:
    """Reads messages as if they came by a mapping.

    Parameters
    ----------
    twin
        Knows which devices there are and what can be true of them.
    """

    def __init__(self, twin: Twin) -> None:
        self._twin = twin
        self._resolver = Resolver(twin.board)

    def run(self, content: object, payload: bytes) -> Trial:
        """Say what a message would be under a mapping.

        Parameters
        ----------
        content
            The mapping as a person wrote it.
        """
        trial, readings = Trial(), Readings()
        try:
            mapping = read_mapping(content)
        except InvalidError as error:
            hint = _A_PATH if error.where.rpartition(".")[2] in _PATHS else _CORRECT
            what = Words(f"映射有误：{error.what.removeprefix('the mapping is wrong: ')}", error.what)
            trial.refuse(Wrong(None, "", error.where, "", "mapping", what, hint))
            return trial
        try:
            misfits = read(payload, mapping, readings)
        except MisfitError as misfit:
            trial.refuse(_wrong(None, "", misfit))
            return trial
        for index, device, one in misfits:
            trial.refuse(_wrong(index, str(device)[:64] if isinstance(device, str | int) else "", one))
        if len(readings):
            self._judge(readings, mapping, trial)
        return trial

    def _judge(self, readings: Readings, mapping: Mapping, trial: Trial) -> None:
        """Look the readings up and judge them, as `Twin.observe` would."""
        batch, kept, unknown = self._resolver.resolve(readings, time.time_ns() // 1000)
        for i, wrong in unknown:
            trial.refuse(_refused(readings, i, mapping, wrong.fault))
        batch.kept_elsewhere = True  # nowhere
        refused = {one.index: one for one in self._twin.would_refuse(batch)} if len(batch) else {}
        for at, i in enumerate(kept.tolist()):
            if at in refused:
                trial.refuse(_refused(readings, i, mapping, refused[at].fault))
            else:
                trial.observe(self._tried(readings, i, batch, at))

    def _tried(self, readings: Readings, i: int, batch: ObservationBatch, at: int) -> Tried:
        kind = self._twin.board.catalog.by_code[int(self._twin.board.kind[batch.row[at]])]
        return Tried(
            item=readings.index[i],
            device=readings.uid[i],
            property=readings.name[i],
            value=float(batch.value[at]),
            unit=kind.properties[int(batch.slot[at])].unit,
            at=_moment(readings.time_us[i]),
            lon=_degrees(batch.lon[at]),
            lat=_degrees(batch.lat[at]),
        )


def _wrong(index: int | None, device: str, misfit: MisfitError) -> Wrong:
    fault = misfit.fault
    advice = fault.hint or _CORRECT
    return Wrong(index, device, misfit.path, misfit.found, fault.reason, fault.words, advice)


def _refused(readings: Readings, i: int, mapping: Mapping, fault: Fault) -> Wrong:
    """Say of a reading that was looked up or judged at which path of its item that comes from."""
    device, name, reason = readings.uid[i][:64], readings.name[i], fault.reason
    if reason in ("unknown_device", "off_duty"):
        path, found = mapping.device, device
    elif reason in ("from_the_future", "too_old"):
        path, found = mapping.time, _moment(readings.time_us[i]).isoformat()
    elif reason in ("does_not_move", "bad_position") and mapping.place is not None:
        path, found = mapping.place.lon, f"{readings.lon[i]:g}, {readings.lat[i]:g}"
    else:
        path = next(one.path for one in mapping.values if one.property == name)
        found = f"{readings.value[i]:g}"
    return Wrong(readings.index[i], device, path, found, reason, fault.words, ADVICE[reason])


def _moment(us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=us)


def _degrees(degrees: float) -> float | None:
    return None if math.isnan(degrees) else float(degrees)
