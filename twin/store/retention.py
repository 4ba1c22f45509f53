"""Delete what has been kept for its time and count what stays, once a day, by one server at a time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from twin.access.record import SERVER, Actor, Entry, write
from twin.catalog import Catalog
from twin.store.day_counts import count_days
from twin.store.locks import Lock
from twin.store.outage import is_outage
from twin.store.retention_terms import TRACKS, ObservationTerm, Terms
from twin.store.tracks import expire_tracks

log = logging.getLogger(__name__)

EVERY_S: Final = 86_400.0
_AGAIN_S: Final = 600.0
_LOCKED: Final = "55P03"
_DEVICES_AT_ONCE: Final = 200
_ROWS_AT_ONCE: Final = 5_000
_PAUSE_S: Final = 0.02  # between two steps, in which commits of observations go first

_NAME: Final = re.compile(r"observation_(\d{4})(\d{2})(\d{2})")
_PARTITIONS: Final = text(
    "SELECT relname, pg_total_relation_size(pg_class.oid) AS bytes FROM pg_inherits "
    "JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = 'observation'::regclass ORDER BY relname"
)
_DONE: Final = text("SELECT day, kind FROM retired")
_DEVICES: Final = text("SELECT id FROM device WHERE kind = :kind ORDER BY id")
_RETIRE: Final = text("SELECT retire_observations(:day, :devices, :hourly, :remove)")
_NOTE: Final = text(
    "INSERT INTO retired (day, kind, observations) VALUES (:day, :kind, :observations) "
    "ON CONFLICT (day, kind) DO UPDATE SET observations = retired.observations + excluded.observations"
)
_DROP: Final = text("SELECT drop_observations(:day)")
_EXPIRE: Final = text("SELECT expire_rows(:table, :before, :most)")
_COUNT_KINDS: Final = text(
    "SELECT device.kind, count(*) FROM observation AS o JOIN device ON device.id = o.device_id "
    "WHERE phenomenon_time >= :begin AND phenomenon_time < :end GROUP BY 1"
)
_COUNT_TRACKS: Final = text(
    "SELECT count(*) FROM observation WHERE phenomenon_time < :before "
    "AND device_id = ANY(ARRAY(SELECT id FROM device WHERE kind = 'worker'))"
)
# Where what moves was last, as workers' places in `twin.store.tracks`.
_FORGET: Final = text(
    "UPDATE device_state SET lon = NULL, lat = NULL WHERE lon IS NOT NULL AND phenomenon_time < :before "
    "AND device_id IN (SELECT id FROM device WHERE kind = :kind)"
)
_COUNT_ROWS: Final = {
    "quarantine": text("SELECT count(*) FROM quarantine WHERE received_at < :before"),
    "journal": text("SELECT count(*) FROM journal WHERE at < :before AND seq < journal_newest()"),
    "observation_hour": text("SELECT count(*) FROM observation_hour WHERE hour < :before"),
}


@dataclass(slots=True)
class Retired:
    """What went, or would go: observations by class, rows by table, and partitions dropped whole.

    ``observations`` counts what was deleted row by row; what went with a partition is in ``dropped_bytes``.
    """

    observations: dict[str, int] = field(default_factory=dict)
    tables: dict[str, int] = field(default_factory=dict)
    dropped_days: list[str] = field(default_factory=list)
    dropped_bytes: int = 0

    @property
    def anything(self) -> bool:
        """Whether anything went."""
        return bool(self.dropped_days or any(self.observations.values()) or any(self.tables.values()))

    def count(self, name: str, observations: int) -> None:
        """Add observations of a class."""
        if observations:
            self.observations[name] = self.observations.get(name, 0) + observations

    def as_dict(self) -> dict[str, Any]:
        """Return it for the record."""
        return {
            "observations": self.observations,
            "tables": self.tables,
            "dropped_days": self.dropped_days,
            "dropped_bytes": self.dropped_bytes,
        }


@dataclass(frozen=True, slots=True)
class _Day:
    day: date
    bytes: int

    @property
    def begin(self) -> datetime:
        """When the day begins."""
        return datetime(self.day.year, self.day.month, self.day.day, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        """When the next day begins."""
        return self.begin + timedelta(days=1)

    def is_due(self, days: float, now: datetime) -> bool:
        """Say whether the whole day lies further back than so many days."""
        return self.end <= now - timedelta(days=days)


class Retention:
    """Deletes what has been kept for its time.

    Parameters
    ----------
    engine
        Signed in as the server's own hand or as the owner.
    catalog, terms
        Kinds of devices, and how long their observations are kept.
    """

    def __init__(self, engine: AsyncEngine, catalog: Catalog, terms: Terms) -> None:
        self._engine = engine
        self._catalog = catalog
        self._terms = terms

    async def run_daily(self) -> None:
        """Delete once a day until cancelled; what fails is tried again sooner."""
        while True:
            try:
                await self.run(SERVER)
                await asyncio.sleep(EVERY_S)
            except Exception as error:
                if not is_outage(error):
                    log.exception("what has been kept for its time could not be deleted")
                await asyncio.sleep(_AGAIN_S)

    async def run(self, actor: Actor, now: datetime | None = None) -> Retired | None:
        """Delete what is due, in many small transactions; None where another server does it at this moment.

        Interrupted, it goes on where it stopped when it is called again. What went is on the record of acts.
        """
        now = now or datetime.now(UTC)
        async with self._turn() as mine:
            if not mine:
                return None
            done = Retired()
            try:
                await self._delete(done, now)
            finally:
                if done.anything:  # what went is said, even where the rest failed
                    log.info("kept for its time and deleted: %s", done.as_dict())
                    async with self._engine.begin() as connection:
                        await write(
                            connection, actor, Entry("retention.ran", "retention", detail=done.as_dict())
                        )
            return done

    async def preview(self, now: datetime | None = None) -> Retired:
        """Count what `run` would delete; of partitions it would drop whole, only days and bytes."""
        now = now or datetime.now(UTC)
        would = Retired()
        terms = self._terms
        days, done = await self._days()
        async with self._engine.connect() as connection:
            for one in days:
                if one.is_due(terms.longest_days, now):
                    would.dropped_days.append(one.day.isoformat())
                    would.dropped_bytes += one.bytes
                    continue
                due = {kind: term for kind, term in self._due(one, now) if (one.day, kind) not in done}
                if due:
                    rows = await connection.execute(_COUNT_KINDS, {"begin": one.begin, "end": one.end})
                    for kind, n in rows:
                        if kind in due:
                            would.count(due[kind].name, n)
            before = now - timedelta(days=self._tracks_days)
            tracks = await connection.execute(_COUNT_TRACKS, {"before": before})
            would.count(TRACKS, tracks.scalar_one())
            for table, days_kept in self._tables():
                before = now - timedelta(days=days_kept)
                would.tables[table] = (
                    await connection.execute(_COUNT_ROWS[table], {"before": before})
                ).scalar_one()
        return would

    # -- steps

    @property
    def _tracks_days(self) -> float:
        return next(term.days for term in self._terms.observations if term.name == TRACKS)

    def _tables(self) -> list[tuple[str, float]]:
        tables: list[tuple[str, float]] = [(term.name, term.days) for term in self._terms.tables]
        return [*tables, ("observation_hour", self._terms.hours_days)]

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[bool]:
        """Be the only one of all servers who deletes; gives False where another one is at it."""
        async with self._engine.connect() as opened:
            connection = await opened.execution_options(isolation_level="AUTOCOMMIT")
            take = text(f"SELECT pg_try_advisory_lock({Lock.RETENTION})")
            mine = (await connection.execute(take)).scalar_one()
            try:
                yield mine
            finally:
                if mine:
                    with contextlib.suppress(Exception):  # it goes with the connection
                        await connection.execute(text(f"SELECT pg_advisory_unlock({Lock.RETENTION})"))

    async def _days(self) -> tuple[list[_Day], set[tuple[date, str]]]:
        async with self._engine.connect() as connection:
            found = [(_NAME.fullmatch(name), n) for name, n in await connection.execute(_PARTITIONS)]
            done = {(row.day, row.kind) for row in await connection.execute(_DONE)}
        return [_Day(date(*map(int, match.groups())), n) for match, n in found if match], done

    def _due(self, one: _Day, now: datetime) -> list[tuple[str, ObservationTerm]]:
        """Return the kinds whose observations of a day are due, but for tracks, which go by the moment."""
        terms = ((kind.name, self._terms.term_of(kind)) for kind in self._catalog.by_name.values())
        return [(kind, term) for kind, term in terms if term.name != TRACKS and one.is_due(term.days, now)]

    async def _delete(self, done: Retired, now: datetime) -> None:
        done.count(TRACKS, await expire_tracks(self._engine, self._tracks_days))
        days, already = await self._days()
        for one in days:
            whole = one.is_due(self._terms.longest_days, now)
            for kind, term in self._due(one, now):
                if (one.day, kind) not in already:
                    n = await self._retire(one.day, kind, hourly=term.hourly, remove=not whole)
                    done.count(term.name, n)
            if whole and await self._drop(one.day):
                done.dropped_days.append(one.day.isoformat())
                done.dropped_bytes += one.bytes
        for name, moving in self._catalog.by_name.items():
            if moving.moves and self._terms.term_of(moving).name != TRACKS:
                before = now - timedelta(days=self._terms.term_of(moving).days)
                async with self._engine.begin() as connection:
                    await connection.execute(_FORGET, {"kind": name, "before": before})
        for table, days_kept in self._tables():
            done.tables[table] = await self._expire(table, now - timedelta(days=days_kept))
        days, _ = await self._days()
        await count_days(self._engine, [one.day for one in days], now)

    async def _retire(self, day: date, kind: str, *, hourly: bool, remove: bool) -> int:
        """Make hourly figures of what one kind observed on a day and delete it; return how much was deleted.

        Without ``remove`` only the figures are made: the day is dropped as a whole.
        """
        if not (hourly or remove):
            return 0
        async with self._engine.connect() as connection:
            devices: Sequence[int] = (await connection.execute(_DEVICES, {"kind": kind})).scalars().all()
        deleted = 0
        for begin in range(0, len(devices), _DEVICES_AT_ONCE):
            some = list(devices[begin : begin + _DEVICES_AT_ONCE])
            async with self._engine.begin() as connection:
                which = {"day": day, "devices": some, "hourly": hourly, "remove": remove}
                deleted += (await connection.execute(_RETIRE, which)).scalar_one()
            await asyncio.sleep(_PAUSE_S)
        if remove:
            async with self._engine.begin() as connection:
                await connection.execute(_NOTE, {"day": day, "kind": kind, "observations": deleted})
        return deleted

    async def _drop(self, day: date) -> bool:
        """Drop a whole day; say whether it went. While somebody reads observations for long it stays."""
        try:
            async with self._engine.begin() as connection:
                await connection.execute(_DROP, {"day": day})
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != _LOCKED:
                raise
            log.info("the observations of %s are in use and are dropped the next time", day)
            return False
        return True

    async def _expire(self, table: str, before: datetime) -> int:
        deleted = 0
        while True:
            async with self._engine.begin() as connection:
                answer = await connection.execute(
                    _EXPIRE, {"table": table, "before": before, "most": _ROWS_AT_ONCE}
                )
                step: int = answer.scalar_one()
            deleted += step
            if step < _ROWS_AT_ONCE:
                return deleted
            await asyncio.sleep(_PAUSE_S)
