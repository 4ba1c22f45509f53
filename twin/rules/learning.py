"""Write down what learned rules learned, and read it after a restart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.live.board import Board
from twin.rules.conditions import Learned
from twin.rules.judging import Judges
from twin.rules.learned import SERIES
from twin.rules.unusual import Unusual

EVERY_S: Final = 600.0
"""How often it is written down: so much is learned anew after the server was killed."""

# What was learned under an older version is good for as long as the same was asked of the same property.
_READ: Final = text(
    """
    SELECT s.rule_id, s.device_id, s.property, s.learned
    FROM alarm_rule_series AS s
    JOIN alarm_rule AS old ON old.id = s.rule_id AND old.version = s.version
    JOIN alarm_rule AS new ON new.id = s.rule_id AND new.valid_to IS NULL AND new.enabled
        AND new.condition = old.condition AND new.property = old.property
    WHERE octet_length(s.learned) = :size
    """
)
_WRITE: Final = text(
    """
    INSERT INTO alarm_rule_series (rule_id, version, device_id, property, learned)
    SELECT t.rule_id, t.version, t.device_id, t.property, t.learned
    FROM unnest(CAST(:rules AS int8[]), CAST(:versions AS int4[]), CAST(:devices AS int4[]),
                CAST(:slots AS int2[]), CAST(:learned AS bytea[]))
        AS t (rule_id, version, device_id, property, learned)
    JOIN device ON device.id = t.device_id
    ON CONFLICT (rule_id, device_id, property) DO UPDATE
    SET version = excluded.version, learned = excluded.learned
    """
)
_AT_ONCE: Final = 2_000

Stored = Mapping[tuple[int, int, int], bytes]
"""What was learned by rule, device and property: bytes of `SERIES`."""


async def read_learned(connection: AsyncConnection) -> Stored:
    """Return what the learned rules that are on have learned so far."""
    rows = await connection.execute(_READ, {"size": SERIES.itemsize})
    return {(row.rule_id, row.device_id, row.property): row.learned for row in rows}


def teach(judges: Judges, board: Board, stored: Stored) -> None:
    """Let series that know nothing yet go on from what was written down."""
    evaluator = judges.evaluator(Learned)
    if not isinstance(evaluator, Unusual) or not stored:
        return
    ids = [rule.id for rule in evaluator.rules]
    series = evaluator.state["series"]
    for watch in np.flatnonzero(series["last_us"] == 0).tolist():
        device = int(board.device_id[evaluator.row[watch]])
        learned = stored.get((ids[evaluator.rule[watch]], device, int(evaluator.slot[watch])))
        if learned is not None:
            series[watch] = np.frombuffer(learned, SERIES)[0]


async def write_learned(connection: AsyncConnection, judges: Judges, board: Board, since_us: int) -> int:
    """Write down series that learned from readings newer than a time in Unix µs; return the newest."""
    evaluator = judges.evaluator(Learned)
    if not isinstance(evaluator, Unusual):
        return since_us
    series = evaluator.state["series"]
    watches = np.flatnonzero(series["last_us"] > since_us)
    newest = int(series["last_us"].max(initial=since_us))
    rules = [(rule.id, rule.version) for rule in evaluator.rules]
    columns = [
        (*rules[rule], device, slot, learned.tobytes())
        for rule, device, slot, learned in zip(
            evaluator.rule[watches].tolist(),
            board.device_id[evaluator.row[watches]].tolist(),
            evaluator.slot[watches].tolist(),
            series[watches],
            strict=True,
        )
    ]
    for begin in range(0, len(columns), _AT_ONCE):
        names = ("rules", "versions", "devices", "slots", "learned")
        values = zip(*columns[begin : begin + _AT_ONCE], strict=True)
        await connection.execute(_WRITE, dict(zip(names, map(list, values), strict=True)))
    return newest
