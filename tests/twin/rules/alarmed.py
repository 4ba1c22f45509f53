"""Raise alarms in the made-up world, and see what cases come of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg

from tests.access.world import KEY, grids
from twin.access.sealing import Sealer
from twin.catalog import load_catalog
from twin.live.board import Board
from twin.live.fold import Transition
from twin.rules import alarm_cases
from twin.rules.alarm_cases import Raised, raise_cases
from twin.rules.alarms import record
from twin.rules.case_alarms import cases_of_kinds
from twin.rules.case_words import words_of
from twin.rules.rule import RuleName
from twin.store.engine import create_async_engine

CODES = [code for code, *_ in grids()]
HOUR = timedelta(hours=1)


class AlarmedWorld:
    """The made-up world with a board: alarms are put into it, and looked at as the server does."""

    def __init__(self, database) -> None:
        self.url = database.url.replace("postgresql+psycopg://", "postgresql://")
        self.engine = create_async_engine(database.async_url)
        self.catalog = load_catalog()
        self.board = Board(self.catalog)

    def rows(self, statement: str, *values: object) -> list[tuple]:
        with psycopg.connect(self.url) as connection:
            cursor = connection.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    async def alarm(
        self,
        grid: int,
        state: int = 4,
        kind: str = "water_level",
        slot: int = 0,
        rule: RuleName | None = None,
    ) -> None:
        row = self.board.row_of_uid[f"{kind}-{CODES[grid]}"]
        at_us = int(datetime.now(UTC).timestamp() * 1e6)
        async with self.engine.begin() as connection:
            await record(connection, self.board, [[Transition(row, slot, 0, state, 30.0, at_us, rule)]])

    def rule(self, category: str | None) -> RuleName:
        [(rule,)] = self.rows(
            "INSERT INTO alarm_rule (version, zh, en, state, kinds, condition, enabled, changed_by, "
            "category_code) VALUES (1, '违停', 'No parking', 3, '{}', '{}', true, 'x', %s) RETURNING id",
            category,
        )
        return RuleName(rule, 1, "违停", "No parking")

    async def look(self) -> Raised:
        return await raise_cases(self.engine, self.catalog, Sealer(KEY), now=datetime.now(UTC))

    async def due(self) -> list:
        """Return the groups that are due, as a look finds them."""
        async with self.engine.connect() as connection:
            asked = cases_of_kinds(self.catalog) | {"again": HOUR}
            return list(await connection.execute(alarm_cases._LIST, asked))

    def sensed(self) -> list[tuple]:
        return self.rows("SELECT count(*) FROM case_file WHERE source = 'sensor'")

    def said(self) -> list[tuple[str, str] | None]:
        """Return what is said of the cases of sensors in each language."""
        kept = self.rows(
            "SELECT attributes FROM case_report JOIN case_file ON id = case_id WHERE source = 'sensor'"
        )
        return [words_of(self.catalog, attributes) for (attributes,) in kept]

    def device(self, grid: int, kind: str = "water_level") -> int:
        return int(self.board.device_id[self.board.row_of_uid[f"{kind}-{CODES[grid]}"]])
