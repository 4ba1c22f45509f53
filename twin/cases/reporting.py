"""Take a report as a case: number it, place it, keep who reported it, tell the journal, all or nothing."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.access import persons
from twin.access.grants import Grants
from twin.access.masking import mask_text
from twin.access.persons import Person
from twin.access.roles import Act
from twin.access.sealing import Sealer
from twin.cases.clocks import clocks_at
from twin.cases.states import CaseState
from twin.errors import ConflictError, ForbiddenError, InvalidError, TooManyError
from twin.zones import timezone_of

REPORTS_PER_MINUTE: Final = 60
"""Of one account; counted in the database, so that several servers count together."""

SYSTEM_ACCOUNT: Final = UUID(int=0)
"""Whose reports those of the installation itself are; no account has this number."""

SAME_WORDS_FOR: Final = timedelta(minutes=10)
"""The same report of an account that names no key is the same case for this long."""

PLACE: Final = "lat, long"
"""Where an error says it is when the place of a report is wrong."""

TITLE_WORDS: Final = 40
"""Most letters of the words of a report that stand in the title of its case."""

_CLAIM: Final = text(
    "SELECT wait_s, other, case_id, number, token_id FROM claim_filing(CAST(:account_id AS uuid), "
    "CAST(:client_key AS bytea), CAST(:sent AS bytea), CAST(:same_for AS interval), :most)"
)
_KNOWN: Final = text("SELECT case_id FROM case_report WHERE account_id = :account_id AND client_key = :key")
_TURN: Final = text("SELECT pg_try_advisory_xact_lock(hashtextextended('reporting/' || :name, 0))")
_PLACE: Final = text(
    "SELECT scope_code, scope_code <@ gt_may_file(:source) AS allowed FROM "
    "gt_scope_of(ST_SetSRID(ST_MakePoint(CAST(:lon AS float8), CAST(:lat AS float8)), 4326)) AS scope_code"
)
_REPORT: Final = text(
    "SELECT case_id, number, scope_code FROM report_case("
    "CAST(:day AS date), :title, :title_en, :category_code, :source, :priority, CAST(:lon AS float8), "
    "CAST(:lat AS float8), :address, CAST(:reporter_id AS uuid), :simulated, CAST(:account_id AS uuid), "
    "CAST(:client_key AS bytea), CAST(:sent AS bytea), CAST(:token_id AS uuid), CAST(:token AS bytea), "
    ":description, :media_url, CAST(:attributes AS jsonb), CAST(:at AS timestamptz), "
    "CAST(:stage_due_at AS timestamptz), CAST(:clock_at AS timestamptz))"
)


BY_HAND: Final = ("patrol", "camera", "hotline", "superior", "department", "resident")
"""Sources of what somebody writes down, in order; sensors report by themselves."""


def sources_of(grants: Grants) -> tuple[str, ...]:
    """Return of which sources somebody may report by hand: who takes cases in of all, a worker the patrol."""
    if grants.where(Act.FILE_CASE):
        return BY_HAND
    return ("patrol",) if grants.worker_id is not None and grants.where(Act.HANDLE_CASE) else ()


@dataclass(frozen=True, slots=True)
class Report:
    """What is reported: where (degrees, WGS 84), of which kind, and what was said, as it was written.

    ``category_code`` is of `twin.cases.categories`; ``title`` and ``title_en`` name the case in lists.
    ``media_url`` is kept as a text and never fetched. ``reporter`` is None where nobody said who they are.
    """

    title: str
    title_en: str | None
    category_code: str
    source: str
    lon: float
    lat: float
    address: str | None = None
    description: str | None = None
    media_url: str | None = None
    attributes: Mapping[str, Any] | None = None
    reporter: Person | None = None
    priority: int = 3
    simulated: bool = False

    def digest(self) -> bytes:
        """Return the SHA-256 of all that was said: what is equal is the same report."""
        said = {name: getattr(self, name) for name in self.__slots__ if name != "reporter"}
        said["reporter"] = (
            None if self.reporter is None else [getattr(self.reporter, i) for i in persons.ITEMS]
        )
        return hashlib.sha256(json.dumps(said, sort_keys=True, ensure_ascii=False).encode()).digest()


@dataclass(frozen=True, slots=True)
class Reported:
    """A case as it was reported; ``token`` is the secret by which the reporter asks after it.

    ``again`` says that the same report had come before and no case was made now.
    """

    number: str
    token: str
    again: bool


async def report_case(
    connection: AsyncConnection,
    sealer: Sealer,
    report: Report,
    *,
    account_id: UUID,
    client_key: str | None,
    now: datetime,
) -> Reported:
    """Take a report as a case in the caller's transaction, once for each report of an account.

    The database numbers cases by their local day, without gaps (a report that is taken back gives its number
    back), places them, and writes the journal, last: commit soon. Personal numbers in texts are masked before
    they are stored; who reported is sealed.

    Parameters
    ----------
    connection
        Of the caller (`twin.store.scoped`): the database takes reports only where they may.
    sealer
        Seals the reporter, and makes the token.
    report
        What is reported.
    account_id
        Who reports.
    client_key
        What the account calls this report. Without one, equal reports within `SAME_WORDS_FOR` are one.
    now
        When it is reported, aware.

    Raises
    ------
    ConflictError
        Another report came under this key.
    ForbiddenError
        The place lies outside the area in which the account may report.
    InvalidError
        The place lies in no area, or what is told of the reporter cannot be kept.
    TooManyError
        The account reported `REPORTS_PER_MINUTE` in the last minute.
    """
    sent = report.digest()
    key = hashlib.sha256(b"words" + sent if client_key is None else b"given" + client_key.encode()).digest()
    claimed = (
        await connection.execute(
            _CLAIM,
            {
                "account_id": account_id,
                "client_key": key,
                "sent": sent,
                "same_for": SAME_WORDS_FOR if client_key is None else None,
                "most": REPORTS_PER_MINUTE,
            },
        )
    ).one()
    if claimed.case_id is not None:
        if claimed.other:
            raise ConflictError(
                "another report came under this key",
                where="Idempotency-Key",
                hint="choose a new one for each report",
            )
        return Reported(claimed.number, _token(sealer, claimed.token_id), again=True)
    if claimed.wait_s:
        raise TooManyError(
            f"this account sent {REPORTS_PER_MINUTE} reports within a minute",
            wait_s=claimed.wait_s,
            hint=f"wait {claimed.wait_s} s",
        )
    made, token = await _take(connection, sealer, report, account_id, key, sent, now)
    return Reported(made.number, token, again=False)


async def report_by_system(
    connection: AsyncConnection, sealer: Sealer, report: Report, *, name: str, now: datetime
) -> int:
    """Take what nobody reported but the installation itself, however much of it comes; return the case.

    Parameters
    ----------
    connection
        As in `report_case`.
    name
        What the report is about: what was reported under it is the case, and no second one is made.

    Raises
    ------
    ConflictError
        Somebody else reports it at this moment.
    ForbiddenError, InvalidError
        As in `report_case`.
    """
    key = hashlib.sha256(b"system" + name.encode()).digest()
    values = {"account_id": SYSTEM_ACCOUNT, "key": key}
    # First the turn: who looked before it would not know what was reported by whoever had it until then.
    if not (await connection.execute(_TURN, {"name": name})).scalar_one():
        raise ConflictError("this is reported at this moment", where=name)
    known: int | None = (await connection.execute(_KNOWN, values)).scalar()
    if known is not None:
        return known
    made, _token = await _take(connection, sealer, report, SYSTEM_ACCOUNT, key, report.digest(), now)
    case_id: int = made.case_id
    return case_id


async def _take(
    connection: AsyncConnection,
    sealer: Sealer,
    report: Report,
    account_id: UUID,
    key: bytes,
    sent: bytes,
    now: datetime,
) -> tuple[Row[Any], str]:
    """Place a report, keep who reported it, and make it a case; return its row and the reporter's secret."""
    await _require_place(connection, report)
    reporter_id = None
    if report.reporter is not None:
        row = persons.sealed_row(sealer, uuid4(), report.reporter, simulated=report.simulated)
        await connection.execute(persons.STORE, row)
        reporter_id = row["id"]
    zone = timezone_of(report.lon, report.lat)
    state = clocks_at(report.lon, report.lat).started(
        CaseState(category_code=report.category_code, priority=report.priority, stage_since=now)
    )
    token_id = uuid4()
    token = _token(sealer, token_id)
    made = (
        await connection.execute(
            _REPORT,
            {
                "day": now.astimezone(ZoneInfo(zone)).date(),
                "at": now,
                "stage_due_at": state.stage_due_at,
                "clock_at": state.clock_at,
                "title": mask_text(report.title),
                "title_en": mask_text(report.title_en),
                "category_code": report.category_code,
                "source": report.source,
                "priority": report.priority,
                "lon": report.lon,
                "lat": report.lat,
                "address": mask_text(report.address),
                "reporter_id": reporter_id,
                "simulated": report.simulated,
                "account_id": account_id,
                "client_key": key,
                "sent": sent,
                "token_id": token_id,
                "token": token_digest(token),
                "description": mask_text(report.description),
                "media_url": report.media_url,
                "attributes": json.dumps(_masked(report.attributes or {}), ensure_ascii=False),
            },
        )
    ).one()
    return made, token


