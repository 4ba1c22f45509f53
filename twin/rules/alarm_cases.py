"""Let groups of alarms raise cases by themselves, one each, as rules and the table of device kinds say."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from twin.access.grants import Grants
from twin.access.masking import mask_text
from twin.access.roles import Act
from twin.access.scope import EVERYWHERE
from twin.access.sealing import Sealer
from twin.cases.clocks import raise_after_devices
from twin.cases.reporting import PLACE, Report, report_by_system
from twin.catalog import Catalog
from twin.errors import ConflictError, InvalidError, TwinError
from twin.rules.case_alarms import COUNTING, NOT_ASIDE, cases_of_kinds, urgency_of
from twin.rules.case_words import kept_of, words_of
from twin.states import State
from twin.store.journal import Event, append, area_code_of
from twin.store.outage import is_outage
from twin.store.scoped import set_scope

MOST_AT_ONCE: Final = 50

AGAIN_AFTER: Final = timedelta(minutes=1)
"""How long after it failed a report is tried again: what was in the way may be gone, or mended."""

LONGEST_WHY: Final = 300

_log = logging.getLogger("gridtwin.cases")
_SYSTEM: Final = Grants(acts={Act.FILE_CASE: EVERYWHERE})

# What is most urgent comes first. A place is named by where it lies: what moves is not at home.
_DUE: Final = f"""
    SELECT g.id, g.family, g.simulated, ST_X(g.geom) AS lon, ST_Y(g.geom) AS lat, a.state, a.kind, a.slot,
           a.category, a.rule, a.rule_en, a.named, a.uid, a.value, g.alarms,
           coalesce(a.address, b.name, grid.name) AS place,
           CASE WHEN a.address IS NULL THEN coalesce(b.name_en, grid.name_en) ELSE a.address_en END
               AS place_en,
           a.address, kinds.n AS kinds, grids.n AS grids, counting.devices, g.no_case
    FROM alarm_group AS g
    CROSS JOIN LATERAL (
        SELECT alarm.worst_state AS state, d.kind, alarm.property AS slot,
               coalesce(u.category_code, r.category) AS category, u.category_code IS NOT NULL AS named,
               u.zh AS rule, u.en AS rule_en, d.uid, alarm.value, d.address, d.address_en, d.building_id
        {COUNTING}
        ORDER BY alarm.worst_state DESC, alarm.raised_at, alarm.id LIMIT 1) AS a
    CROSS JOIN LATERAL (SELECT count(DISTINCT alarm.device_id) AS devices {COUNTING}) AS counting
    CROSS JOIN LATERAL (SELECT count(DISTINCT d.kind) AS n FROM alarm JOIN device AS d
        ON d.id = alarm.device_id WHERE alarm.group_id = g.id) AS kinds
    CROSS JOIN LATERAL (SELECT count(*) AS n FROM area WHERE valid_to IS NULL
        AND level = 'responsibility_grid' AND geom && g.geom AND ST_Intersects(geom, g.geom)) AS grids
    LEFT JOIN building AS b ON b.id = a.building_id
    CROSS JOIN LATERAL (SELECT gt_scope_of(g.geom) AS code OFFSET 0) AS at
    LEFT JOIN area AS grid ON grid.code::bigint = at.code AND grid.valid_to IS NULL
        AND grid.level <> 'unit_grid' AND at.code <> 0
    WHERE g.case_id IS NULL
      AND (g.no_case IS NULL OR g.no_case = 'failed' AND g.no_case_at < now() - CAST(:again AS interval))
      AND (g.worst_state >= :least AND g.family = ANY(CAST(:families AS text[])) OR EXISTS (
          SELECT FROM alarm JOIN alarm_rule AS u ON u.id = alarm.rule_id AND u.version = alarm.rule_version
          WHERE alarm.group_id = g.id AND u.category_code IS NOT NULL))
      AND g.opened_at > now() - interval '1 day'
      AND {NOT_ASIDE}"""
_LIST: Final = text(f"{_DUE} ORDER BY a.state DESC, g.id LIMIT {MOST_AT_ONCE}")
# In a transaction of its own: a group that is held while its case is reported would hold up its next alarms.
# What was reported before the server was killed is as urgent as it was reported then.
_GIVE: Final = text(
    """
    UPDATE alarm_group SET case_id = CAST(:case_id AS bigint), case_priority = (
        SELECT CAST(data -> 'changes' ->> 'priority' AS int2) FROM journal
        WHERE subject = 'case/' || CAST(:case_id AS bigint) AND kind = 'case.reported'),
        no_case = NULL, no_case_why = NULL, no_case_at = NULL
    WHERE id = :id AND case_id IS NULL AND (no_case IS NULL OR no_case = 'failed')
    """
)
_REFUSE: Final = text(
    "UPDATE alarm_group SET no_case = :no_case, no_case_why = :why, no_case_at = now() "
    "WHERE id = :id AND case_id IS NULL AND no_case IS NOT DISTINCT FROM CAST(:was AS text) "
    "RETURNING scope_code"
)


@dataclass(frozen=True, slots=True)
class Raised:
    """How many groups were looked at, how many cases were raised, and of how many none could be."""

    looked_at: int = 0
    raised: int = 0
    refused: int = 0


async def raise_cases(engine: AsyncEngine, catalog: Catalog, sealer: Sealer, *, now: datetime) -> Raised:
    """Report a case for each group that is due, one after the other, and give it to the group.

    Between the two the server may be killed: the same report is the same case, whoever looks again.

    A group whose place lies in no area gets none, and says so; so does one for which reporting fails, which
    is tried again every `AGAIN_AFTER` for the day in which groups raise cases, and neither keeps the others
    waiting. A place in two grids is reported in the first of them, which the words
    of the case say.
    """
    async with engine.connect() as connection:
        asked = cases_of_kinds(catalog) | {"again": AGAIN_AFTER}
        due = (await connection.execute(_LIST, asked)).all()
    raised = refused = 0
    for row in due:
        try:
            report, name = report_of(catalog, row), f"alarm_group/{row.id}"
            async with engine.begin() as connection:
                await set_scope(connection, _SYSTEM)
                case_id = await report_by_system(connection, sealer, report, name=name, now=now)
            async with engine.begin() as connection:
                given = await connection.execute(_GIVE, {"id": row.id, "case_id": case_id})
            raised += given.rowcount
        except ConflictError:
            continue  # another server does
        except Exception as error:
            if is_outage(error):
                raise
            async with engine.begin() as connection:
                refused += await _refuse(connection, row, error)
    return Raised(len(due), raised, refused)


async def _refuse(connection: AsyncConnection, row: Row[Any], error: Exception) -> bool:
    """Note why a group has no case, the first time also in the journal and the log; say whether it was."""
    no_area = isinstance(error, InvalidError) and error.where == PLACE
    said = {
        "id": row.id,
        "was": row.no_case,
        "no_case": "no_area" if no_area else "failed",
        "why": _words_of(error),
    }
    noted = (await connection.execute(_REFUSE, said)).first()
    if noted is None or row.no_case is not None:
        return False
    if not no_area:
        _log.error("no case could be raised of group %d of alarms", row.id, exc_info=error)
    data = {"group_id": row.id, "no_case": said["no_case"], "why": said["why"], "simulated": row.simulated}
    code = area_code_of(noted.scope_code)
    await append(connection, [Event("alarm.no_case", f"alarm_group/{row.id}", data, area_code=code)])
    return True


def _words_of(error: Exception) -> str:
    """Return what went wrong in one line, without the statement and its values."""
    if isinstance(error, TwinError):
        return error.what
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    first = next(iter(str(cause).splitlines()), "")
    return mask_text(f"{type(cause).__name__}: {first}"[:LONGEST_WHY]) or ""


def report_of(catalog: Catalog, row: Row[Any]) -> Report:
    """Return what is reported of a group: what, where, how many alarms, and what the worst said."""
    kind = catalog.by_name[row.kind]
    what = catalog.families[row.family] if row.kinds > 1 and row.family in catalog.families else kind
    name, name_en = (row.rule, row.rule_en) if row.named else (what.zh, what.en)
    kept = kept_of(catalog, row)
    words = words_of(catalog, kept)
    return Report(
        title="·".join(part for part in (name, row.place) if part),
        title_en=" · ".join(part for part in (name_en, row.place_en) if part),
        category_code=row.category,
        source="sensor",
        lon=row.lon,
        lat=row.lat,
        address=row.address,
        # One language, for what asks for a text: pages and answers are told what was kept, in the reader's.
        description=words and words[0],
        attributes=kept,
        priority=urgency_of(State(row.state), row.devices, raise_after_devices()),
        simulated=row.simulated,
    )
