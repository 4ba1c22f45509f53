"""Say how every part does: database, broker, ingest, sources, board, simulator, disk."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from api.disk import Disk
from api.settings import Settings
from ingest.flood import Notice
from twin.live.sight import WORKERS
from twin.states import State
from twin.twin import Twin

_DATABASE_S: Final = 1.5
_COMMIT_S: Final = 3.0  # a commit takes milliseconds; one that lasts longer waits for a database that hangs
_SIMULATOR_SILENT_S: Final = 8.0  # it speaks every two seconds at least
_SIMULATOR_STARTS_S: Final = 60.0
_SIMULATOR_FORGOTTEN_S: Final = 300.0  # one that a person started beside the server, and killed
_MOST_FLOODS: Final = 20

Part = dict[str, Any]


@dataclass(frozen=True, slots=True)
class IngestState:
    """What the transport says of itself.

    Parameters
    ----------
    connected
        Whether the broker is there and answers.
    detail
        The same for a person.
    counts
        What came.
    listening
        Whether messages are read now; not while those that came wait to be stored.
    simulator_silent_s
        Seconds since the last word of a simulated gateway; None where none has spoken or all said goodbye.
    floods
        Who sends more than they may.
    """

    connected: bool
    detail: str
    counts: dict[str, int]
    listening: bool = False
    simulator_silent_s: float | None = None
    floods: Sequence[Notice] = ()


class HealthReport:
    """Asks each part how it does.

    Parameters
    ----------
    settings, engine, twin
        The parts.
    ingest
        Gives the state of the transport.
    """

    def __init__(
        self, settings: Settings, engine: AsyncEngine, twin: Twin, ingest: Callable[[], IngestState]
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._twin = twin
        self._ingest = ingest
        self._disk = Disk(settings.data_dir)
        self._started_s = time.monotonic()

    def brief(self) -> dict[str, str]:
        """Return one word a part, without asking anyone: for the message ``ages``."""
        ingest = self._ingest()
        return {
            "database": "ok" if self._commits() else "down",
            "broker": "ok" if ingest.connected else "down",
            "simulator": self._simulator(ingest)["state"],
        }

    def _commits(self) -> bool:
        """Whether observations reach the database; one that hangs lets a commit run on without an error."""
        totals = self._twin.totals
        begun = totals.commit_begun
        return totals.database_up and (begun is None or time.perf_counter() - begun < _COMMIT_S)

    async def parts(self) -> dict[str, Part]:
        """Return the state and detail of every part."""
        ingest = self._ingest()
        return {
            "database": await self.database(),
            "broker": {"state": "ok" if ingest.connected else "down", "detail": ingest.detail},
            "ingest": self._ingest_part(ingest),
            "sources": self._sources(ingest.floods),
            "board": self._board(),
            "simulator": self._simulator(ingest),
            "disk": await asyncio.to_thread(self._disk_part),
        }

    async def database(self) -> Part:
        """Return the state and detail of the database, within two seconds."""
        begun = time.perf_counter()
        try:
            async with asyncio.timeout(_DATABASE_S), self._engine.connect() as connection:
                version = (await connection.execute(text("SELECT postgis_lib_version()"))).scalar_one()
        except TimeoutError:
            return {"state": "down", "detail": f"no answer within {_DATABASE_S:g} s"}
        except Exception as error:  # whatever is wrong, the answer is that it is down
            lines = str(error).splitlines() or [type(error).__name__]
            return {"state": "down", "detail": lines[0][:200]}
        ms = (time.perf_counter() - begun) * 1000
        return {"state": "ok", "detail": f"PostGIS {version}, {ms:.1f} ms"}

    def _ingest_part(self, ingest: IngestState) -> Part:
        totals = self._twin.totals
        counts = {
            "stored": totals.stored,
            "duplicate": totals.duplicate,
            "late": totals.late,
            "commits": totals.commits,
            "failed_commits": totals.failed_commits,
            "last_commit_ms": round(totals.last_commit_s * 1000, 1),
            **ingest.counts,
        }
        state = "ok" if ingest.connected and self._commits() else "down"
        return {"state": state, "detail": f"{totals.stored} observations stored since the start", **counts}

    def _board(self) -> Part:
        board = self._twin.board
        workers = int((board.device_id[: board.count] != 0)[board.layer[: board.count] == 1].sum())
        devices = len(board) - workers
        there = (board.device_id[: board.count] != 0) & (board.layer[: board.count] != WORKERS)
        silent = int((board.state[: board.count][there] == State.OFFLINE).sum())
        never = int((board.state[: board.count][there] == State.UNKNOWN).sum())
        return {
            "state": "ok",
            "detail": f"{devices} devices, {workers} workers; {silent} devices silent, {never} never heard",
            "devices": devices,
            "workers": workers,
            "silent": silent,
            "never_heard": never,
            "rooms": len(board.rooms()),
        }

    def _simulator(self, ingest: IngestState) -> Part:
        silent_s = ingest.simulator_silent_s
        if not self._settings.simulator and (silent_s is None or silent_s > _SIMULATOR_FORGOTTEN_S):
            return {"state": "off", "detail": "not asked for"}
        if silent_s is not None and silent_s < _SIMULATOR_SILENT_S:
            return {"state": "ok", "detail": f"last heard {silent_s:.0f} s ago"}
        if not ingest.listening:
            return {"state": "unknown", "detail": f"it cannot be heard: {ingest.detail}"}
        if silent_s is not None:
            return {"state": "down", "detail": f"silent for {silent_s:.0f} s"}
        if time.monotonic() - self._started_s < _SIMULATOR_STARTS_S:
            return {"state": "unknown", "detail": "not heard yet"}
        return {"state": "down", "detail": "nothing was heard of it, or it said goodbye"}

    def _disk_part(self) -> Part:
        try:
            usage = self._disk.usage()
        except OSError as error:
            return {"state": "unknown", "detail": str(error)}
        return {
            "state": usage.state,
            "detail": f"{usage.share * 100:.0f} % used, {usage.free_bytes / 2**30:.1f} GiB free",
            "free_bytes": usage.free_bytes,
        }

    def _sources(self, floods: Sequence[Notice]) -> Part:
        """Tell whether what is refused is still kept, and who sends more than they may."""
        part = _floods(floods)
        kept = self._twin.quarantine
        if kept.is_full:
            part["state"] = "full"
            part["detail"] += (
                f"; the quarantine is full ({kept.most_bytes / 2**20:.0f} MiB), what is refused is counted "
                "and not kept: gridtwin quarantine drop"
            )
        return part


def _floods(floods: Sequence[Notice]) -> Part:
    """Tell who sends more than they may; what others send is not delayed by it."""
    if not floods:
        return {"state": "ok", "detail": "nobody sends more than they may"}
    worst = max(floods, key=lambda notice: notice.refused)
    return {
        "state": "flood",
        "detail": f"{len(floods)} send more than they may, most of all {worst.sender}: "
        f"{worst.refused} readings refused since {worst.since:%H:%M} UTC",
        "floods": [
            {"sender": one.sender, "since": one.since, "limit_per_s": one.limit_per_s, "refused": one.refused}
            for one in sorted(floods, key=lambda notice: -notice.refused)[:_MOST_FLOODS]
        ],
    }


def overall(parts: dict[str, Part]) -> str:
    """Return ``ok`` when every part is well or not asked for, else ``degraded``."""
    return "ok" if all(part["state"] in {"ok", "off"} for part in parts.values()) else "degraded"