def title_of(name: str, words: str | None) -> str:
    """Return the title of a case: what it is, and the beginning of what was said, masked before it is cut."""
    said = " ".join((mask_text(words) or "").split())
    if not said:
        return name
    return f"{name}：{said[:TITLE_WORDS]}{'…' if len(said) > TITLE_WORDS else ''}"


def token_digest(token: str) -> bytes:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode()).digest()


async def _require_place(connection: AsyncConnection, report: Report) -> None:
    values = {"source": report.source, "lon": report.lon, "lat": report.lat}
    place = (await connection.execute(_PLACE, values)).one()
    if not place.scope_code:
        raise InvalidError(
            "this place lies in no area of this installation",
            where=PLACE,
            hint="check that latitude and longitude are not exchanged, and are WGS 84",
        )
    if not place.allowed:
        raise ForbiddenError(
            "this place lies outside the area in which this account may report cases", where=PLACE
        )


def _token(sealer: Sealer, token_id: UUID) -> str:
    """Make the secret of a report; the same again for the same report, so that it need not be kept."""
    return base64.urlsafe_b64encode(sealer.index(f"report/{token_id}")).decode().rstrip("=")


def _masked(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: [mask_text(one) for one in value] if isinstance(value, list) else mask_text(str(value))
        for name, value in attributes.items()
    }
